//! A transaction as an operation sees it, and the rows it gets.

use super::{Channel, Engine, error};
use ropewalk_core::port::StoreError;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement, TryGetable, Value,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Values that one statement gets: SQLite takes 32,766 and PostgreSQL 65,535.
const VALUES: usize = 8_000;

/// `$FROM, …` for so many values.
pub fn numbered(from: usize, count: usize) -> String {
    (from..from + count).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ")
}

/// A transaction. Statements are the same on both engines: `$1` … `$n` for values, and the methods here for what
/// differs.
pub struct Tx {
    transaction: DatabaseTransaction,
    engine: Engine,
    tried: &'static str,
    /// PostgreSQL asked to run the whole transaction again.
    conflict: AtomicBool,
    wakes: Mutex<Vec<Channel>>,
}

impl Tx {
    pub(super) fn new(transaction: DatabaseTransaction, engine: Engine, tried: &'static str) -> Tx {
        Tx { transaction, engine, tried, conflict: AtomicBool::new(false), wakes: Mutex::default() }
    }

    /// Which engine runs it.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// All rows of a statement, also of one that changes rows and has a `RETURNING`.
    pub async fn query_all(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        query_all(&self.transaction, self.engine, sql, values).await.map_err(|e| self.failed(e))
    }

    /// The only or first row of a statement.
    pub async fn query_one(&self, sql: &str, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        query_one(&self.transaction, self.engine, sql, values).await.map_err(|e| self.failed(e))
    }

    /// Runs a statement and says how many rows it changed.
    pub async fn execute(&self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        let statement = Statement::from_sql_and_values(backend(self.engine), sql, values);
        let done = self.transaction.execute_raw(statement).await.map_err(|e| self.failed(e))?;
        Ok(done.rows_affected())
    }

    /// Inserts rows, each with the same number of values, by few statements. `head` is `INSERT INTO table (columns)`,
    /// `tail` what follows the values. Answers with what a `RETURNING` in it says, of no particular order.
    pub async fn insert_all(
        &self,
        head: &str,
        rows: Vec<Vec<Value>>,
        tail: &str,
    ) -> Result<Vec<Row>, StoreError> {
        let width = rows.first().map_or(1, Vec::len).max(1);
        let (mut rows, mut answer) = (rows.into_iter().peekable(), vec![]);
        while rows.peek().is_some() {
            let part: Vec<Vec<Value>> = rows.by_ref().take(VALUES / width).collect();
            let places = (0..part.len()).map(|at| format!("({})", numbered(at * width + 1, width)));
            let sql = format!("{head} VALUES {} {tail}", places.collect::<Vec<_>>().join(", "));
            answer.extend(self.query_all(&sql, part.into_iter().flatten().collect()).await?);
        }
        Ok(answer)
    }

    /// Runs a statement for rows of these numbers, by parts if they are many: `sql` gets what stands in `IN (…)` after
    /// its own values, and `tail` follows that.
    pub async fn for_all(
        &self,
        sql: &str,
        values: &[Value],
        ids: &[i64],
        tail: &str,
    ) -> Result<Vec<Row>, StoreError> {
        let mut answer = vec![];
        for part in ids.chunks(VALUES / 2) {
            let sql = format!("{sql} IN ({}){tail}", numbered(values.len() + 1, part.len()));
            let part = part.iter().map(|id| Value::from(*id));
            answer.extend(self.query_all(&sql, values.iter().cloned().chain(part).collect()).await?);
        }
        Ok(answer)
    }

    /// ` FOR UPDATE` where rows must be locked; nothing on SQLite, where writers are alone.
    pub fn for_update(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite => "",
            Engine::Postgres => " FOR UPDATE",
        }
    }

    /// ` FOR UPDATE SKIP LOCKED` where rows must be locked; nothing on SQLite, where writers are alone. Use it below
    /// `= (SELECT … LIMIT 1)` or a `MATERIALIZED` common table expression, never below `IN (SELECT …)`, which
    /// PostgreSQL may evaluate more than once.
    pub fn skip_locked(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite => "",
            Engine::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// An SQL expression for the number of this transaction, to be stored beside a global position. Readers that
    /// follow the position order by `(transaction number, position)`, keep both as their cursor, and read only rows
    /// for which [`Tx::settled`] holds: then two transactions that commit in reverse order lose nothing.
    pub fn number(&self) -> &'static str {
        match self.engine {
            Engine::Sqlite => "0",
            Engine::Postgres => "pg_current_xact_id()::text::bigint",
        }
    }

    /// An SQL condition on a column with [`Tx::number`]s: no open transaction can add a row at or below it any more.
    pub fn settled(&self, column: &str) -> String {
        match self.engine {
            Engine::Sqlite => "1 = 1".into(),
            Engine::Postgres => {
                format!("{column} < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            }
        }
    }

    /// Wakes those that wait for this channel, in every server, once the transaction is committed.
    pub fn after_commit_notify(&self, channel: Channel) {
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakes.contains(&channel) {
            wakes.push(channel);
        }
    }

    pub(super) fn wants_retry(&self) -> bool {
        self.conflict.load(Ordering::Relaxed)
    }

    pub(super) async fn commit(self) -> Result<Vec<Channel>, DbErr> {
        self.transaction.commit().await?;
        Ok(self.wakes.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        self.transaction.rollback().await.map_err(|e| error::store(self.tried, e))
    }

    pub(crate) fn connection(&self) -> &DatabaseTransaction {
        &self.transaction
    }

    fn failed(&self, e: DbErr) -> StoreError {
        if error::asks_for_retry(&e) {
            self.conflict.store(true, Ordering::Relaxed);
        }
        error::store(self.tried, e)
    }
}

/// A row of an answer.
pub struct Row(QueryResult);

impl Row {
    /// The value of a column. It must have a type that the column can have: whole numbers are `i64` (`BIGINT`),
    /// times too; sums of them are `NUMERIC` on PostgreSQL and must be cast. [`StoreError::Corrupt`] otherwise.
    pub fn get<T: TryGetable>(&self, column: &str) -> Result<T, StoreError> {
        self.0.try_get("", column).map_err(|e| StoreError::Corrupt(format!("column {column}: {e}")))
    }
}

pub(super) async fn query_all(
    connection: &impl ConnectionTrait,
    engine: Engine,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<Row>, DbErr> {
    let rows = connection.query_all_raw(Statement::from_sql_and_values(backend(engine), sql, values)).await?;
    Ok(rows.into_iter().map(Row).collect())
}

pub(super) async fn query_one(
    connection: &impl ConnectionTrait,
    engine: Engine,
    sql: &str,
    values: Vec<Value>,
) -> Result<Option<Row>, DbErr> {
    let row = connection.query_one_raw(Statement::from_sql_and_values(backend(engine), sql, values)).await?;
    Ok(row.map(Row))
}

fn backend(engine: Engine) -> DbBackend {
    match engine {
        Engine::Sqlite => DbBackend::Sqlite,
        Engine::Postgres => DbBackend::Postgres,
    }
}

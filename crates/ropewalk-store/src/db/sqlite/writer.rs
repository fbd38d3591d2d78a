//! The only task that writes.

use super::{Message, Pending, unavailable};
use crate::db::wake::Wakes;
use crate::db::{Channel, Engine, Tx};
use ropewalk_core::port::StoreError;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, SqliteTransactionMode, SqlxSqliteConnector, TransactionOptions,
    TransactionTrait,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Most operations that one commit carries.
const GROUP: usize = 256;
/// Longest wait for the end of a connection that is given up.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

type Group = Vec<Box<dyn Pending>>;

pub(super) struct Writer {
    options: SqliteConnectOptions,
    wakes: Arc<Wakes>,
    connection: Option<Connection>,
}

struct Connection {
    database: DatabaseConnection,
    /// What `PRAGMA synchronous` is now: FULL, else NORMAL.
    durable: bool,
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions, wakes: Arc<Wakes>) -> Writer {
        Writer { options, wakes, connection: None }
    }

    /// Serves operations until it is told to close, or nobody is left who could send one.
    pub(super) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut gathered = Vec::with_capacity(GROUP);
        let mut done = None;
        while done.is_none() && messages.recv_many(&mut gathered, GROUP).await > 0 {
            let (mut durable, mut relaxed) = (Group::new(), Group::new());
            for message in gathered.drain(..) {
                match message {
                    Message::Write(operation) if operation.write().durable => durable.push(operation),
                    Message::Write(operation) => relaxed.push(operation),
                    Message::Close(caller) => done = Some(caller),
                }
            }
            // Those that need no disk first: they do not wait for the others', and are carried to disk by them.
            self.serve(relaxed, false).await;
            self.serve(durable, true).await;
        }
        messages.close();
        self.disconnect().await;
        if let Some(caller) = done {
            let _ = caller.send(());
        }
    }

    async fn serve(&mut self, mut group: Group, durable: bool) {
        if group.is_empty() {
            return;
        }
        match self.commit(&mut group, durable).await {
            Ok(()) => group.into_iter().for_each(|operation| operation.answer(Ok(()))),
            Err(e) if group.len() == 1 => {
                tracing::error!(error = %e, "a write was not stored");
                group.into_iter().for_each(|operation| operation.answer(Err(copy(&e))));
            }
            Err(e) => {
                // One of them may have made the engine give up the whole transaction: each for itself now.
                tracing::warn!(error = %e, operations = group.len(), "a group of writes is tried one by one");
                for operation in group {
                    Box::pin(self.serve(vec![operation], durable)).await;
                }
            }
        }
    }

    /// Runs and commits a group. If this fails nothing of the group is stored.
    async fn commit(&mut self, group: &mut Group, durable: bool) -> Result<(), StoreError> {
        let committed = self.try_commit(group, durable).await;
        match committed {
            Ok(channels) => {
                channels.into_iter().for_each(|channel| self.wakes.wake(channel));
                Ok(())
            }
            Err(e) => {
                // What the connection thinks of its transaction may be wrong now.
                self.disconnect().await;
                Err(e)
            }
        }
    }

    async fn try_commit(&mut self, group: &mut Group, durable: bool) -> Result<Vec<Channel>, StoreError> {
        let database = self.connect().await?.prepare(durable).await?;
        let immediate = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let whole = database.begin_with_options(immediate).await.map_err(unavailable("begin to write"))?;
        let mut channels = Vec::new();
        for operation in group.iter_mut() {
            let savepoint = whole.begin().await.map_err(unavailable("set a savepoint"))?;
            let tx = Tx::new(savepoint, Engine::Sqlite, operation.write().tried);
            if operation.run(&tx).await {
                channels.extend(tx.commit().await.map_err(unavailable("keep an operation"))?);
            } else {
                tx.rollback().await?;
            }
        }
        group.iter().for_each(|operation| operation.write().visit_before_commit());
        whole.commit().await.map_err(unavailable("commit"))?;
        group.iter().for_each(|operation| operation.write().visit_after_commit());
        Ok(channels)
    }

    /// Makes the connection if there is none.
    pub(super) async fn open(&mut self) -> Result<(), StoreError> {
        self.connect().await.map(|_| ())
    }

    async fn connect(&mut self) -> Result<&mut Connection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.options.clone()).await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            // A connection that does not end is left to itself: it holds no transaction that could be committed.
            let _ = tokio::time::timeout(CLOSE_LIMIT, connection.database.close()).await;
        }
    }
}

impl Connection {
    async fn open(options: SqliteConnectOptions) -> Result<Connection, StoreError> {
        let path = options.get_filename().display().to_string();
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(|e| StoreError::Unavailable { tried: format!("open {path}"), reason: e.to_string() })?;
        Ok(Connection { database: SqlxSqliteConnector::from_sqlx_sqlite_pool(pool), durable: true })
    }

    /// Sets whether the next commit waits for the disk. In WAL mode NORMAL can lose the last commits at a crash of
    /// the machine, never their order or an earlier FULL one.
    async fn prepare(&mut self, durable: bool) -> Result<&DatabaseConnection, StoreError> {
        if self.durable != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            let sql = format!("PRAGMA synchronous = {level}");
            self.database.execute_unprepared(&sql).await.map_err(unavailable("set how durable it is"))?;
            self.durable = durable;
        }
        Ok(&self.database)
    }
}

/// The same error for one more caller.
fn copy(e: &StoreError) -> StoreError {
    match e {
        StoreError::Unavailable { tried, reason } => {
            StoreError::Unavailable { tried: tried.clone(), reason: reason.clone() }
        }
        other => StoreError::Unavailable { tried: "commit".into(), reason: other.to_string() },
    }
}

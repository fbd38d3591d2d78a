//! One way to write and to read for both engines.
//!
//! An operation is an `async fn(&Tx, &Input) -> Result<T, StoreError>`. [`Database::write`] runs it in a transaction
//! and may run it again, [`Database::read`] runs it on one unchanging snapshot. Statements are written once, with
//! `$1` … `$n`; the few words that differ come from [`Tx`].

mod error;
mod operation;
mod postgres;
mod sqlite;
mod tx;
mod wake;

pub use operation::{Operation, Write};
pub use tx::{Row, Tx, numbered};
pub use wake::Channel;

use postgres::Postgres;
use ropewalk_core::port::StoreError;
use sea_orm::{AccessMode, DatabaseConnection, IsolationLevel, TransactionTrait, Value};
use sqlite::Sqlite;
use std::future::Future;
use std::sync::Arc;
use wake::Wakes;

/// Which of the two engines a database runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// A file of this machine.
    Sqlite,
    /// A server.
    Postgres,
}

/// An open database. A clone is another handle of the same one.
#[derive(Clone)]
pub struct Database {
    backend: Arc<Backend>,
    wakes: Arc<Wakes>,
}

enum Backend {
    Sqlite(Sqlite),
    Postgres(Arc<Postgres>),
}

impl Database {
    /// Opens `sqlite:PATH` (made if it is missing) or `postgres://…`. Makes no tables.
    pub async fn open(url: &str) -> Result<Database, StoreError> {
        let wakes = Arc::new(Wakes::default());
        let backend = if let Some(path) = url.strip_prefix("sqlite:") {
            Backend::Sqlite(Sqlite::open(path.as_ref(), wakes.clone()).await?)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Backend::Postgres(Postgres::open(url, wakes.clone()).await?.into())
        } else {
            return Err(StoreError::Unavailable {
                tried: "be opened".into(),
                reason: "its address is neither sqlite:PATH nor postgres://USER@HOST/NAME".into(),
            });
        };
        Ok(Database { backend: Arc::new(backend), wakes })
    }

    /// Which engine it is.
    pub fn engine(&self) -> Engine {
        match &*self.backend {
            Backend::Sqlite(_) => Engine::Sqlite,
            Backend::Postgres(_) => Engine::Postgres,
        }
    }

    /// Runs an operation in a transaction and answers when it is committed, as durably as `write` says. If it fails
    /// nothing of it is stored. It may be run again when the database asks for that, so it must have no effect but
    /// through its [`Tx`], and must wait for nothing else. If the caller stops waiting it is stored whole or not at all.
    pub async fn write<I, T, F>(&self, write: Write, input: I, operation: F) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T> + 'static,
    {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.write(write, input, operation).await,
            Backend::Postgres(postgres) => {
                let postgres = postgres.clone();
                to_the_end(write.tried, async move { postgres.write(write, input, operation).await }).await
            }
        }
    }

    /// Runs an operation that only reads, on one snapshot. `tried` completes the sentence "the store could not …".
    pub async fn read<I, T, F>(&self, tried: &'static str, input: I, operation: F) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T> + 'static,
    {
        let database = self.clone();
        to_the_end(tried, async move { database.read_here(tried, &input, &operation).await }).await
    }

    async fn read_here<I, T, F>(&self, tried: &'static str, input: &I, operation: &F) -> Result<T, StoreError>
    where
        F: for<'a> Operation<'a, I, T>,
    {
        // SQLite warns about settings that it has no use for; its pool is read-only and its snapshots are whole.
        let (isolation, access) = match self.engine() {
            Engine::Sqlite => (None, None),
            Engine::Postgres => (Some(IsolationLevel::RepeatableRead), Some(AccessMode::ReadOnly)),
        };
        let begun = self.readers().begin_with_config(isolation, access).await;
        let tx = Tx::new(begun.map_err(|e| error::store(tried, e))?, self.engine(), tried);
        let result = operation::guarded(tried, operation::OPERATION_LIMIT, operation.run(&tx, input)).await;
        tx.rollback().await?;
        result
    }

    /// Rows of one statement that only reads.
    pub async fn query_all(
        &self,
        tried: &'static str,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, StoreError> {
        tx::query_all(self.readers(), self.engine(), sql, values).await.map_err(|e| error::store(tried, e))
    }

    /// The only or first row of one statement that only reads.
    pub async fn query_one(
        &self,
        tried: &'static str,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        tx::query_one(self.readers(), self.engine(), sql, values).await.map_err(|e| error::store(tried, e))
    }

    /// Resolves after somebody woke this channel (see [`Tx::after_commit_notify`]), possibly too often. What is
    /// committed after this call returned, even before the future is polled, is never missed.
    pub fn woken(&self, channel: Channel) -> impl Future<Output = ()> + Send + use<> {
        self.wakes.woken(channel)
    }

    /// Waits until what was acknowledged is on disk and lets the engine go; later calls fail.
    pub async fn close(&self) {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.close().await,
            Backend::Postgres(postgres) => postgres.close().await,
        }
    }

    fn readers(&self) -> &DatabaseConnection {
        match &*self.backend {
            Backend::Sqlite(sqlite) => sqlite.readers(),
            Backend::Postgres(postgres) => postgres.pool(),
        }
    }
}

/// Goes on to the end although the caller goes away, as a door does when its client hangs up. SQLx 0.9 counts a
/// transaction as open when the server has answered its `BEGIN`; one that is dropped before is not rolled back, and
/// its connection goes to the next caller in the middle of it.
async fn to_the_end<T: Send + 'static>(
    tried: &'static str,
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let unavailable =
        |e: tokio::task::JoinError| StoreError::Unavailable { tried: tried.into(), reason: e.to_string() };
    tokio::spawn(work).await.map_err(unavailable)?
}

//! SQLite: one writer with group commit, many readers.
//!
//! All writes go through one task, because SQLite has one writer anyway and a queue before it is fairer and faster
//! than its lock. What has gathered while the last commit was written is committed together, each operation in a
//! savepoint of its own, so that one that fails takes nothing with it.

mod writer;

use super::wake::Wakes;
use super::{Operation, Tx, Write, error};
use async_trait::async_trait;
use ropewalk_core::port::StoreError;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use writer::Writer;

/// Operations that may wait for the writer before callers have to wait with theirs.
const INBOX: usize = 1024;
/// Connections that read.
const READERS: u32 = 8;
/// How long to wait for another process that holds the file, such as a backup.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The write-ahead log is cut back to this many bytes after a checkpoint.
const WAL_KEPT: &str = "67108864";

pub(super) struct Sqlite {
    readers: DatabaseConnection,
    inbox: mpsc::Sender<Message>,
}

enum Message {
    Write(Box<dyn Pending>),
    Close(oneshot::Sender<()>),
}

/// An operation on its way through the writer.
#[async_trait]
trait Pending: Send {
    fn write(&self) -> Write;
    /// Runs it and keeps its result; true if it wants to be committed.
    async fn run(&mut self, tx: &Tx) -> bool;
    /// Answers with what [`Pending::run`] kept, or why its group could not be committed.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Submitted<I, T, F> {
    write: Write,
    input: I,
    operation: F,
    result: Option<Result<T, StoreError>>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

#[async_trait]
impl<I, T, F> Pending for Submitted<I, T, F>
where
    I: Send + Sync,
    T: Send,
    F: for<'a> Operation<'a, I, T>,
{
    fn write(&self) -> Write {
        self.write
    }

    async fn run(&mut self, tx: &Tx) -> bool {
        let running = self.operation.run(tx, &self.input);
        let result = super::operation::guarded(self.write.tried, self.write.limit, running).await;
        self.result.insert(result).is_ok()
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (committed, self.result) {
            (_, Some(Err(own))) => Err(own),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), None) => Err(gone(self.write.tried)),
            (Err(group), _) => Err(group),
        };
        // A caller that stopped waiting does not want to know.
        let _ = self.caller.send(result);
    }
}

impl Sqlite {
    pub(super) async fn open(path: &Path, wakes: Arc<Wakes>) -> Result<Sqlite, StoreError> {
        let mut writer = Writer::new(writing(path), wakes);
        // The first connection makes the file and sets its journal mode; readers can do neither.
        writer.open().await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .test_before_acquire(false)
            .max_lifetime(None)
            .connect_with(reading(path))
            .await
            .map_err(|e| StoreError::Unavailable {
                tried: format!("open {} for reading", path.display()),
                reason: e.to_string(),
            })?;
        let (inbox, messages) = mpsc::channel(INBOX);
        tokio::spawn(writer.run(messages));
        Ok(Sqlite { readers: SqlxSqliteConnector::from_sqlx_sqlite_pool(readers), inbox })
    }

    pub(super) fn readers(&self) -> &DatabaseConnection {
        &self.readers
    }

    pub(super) async fn write<I, T, F>(&self, write: Write, input: I, operation: F) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'a> Operation<'a, I, T> + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let submitted = Box::new(Submitted { write, input, operation, result: None, caller });
        self.inbox.send(Message::Write(submitted)).await.map_err(|_| gone(write.tried))?;
        answer.await.map_err(|_| gone(write.tried))?
    }

    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.inbox.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
        // Nothing depends on how this ends: readers hold nothing that could be lost.
        let _ = self.readers.clone().close().await;
    }
}

fn gone(tried: &str) -> StoreError {
    StoreError::Unavailable { tried: tried.into(), reason: "it was closed".into() }
}

fn writing(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", WAL_KEPT)
}

fn reading(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT)
}

fn unavailable(tried: &'static str) -> impl Fn(sea_orm::DbErr) -> StoreError {
    move |e| error::store(tried, e)
}

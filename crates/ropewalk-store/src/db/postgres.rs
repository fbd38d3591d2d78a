//! PostgreSQL: transactions that are run again when the server asks for it, and wakes between servers.

mod listener;

use super::operation::{OPERATION_LIMIT, guarded};
use super::wake::Wakes;
use super::{Engine, Operation, Tx, Write, error};
use listener::{Announcer, Listener};
use ropewalk_core::port::StoreError;
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, IsolationLevel, SqlxPostgresConnector, TransactionTrait,
};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Connections of one server process, beside the one that listens.
const CONNECTIONS: u32 = 24;
/// Transactions of one server process that claim rows of the queue at the same time.
const CLAIMERS: usize = 8;
/// How often a transaction is run again.
const TRIES: u32 = 12;
/// Pause before the second try; doubled before each later one up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long to wait for a free connection.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Postgres {
    pool: DatabaseConnection,
    claimers: Semaphore,
    announcer: Announcer,
    wakes: Arc<Wakes>,
    _listener: Listener,
}

/// How one try ended.
enum Try<T> {
    Done(T),
    Failed(StoreError),
    Again(StoreError),
}

impl Postgres {
    pub(super) async fn open(url: &str, wakes: Arc<Wakes>) -> Result<Postgres, StoreError> {
        let unreachable = |e: sea_orm::SqlxError| StoreError::Unavailable {
            tried: "reach the PostgreSQL server".into(),
            reason: e.to_string(),
        };
        let options: PgConnectOptions = url.parse().map_err(unreachable)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_LIMIT)
            .connect_with(session(options))
            .await
            .map_err(unreachable)?;
        // Listening comes before the first query, so that no change falls between the two.
        let listener = Listener::start(pool.clone(), wakes.clone()).await.map_err(unreachable)?;
        let announcer = Announcer::start(pool.clone());
        Ok(Postgres {
            pool: SqlxPostgresConnector::from_sqlx_postgres_pool(pool),
            claimers: Semaphore::new(CLAIMERS),
            announcer,
            wakes,
            _listener: listener,
        })
    }

    pub(super) fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    pub(super) async fn write<I, T, F>(&self, write: Write, input: I, operation: F) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        F: for<'a> Operation<'a, I, T> + 'static,
    {
        // The semaphore is never closed, so an error cannot happen; going on without a permit is harmless.
        let _permit = if write.claims { self.claimers.acquire().await.ok() } else { None };
        let mut tries = 1;
        loop {
            match self.try_write(write, &input, &operation).await {
                Ok(Try::Done(value)) => return Ok(value),
                Ok(Try::Failed(e)) => return Err(e),
                Ok(Try::Again(e)) if tries == TRIES => {
                    return Err(StoreError::Unavailable {
                        tried: write.tried.into(),
                        reason: format!("{TRIES} tries in a row met other changes of the same rows: {e}"),
                    });
                }
                Ok(Try::Again(_)) => tokio::time::sleep(pause(tries)).await,
                Err(e) => return Err(error::store(write.tried, e)),
            }
            tries += 1;
        }
    }

    async fn try_write<I, T, F>(&self, write: Write, input: &I, operation: &F) -> Result<Try<T>, DbErr>
    where
        F: for<'a> Operation<'a, I, T>,
    {
        let isolation = write.serializable.then_some(IsolationLevel::Serializable);
        let transaction = self.pool.begin_with_config(isolation, None).await?;
        if !write.durable {
            transaction.execute_unprepared("SET LOCAL synchronous_commit = off").await?;
        }
        if write.limit > OPERATION_LIMIT {
            transaction
                .execute_unprepared("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
                .await?;
        }
        let tx = Tx::new(transaction, Engine::Postgres, write.tried);
        let result = guarded(write.tried, write.limit, operation.run(&tx, input)).await;
        if tx.wants_retry() {
            let e = result.err().unwrap_or(StoreError::Conflict("a statement met another change".into()));
            let _ = tx.rollback().await;
            return Ok(Try::Again(e));
        }
        let value = match result {
            Ok(value) => value,
            Err(e) => {
                // The server rolls back by itself if it cannot be told.
                let _ = tx.rollback().await;
                return Ok(Try::Failed(e));
            }
        };
        write.visit_before_commit();
        let channels = match tx.commit().await {
            Ok(channels) => channels,
            Err(e) if error::asks_for_retry(&e) => return Ok(Try::Again(error::store(write.tried, e))),
            Err(e) => return Ok(Try::Failed(error::store(write.tried, e))),
        };
        write.visit_after_commit();
        for channel in channels {
            self.wakes.wake(channel);
            self.announcer.announce(channel);
        }
        Ok(Try::Done(value))
    }

    pub(super) async fn close(&self) {
        // Everything acknowledged is committed; what relaxed commits still hold back the server writes by itself.
        let _ = self.pool.clone().close().await;
    }
}

/// What every session is set to: no statement and no open transaction lives for ever.
fn session(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("ropewalk").options([
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", "30s"),
        ("lock_timeout", "20s"),
        ("idle_in_transaction_session_timeout", "60s"),
    ])
}

/// Doubles with each try; random, so that those that met do not meet again.
fn pause(tries: u32) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << tries.min(10)).min(LONGEST_PAUSE);
    let random = RandomState::new().build_hasher().finish();
    longest.mul_f64(0.5 + (random % 1024) as f64 / 2048.0)
}

//! Wakes from and to other servers on the same database.
//!
//! A notification is sent on its own after the commit that it speaks of, not inside it: notifying transactions take
//! a lock of the whole server at their commit. One that is lost in a crash between the two is made up for by the
//! slow poll of the listeners.

use crate::db::Channel;
use crate::db::wake::Wakes;
use sea_orm::SqlxError;
use sea_orm::sqlx::postgres::{PgListener, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Everybody who waits looks again after this time even if no notification came.
const SLOW_POLL: Duration = Duration::from_secs(5);

/// A task that ends with its handle.
struct Ending(JoinHandle<()>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Hears other servers.
pub(super) struct Listener {
    _task: Ending,
}

impl Listener {
    /// Registers for all channels before it answers.
    pub(super) async fn start(pool: PgPool, wakes: Arc<Wakes>) -> Result<Listener, SqlxError> {
        let mut connection = PgListener::connect_with(&pool).await?;
        connection.listen_all(Channel::ALL.map(Channel::name)).await?;
        let task = tokio::spawn(hear(connection, wakes));
        Ok(Listener { _task: Ending(task) })
    }
}

async fn hear(mut connection: PgListener, wakes: Arc<Wakes>) {
    loop {
        match tokio::time::timeout(SLOW_POLL, connection.try_recv()).await {
            Ok(Ok(Some(heard))) => {
                let channel = Channel::ALL.into_iter().find(|channel| channel.name() == heard.channel());
                channel.into_iter().for_each(|channel| wakes.wake(channel));
            }
            // Silence; or the connection was lost and made again: something may have been missed.
            Err(_) | Ok(Ok(None)) => Channel::ALL.into_iter().for_each(|channel| wakes.wake(channel)),
            Ok(Err(SqlxError::PoolClosed)) => return,
            Ok(Err(e)) => {
                tracing::warn!(error = %e, "the database does not answer; waiting for it");
                tokio::time::sleep(SLOW_POLL).await;
                Channel::ALL.into_iter().for_each(|channel| wakes.wake(channel));
            }
        }
    }
}

/// Tells other servers. Many wakes of one channel that come faster than the server answers become one.
pub(super) struct Announcer {
    due: Arc<Due>,
    _task: Ending,
}

#[derive(Default)]
struct Due {
    channels: [AtomicBool; Channel::ALL.len()],
    any: Notify,
}

impl Announcer {
    pub(super) fn start(pool: PgPool) -> Announcer {
        let due = Arc::new(Due::default());
        let task = tokio::spawn(tell(pool, due.clone()));
        Announcer { due, _task: Ending(task) }
    }

    pub(super) fn announce(&self, channel: Channel) {
        for (own, flag) in Channel::ALL.iter().zip(&self.due.channels) {
            if *own == channel {
                flag.store(true, Ordering::Release);
            }
        }
        self.due.any.notify_one();
    }
}

async fn tell(pool: PgPool, due: Arc<Due>) {
    loop {
        due.any.notified().await;
        for (channel, flag) in Channel::ALL.iter().zip(&due.channels) {
            if flag.swap(false, Ordering::AcqRel) {
                let notify = sea_orm::sqlx::query("SELECT pg_notify($1, '')").bind(channel.name());
                match notify.execute(&pool).await {
                    Ok(_) => {}
                    Err(SqlxError::PoolClosed) => return,
                    Err(e) => tracing::warn!(error = %e, "other servers hear of changes later"),
                }
            }
        }
    }
}

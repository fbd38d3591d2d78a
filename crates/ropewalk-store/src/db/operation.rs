//! What is run in a transaction, and how durable it is.

use super::Tx;
use futures_util::FutureExt;
use ropewalk_core::port::StoreError;
use ropewalk_model::fault::Point;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Longest time that one operation may take. It holds the only writer of SQLite, or locks of PostgreSQL.
pub(super) const OPERATION_LIMIT: Duration = Duration::from_secs(30);
/// The same for those that are known to be slow and run before anybody else does.
const SLOW_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// An `async fn(&Tx, &I) -> Result<T, StoreError>`. Every such function is one.
pub trait Operation<'a, I, T>: Send + Sync {
    /// Its future.
    type Answer: Future<Output = Result<T, StoreError>> + Send + 'a;
    /// Starts it.
    fn run(&self, tx: &'a Tx, input: &'a I) -> Self::Answer;
}

impl<'a, I: 'a, T, F, A> Operation<'a, I, T> for F
where
    F: Fn(&'a Tx, &'a I) -> A + Send + Sync,
    A: Future<Output = Result<T, StoreError>> + Send + 'a,
{
    type Answer = A;
    fn run(&self, tx: &'a Tx, input: &'a I) -> A {
        self(tx, input)
    }
}

/// Names a kind of write and says what it needs. Made once, as a constant.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// Completes the sentence "the store could not …".
    pub(super) tried: &'static str,
    /// Answer only when it is on disk.
    pub(super) durable: bool,
    /// Fail and run again rather than see what other transactions changed meanwhile.
    pub(super) serializable: bool,
    /// One of the writes that lock rows of the queue, of which only a few run at once.
    pub(super) claims: bool,
    /// Longest time that it may take.
    pub(super) limit: Duration,
    /// Where a test may stop the process: before and after the commit.
    pub(super) points: (Point, Point),
}

impl Write {
    /// A write that is durable once it is answered. `tried` completes the sentence "the store could not …".
    pub const fn durable(tried: &'static str) -> Write {
        Write {
            tried,
            durable: true,
            serializable: false,
            claims: false,
            limit: OPERATION_LIMIT,
            points: (Point::WriteBeforeCommit, Point::WriteAfterCommit),
        }
    }

    /// A write that everybody sees once it is answered, but that a crash of the machine may take back. It never
    /// outlives one that was acknowledged before it, and is on disk as soon as any later durable write is.
    pub const fn relaxed(tried: &'static str) -> Write {
        Write { durable: false, ..Write::durable(tried) }
    }

    /// Runs as if no other transaction ran at the same time. SQLite always does; on PostgreSQL it costs retries.
    pub const fn serializable(self) -> Write {
        Write { serializable: true, ..self }
    }

    /// Only a few of these run at once on PostgreSQL: many claimers that step over each other's locked rows are
    /// slower than few.
    pub const fn claiming(self) -> Write {
        Write { claims: true, ..self }
    }

    /// May take a day: changes of tables that hold many rows.
    pub(crate) const fn slow(self) -> Write {
        Write { limit: SLOW_LIMIT, ..self }
    }

    /// Where a test may stop the process in this write alone: right before and right after the commit.
    pub const fn points(self, before: Point, after: Point) -> Write {
        Write { points: (before, after), ..self }
    }

    pub(super) fn visit_before_commit(&self) {
        ropewalk_model::fault::visit(self.points.0);
    }

    pub(super) fn visit_after_commit(&self) {
        ropewalk_model::fault::visit(self.points.1);
    }
}

/// Runs an operation so that neither a panic nor an endless one reaches the engine.
pub(super) async fn guarded<T>(
    tried: &'static str,
    limit: Duration,
    operation: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    let failed = |reason: String| Err(StoreError::Unavailable { tried: tried.into(), reason });
    match tokio::time::timeout(limit, AssertUnwindSafe(operation).catch_unwind()).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => failed("the operation panicked; nothing of it was stored, please report this".into()),
        Err(_) => failed(format!("it took longer than {} s", limit.as_secs_f64())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]
    use super::*;

    async fn reason(operation: impl Future<Output = Result<(), StoreError>> + Send) -> String {
        match guarded("test", Duration::from_millis(20), operation).await {
            Err(StoreError::Unavailable { tried, reason }) => format!("{tried}: {reason}"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_never_ends_and_what_panics_become_errors() {
        assert_eq!(reason(std::future::pending()).await, "test: it took longer than 0.02 s");
        let panics = async { panic!("on purpose, in a test") };
        assert!(reason(panics).await.contains("panicked"));
    }
}

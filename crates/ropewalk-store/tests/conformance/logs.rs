//! The port for logs, with the database that knows which attempts a job had.

use crate::env::Env;
use ropewalk_core::port::{BlobRef, LogRef, Logs, StoreError};
use ropewalk_model::ids::{AttemptId, Fence, JobId};
use ropewalk_model::link::{LogFile, LogName, LogPiece};
use ropewalk_store::db::{Tx, Write};
use ropewalk_store::{DiskBlobs, DiskLogs};
use std::sync::Arc;
use std::time::Duration;

const LOG: LogRef = LogRef { job: JobId(1), log: LogName::Step(0) };

struct Place {
    folder: tempfile::TempDir,
    logs: DiskLogs,
}

/// A database with the rows of every migration: job 1 runs attempt 2 of work 2.
async fn place(env: &Env) -> Place {
    crate::migrations::fill_all(env.db()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = DiskBlobs::open(&folder.path().join("blobs"), env.store.clone()).await.expect("blobs");
    let index = Arc::new(env.store.clone());
    let logs = DiskLogs::open(&folder.path().join("logs"), Arc::new(blobs), index).await.expect("logs");
    Place { folder, logs }
}

impl Place {
    async fn append(&self, attempt: i64, log: LogName, text: &str) {
        let bytes = text.as_bytes().to_vec();
        let piece = LogPiece {
            attempt: AttemptId(attempt),
            fence: Fence(2),
            log: LogFile::Text(log),
            offset: 0,
            bytes,
        };
        assert_eq!(self.logs.append(&piece).await.expect("appended"), text.len() as u64);
    }

    async fn text(&self) -> String {
        let slice = self.logs.read(LOG, 0, 10_000).await.expect("the log");
        assert_eq!(slice.size, slice.bytes.len() as u64);
        String::from_utf8(slice.bytes).expect("text")
    }

    fn attempts_with_files(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("logs")).expect("a folder").count()
    }
}

async fn change(env: &Env, statements: &[&str]) {
    async fn run(tx: &Tx, statements: &Vec<String>) -> Result<(), StoreError> {
        for statement in statements {
            tx.execute(statement, vec![]).await?;
        }
        Ok(())
    }
    let statements: Vec<String> = statements.iter().map(|statement| statement.to_string()).collect();
    env.db().write(Write::durable("change rows for a test"), statements, run).await.expect("a change");
}

/// The runner of attempt 2 is lost, and attempt 3 begins.
async fn lose_the_runner(env: &Env) {
    let lost = "UPDATE attempts SET ended = 1782900000000100, lost = TRUE WHERE id = 2";
    let next = "INSERT INTO attempts (id, work, number, fence, runner, leased, reports, lost)
        VALUES (3, 2, 2, 2, 1, 1782900000000101, 0, FALSE)";
    change(env, &[lost, next]).await;
}

const BOTH: &str = "first\n[#1] Attempt 2 begins. What stands above is of an earlier one.\nsecond";

pub async fn a_log_is_read_over_all_attempts_as_files_and_as_blobs(env: Env) {
    let place = place(&env).await;
    place.append(2, LOG.log, "first").await;
    place.append(2, LogName::Setup, "setup").await;
    assert_eq!(place.text().await, "first");
    lose_the_runner(&env).await;
    assert_eq!(place.text().await, "first");
    place.append(3, LOG.log, "second").await;
    assert_eq!(place.text().await, BOTH);

    // What finish does.
    let sealed = place.logs.seal(AttemptId(3)).await.expect("sealed");
    let [(LogFile::Text(LogName::Step(0)), BlobRef { sha256, size: 6 })] = &sealed[..] else {
        panic!("{sealed:?}")
    };
    let switch =
        format!("INSERT INTO attempt_logs (attempt, log, sha256, size) VALUES (3, 0, '{sha256}', 6)");
    let ended = "UPDATE attempts SET ended = 1782900000000102 WHERE id = 3";
    let job = "UPDATE jobs SET ended = 1782900000000102 WHERE id = 1";
    change(&env, &[&switch, ended, job]).await;
    assert_eq!(place.text().await, BOTH);
    assert!(place.logs.read(LOG, 0, 0).await.expect("the log").complete);
    place.logs.discard(AttemptId(3)).await.expect("discarded");
    assert_eq!(place.text().await, BOTH);
}

pub async fn tidying_keeps_the_logs_of_lost_attempts_and_removes_replaced_files(env: Env) {
    let place = place(&env).await;
    place.append(2, LOG.log, "first").await;
    place.append(2, LogName::Setup, "setup").await;
    assert_eq!(place.logs.tidy().await.expect("tidied"), 0, "it runs");
    lose_the_runner(&env).await;
    place.append(3, LOG.log, "second").await;
    assert_eq!(place.logs.tidy().await.expect("tidied"), 1);
    assert_eq!(place.logs.tidy().await.expect("tidied"), 0);
    assert_eq!((place.attempts_with_files(), place.text().await.as_str()), (1, BOTH));
    let setup = place.logs.read(LogRef { log: LogName::Setup, ..LOG }, 0, 100).await.expect("the log");
    assert_eq!(setup.bytes, b"setup");
    // A file that a killed run had no time to remove.
    change(&env, &["UPDATE attempts SET ended = 1782900000000102 WHERE id = 3"]).await;
    assert_eq!(place.logs.tidy().await.expect("tidied"), 1);
    assert_eq!((place.attempts_with_files(), place.text().await.as_str()), (0, BOTH));
}

pub async fn a_log_of_no_job_is_missing(env: Env) {
    let place = place(&env).await;
    let log = LogRef { job: JobId(4711), ..LOG };
    let error = place.logs.read(log, 0, 10).await.expect_err("no job");
    assert!(matches!(error, StoreError::Missing(_)), "{error:?}");
    tokio::time::timeout(Duration::from_secs(10), place.logs.grown(log, 0)).await.expect("answers at once");
}

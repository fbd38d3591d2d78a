//! How many writes a second the store takes, beside what the disk does bare:
//!
//! `cargo run --release -p ropewalk-store --example commits -- FOLDER [postgres://…]`
//!
//! The folder says which disk. Disks drift by the minute: only compare figures of one line.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a measurement for people")]

use ropewalk_core::port::StoreError;
use ropewalk_store::db::{Database, Tx, Write};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

const DURABLE: Write = Write::durable("write for a measurement");
const RELAXED: Write = Write::relaxed("write for a measurement");
/// How long each cell is measured.
const TIME: Duration = Duration::from_secs(2);

async fn insert(tx: &Tx, number: &i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO measured (number, text) VALUES ($1, $2)";
    tx.execute(sql, vec![(*number).into(), "some bytes that a row may have".into()]).await.map(|_| ())
}

async fn make_table(tx: &Tx, _: &()) -> Result<(), StoreError> {
    tx.execute("DROP TABLE IF EXISTS measured", vec![]).await?;
    tx.execute("CREATE TABLE measured (number BIGINT PRIMARY KEY, text TEXT NOT NULL)", vec![])
        .await
        .map(|_| ())
}

/// Writes a second by this many callers, each waiting for its answer, and the longest of 99 in 100 waits.
async fn writes(db: &Database, write: Write, callers: usize, number: &Arc<AtomicI64>) -> (f64, Duration) {
    let begin = Instant::now();
    let callers = (0..callers).map(|_| {
        let (db, number) = (db.clone(), number.clone());
        tokio::spawn(async move {
            let mut waits = Vec::new();
            while begin.elapsed() < TIME {
                let asked = Instant::now();
                let next = number.fetch_add(1, Ordering::Relaxed);
                db.write(write, next, insert).await.expect("a write");
                waits.push(asked.elapsed());
            }
            waits
        })
    });
    let mut waits = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        waits.extend(caller.await.expect("a caller"));
    }
    waits.sort();
    let p99 = waits.get(waits.len() * 99 / 100).copied().unwrap_or_default();
    (waits.len() as f64 / begin.elapsed().as_secs_f64(), p99)
}

/// Appends of 100 bytes with fdatasync a second.
fn syncs(folder: &Path) -> f64 {
    let mut file = std::fs::File::create(folder.join("bare")).expect("a file");
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < TIME / 2 {
        file.write_all(&[7; 100]).and_then(|()| file.sync_data()).expect("an append");
        count += 1;
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}

async fn measure(name: &str, db: &Database, folder: &Path) {
    db.write(DURABLE, (), make_table).await.expect("a table");
    let number = Arc::new(AtomicI64::new(0));
    for (kind, write) in [("durable", DURABLE), ("relaxed", RELAXED)] {
        for callers in [1, 8, 64, 256] {
            let bare = syncs(folder);
            let (rate, p99) = writes(db, write, callers, &number).await;
            println!(
                "{name} {kind} {callers:>4} callers: {rate:>7.0} writes/s, p99 {p99:>9.1?}; bare append+fdatasync {bare:>5.0}/s; x{:.1}",
                rate / bare
            );
        }
    }
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().expect("a folder on the disk to measure");
    let folder = tempfile::tempdir_in(folder).expect("a folder that can be written");
    let url = format!("sqlite:{}", folder.path().join("measured.db").display());
    let sqlite = Database::open(&url).await.expect("SQLite");
    measure("SQLite    ", &sqlite, folder.path()).await;
    sqlite.close().await;
    if let Some(url) = arguments.next() {
        let postgres = Database::open(&url).await.expect("PostgreSQL");
        measure("PostgreSQL", &postgres, folder.path()).await;
        postgres.close().await;
    }
}

//! Time of a lease from an almost empty queue and from one with 100,000 ready works that the runner cannot serve.
//!
//! `cargo run --release -p ropewalk-store --example crowd [sqlite:PATH | postgres://…]` on a fresh database; without
//! an address on SQLite in a temporary folder.

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use ropewalk_core::port::{Queue, StoreError, SystemClock};
use ropewalk_model::ids::RunnerId;
use ropewalk_model::work::Labels;
use ropewalk_store::SqlStore;
use ropewalk_store::db::{Engine, Tx, Write};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const OTHERS: i64 = 100_000;
const LEASES: usize = 400;

async fn prepare(tx: &Tx, (): &()) -> Result<(), StoreError> {
    for sql in [
        "INSERT INTO plans (hash, json) VALUES ('p', '{}')",
        "INSERT INTO classes (id, text) VALUES (1, 'sandbox * * '), (2, 'vax * * '), (3, 'pdp * * ')",
        "INSERT INTO share_groups (id, name, shares, used, running, counted)
            VALUES (1, 'a', 1, 0, 0, 0), (2, 'b', 1, 0, 0, 0)",
    ] {
        tx.execute(sql, vec![]).await?;
    }
    Ok(())
}

/// `n` ready works whose class is given by an expression over their number.
async fn add(tx: &Tx, (n, class): &(i64, &'static str)) -> Result<(), StoreError> {
    let numbers = match tx.engine() {
        Engine::Sqlite => {
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $1) SELECT n FROM n"
        }
        Engine::Postgres => "SELECT n FROM generate_series(1, $1) AS s (n)",
    };
    let sql = format!(
        "INSERT INTO works (plan, class, share_group, priority, bump, status, released, unmet, wanted, attempts, lost,
            loss_attempts, loss_cause, created)
        SELECT 'p', {class}, 1 + n % 2, n % 7, 0, 'ready', TRUE, 0, 1, 0, 0, 3, 'runner-lost', 0
        FROM ({numbers}) AS numbers"
    );
    tx.execute(&sql, vec![(*n).into()]).await.map(|_| ())
}

/// Median time of one lease.
async fn median(store: &SqlStore, runner: RunnerId) -> Result<Duration, StoreError> {
    let mut times = Vec::with_capacity(LEASES);
    for _ in 0..LEASES {
        let began = Instant::now();
        let leases = store.lease_next(runner, 1, Duration::from_secs(600)).await?;
        if leases.len() != 1 {
            return Err(StoreError::Missing("work to lease".into()));
        }
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(LEASES / 2).copied().unwrap_or_default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| format!("sqlite:{}", folder.path().join("ropewalk.db").display()));
    let store = SqlStore::open(&url, Arc::new(SystemClock)).await?;
    let db = store.database();
    db.write(Write::durable("prepare"), (), prepare).await?;
    let labels = Labels { kinds: BTreeSet::from(["sandbox".into()]), ..Labels::default() };
    let runner = store.register("r", &labels, 1).await?.id;
    let own = i64::try_from(LEASES)? * 2;
    db.write(Write::durable("add works"), (own, "1"), add).await?;
    let alone = median(&store, runner).await?;
    db.write(Write::durable("add works"), (OTHERS, "2 + n % 2"), add).await?;
    let crowded = median(&store, runner).await?;
    let ratio = crowded.as_secs_f64() / alone.as_secs_f64();
    println!(
        "lease, median of {LEASES}: {alone:?} alone, {crowded:?} behind {OTHERS} works of others: ratio {ratio:.2}"
    );
    Ok(())
}

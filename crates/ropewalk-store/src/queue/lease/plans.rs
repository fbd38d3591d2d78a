//! How the engines carry out the statements of a lease when almost all ready works are none of the runner's business.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::{HEAD, LOTS};
use crate::SqlStore;
use crate::db::{Database, Engine, Tx, Write};
use ropewalk_core::port::{Queue, StoreError, SystemClock};
use ropewalk_model::ids::RunnerId;
use ropewalk_model::work::Labels;
use ropewalk_testkit::postgres::TestDatabase;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Works that nobody here can serve.
const OTHERS: i64 = 100_000;

async fn store(url: &str) -> SqlStore {
    SqlStore::open(url, Arc::new(SystemClock)).await.expect("a store")
}

/// `OTHERS` ready works of other classes and share groups, and behind them one that the runner can serve.
async fn crowd(db: &Database) {
    async fn fill(tx: &Tx, (): &()) -> Result<(), StoreError> {
        let numbers = match tx.engine() {
            Engine::Sqlite => {
                "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $1) SELECT n FROM n"
            }
            Engine::Postgres => "SELECT n FROM generate_series(1, $1) AS s (n)",
        };
        for sql in [
            "INSERT INTO plans (hash, json) VALUES ('p', '{}')",
            "INSERT INTO classes (id, text) VALUES (1001, 'vax * * '), (1002, 'pdp * * '), (1003, 'cray * * ')",
            "INSERT INTO share_groups (id, name, shares, used, running, counted)
                VALUES (1001, 'a', 1, 0, 0, 0), (1002, 'b', 1, 0, 0, 0)",
        ] {
            tx.execute(sql, vec![]).await?;
        }
        let columns =
            "key, plan, class, share_group, priority, bump, status, released, unmet, wanted, attempts,
            lost, loss_attempts, loss_cause, created";
        let values =
            "NULL, 'p', 1001 + n % 3, 1001 + n % 2, n % 7, 0, 'ready', TRUE, 0, 1, 0, 0, 3, 'runner-lost', 0";
        let sql = format!("INSERT INTO works ({columns}) SELECT {values} FROM ({numbers}) AS numbers");
        tx.execute(&sql, vec![OTHERS.into()]).await.map(|_| ())
    }
    db.write(Write::durable("make a crowd"), (), fill).await.expect("a crowd");
}

async fn one_to_serve(store: &SqlStore) -> RunnerId {
    async fn add(tx: &Tx, (): &()) -> Result<(), StoreError> {
        let sql =
            "INSERT INTO works (plan, class, share_group, priority, bump, status, released, unmet, wanted,
                attempts, lost, loss_attempts, loss_cause, created)
            SELECT 'p', id, 1001, 0, 0, 'ready', TRUE, 0, 1, 0, 0, 3, 'runner-lost', 0 FROM classes
            WHERE text = 'sandbox * * '";
        tx.execute("INSERT INTO classes (text) VALUES ('sandbox * * ')", vec![]).await?;
        tx.execute(sql, vec![]).await.map(|_| ())
    }
    store.database().write(Write::durable("add a work"), (), add).await.expect("a work");
    let labels = Labels { kinds: BTreeSet::from(["sandbox".into()]), ..Labels::default() };
    store.register("r", &labels, 1).await.expect("a runner").id
}

async fn lines(db: &Database, sql: &str, values: Vec<sea_orm::Value>, column: &str) -> Vec<String> {
    let rows = db.query_all("explain", sql, values).await.expect("a plan");
    rows.iter().map(|row| row.get(column).expect("a line")).collect()
}

async fn lease_is_there(store: &SqlStore, runner: RunnerId) {
    let leases = store.lease_next(runner, 9, Duration::from_secs(60)).await.expect("leases");
    assert_eq!(leases.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_works_of_others_are_not_looked_at_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&format!("sqlite:{}", folder.path().join("ropewalk.db").display())).await;
    crowd(store.database()).await;
    let runner = one_to_serve(&store).await;
    for (sql, values) in [(LOTS, vec![runner.0.into()]), (HEAD, vec![1_i64.into(), 1001_i64.into()])] {
        let plan = lines(store.database(), &format!("EXPLAIN QUERY PLAN {sql}"), values, "detail").await;
        let of_works: Vec<_> =
            plan.iter().filter(|line| line.contains(" w ") || line.contains("works")).collect();
        assert!(!of_works.is_empty(), "{plan:?}");
        for line in of_works {
            // A search by class is a jump to one place of the index, a scan or a sort reads all of it.
            assert!(line.contains("SEARCH") && line.contains("works_ready (class=?"), "{line}: {plan:?}");
        }
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE")), "{plan:?}");
    }
    lease_is_there(&store, runner).await;
}

/// Pages that a statement touched, by the server's own count.
async fn pages(db: &Database, sql: &str, values: Vec<sea_orm::Value>) -> u64 {
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) {sql}");
    let plan = lines(db, &explain, values, "QUERY PLAN").await;
    // The first line with buffers is that of the topmost node, which includes those below it.
    let buffers = plan.iter().find(|line| line.contains("Buffers:")).unwrap_or_else(|| panic!("{plan:#?}"));
    let count = |what: &str| -> u64 {
        let number = buffers.split(what).nth(1).and_then(|rest| rest.split_whitespace().next());
        number.map_or(0, |number| number.parse().expect("a number"))
    };
    count("hit=") + count("read=")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_works_of_others_are_not_looked_at_on_postgres() {
    let database = TestDatabase::create().await;
    let store = store(database.url()).await;
    crowd(store.database()).await;
    let runner = one_to_serve(&store).await;
    let class = lines(
        store.database(),
        "SELECT CAST(MAX(id) AS TEXT) AS id FROM classes WHERE text LIKE 'sandbox%'",
        vec![],
        "id",
    )
    .await;
    let class: i64 = class[0].parse().expect("a number");
    let whole = pages(store.database(), "SELECT COUNT(*) FROM works WHERE priority >= 0", vec![]).await;
    assert!(whole > 1000, "reading all of it costs {whole} pages");
    for (sql, values) in [(LOTS, vec![runner.0.into()]), (HEAD, vec![class.into(), 1001_i64.into()])] {
        let touched = pages(store.database(), sql, values).await;
        assert!(touched < 50, "{touched} pages: {sql}");
    }
    lease_is_there(&store, runner).await;
}

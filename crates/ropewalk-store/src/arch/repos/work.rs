//! How much of a large repository a publish looks at: rows and indexes are counted, not seconds.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use super::{COPY_ANY, publish};
use crate::SqlStore;
use crate::db::{Database, Tx, Write};
use ropewalk_core::port::{BlobRef, Identity, NewPackage, NewUser, RepoLimits, StoreError, SystemClock};
use ropewalk_model::ids::UserId;
use ropewalk_model::time::Time;
use ropewalk_testkit::postgres::TestDatabase;
use std::sync::Arc;
use std::time::Duration;

const WRITE: Write = Write::durable("measure a publish");

async fn store(url: &str) -> (SqlStore, UserId) {
    let store = SqlStore::open(url, Arc::new(SystemClock)).await.expect("a store");
    let (email, roles) = (String::new(), Default::default());
    let new = NewUser { name: "ann".into(), email, roles, password_hash: None };
    let user = store.create_user(new).await.expect("a user").id;
    (store, user)
}

fn package(owner: UserId, repo: &str, name: &str, arch: &str) -> NewPackage {
    NewPackage {
        repo: repo.into(),
        owner,
        any_repo: false,
        default_arch: "x86_64".into(),
        name: name.into(),
        entry: format!("{name}-1-1"),
        arch: arch.into(),
        file: format!("{name}-1-1-{arch}.pkg.tar.zst"),
        blob: BlobRef { sha256: name.into(), size: 1 },
        description: name.into(),
        in_db: vec![1; 10],
        in_files: vec![1; 10],
        keep_replaced: Duration::from_secs(60),
        limits: RepoLimits { archs: 32, bytes: 1 << 30 },
    }
}

/// Packages of an architecture, beside those that are there.
async fn fill(
    tx: &Tx,
    (repo, arch, package_arch, count): &(String, String, String, i64),
) -> Result<(), StoreError> {
    let sql = "INSERT INTO arch_packages (repo, arch, name, entry, package_arch, file, sha256, size, description, in_db,
            in_files, published)
        SELECT r.id, $2, 'n' || n, 'n' || n, $3, 'n' || n, 'n', 1, 'd', p.in_db, p.in_files, 1
        FROM arch_repos r, generate_series(1, $4) AS s (n), (SELECT in_db, in_files FROM arch_packages LIMIT 1) p
        WHERE r.name = $1";
    let values =
        vec![repo.as_str().into(), arch.as_str().into(), package_arch.as_str().into(), (*count).into()];
    tx.execute(sql, values).await.map(|_| ())
}

/// Rows that a publish reads, by the server's own count.
async fn rows_read(db: &Database, new: NewPackage) -> i64 {
    async fn measured(tx: &Tx, new: &(Time, NewPackage)) -> Result<i64, StoreError> {
        publish(tx, new).await?;
        let sql = "SELECT CAST(SUM(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)) AS BIGINT) AS n
            FROM pg_stat_xact_user_tables";
        tx.query_one(sql, vec![]).await?.map_or(Ok(0), |row| row.get("n"))
    }
    db.write(WRITE, (Time(1_782_900_000_000_000), new), measured).await.expect("published")
}

async fn analyze(db: &Database) {
    async fn run(tx: &Tx, (): &()) -> Result<(), StoreError> {
        tx.execute("ANALYZE", vec![]).await.map(|_| ())
    }
    db.write(WRITE, (), run).await.expect("analyzed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_into_ten_thousand_packages_reads_no_more_than_into_ten() {
    let database = TestDatabase::create().await;
    let (store, ann) = store(database.url()).await;
    let db = store.database();
    for (repo, count) in [("small", 10), ("large", 10_000)] {
        rows_read(db, package(ann, repo, "first", "x86_64")).await;
        let more = (repo.to_string(), "x86_64".to_string(), "x86_64".to_string(), count);
        db.write(WRITE, more, fill).await.expect("packages");
    }
    analyze(db).await;
    for name in ["new", "n7"] {
        let small = rows_read(db, package(ann, "small", name, "x86_64")).await;
        let large = rows_read(db, package(ann, "large", name, "x86_64")).await;
        assert!(large <= 3 * small.max(5), "{name}: {large} rows instead of {small}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_architecture_reads_each_package_for_any_a_few_times_on_postgres() {
    let database = TestDatabase::create().await;
    let (store, ann) = store(database.url()).await;
    let db = store.database();
    rows_read(db, package(ann, "r", "first", "x86_64")).await;
    const COUNT: i64 = 2000;
    for arch in ["x86_64", "aarch64"] {
        let more = ("r".to_string(), arch.to_string(), "any".to_string(), COUNT);
        db.write(WRITE, more, fill).await.expect("packages");
    }
    analyze(db).await;
    let read = rows_read(db, package(ann, "r", "new", "riscv64")).await;
    assert!(read > COUNT && read < 20 * COUNT, "{read} rows");
    let sql = "SELECT COUNT(*) AS n FROM arch_packages WHERE arch = 'riscv64'";
    let copied: i64 =
        db.query_one("count", sql, vec![]).await.expect("a row").expect("a row").get("n").expect("n");
    assert_eq!(copied, COUNT + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_architecture_looks_each_package_for_any_up_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("ropewalk.db").display());
    let (store, _) = store(&url).await;
    let sql = format!("EXPLAIN QUERY PLAN {COPY_ANY}");
    let rows =
        store.database().query_all("explain", &sql, vec![1_i64.into(), "x".into()]).await.expect("a plan");
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail").expect("a line")).collect();
    let newest = plan.iter().find(|line| line.contains(" q ")).unwrap_or_else(|| panic!("{plan:?}"));
    assert!(newest.contains("(repo=? AND name=?"), "{newest}: {plan:?}");
}

//! What happens when the machine or the server below gives way.

use crate::env::{Env, until};
use ropewalk_core::port::StoreError;
use ropewalk_store::db::{Channel, Database, Engine, Tx, Write};
use std::process::Command;
use std::time::Duration;

const WRITE: Write = Write::durable("write in trouble");

async fn make_table(tx: &Tx, _: &()) -> Result<(), StoreError> {
    tx.execute("CREATE TABLE pages (number BIGINT PRIMARY KEY, text TEXT NOT NULL)", vec![]).await.map(|_| ())
}

async fn page(tx: &Tx, number: &i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO pages (number, text) VALUES ($1, $2)";
    tx.execute(sql, vec![(*number).into(), "x".repeat(2000).into()]).await?;
    tx.after_commit_notify(Channel::Queue);
    Ok(())
}

async fn pages(db: &Database) -> Vec<i64> {
    let rows = db.query_all("read the pages", "SELECT number FROM pages ORDER BY number", vec![]).await;
    rows.expect("pages").iter().map(|row| row.get("number").expect("a number")).collect()
}

/// Tells the child where its database is.
const VARIABLE: &str = "ROPEWALK_TEST_FULL_URL";

/// The child: no file of its process may grow past a limit, until it lifts that.
#[test]
#[ignore = "run by a_full_disk_is_told_and_forgotten_once_there_is_space"]
fn child_whose_disk_is_full() {
    let url = std::env::var(VARIABLE).expect("the address of the database");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let db = Database::open(&url).await.expect("the database");
        db.write(WRITE, (), make_table).await.expect("a table");
        let mut stored = Vec::new();
        let mut refused = 0;
        for number in 0..2000 {
            match db.write(WRITE, number, page).await {
                Ok(()) => stored.push(number),
                Err(e @ StoreError::Unavailable { .. }) => {
                    assert!(e.to_string().starts_with("the store could not "), "{e}");
                    refused += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
            if refused == 3 {
                break;
            }
        }
        assert_eq!(refused, 3, "the limit was never met");
        assert_eq!(pages(&db).await, stored);
        let resource = rustix::process::Resource::Fsize;
        let limit = rustix::process::getrlimit(resource);
        rustix::process::setrlimit(resource, rustix::process::Rlimit { current: limit.maximum, ..limit })
            .expect("no limit any more");
        db.write(WRITE, 10_000, page).await.expect("there is space again");
        stored.push(10_000);
        assert_eq!(pages(&db).await, stored);
        db.close().await;
        let db = Database::open(&url).await.expect("the database again");
        assert_eq!(pages(&db).await, stored);
    });
}

/// On PostgreSQL a full disk is the server's, who says so in an error like any other.
pub async fn a_full_disk_is_told_and_forgotten_once_there_is_space(env: Env) {
    if env.db().engine() == Engine::Postgres {
        async fn full(tx: &Tx, _: &()) -> Result<(), StoreError> {
            let sql = "DO $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$";
            tx.execute(sql, vec![]).await.map(|_| ())
        }
        let error = env.db().write(WRITE, (), full).await.expect_err("full").to_string();
        assert!(error.contains("could not write in trouble") && error.contains("no space left"), "{error}");
        env.db().write(WRITE, (), make_table).await.expect("there is space again");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // Programs do not die of the limit when the signal is ignored, which survives the exec.
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -S -f 1000; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "trouble::child_whose_disk_is_full", "--nocapture"])
        .env(VARIABLE, format!("sqlite:{}", folder.path().join("full.db").display()))
        .output()
        .expect("a child");
    let said = [child.stdout, child.stderr].map(|said| String::from_utf8(said).expect("text")).concat();
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

/// As after a restart of the server. SQLite has no connections that could be cut.
pub async fn cut_connections_are_made_again(env: Env) {
    let db = env.db();
    db.write(WRITE, (), make_table).await.expect("a table");
    let other = env.second_server().await;
    if db.engine() == Engine::Postgres {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let cut = db.query_all("cut all connections", sql, vec![]).await.expect("cut");
        assert!(cut.len() >= 2, "only {} connections were cut", cut.len());
    }
    // A connection that was cut under a statement may fail that one.
    let mut number = 0;
    until("a write goes through", async || {
        number += 1;
        db.write(WRITE, number, page).await.is_ok()
    })
    .await;
    until("the other server writes", async || {
        number += 1;
        other.write(WRITE, number, page).await.is_ok()
    })
    .await;
    let heard = other.woken(Channel::Queue);
    until("one is told of the other's writes", async || {
        number += 1;
        db.write(WRITE, number, page).await.is_ok()
    })
    .await;
    tokio::time::timeout(Duration::from_secs(20), heard).await.expect("told");
}

#[tokio::test]
async fn what_cannot_be_opened_is_named_without_its_password() {
    let cases = [
        ("mysql://mary:hunter2@127.0.0.1/x", "neither sqlite:PATH nor postgres://"),
        ("postgres://mary:hunter2@127.0.0.1:1/x", "could not reach the PostgreSQL server"),
        ("postgres://mary:hunter2@127.0.0.1:notaport/x", "could not reach the PostgreSQL server"),
        ("sqlite:/nowhere/at/all/x.db", "could not open /nowhere/at/all/x.db"),
        ("sqlite:/dev/null", "could not open /dev/null"),
    ];
    for (url, expected) in cases {
        let opened =
            tokio::time::timeout(Duration::from_secs(30), Database::open(url)).await.expect("an answer");
        let said = opened.err().unwrap_or_else(|| panic!("{url} was opened")).to_string();
        assert!(said.contains(expected), "{url}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

//! Every step of the tables' history, with rows in every table.
//!
//! `rows/STEP.sql` fills the tables that a step makes. It is written with the step and never changed, because a
//! database with such rows may exist.

use crate::env::{Env, filled};
use ropewalk_core::port::{Identity, StoreError};
use ropewalk_store::db::{Database, Engine, Tx, Write};
use ropewalk_store::migration;
use std::collections::BTreeMap;

/// Rows of every table, by its name.
async fn counts(db: &Database) -> BTreeMap<String, i64> {
    let sql = match db.engine() {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        Engine::Postgres => "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
    };
    let mut counts = BTreeMap::new();
    for row in db.query_all("list the tables", sql, vec![]).await.expect("tables") {
        let name: String = row.get("name").expect("a name");
        if name != "seaql_migrations" {
            let sql = format!("SELECT COUNT(*) AS n FROM {name}");
            let count = db.query_one("count", &sql, vec![]).await.expect("a count").expect("a count");
            counts.insert(name, count.get("n").expect("a number"));
        }
    }
    counts
}

async fn fill(tx: &Tx, (statements,): &(String,)) -> Result<(), StoreError> {
    for statement in statements.split(';').filter(|statement| !statement.trim().is_empty()) {
        tx.execute(statement, vec![]).await?;
    }
    Ok(())
}

async fn fill_step(db: &Database, step: &str) {
    let path = filled(step);
    let statements = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}: write rows for the tables of this step", path.display()));
    db.write(Write::durable("fill its tables"), (statements,), fill).await.expect("rows");
}

/// Makes the tables anew and fills those of each step before the next one changes them, as time did.
pub async fn fill_all(db: &Database) {
    let steps = migration::names();
    migration::down_by(db, steps.len() as u32).await.expect("down to nothing");
    for step in steps {
        migration::up_by(db, 1).await.expect("a step");
        fill_step(db, &step).await;
    }
}

pub async fn every_step_goes_up_and_down_with_rows_in_every_table(env: Env) {
    let db = env.db();
    let steps = migration::names();
    migration::down_by(db, steps.len() as u32).await.expect("down to nothing");
    assert_eq!(counts(db).await, BTreeMap::new());
    let mut before = BTreeMap::new();
    for step in &steps {
        migration::up_by(db, 1).await.unwrap_or_else(|e| panic!("{step}: {e}"));
        let kept = counts(db).await;
        for (table, count) in &before {
            assert_eq!(kept.get(table), Some(count), "{step} changed the rows of {table}");
        }
        fill_step(db, step).await;
        before = counts(db).await;
        for (table, count) in &before {
            assert!(*count > 0, "{step}: no row in {table}");
        }
    }
    migration::up(db).await.expect("up to date already");
    assert_eq!(counts(db).await, before);
    for step in steps.iter().rev() {
        migration::down_by(db, 1).await.unwrap_or_else(|e| panic!("{step}: {e}"));
    }
    assert_eq!(counts(db).await, BTreeMap::new());
    migration::up(db).await.expect("up again");
}

pub async fn servers_that_start_together_make_the_tables_once(env: Env) {
    let db = env.db();
    migration::down_by(db, migration::names().len() as u32).await.expect("down to nothing");
    let other = env.second_server().await;
    let (one, two, three) = tokio::join!(migration::up(db), migration::up(&other), migration::up(db));
    one.expect("one");
    two.expect("two");
    three.expect("three");
    assert_eq!(env.store.users(None, 10).await.expect("users"), []);
}

pub async fn a_database_of_a_newer_program_is_refused(env: Env) {
    async fn newer(tx: &Tx, _: &()) -> Result<(), StoreError> {
        let sql = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_from_the_future', 0)";
        tx.execute(sql, vec![]).await.map(|_| ())
    }
    env.db().write(Write::durable("write for a test"), (), newer).await.expect("a newer step");
    let error = migration::up(env.db()).await.expect_err("too new").to_string();
    assert!(error.contains("a newer version of this program") && error.contains("m9999"), "{error}");
}

//! What the engine promises to every operation.

use crate::env::{Env, until};
use ropewalk_core::port::StoreError;
use ropewalk_store::db::{Channel, Database, Tx, Write};
use std::future::Future;
use std::time::Duration;

const WRITE: Write = Write::durable("write for a test");
const RELAXED: Write = Write::relaxed("write relaxed for a test");

async fn make_table(db: &Database) {
    async fn run(tx: &Tx, _: &()) -> Result<(), StoreError> {
        tx.execute("CREATE TABLE notes (number BIGINT PRIMARY KEY, text TEXT NOT NULL)", vec![]).await?;
        Ok(())
    }
    db.write(WRITE, (), run).await.expect("a table");
}

async fn note(tx: &Tx, number: &i64) -> Result<i64, StoreError> {
    let sql = "INSERT INTO notes (number, text) VALUES ($1, $2) RETURNING number";
    let row = tx.query_one(sql, vec![(*number).into(), format!("note {number}").into()]).await?;
    row.ok_or(StoreError::Missing("returned row".into()))?.get("number")
}

async fn notes(db: &Database) -> Vec<i64> {
    let rows = db.query_all("read the notes", "SELECT number FROM notes ORDER BY number", vec![]).await;
    rows.expect("notes").iter().map(|row| row.get("number").expect("a number")).collect()
}

pub async fn what_an_operation_writes_is_read_by_the_next_one(env: Env) {
    make_table(env.db()).await;
    assert_eq!(env.db().write(WRITE, 7, note).await.expect("a note"), 7);
    assert_eq!(notes(env.db()).await, [7]);
    let taken = env.db().write(WRITE, 7, note).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
}

pub async fn a_failing_operation_leaves_nothing_and_its_neighbours_stay(env: Env) {
    /// Odd numbers change their mind after they wrote.
    async fn even(tx: &Tx, number: &i64) -> Result<(), StoreError> {
        note(tx, number).await?;
        if number % 2 == 1 { Err(StoreError::Refused(format!("{number} is odd"))) } else { Ok(()) }
    }
    make_table(env.db()).await;
    let all = (0..100).map(|number| env.db().write(WRITE, number, even));
    for (number, result) in (0..100).zip(futures_util::future::join_all(all).await) {
        match result {
            Ok(()) => assert_eq!(number % 2, 0),
            Err(StoreError::Refused(text)) => assert_eq!(text, format!("{number} is odd")),
            Err(other) => panic!("{number}: {other}"),
        }
    }
    assert_eq!(notes(env.db()).await, (0..100).step_by(2).collect::<Vec<i64>>());
}

pub async fn a_panicking_operation_leaves_nothing_and_the_engine_goes_on(env: Env) {
    async fn panics(tx: &Tx, number: &i64) -> Result<(), StoreError> {
        note(tx, number).await?;
        panic!("on purpose, in a test");
    }
    make_table(env.db()).await;
    let (bad, good) = tokio::join!(env.db().write(WRITE, 1, panics), env.db().write(WRITE, 2, note));
    let bad = bad.expect_err("a panic").to_string();
    assert!(bad.contains("panicked"), "{bad}");
    good.expect("the neighbour");
    env.db().write(WRITE, 3, note).await.expect("a later one");
    assert_eq!(notes(env.db()).await, [2, 3]);
}

pub async fn many_writers_at_once_are_all_durable_after_reopening(mut env: Env) {
    make_table(env.db()).await;
    let tasks: Vec<_> = (0..1000)
        .map(|number| {
            let db = env.db().clone();
            tokio::spawn(async move { db.write(WRITE, number, note).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic").expect("an acknowledged write");
    }
    env.reopen().await;
    assert_eq!(notes(env.db()).await, (0..1000).collect::<Vec<i64>>());
}

pub async fn relaxed_writes_are_seen_at_once_and_durable_after_closing(mut env: Env) {
    make_table(env.db()).await;
    env.db().write(RELAXED, 1, note).await.expect("a relaxed write");
    assert_eq!(notes(env.db()).await, [1]);
    let (relaxed, durable) = tokio::join!(env.db().write(RELAXED, 2, note), env.db().write(WRITE, 3, note));
    relaxed.expect("a relaxed write");
    durable.expect("a durable write");
    env.reopen().await;
    assert_eq!(notes(env.db()).await, [1, 2, 3]);
}

pub async fn a_caller_that_stops_waiting_does_not_disturb_others(env: Env) {
    make_table(env.db()).await;
    for number in 0..50 {
        let mut abandoned = Box::pin(env.db().write(WRITE, number, note));
        let waker = futures_util::task::noop_waker();
        let _ = abandoned.as_mut().poll(&mut std::task::Context::from_waker(&waker));
        drop(abandoned);
        env.db().write(WRITE, 1000 + number, note).await.expect("a write beside it");
    }
    let kept = notes(env.db()).await;
    assert_eq!(kept.iter().filter(|number| **number >= 1000).count(), 50);
}

pub async fn a_read_sees_one_snapshot(env: Env) {
    async fn count(tx: &Tx) -> Result<i64, StoreError> {
        let row = tx.query_one("SELECT COUNT(*) AS n FROM notes", vec![]).await?;
        row.ok_or(StoreError::Missing("count".into()))?.get("n")
    }
    /// Counts, lets another write come in between, and counts again.
    async fn twice(tx: &Tx, db: &Database) -> Result<(i64, i64), StoreError> {
        let before = count(tx).await?;
        db.write(WRITE, 1, note).await?;
        Ok((before, count(tx).await?))
    }
    async fn tries_to_write(tx: &Tx, _: &()) -> Result<u64, StoreError> {
        tx.execute("DELETE FROM notes", vec![]).await
    }
    make_table(env.db()).await;
    let seen = env.db().read("count the notes", env.db().clone(), twice).await.expect("two counts");
    assert_eq!(seen, (0, 0));
    assert_eq!(notes(env.db()).await, [1]);
    env.db().read("write while reading", (), tries_to_write).await.expect_err("reads cannot write");
    assert_eq!(notes(env.db()).await, [1]);
}

pub async fn those_who_wait_are_woken_by_a_commit_and_not_by_a_rollback(env: Env) {
    async fn wake(tx: &Tx, keep: &bool) -> Result<(), StoreError> {
        tx.after_commit_notify(Channel::Deliveries);
        tx.after_commit_notify(Channel::Queue);
        if *keep { Ok(()) } else { Err(StoreError::Refused("no".into())) }
    }
    let other = env.second_server().await;
    let asked = std::time::Instant::now();
    let (here, there) = (env.db().woken(Channel::Queue), other.woken(Channel::Queue));
    // Committed before either future was polled.
    env.db().write(WRITE, true, wake).await.expect("a wake");
    let both = async { tokio::join!(here, there) };
    tokio::time::timeout(Duration::from_secs(10), both).await.expect("both are woken");
    // The slow poll would have come after 5 s.
    assert!(asked.elapsed() < Duration::from_secs(4), "woken only after {:?}", asked.elapsed());

    // What the first wake still does on its way through the server is over once a second one came through.
    let settled = other.woken(Channel::Deliveries);
    env.db().write(WRITE, true, wake).await.expect("a wake");
    settled.await;
    let mut unwoken = Box::pin(env.db().woken(Channel::Events));
    env.db().write(WRITE, false, wake).await.expect_err("refused");
    let waker = futures_util::task::noop_waker();
    assert!(unwoken.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    until("the database to answer", || async { notes_table_is_absent(env.db()).await }).await;
}

async fn notes_table_is_absent(db: &Database) -> bool {
    db.query_one("look", "SELECT 1 AS one FROM notes", vec![]).await.is_err()
}

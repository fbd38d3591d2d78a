//! What the engine promises to every operation.

use crate::env::{Env, until};
use ropewalk_core::port::StoreError;
use ropewalk_store::db::{Channel, Database, Engine, Tx, Write};
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;

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
}

pub async fn an_operation_that_ends_the_whole_transaction_fails_alone(env: Env) {
    /// Makes SQLite give up the transaction of its whole group; PostgreSQL knows no such thing and just fails.
    async fn ruin(tx: &Tx, number: &i64) -> Result<(), StoreError> {
        tx.execute("INSERT OR ROLLBACK INTO notes (number, text) VALUES ($1, 'ruin')", vec![(*number).into()])
            .await
            .map(|_| ())
    }
    make_table(env.db()).await;
    env.db().write(WRITE, 0, note).await.expect("a note");
    let notes_written = (1..50).map(|number| env.db().write(WRITE, number, note));
    let (ruined, written) =
        tokio::join!(env.db().write(WRITE, 0, ruin), futures_util::future::join_all(notes_written));
    ruined.expect_err("the number is taken");
    for result in written {
        result.expect("the neighbours stay");
    }
    assert_eq!(notes(env.db()).await, (0..50).collect::<Vec<i64>>());
}

pub async fn serialisation_conflicts_are_tried_again_until_all_are_done(env: Env) {
    /// Reads and writes back: loses counts unless each runs as if it were alone.
    async fn increment(tx: &Tx, _: &()) -> Result<(), StoreError> {
        let row = tx.query_one("SELECT number FROM notes WHERE text = 'counter'", vec![]).await?;
        let number: i64 = row.ok_or(StoreError::Missing("counter".into()))?.get("number")?;
        tx.execute("UPDATE notes SET number = $1 WHERE text = 'counter'", vec![(number + 1).into()]).await?;
        Ok(())
    }
    async fn start(tx: &Tx, _: &()) -> Result<(), StoreError> {
        tx.execute("INSERT INTO notes (number, text) VALUES (0, 'counter')", vec![]).await.map(|_| ())
    }
    make_table(env.db()).await;
    env.db().write(WRITE, (), start).await.expect("a counter");
    let all = (0..12).map(|_| env.db().write(WRITE.serializable(), (), increment));
    for result in futures_util::future::join_all(all).await {
        result.expect("each is counted in the end");
    }
    assert_eq!(notes(env.db()).await, [12]);
}

pub async fn deadlocks_are_tried_again_until_both_are_done(env: Env) {
    /// Touches two rows in the order given, after the other one had time to touch its first.
    async fn touch(
        tx: &Tx,
        (first, second, meeting): &(i64, i64, Arc<tokio::sync::Barrier>),
    ) -> Result<(), StoreError> {
        let sql = "UPDATE notes SET text = text || '!' WHERE number = $1";
        tx.execute(sql, vec![(*first).into()]).await?;
        if tx.engine() == Engine::Postgres {
            let _ = tokio::time::timeout(Duration::from_secs(1), meeting.wait()).await;
        }
        tx.execute(sql, vec![(*second).into()]).await?;
        Ok(())
    }
    make_table(env.db()).await;
    env.db().write(WRITE, 1, note).await.expect("a note");
    env.db().write(WRITE, 2, note).await.expect("a note");
    let meeting = Arc::new(tokio::sync::Barrier::new(2));
    let (one, two) = tokio::join!(
        env.db().write(WRITE, (1, 2, meeting.clone()), touch),
        env.db().write(WRITE, (2, 1, meeting), touch)
    );
    one.expect("one");
    two.expect("the other");
    let rows =
        env.db().query_all("read", "SELECT text FROM notes ORDER BY number", vec![]).await.expect("rows");
    let texts: Vec<String> = rows.iter().map(|row| row.get("text").expect("a text")).collect();
    assert_eq!(texts, ["note 1!!", "note 2!!"]);
}

async fn make_facts(db: &Database) {
    async fn run(tx: &Tx, _: &()) -> Result<(), StoreError> {
        let position = match tx.engine() {
            Engine::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
            Engine::Postgres => "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        };
        let sql = format!(
            "CREATE TABLE facts (position {position}, written_by BIGINT NOT NULL, name BIGINT NOT NULL)"
        );
        tx.execute(&sql, vec![]).await.map(|_| ())
    }
    db.write(WRITE, (), run).await.expect("a table");
}

async fn add_fact(tx: &Tx, name: i64) -> Result<(), StoreError> {
    let sql = format!("INSERT INTO facts (name, written_by) VALUES ($1, {})", tx.number());
    tx.execute(&sql, vec![name.into()]).await.map(|_| ())
}

/// Follows the global position from one read to the next.
struct Follower {
    cursor: (i64, i64),
    names: Vec<i64>,
}

impl Follower {
    fn new() -> Follower {
        Follower { cursor: (-1, -1), names: Vec::new() }
    }

    async fn read(&mut self, db: &Database) {
        for (written_by, position, name) in db.read("follow", self.cursor, facts_after).await.expect("facts")
        {
            self.cursor = (written_by, position);
            self.names.push(name);
        }
    }
}

async fn facts_after(tx: &Tx, cursor: &(i64, i64)) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    let sql = format!(
        "SELECT written_by, position, name FROM facts WHERE (written_by, position) > ($1, $2) AND {}
            ORDER BY written_by, position",
        tx.settled("written_by")
    );
    let rows = tx.query_all(&sql, vec![cursor.0.into(), cursor.1.into()]).await?;
    rows.iter().map(|row| Ok((row.get("written_by")?, row.get("position")?, row.get("name")?))).collect()
}

pub async fn two_transactions_that_commit_in_reverse_order_lose_nothing(env: Env) {
    type Slow = (Arc<Notify>, Arc<Notify>);
    async fn slow(tx: &Tx, (wrote, go_on): &Slow) -> Result<(), StoreError> {
        add_fact(tx, 1).await?;
        wrote.notify_one();
        go_on.notified().await;
        Ok(())
    }
    async fn quick(tx: &Tx, _: &()) -> Result<(), StoreError> {
        add_fact(tx, 2).await
    }
    make_facts(env.db()).await;
    let (wrote, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let first = tokio::spawn({
        let (db, input) = (env.db().clone(), (wrote.clone(), go_on.clone()));
        async move { db.write(WRITE, input, slow).await }
    });
    wrote.notified().await;
    let mut follower = Follower::new();
    if env.db().engine() == Engine::Postgres {
        // The second commits while the first is open: nothing may be read past the first.
        env.db().write(WRITE, (), quick).await.expect("the second");
        follower.read(env.db()).await;
        assert!(follower.names.is_empty(), "{:?}", follower.names);
        go_on.notify_one();
    } else {
        go_on.notify_one();
        env.db().write(WRITE, (), quick).await.expect("the second");
    }
    first.await.expect("no panic").expect("the first");
    until("both facts to be read", async || {
        follower.read(env.db()).await;
        follower.names.len() == 2
    })
    .await;
    assert_eq!(follower.names, [1, 2]);
}

pub async fn a_follower_misses_nothing_of_many_writers(env: Env) {
    const WRITERS: i64 = 8;
    const EACH: i64 = 30;
    /// Three facts of one transaction, others' in between.
    async fn three(tx: &Tx, first: &i64) -> Result<(), StoreError> {
        for name in *first..*first + 3 {
            add_fact(tx, name).await?;
        }
        Ok(())
    }
    make_facts(env.db()).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let db = env.db().clone();
            tokio::spawn(async move {
                for at in (0..EACH).step_by(3) {
                    db.write(WRITE, writer * EACH + at, three).await.expect("facts");
                }
            })
        })
        .collect();
    let mut follower = Follower::new();
    until("all facts to be followed", async || {
        follower.read(env.db()).await;
        follower.names.len() as i64 >= WRITERS * EACH
    })
    .await;
    for writer in writers {
        writer.await.expect("no panic");
    }
    follower.names.sort_unstable();
    assert_eq!(follower.names, (0..WRITERS * EACH).collect::<Vec<i64>>());
}

/// A door's client may hang up at any moment; what it began must not be found by the next one on that connection.
pub async fn a_caller_that_goes_away_leaves_its_connection_as_it_was(env: Env) {
    make_table(env.db()).await;
    for polls in 1..20 {
        poll_times(polls, env.db().read("count the notes", (), count)).await;
        nobody_is_in_a_transaction(env.db()).await;
        poll_times(polls, env.db().write(WRITE, polls, note)).await;
        nobody_is_in_a_transaction(env.db()).await;
    }
}

async fn count(tx: &Tx, _: &()) -> Result<i64, StoreError> {
    let row = tx.query_one("SELECT COUNT(*) AS number FROM notes", vec![]).await?;
    row.ok_or(StoreError::Missing("count".into()))?.get("number")
}

/// Lets go of a future after so many polls, or at its end.
async fn poll_times<T>(polls: i64, future: impl Future<Output = T>) {
    let mut future = std::pin::pin!(future);
    let mut polled = 0;
    std::future::poll_fn(|context| {
        polled += 1;
        let ready = future.as_mut().poll(context).is_ready();
        if ready || polled == polls { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Waits until every connection is as it was made; SQLite's answer to a read is enough.
async fn nobody_is_in_a_transaction(db: &Database) {
    db.read("count the notes", (), count).await.expect("a connection as good as new");
    if db.engine() == Engine::Sqlite {
        return;
    }
    let sql = "SELECT 1 FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
    let looked =
        async || db.query_all("look at the sessions", sql, vec![]).await.expect("sessions").is_empty();
    until("every session to be idle", looked).await;
}

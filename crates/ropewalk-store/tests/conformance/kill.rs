//! What `kill -9` leaves.

use crate::env::Env;
use ropewalk_core::port::StoreError;
use ropewalk_store::db::{Database, Tx, Write};
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

const WRITE: Write = Write::durable("write until killed");
const RELAXED: Write = Write::relaxed("write until killed");

/// Tells the child which database to write to.
const VARIABLE: &str = "ROPEWALK_TEST_KILL_URL";
/// Acknowledged writes after which the child is killed.
const ENOUGH: usize = 300;

async fn make_table(tx: &Tx, _: &()) -> Result<(), StoreError> {
    tx.execute("CREATE TABLE kept (number BIGINT PRIMARY KEY, half BIGINT NOT NULL)", vec![])
        .await
        .map(|_| ())
}

/// Two rows, which are there together or not at all.
async fn two_rows(tx: &Tx, number: &i64) -> Result<(), StoreError> {
    for half in [1, 2] {
        let sql = "INSERT INTO kept (number, half) VALUES ($1, $2)";
        tx.execute(sql, vec![(number * 2 + half).into(), half.into()]).await?;
    }
    Ok(())
}

/// The child: many callers write and say what was acknowledged, until somebody kills it.
#[test]
#[ignore = "run by acknowledged_writes_survive_a_kill"]
fn child_that_writes_until_it_is_killed() {
    let url = std::env::var(VARIABLE).expect("the address of the database");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let db = Database::open(&url).await.expect("the database");
        let callers: Vec<_> = (0..16_i64)
            .map(|caller| {
                let db = db.clone();
                tokio::spawn(async move {
                    for at in 0.. {
                        let number = at * 16 + caller;
                        let write = if number % 5 == 0 { RELAXED } else { WRITE };
                        db.write(write, number, two_rows).await.expect("a write");
                        writeln!(std::io::stdout(), "acknowledged {number}").expect("a parent");
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("a caller");
        }
    });
}

pub async fn acknowledged_writes_survive_a_kill(mut env: Env) {
    env.db().write(WRITE, (), make_table).await.expect("a table");
    env.db().close().await;
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "kill::child_that_writes_until_it_is_killed", "--nocapture"])
        .env(VARIABLE, env.url())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let number =
        |line: String| line.strip_prefix("acknowledged ").and_then(|number| number.parse::<i64>().ok());
    let mut acknowledged = Vec::new();
    while acknowledged.len() < ENOUGH {
        let line = lines.next().expect("the child goes on until it is killed").expect("a line");
        acknowledged.extend(number(line));
    }
    child.kill().expect("the kill");
    child.wait().expect("its end");
    // What it said before it was killed counts too. The last line may be cut short: its write may not count.
    acknowledged.extend(lines.map_while(Result::ok).filter_map(number));
    acknowledged.pop();

    env.reopen().await;
    let rows = env
        .db()
        .query_all("read", "SELECT number, half FROM kept ORDER BY number", vec![])
        .await
        .expect("rows");
    let halves: Vec<(i64, i64)> = rows
        .iter()
        .map(|row| (row.get("number").expect("a number"), row.get("half").expect("a half")))
        .collect();
    for number in acknowledged {
        for half in [1, 2] {
            let row = (number * 2 + half, half);
            assert!(halves.binary_search(&row).is_ok(), "half {half} of write {number} was lost");
        }
    }
    assert_eq!(halves.len() % 2, 0, "a write was torn");
    env.db().write(WRITE, 1_000_000, two_rows).await.expect("it goes on");
}

//! Rows of runners.

use super::classes;
use crate::change::{from_json, narrow, to_json};
use crate::db::{Channel, Database, Row, Tx, Write};
use ropewalk_core::port::{RunnerRow, StoreError};
use ropewalk_model::ids::RunnerId;
use ropewalk_model::time::Time;
use ropewalk_model::work::Labels;

pub(super) const REGISTER: Write = Write::durable("register a runner");

const SELECT: &str = "SELECT id, name, labels, slots, seen FROM runners";

pub(crate) async fn register(
    tx: &Tx,
    (now, name, labels, slots): &(Time, String, Labels, u32),
) -> Result<RunnerRow, StoreError> {
    classes::lock_registry(tx).await?;
    let sql = "INSERT INTO runners (name, labels, slots, seen) VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO UPDATE SET labels = excluded.labels, slots = excluded.slots, seen = excluded.seen
        RETURNING id, name, labels, slots, seen";
    let values = vec![name.as_str().into(), to_json(labels)?.into(), i64::from(*slots).into(), now.0.into()];
    let Some(row) = tx.query_one(sql, values).await? else {
        return Err(StoreError::Corrupt("a runner that got no number".into()));
    };
    let runner = read(&row)?;
    classes::match_runner(tx, runner.id, labels).await?;
    tx.after_commit_notify(Channel::Queue);
    Ok(runner)
}

/// Notes that a runner is alive.
pub(super) async fn seen(tx: &Tx, runner: RunnerId, now: Time) -> Result<(), StoreError> {
    let sql = "UPDATE runners SET seen = $2 WHERE id = $1 AND seen < $2";
    tx.execute(sql, vec![runner.0.into(), now.0.into()]).await.map(|_| ())
}

pub(super) async fn list(db: &Database) -> Result<Vec<RunnerRow>, StoreError> {
    let sql = format!("{SELECT} ORDER BY name");
    db.query_all("list the runners", &sql, vec![]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<RunnerRow, StoreError> {
    Ok(RunnerRow {
        id: RunnerId(row.get("id")?),
        name: row.get("name")?,
        labels: from_json(row, "labels")?,
        slots: narrow(row, "slots")?,
        seen: Time(row.get("seen")?),
    })
}

//! Why a work waits.

use super::classes;
use crate::change::word;
use crate::db::Tx;
use ropewalk_core::port::{StoreError, Waiting};
use ropewalk_model::ids::WorkId;
use ropewalk_model::status::WorkStatus;
use ropewalk_model::time::Time;

/// Ready works are counted up to this many.
const MOST: i64 = 10_000;
/// Names of runners that are told.
const NAMES: i64 = 50;

pub(super) async fn waiting(tx: &Tx, id: &WorkId) -> Result<Waiting, StoreError> {
    let sql = "SELECT w.status, w.released, w.not_before, w.unmet, w.class, c.text FROM works w
        JOIN classes c ON c.id = w.class WHERE w.id = $1";
    let Some(row) = tx.query_one(sql, vec![id.0.into()]).await? else {
        return Err(StoreError::Missing(format!("work {id}")));
    };
    match word::<WorkStatus>(&row, "status")? {
        WorkStatus::Held => {
            let until = row.get::<Option<i64>>("not_before")?.map(Time);
            let released: bool = row.get("released")?;
            Ok(Waiting::Held { until: until.filter(|_| released) })
        }
        WorkStatus::Waiting => Ok(Waiting::Needs { count: row.get("unmet")? }),
        WorkStatus::Ready => ready(tx, row.get("class")?, &row.get::<String>("text")?).await,
        WorkStatus::Leased | WorkStatus::Succeeded | WorkStatus::Failed | WorkStatus::Cancelled => {
            Ok(Waiting::No)
        }
    }
}

async fn ready(tx: &Tx, class: i64, text: &str) -> Result<Waiting, StoreError> {
    let sql = "SELECT r.name FROM runner_classes c JOIN runners r ON r.id = c.runner
        WHERE c.class = $1 ORDER BY r.name LIMIT $2";
    let rows = tx.query_all(sql, vec![class.into(), NAMES.into()]).await?;
    let runners = rows.iter().map(|row| row.get("name")).collect::<Result<Vec<String>, _>>()?;
    if runners.is_empty() {
        return Ok(Waiting::NoRunner { requirement: classes::requirement(text)? });
    }
    let sql = "SELECT COUNT(*) AS ready FROM
        (SELECT id FROM works WHERE status = 'ready' AND class = $1 LIMIT $2) AS counted";
    let row = tx.query_one(sql, vec![class.into(), MOST.into()]).await?;
    let ready = row.map_or(Ok(0), |row| row.get("ready"))?;
    Ok(Waiting::Busy { ready, runners })
}

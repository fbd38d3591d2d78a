//! What a person may change of a job.

use super::read;
use crate::change::{Change, JobRow, to_json};
use crate::db::{Tx, Write};
use ropewalk_core::port::StoreError;
use ropewalk_model::event::Fact;
use ropewalk_model::ids::JobId;
use ropewalk_model::job::{Job, Visibility};
use ropewalk_model::time::Time;

pub(super) const UPDATE: Write = Write::durable("change a job");

pub(super) async fn update(
    tx: &Tx,
    (now, id, visibility, tags): &(Time, JobId, Visibility, Option<Vec<String>>),
) -> Result<Job, StoreError> {
    JobRow::lock(tx, *id).await?;
    let sql = "UPDATE jobs SET visibility = $2, tags = COALESCE($3, tags) WHERE id = $1";
    let tags = tags.as_ref().map(to_json).transpose()?;
    tx.execute(sql, vec![id.0.into(), visibility.to_string().into(), tags.into()]).await?;
    let mut change = Change::new(tx, *now);
    change.event(*id, &Fact::Updated).await?;
    change.settle().await?;
    read::job_in(tx, *id).await?.ok_or_else(|| StoreError::Missing(format!("job {id}")))
}

//! Groups of jobs.

use super::read::numbered;
use super::submit::start_pending;
use crate::change::{Change, JobRow, from_json, take_turn_for_job, to_json};
use crate::db::{Tx, Write};
use ropewalk_core::port::{Group, NewGroup, StoreError};
use ropewalk_model::event::Fact;
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{GroupId, JobId, UserId};
use ropewalk_model::status::JobStatus;
use ropewalk_model::time::Time;
use std::collections::{BTreeSet, HashMap};

pub(super) const CREATE: Write =
    Write::durable("make a group").points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);
pub(super) const START: Write =
    Write::durable("start a group").points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);

pub(super) async fn create(tx: &Tx, (now, new): &(Time, NewGroup)) -> Result<Group, StoreError> {
    let members: BTreeSet<JobId> = new.jobs.iter().copied().collect();
    take_turns(tx, &members).await?;
    for id in &members {
        check_member(tx, *id, new.owner).await?;
    }
    let sql = "INSERT INTO job_groups (owner, note, triggers, open, created) VALUES ($1, $2, $3, $4, $5) RETURNING id";
    let open = i64::try_from(members.len()).unwrap_or(i64::MAX);
    let values = vec![
        new.owner.0.into(),
        new.note.clone().into(),
        to_json(&new.triggers)?.into(),
        open.into(),
        now.0.into(),
    ];
    let Some(row) = tx.query_one(sql, values).await? else {
        return Err(StoreError::Corrupt("a group that got no number".into()));
    };
    let id = GroupId(row.get("id")?);
    let mut change = Change::new(tx, *now);
    for job in &members {
        let sql = "UPDATE jobs SET job_group = $2 WHERE id = $1";
        tx.execute(sql, vec![job.0.into(), id.0.into()]).await?;
        change.event(*job, &Fact::Updated).await?;
    }
    if new.execute {
        for job in &members {
            start_pending(&mut change, *job).await?;
        }
    }
    change.settle().await?;
    Ok(Group {
        id,
        owner: new.owner,
        note: new.note.clone(),
        jobs: members.into_iter().collect(),
        triggers: new.triggers.clone(),
        created: *now,
    })
}

async fn take_turns(tx: &Tx, jobs: &BTreeSet<JobId>) -> Result<(), StoreError> {
    for job in jobs {
        take_turn_for_job(tx, *job).await?;
    }
    Ok(())
}

async fn check_member(tx: &Tx, id: JobId, owner: UserId) -> Result<(), StoreError> {
    let unfit = |why: &str| {
        let text = format!(
            "job {id} {why}: no group was made; all jobs of a group must be yours, pending and in no group"
        );
        Err(StoreError::Conflict(text))
    };
    match JobRow::lock_with_work(tx, id).await {
        Err(StoreError::Missing(_)) => unfit("is not yours"),
        Err(e) => Err(e),
        Ok((job, _)) if job.owner != owner => unfit("is not yours"),
        Ok((job, _)) if job.status != JobStatus::Pending => unfit("is not pending"),
        Ok((job, _)) if job.group.is_some() => unfit("is in a group already"),
        Ok(_) => Ok(()),
    }
}

pub(super) async fn start(tx: &Tx, (now, group): &(Time, GroupId)) -> Result<(), StoreError> {
    if tx.query_one("SELECT id FROM job_groups WHERE id = $1", vec![group.0.into()]).await?.is_none() {
        return Err(StoreError::Missing(format!("group {group}")));
    }
    let members = members(tx, *group).await?.into_iter().collect();
    take_turns(tx, &members).await?;
    let mut change = Change::new(tx, *now);
    for job in members {
        start_pending(&mut change, job).await?;
    }
    change.settle().await.map(|_| ())
}

#[allow(clippy::ptr_arg, reason = "an operation gets its input as it was given")]
pub(super) async fn read(tx: &Tx, groups: &Vec<GroupId>) -> Result<Vec<Group>, StoreError> {
    let numbers = || groups.iter().map(|group| group.0.into()).collect();
    let which = numbered(groups.len());
    let sql = format!("SELECT id, job_group FROM jobs WHERE job_group IN ({which}) ORDER BY id");
    let mut members = HashMap::<i64, Vec<JobId>>::new();
    for row in tx.query_all(&sql, numbers()).await? {
        members.entry(row.get("job_group")?).or_default().push(JobId(row.get("id")?));
    }
    let sql = format!("SELECT id, owner, note, triggers, created FROM job_groups WHERE id IN ({which})");
    let mut found = Vec::new();
    for row in tx.query_all(&sql, numbers()).await? {
        let id: i64 = row.get("id")?;
        found.push(Group {
            id: GroupId(id),
            owner: UserId(row.get("owner")?),
            note: row.get("note")?,
            jobs: members.remove(&id).unwrap_or_default(),
            triggers: from_json(&row, "triggers")?,
            created: Time(row.get("created")?),
        });
    }
    Ok(found)
}

async fn members(tx: &Tx, group: GroupId) -> Result<Vec<JobId>, StoreError> {
    let sql = "SELECT id FROM jobs WHERE job_group = $1 ORDER BY id";
    let rows = tx.query_all(sql, vec![group.0.into()]).await?;
    rows.iter().map(|row| row.get("id").map(JobId)).collect()
}

//! Rows of jobs, their status and their events.

use super::{Change, WorkRow, from_json, narrow, optional_word, to_json, word};
use crate::db::{Channel, Row, Tx};
use crate::deliveries;
use ropewalk_core::finish;
use ropewalk_core::port::{StoreError, Trigger};
use ropewalk_model::event::Fact;
use ropewalk_model::ids::{GroupId, JobId, UserId, WorkId};
use ropewalk_model::status::{Cause, JobStatus};

/// A job as rules see it.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) id: JobId,
    pub(crate) owner: UserId,
    pub(crate) group: Option<GroupId>,
    pub(crate) round: i32,
    pub(crate) status: JobStatus,
    pub(crate) cause: Option<Cause>,
    /// The root work of this round.
    pub(crate) work: WorkId,
    /// It was submitted for execution or started since.
    pub(crate) execute: bool,
    /// Why somebody asked that it end.
    pub(crate) cancel: Option<Cause>,
    pub(crate) triggers: Vec<Trigger>,
}

const SELECT: &str =
    "SELECT id, owner, job_group, round, status, cause, work, execute, cancel, triggers FROM jobs";

/// Status words of jobs that have not ended, for `IN (…)`.
pub(crate) const OPEN: &str = "('pending', 'queued', 'running')";

impl JobRow {
    fn read(row: &Row) -> Result<JobRow, StoreError> {
        Ok(JobRow {
            id: JobId(row.get("id")?),
            owner: UserId(row.get("owner")?),
            group: row.get::<Option<i64>>("job_group")?.map(GroupId),
            round: narrow(row, "round")?,
            status: word(row, "status")?,
            cause: optional_word(row, "cause")?,
            work: WorkId(row.get("work")?),
            execute: row.get("execute")?,
            cancel: optional_word(row, "cancel")?,
            triggers: from_json(row, "triggers")?,
        })
    }

    /// Locks the root work of a job, then the job, in the order that all transactions keep.
    pub(crate) async fn lock_with_work(tx: &Tx, id: JobId) -> Result<(JobRow, WorkRow), StoreError> {
        loop {
            let sql = "SELECT work FROM jobs WHERE id = $1";
            let Some(row) = tx.query_one(sql, vec![id.0.into()]).await? else {
                return Err(StoreError::Missing(format!("job {id}")));
            };
            let work = WorkRow::lock(tx, WorkId(row.get("work")?)).await?;
            let job = JobRow::lock(tx, id).await?;
            // A restart may have given it another root work in between.
            if job.work == work.id {
                return Ok((job, work));
            }
        }
    }

    /// Reads a job and keeps others from changing it until the transaction ends.
    pub(crate) async fn lock(tx: &Tx, id: JobId) -> Result<JobRow, StoreError> {
        let sql = format!("{SELECT} WHERE id = $1{}", tx.for_update());
        match tx.query_one(&sql, vec![id.0.into()]).await? {
            Some(row) => JobRow::read(&row),
            None => Err(StoreError::Missing(format!("job {id}"))),
        }
    }

    /// Open jobs that a work decides, oldest first.
    pub(crate) async fn open_of(tx: &Tx, work: WorkId) -> Result<Vec<JobRow>, StoreError> {
        let sql = format!("{SELECT} WHERE work = $1 AND status IN {OPEN} ORDER BY id{}", tx.for_update());
        tx.query_all(&sql, vec![work.0.into()]).await?.iter().map(JobRow::read).collect()
    }
}

impl Change<'_> {
    /// Brings the open jobs of a work to the status that follows from it.
    pub(super) async fn settle_jobs(&mut self, work: &WorkRow) -> Result<(), StoreError> {
        for mut job in JobRow::open_of(self.tx, work.id).await? {
            self.settle_job(&mut job, work).await?;
        }
        Ok(())
    }

    /// Brings an open job to the status that follows from its root work.
    pub(crate) async fn settle_job(&mut self, job: &mut JobRow, root: &WorkRow) -> Result<(), StoreError> {
        let of =
            finish::RootWork { status: root.status, cause: root.cause, wanted_by_others: root.wanted > 0 };
        let (status, cause) = finish::job_status(of, job.execute, job.cancel);
        let Some(path) = finish::path(job.status, status) else {
            return Err(StoreError::Refused(format!(
                "job {} is {} and cannot become {status}",
                job.id, job.status
            )));
        };
        for next in path {
            self.set_job_status(job, next, cause.filter(|_| next.is_final())).await?;
        }
        Ok(())
    }

    /// Ends the round of an open job in whose place another one begins.
    pub(crate) async fn supersede(&mut self, job: &mut JobRow) -> Result<(), StoreError> {
        self.set_job_status(job, JobStatus::Cancelled, Some(Cause::Superseded)).await
    }

    /// The one place where the status of a job changes within its round.
    async fn set_job_status(
        &mut self,
        job: &mut JobRow,
        next: JobStatus,
        cause: Option<Cause>,
    ) -> Result<(), StoreError> {
        if !job.status.may_become(next) {
            return Err(StoreError::Refused(format!(
                "job {} is {} and cannot become {next}",
                job.id, job.status
            )));
        }
        let (queued, started, ended) =
            (next == JobStatus::Queued, next == JobStatus::Running, next.is_final());
        let sql = "UPDATE jobs SET status = $2, cause = $3,
            queued = CASE WHEN $4 THEN COALESCE(queued, $7) ELSE queued END,
            started = CASE WHEN $5 THEN COALESCE(started, $7) ELSE started END,
            ended = CASE WHEN $6 THEN $7 ELSE ended END,
            runner = CASE WHEN $5 THEN (SELECT r.name FROM leases l JOIN runners r ON r.id = l.runner
                WHERE l.work = jobs.work) ELSE runner END
            WHERE id = $1";
        let values = vec![
            job.id.0.into(),
            next.to_string().into(),
            cause.map(|cause| cause.to_string()).into(),
            queued.into(),
            started.into(),
            ended.into(),
            self.now.0.into(),
        ];
        self.tx.execute(sql, values).await?;
        (job.status, job.cause) = (next, cause);
        self.event(job.id, &Fact::Status { round: job.round, status: next, cause }).await?;
        if ended { self.job_ended(job).await } else { Ok(()) }
    }

    async fn job_ended(&mut self, job: &JobRow) -> Result<(), StoreError> {
        self.finished.jobs.push(job.id);
        let sql = "UPDATE open_jobs SET count = count - 1 WHERE owner = $1";
        self.tx.execute(sql, vec![job.owner.0.into()]).await?;
        if job.cancel.is_none() {
            // One that was asked to end lost its interest then.
            self.withdraw(job.work, job.cause.unwrap_or(Cause::Cancelled)).await?;
        }
        for (position, trigger) in job.triggers.iter().enumerate() {
            if finish::fires(trigger.condition, job.status) {
                let key = format!("job/{}/{}/{position}", job.id, job.round);
                deliveries::make_for_job(self, key, job.id, &trigger.action).await?;
            }
        }
        match job.group {
            Some(group) => self.group_member_ended(group).await,
            None => Ok(()),
        }
    }

    async fn group_member_ended(&mut self, group: GroupId) -> Result<(), StoreError> {
        let sql = "UPDATE job_groups SET open = open - 1 WHERE id = $1 RETURNING open, triggers";
        let Some(row) = self.tx.query_one(sql, vec![group.0.into()]).await? else {
            return Err(StoreError::Corrupt(format!("a job of group {group}, which is not there")));
        };
        if row.get::<i64>("open")? > 0 {
            return Ok(());
        }
        let sql = "SELECT status FROM jobs WHERE job_group = $1 ORDER BY id";
        let rows = self.tx.query_all(sql, vec![group.0.into()]).await?;
        let members = rows.iter().map(|row| word(row, "status")).collect::<Result<Vec<JobStatus>, _>>()?;
        let Some(status) = finish::group_status(members) else { return Ok(()) };
        for (position, trigger) in from_json::<Vec<Trigger>>(&row, "triggers")?.iter().enumerate() {
            if finish::fires(trigger.condition, status) {
                let key = format!("group/{group}/{position}");
                deliveries::make_for_group(self, key, group, &trigger.action).await?;
            }
        }
        Ok(())
    }

    /// Writes the next event of a job.
    pub(crate) async fn event(&mut self, job: JobId, fact: &Fact) -> Result<(), StoreError> {
        let sql = "UPDATE jobs SET events = events + 1, updated = $2 WHERE id = $1 RETURNING events";
        let Some(row) = self.tx.query_one(sql, vec![job.0.into(), self.now.0.into()]).await? else {
            return Err(StoreError::Missing(format!("job {job}")));
        };
        let number: i64 = row.get("events")?;
        let sql = "INSERT INTO events (job, number, at, fact) VALUES ($1, $2, $3, $4)";
        let values = vec![job.0.into(), number.into(), self.now.0.into(), to_json(fact)?.into()];
        self.tx.execute(sql, values).await?;
        self.tx.after_commit_notify(Channel::Events);
        Ok(())
    }
}

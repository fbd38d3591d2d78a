//! Reopening ended jobs: the next round.
//!
//! The root work of a restarted job is made anew, and with it every work below it that did not succeed. Jobs that
//! ended `dependency-failed` because of one of those are reopened, too, and theirs with them, until nothing follows.

use super::place::Works;
use super::submit::follow;
use super::works::{self, Blank};
use crate::change::{Change, JobRow, WorkRow, take_turn, word};
use crate::db::{Tx, Write};
use ropewalk_core::port::{NewWork, StoreError, WorkRef};
use ropewalk_model::event::Fact;
use ropewalk_model::fault::Point;
use ropewalk_model::ids::{ClassId, JobId, ShareGroupId, WorkId};
use ropewalk_model::status::{Cause, JobStatus, WorkStatus};
use ropewalk_model::time::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) const RESTART: Write =
    Write::durable("restart a job").points(Point::SubmitBeforeCommit, Point::SubmitAfterCommit);

pub(crate) async fn restart(tx: &Tx, (now, id): &(Time, JobId)) -> Result<(), StoreError> {
    take_turn(tx).await?;
    let (job, _) = JobRow::lock_with_work(tx, *id).await?;
    if !job.status.is_final() {
        return Err(StoreError::Refused(format!(
            "job {id} is {}: it can be restarted once it has ended",
            job.status
        )));
    }
    let mut renewal =
        Renewal { change: Change::new(tx, *now), fresh: BTreeMap::new(), replaced: VecDeque::new() };
    let root = renewal.renew(job.work, true).await?;
    renewal.reopen(&job, root).await?;
    let mut reopened = BTreeSet::from([job.id]);
    while let Some(culprit) = renewal.replaced.pop_front() {
        for dependent in failed_because_of(tx, culprit).await? {
            if reopened.insert(dependent.id) {
                let root = renewal.renew(dependent.work, false).await?;
                renewal.reopen(&dependent, root).await?;
            }
        }
    }
    renewal.change.settle().await.map(|_| ())
}

/// Works that took the place of others.
pub(crate) struct Rerooted {
    /// Those that were asked for, in that order.
    pub(crate) works: Vec<WorkId>,
    /// The new round of each job, in the order asked for; none where it had succeeded.
    pub(crate) rounds: Vec<Option<i32>>,
}

/// Gives jobs other root works, which begins their next round; what the round before had not finished is given up.
/// Jobs that succeeded are left alone.
pub(crate) async fn reroot(
    tx: &Tx,
    now: Time,
    works: &[NewWork],
    jobs: &[(JobId, WorkRef)],
) -> Result<Rerooted, StoreError> {
    take_turn(tx).await?;
    let mut renewal =
        Renewal { change: Change::new(tx, now), fresh: BTreeMap::new(), replaced: VecDeque::new() };
    let roots: Vec<WorkRef> = jobs.iter().map(|(_, root)| *root).collect();
    let mut placed = Works::place(&mut renewal.change, works, &roots).await?;
    // Written down; each job that gets one releases it.
    placed.release(&mut renewal.change, works, std::iter::empty()).await?;
    let mut rounds = Vec::with_capacity(jobs.len());
    for (job, root) in jobs {
        let root = placed.resolve(*root)?.id;
        rounds.push(renewal.give(*job, root).await?);
    }
    follow(&mut renewal.change, &placed);
    renewal.change.settle().await?;
    Ok(Rerooted { works: placed.placed.iter().map(|work| work.row.id).collect(), rounds })
}

async fn failed_because_of(tx: &Tx, culprit: WorkId) -> Result<Vec<JobRow>, StoreError> {
    let sql = "SELECT j.id FROM works w JOIN jobs j ON j.work = w.id
        WHERE w.culprit = $1 AND j.status = $2 AND j.cause = $3 ORDER BY j.id";
    let values = vec![
        culprit.0.into(),
        JobStatus::Failed.to_string().into(),
        Cause::DependencyFailed.to_string().into(),
    ];
    let mut jobs = Vec::new();
    for row in tx.query_all(sql, values).await? {
        jobs.push(JobRow::lock(tx, JobId(row.get("id")?)).await?);
    }
    Ok(jobs)
}

struct Renewal<'t> {
    change: Change<'t>,
    /// Which work stands for which from now on.
    fresh: BTreeMap<WorkId, WorkId>,
    /// Works that were made anew and whose dependents have not been looked at.
    replaced: VecDeque<WorkId>,
}

/// A work on the way down, and what it needs that has not been looked at.
struct Visit {
    work: WorkId,
    needs: Vec<WorkId>,
    waiting: Vec<WorkId>,
}

impl Renewal<'_> {
    /// The work that stands for this one from now on; made anew, with all below it, where it did not succeed.
    /// `anyway`: also if it did.
    async fn renew(&mut self, root: WorkId, anyway: bool) -> Result<WorkId, StoreError> {
        let mut path: Vec<Visit> = Vec::new();
        self.visit(root, anyway, &mut path).await?;
        // Depth first and without recursion: graphs may be thousands of works deep.
        while let Some(mut at) = path.pop() {
            match at.waiting.pop() {
                Some(needed) => {
                    path.push(at);
                    self.visit(needed, false, &mut path).await?;
                }
                None => self.replace(at).await?,
            }
        }
        self.fresh.get(&root).copied().ok_or_else(|| StoreError::Corrupt(format!("work {root} needs itself")))
    }

    /// Decides whether a work can stay; if not it goes onto the path.
    async fn visit(&mut self, id: WorkId, anyway: bool, path: &mut Vec<Visit>) -> Result<(), StoreError> {
        if self.fresh.contains_key(&id) {
            return Ok(());
        }
        let (latest, status) = self.latest(id).await?;
        let stays = !status.is_final() || (status == WorkStatus::Succeeded && !anyway);
        if stays {
            self.fresh.insert(id, latest);
            return Ok(());
        }
        let sql = "SELECT needs FROM work_edges WHERE work = $1 ORDER BY needs";
        let rows = self.change.tx.query_all(sql, vec![latest.0.into()]).await?;
        let needs = rows.iter().map(|row| row.get("needs").map(WorkId)).collect::<Result<Vec<_>, _>>()?;
        if latest != id {
            // Whoever asked for the old one gets what the latest becomes.
            path.push(Visit { work: id, needs: vec![latest], waiting: vec![] });
        }
        if !self.fresh.contains_key(&latest) {
            path.push(Visit { work: latest, waiting: needs.clone(), needs });
        }
        Ok(())
    }

    /// The last work that was made in place of this one.
    async fn latest(&self, id: WorkId) -> Result<(WorkId, WorkStatus), StoreError> {
        let mut at = id;
        loop {
            let work = WorkRow::lock(self.change.tx, at).await?;
            match work.replaced_by {
                Some(next) => at = next,
                None => return Ok((at, work.status)),
            }
        }
    }

    async fn replace(&mut self, visit: Visit) -> Result<(), StoreError> {
        if self.fresh.contains_key(&visit.work) {
            return Ok(());
        }
        let (latest, _) = self.latest(visit.work).await?;
        if latest != visit.work {
            let stands = self.fresh.get(&latest).copied().unwrap_or(latest);
            self.fresh.insert(visit.work, stands);
            return Ok(());
        }
        let needs: Vec<WorkId> =
            visit.needs.iter().map(|needed| self.fresh.get(needed).copied().unwrap_or(*needed)).collect();
        let blank = copy(self.change.tx, visit.work).await?;
        let placed = works::place(&mut self.change, &blank, &needs).await?;
        let sql = "UPDATE works SET replaced_by = $2 WHERE id = $1";
        self.change.tx.execute(sql, vec![visit.work.0.into(), placed.id.0.into()]).await?;
        if placed.new {
            // Whoever needed it may have been joined instead of made anew.
            self.change.unneeded(placed.id, Cause::Cancelled);
        }
        self.fresh.insert(visit.work, placed.id);
        self.replaced.push_back(visit.work);
        Ok(())
    }

    /// Begins the next round of a job with another root; answers which, or none if it had succeeded.
    async fn give(&mut self, id: JobId, root: WorkId) -> Result<Option<i32>, StoreError> {
        let (mut job, _) = JobRow::lock_with_work(self.change.tx, id).await?;
        if job.status == JobStatus::Success {
            return Ok(None);
        }
        if !job.status.is_final() {
            self.change.supersede(&mut job).await?;
        }
        self.reopen(&job, root).await?;
        Ok(Some(job.round.saturating_add(1)))
    }

    /// Opens the next round of an ended job.
    async fn reopen(&mut self, job: &JobRow, root: WorkId) -> Result<(), StoreError> {
        let (tx, now) = (self.change.tx, self.change.now);
        let round = i64::from(job.round) + 1;
        let sql =
            "UPDATE jobs SET round = $2, status = $3, cause = NULL, cancel = NULL, runner = NULL, work = $4,
            execute = $5, queued = $6, started = NULL, ended = NULL WHERE id = $1";
        let values = vec![
            job.id.0.into(),
            round.into(),
            JobStatus::Queued.to_string().into(),
            root.0.into(),
            true.into(),
            now.0.into(),
        ];
        tx.execute(sql, values).await?;
        let sql = "INSERT INTO job_rounds (job, round, work) VALUES ($1, $2, $3)";
        tx.execute(sql, vec![job.id.0.into(), round.into(), root.0.into()]).await?;
        tx.execute("UPDATE open_jobs SET count = count + 1 WHERE owner = $1", vec![job.owner.0.into()])
            .await?;
        if let Some(group) = job.group {
            tx.execute("UPDATE job_groups SET open = open + 1 WHERE id = $1", vec![group.0.into()]).await?;
        }
        let round = job.round.saturating_add(1);
        self.change.event(job.id, &Fact::Status { round, status: JobStatus::Queued, cause: None }).await?;
        self.change.want(root).await?;
        self.change.release(root).await?;
        let (mut job, root) = JobRow::lock_with_work(tx, job.id).await?;
        if job.status.is_final() { Ok(()) } else { self.change.settle_job(&mut job, &root).await }
    }
}

/// What a work was made with.
async fn copy(tx: &Tx, id: WorkId) -> Result<Blank, StoreError> {
    let sql =
        "SELECT key, plan, class, share_group, priority, loss_attempts, loss_cause FROM works WHERE id = $1";
    let Some(row) = tx.query_one(sql, vec![id.0.into()]).await? else {
        return Err(StoreError::Missing(format!("work {id}")));
    };
    Ok(Blank {
        key: row.get("key")?,
        plan: row.get("plan")?,
        class: ClassId(row.get("class")?),
        share_group: ShareGroupId(row.get("share_group")?),
        priority: row.get("priority")?,
        not_before: None,
        loss_attempts: row.get("loss_attempts")?,
        loss_cause: word(&row, "loss_cause")?,
        ended: None,
    })
}

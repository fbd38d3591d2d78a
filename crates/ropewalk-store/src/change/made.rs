//! Works and jobs that this very transaction has made: nobody else knows them yet, so that what becomes of all of them
//! is written by a few statements instead of several for each.

use super::{Change, WorkRow, to_json};
use crate::db::Channel;
use crate::deliveries;
use ropewalk_core::finish;
use ropewalk_core::port::{StoreError, Trigger};
use ropewalk_model::event::Fact;
use ropewalk_model::ids::{JobId, UserId, WorkId};
use ropewalk_model::status::{Cause, JobStatus, WorkStatus};
use std::collections::BTreeMap;

/// A job that was made, with nothing but the event of its creation.
pub(crate) struct MadeJob<'j> {
    pub(crate) id: JobId,
    pub(crate) owner: UserId,
    pub(crate) execute: bool,
    pub(crate) triggers: &'j [Trigger],
}

/// One way that jobs take: the statuses, and why they end with the last of them.
type Way = (Vec<JobStatus>, Option<Cause>);

impl Change<'_> {
    /// Lets a work that was made run, in memory; [`Change::write_made`] writes it down. False: it has ended.
    pub(crate) fn release_made(&mut self, work: &mut WorkRow) -> Result<bool, StoreError> {
        if work.released || work.status.is_final() {
            return Ok(false);
        }
        work.released = true;
        let next = finish::released(self.now, work.not_before, work.unmet);
        if next != WorkStatus::Held {
            self.check(work, next)?;
            work.status = next;
        }
        if next == WorkStatus::Ready {
            self.finished.ready.push(work.id);
        }
        self.tx.after_commit_notify(Channel::Queue);
        Ok(true)
    }

    /// Writes what is known of works that were made and have not ended.
    pub(crate) async fn write_made<'w>(
        &mut self,
        works: impl Iterator<Item = &'w WorkRow>,
    ) -> Result<(), StoreError> {
        let mut alike = BTreeMap::<(String, bool, i64, i64), Vec<i64>>::new();
        for work in works.filter(|work| !work.status.is_final()) {
            let same = (work.status.to_string(), work.released, work.unmet, work.wanted);
            alike.entry(same).or_default().push(work.id.0);
        }
        for ((status, released, unmet, wanted), ids) in alike {
            let sql = "UPDATE works SET status = $1, released = $2, unmet = $3, wanted = $4 WHERE id";
            let values = [status.into(), released.into(), unmet.into(), wanted.into()];
            self.tx.for_all(sql, &values, &ids, "").await?;
        }
        Ok(())
    }

    /// So many more need these works of others, which are locked. Nothing happens to those that have ended.
    pub(crate) async fn want_more(
        &mut self,
        more: &BTreeMap<WorkId, i64>,
        locked: &BTreeMap<WorkId, WorkRow>,
    ) -> Result<(), StoreError> {
        let mut alike = BTreeMap::<i64, Vec<i64>>::new();
        for (id, more) in more {
            match locked.get(id) {
                // Jobs wait for its runner to end it: they are told.
                Some(work) if work.cancel.is_some() => {
                    for _ in 0..*more {
                        self.want(*id).await?;
                    }
                }
                Some(work) if !work.status.is_final() => alike.entry(*more).or_default().push(id.0),
                _ => {}
            }
        }
        for (more, ids) in alike {
            let sql = "UPDATE works SET wanted = wanted + $1 WHERE id";
            self.tx.for_all(sql, &[more.into()], &ids, "").await?;
        }
        Ok(())
    }

    /// Brings jobs that were made to the status that follows from their root works, as these are now.
    pub(crate) async fn settle_made<'m>(
        &mut self,
        jobs: impl Iterator<Item = (&'m MadeJob<'m>, &'m WorkRow)>,
    ) -> Result<(), StoreError> {
        let mut alike = BTreeMap::<String, (Way, Vec<&MadeJob<'m>>)>::new();
        for (job, root) in jobs {
            let way = way(job, root)?;
            let key = format!("{way:?}");
            alike.entry(key).or_insert_with(|| (way, vec![])).1.push(job);
        }
        for (way, jobs) in alike.values() {
            self.go(way, jobs).await?;
        }
        self.tx.after_commit_notify(Channel::Events);
        Ok(())
    }

    async fn go(&mut self, (path, cause): &Way, jobs: &[&MadeJob<'_>]) -> Result<(), StoreError> {
        let Some(last) = path.last().copied() else { return Ok(()) };
        let ids: Vec<i64> = jobs.iter().map(|job| job.id.0).collect();
        let sql = "UPDATE jobs SET status = $1, cause = $2, events = events + $3, updated = $4,
            queued = CASE WHEN $5 THEN $4 ELSE queued END,
            started = CASE WHEN $6 THEN $4 ELSE started END,
            ended = CASE WHEN $7 THEN $4 ELSE ended END,
            runner = CASE WHEN $6 THEN (SELECT r.name FROM leases l JOIN runners r ON r.id = l.runner
                WHERE l.work = jobs.work) ELSE runner END
            WHERE id";
        let values = [
            last.to_string().into(),
            cause.map(|cause| cause.to_string()).into(),
            i64::try_from(path.len()).unwrap_or(i64::MAX).into(),
            self.now.0.into(),
            path.contains(&JobStatus::Queued).into(),
            path.contains(&JobStatus::Running).into(),
            last.is_final().into(),
        ];
        self.tx.for_all(sql, &values, &ids, "").await?;
        let mut events = vec![];
        // The first event is the creation.
        for (number, next) in (2_i64..).zip(path) {
            let cause = cause.filter(|_| next.is_final());
            let fact = to_json(&Fact::Status { round: 1, status: *next, cause })?;
            events.extend(
                ids.iter()
                    .map(|id| vec![(*id).into(), number.into(), self.now.0.into(), fact.as_str().into()]),
            );
        }
        self.tx.insert_all("INSERT INTO events (job, number, at, fact)", events, "").await?;
        if last.is_final() { self.made_and_ended(last, jobs).await } else { Ok(()) }
    }

    /// Their root works had ended before: there is no interest to lose.
    async fn made_and_ended(&mut self, last: JobStatus, jobs: &[&MadeJob<'_>]) -> Result<(), StoreError> {
        let mut ended = BTreeMap::<UserId, i64>::new();
        for job in jobs {
            self.finished.jobs.push(job.id);
            *ended.entry(job.owner).or_default() += 1;
            for (position, trigger) in job.triggers.iter().enumerate() {
                if finish::fires(trigger.condition, last) {
                    let key = format!("job/{}/1/{position}", job.id);
                    deliveries::make_for_job(self, key, job.id, &trigger.action).await?;
                }
            }
        }
        for (owner, count) in ended {
            let sql = "UPDATE open_jobs SET count = count - $2 WHERE owner = $1";
            self.tx.execute(sql, vec![owner.0.into(), count.into()]).await?;
        }
        Ok(())
    }
}

fn way(job: &MadeJob<'_>, root: &WorkRow) -> Result<Way, StoreError> {
    let of = finish::RootWork { status: root.status, cause: root.cause, wanted_by_others: root.wanted > 0 };
    let (status, cause) = finish::job_status(of, job.execute, None);
    let path = finish::path(JobStatus::Pending, status);
    let path = path.filter(|path| {
        let before = std::iter::once(&JobStatus::Pending).chain(path);
        before.zip(path).all(|(before, next)| before.may_become(*next))
    });
    let path = path.ok_or_else(|| {
        StoreError::Refused(format!("job {} is {} and cannot become {status}", job.id, JobStatus::Pending))
    })?;
    Ok((path, cause))
}

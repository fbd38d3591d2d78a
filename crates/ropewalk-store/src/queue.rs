//! Leases: which runner holds which attempt, until when.

mod classes;
mod expire;
mod finish;
mod lease;
mod record;
mod release;
mod renew;
mod runners;
mod standing;
mod waiting;

pub(crate) use classes::class_of;
pub(crate) use finish::{finish as finish_in, log_number};
pub(crate) use lease::next as lease_in;
pub(crate) use record::record as record_in;
pub(crate) use release::bump as bump_in;
pub(crate) use runners::register as register_in;

use crate::SqlStore;
use crate::db::Channel;
use async_trait::async_trait;
use ropewalk_core::port::{
    Expired, Finish, Finished, Lease, Queue, Renewal, RunnerRow, Standing, StoreError, Waiting,
};
use ropewalk_model::ids::{AttemptId, Fence, RunnerId, WorkId};
use ropewalk_model::link::Report;
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use ropewalk_model::work::Labels;
use std::pin::Pin;
use std::time::Duration;

#[async_trait]
impl Queue for SqlStore {
    async fn register(&self, name: &str, labels: &Labels, slots: u32) -> Result<RunnerRow, StoreError> {
        let input = (self.now(), name.to_owned(), labels.clone(), slots);
        self.db.write(runners::REGISTER, input, runners::register).await
    }

    async fn runners(&self) -> Result<Vec<RunnerRow>, StoreError> {
        runners::list(&self.db).await
    }

    async fn lease_next(
        &self,
        runner: RunnerId,
        n: u32,
        lease_for: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        self.db.write(lease::LEASE, (self.now(), runner, n, lease_for), lease::next).await
    }

    async fn renew(
        &self,
        runner: RunnerId,
        held: &[(AttemptId, Fence)],
        lease_for: Duration,
    ) -> Result<Vec<Renewal>, StoreError> {
        self.db.write(renew::RENEW, (self.now(), runner, held.to_vec(), lease_for), renew::renew).await
    }

    async fn standing(
        &self,
        runner: RunnerId,
        attempt: AttemptId,
        fence: Fence,
    ) -> Result<Standing, StoreError> {
        self.db.read("look at an attempt", (runner, attempt, fence), standing::standing).await
    }

    async fn record(&self, report: &Report) -> Result<(), StoreError> {
        self.db.write(record::RECORD, (self.now(), report.clone()), record::record).await
    }

    async fn finish(&self, finish: Finish) -> Result<Finished, StoreError> {
        self.db.write(finish::FINISH, (self.now(), finish), finish::finish).await
    }

    async fn expire(&self, since: Time, limit: u32) -> Result<Vec<Expired>, StoreError> {
        expire::expire(&self.db, self.now(), since, limit).await
    }

    async fn abandon(
        &self,
        runner: RunnerId,
        held: &[(AttemptId, Fence)],
    ) -> Result<Vec<Expired>, StoreError> {
        expire::abandon(&self.db, self.now(), runner, held).await
    }

    async fn fail_work(&self, work: WorkId, cause: Cause, message: &str) -> Result<Finished, StoreError> {
        let input = (self.now(), work, cause, message.to_owned());
        self.db.write(finish::FAIL, input, finish::fail_work).await
    }

    async fn release_due(&self, limit: u32) -> Result<u32, StoreError> {
        release::release_due(&self.db, self.now(), limit).await
    }

    async fn bump(&self, work: WorkId) -> Result<(), StoreError> {
        self.db.write(release::BUMP, (self.now(), work), release::bump).await
    }

    async fn waiting(&self, work: WorkId) -> Result<Waiting, StoreError> {
        self.db.read("say why a work waits", work, waiting::waiting).await
    }

    /// Not an `async fn`, so that it listens from the call on and not from its first poll.
    fn changed<'a, 't>(&'a self) -> Pin<Box<dyn Future<Output = ()> + Send + 't>>
    where
        'a: 't,
        Self: 't,
    {
        Box::pin(self.db.woken(Channel::Queue))
    }
}

//! From a leased work to what a runner is told.

use super::LinkRefusal;
use crate::error::{Error, Kind};
use crate::farm::Farm;
use crate::identity::TokenWish;
use crate::port::{Finish, Lease, StoreError};
use ropewalk_model::grant::Grants;
use ropewalk_model::ids::RunnerId;
use ropewalk_model::job::Job;
use ropewalk_model::link::{Offer, Outcome, RunValues};
use ropewalk_model::plan::Plan;
use ropewalk_model::secret::Secret;
use ropewalk_model::status::Cause;
use std::time::Duration;

/// Leases works until as many as are free wait for the runner, and lays their offers ready. A work whose values cannot be made fails here: no other runner could
/// do better. One for which the store did not answer stays leased and is prepared with the next question.
pub(super) async fn lease(farm: &Farm, runner: RunnerId, free: u32) -> Result<(), LinkRefusal> {
    let _alone = farm.leases.ask_alone(runner).await;
    let (offers, put_off) = farm.leases.waiting(runner, farm.clock.now());
    let missing = free.saturating_sub(offers).saturating_sub(put_off);
    for lease in farm.leases.take_put_off(runner) {
        prepare(farm, runner, lease).await;
    }
    if missing == 0 {
        return Ok(());
    }
    for lease in farm.store.lease_next(runner, missing, farm.settings.lost_after).await? {
        farm.leases.leased(runner, &lease);
        prepare(farm, runner, lease).await;
    }
    Ok(())
}

/// Decides about one lease. Whatever comes of it, the others of its batch are not touched.
async fn prepare(farm: &Farm, runner: RunnerId, lease: Lease) {
    if farm.clock.now() >= lease.until {
        // It is given away as lost by now.
        return;
    }
    let error = match values(farm, &lease).await {
        Ok(values) => return farm.leases.offer(runner, offer(lease, values)),
        Err(error) => error,
    };
    if error.kind == Kind::Unavailable {
        tracing::warn!(work = %lease.work, "a work is not handed out yet, trying again: {error}");
        return farm.leases.put_off(runner, lease);
    }
    match refuse(farm, &lease, &error).await {
        Ok(()) => {}
        Err(StoreError::Unavailable { tried, reason }) => {
            tracing::warn!(work = %lease.work, "the store could not {tried}, trying again: {reason}");
            farm.leases.put_off(runner, lease);
        }
        Err(other) => tracing::warn!(work = %lease.work, "a work could not be refused: {other}"),
    }
}

fn offer(lease: Lease, values: RunValues) -> Offer {
    let Lease { work, attempt, fence, until, plan, .. } = lease;
    Offer { work, attempt, fence, until, plan, values }
}

async fn refuse(farm: &Farm, lease: &Lease, error: &Error) -> Result<(), StoreError> {
    tracing::error!(work = %lease.work, "a work cannot be handed out: {error}");
    let outcome = Outcome::Failure { cause: Cause::Infrastructure, message: error.message.clone() };
    farm.store
        .finish(Finish { attempt: lease.attempt, fence: lease.fence, outcome, logs: vec![] })
        .await
        .map(drop)
}

async fn values(farm: &Farm, lease: &Lease) -> Result<RunValues, Error> {
    let plan = lease.plan.open().map_err(Error::internal)?;
    let Some(number) = lease.job else { return Ok(RunValues::default()) };
    let job = farm.store.job(number).await?;
    let job =
        job.ok_or_else(|| Error::internal(format_args!("job {number} of a leased work is not there")))?;
    Ok(RunValues {
        job: Some(number),
        job_url: Some(farm.job_url(&job.owner_name, number)),
        oauth2_token: token(farm, &plan, &job).await?,
        secrets: vec![],
    })
}

/// A token for the build with exactly the grants of its manifest. It ends when the build must have ended.
async fn token(farm: &Farm, plan: &Plan, job: &Job) -> Result<Option<Secret>, Error> {
    let Some(grants) = &plan.oauth else { return Ok(None) };
    let grants = Grants::parse(grants).map_err(Error::internal)?;
    let owner = farm.store.user(job.owner).await?;
    let owner = owner.ok_or_else(|| Error::internal(format_args!("the owner of job {} is gone", job.id)))?;
    let lasts = Duration::from_secs(plan.limits.build_time.saturating_add(plan.limits.settle));
    let wish = TokenWish { grants, comment: Some(format!("build of job {}", job.id)), lifetime: Some(lasts) };
    Ok(Some(farm.mint(&owner, wish).await?.1))
}

//! The port for deliveries.

use crate::env::Env;
use crate::farm::{failed, job, webhook, work};
use ropewalk_core::port::{Clock, Deliveries, NewJob, StoreError, TriggerCondition, WorkRef};
use ropewalk_model::ids::{DeliveryId, JobId};
use ropewalk_model::link::Outcome;
use ropewalk_model::status::Cause;
use std::collections::BTreeSet;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A job with `n` webhooks that has ended.
async fn ended(env: &Env, n: usize) -> JobId {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let triggers = (0..n).map(|at| webhook(TriggerCondition::Always, &format!("https://example.org/{at}")));
    let new = NewJob { triggers: triggers.collect(), ..job(mary, WorkRef::New(0)) };
    let id = env.submit(vec![work()], vec![new]).await.jobs[0];
    let lease = env.lease_one(runner).await;
    env.end(&lease, Outcome::Success).await;
    id
}

pub async fn a_trigger_fires_when_its_condition_is_met(env: Env) {
    let (mary, runner) = (env.owner("mary").await, env.runner("r", &["sandbox"]).await);
    let triggers = vec![
        webhook(TriggerCondition::Always, "https://example.org/a"),
        webhook(TriggerCondition::Success, "https://example.org/s"),
        webhook(TriggerCondition::Failure, "https://example.org/f"),
    ];
    for (outcome, fired) in [(Outcome::Success, [0, 1]), (failed(Cause::Timeout), [0, 2])] {
        let new = NewJob { triggers: triggers.clone(), ..job(mary, WorkRef::New(0)) };
        let id = env.submit(vec![work()], vec![new]).await.jobs[0];
        assert!(env.store.deliveries_of(id).await.expect("deliveries").is_empty());
        let lease = env.lease_one(runner).await;
        env.end(&lease, outcome).await;
        let made = env.store.deliveries_of(id).await.expect("deliveries");
        let actions: Vec<_> = made.into_iter().map(|delivery| delivery.action).collect();
        assert_eq!(actions, fired.map(|at| triggers[at as usize].action.clone()));
    }
}

pub async fn a_delivery_is_taken_by_one_at_a_time(env: Env) {
    ended(&env, 30).await;
    let taking = (0..6).map(|_| {
        let store = env.store.clone();
        tokio::spawn(async move { store.take_deliveries(10, MINUTE).await.expect("deliveries") })
    });
    let taken = futures_util::future::join_all(taking).await;
    let mut taken: Vec<DeliveryId> =
        taken.into_iter().flat_map(|t| t.expect("a task")).map(|d| d.id).collect();
    // Two that look at the same moment may see the same rows locked and get fewer; the next look gets the rest.
    taken.extend(env.store.take_deliveries(30, MINUTE).await.expect("deliveries").iter().map(|d| d.id));
    let different: BTreeSet<DeliveryId> = taken.iter().copied().collect();
    assert_eq!((taken.len(), different.len()), (30, 30));
}

pub async fn a_delivery_comes_back_until_it_is_settled(env: Env) {
    let job = ended(&env, 1).await;
    let first = env.store.take_deliveries(9, MINUTE).await.expect("deliveries");
    assert_eq!((first.len(), first[0].tries, first[0].job), (1, 0, Some(job)));
    assert!(env.store.take_deliveries(9, MINUTE).await.expect("none").is_empty());
    env.clock.advance(MINUTE);
    let second = env.store.take_deliveries(9, MINUTE).await.expect("its taker vanished");
    assert_eq!((second[0].id, second[0].tries), (first[0].id, 1));
    let later = env.clock.now().plus(MINUTE * 10);
    env.store.postpone_delivery(second[0].id, later, "503").await.expect("put off");
    env.clock.advance(MINUTE * 9);
    assert!(env.store.take_deliveries(9, MINUTE).await.expect("none").is_empty());
    env.clock.advance(MINUTE);
    let third = env.store.take_deliveries(9, MINUTE).await.expect("due");
    assert_eq!((third.len(), third[0].tries), (1, 2));
    env.store.settle_delivery(third[0].id, "200").await.expect("settled");
    env.store.postpone_delivery(third[0].id, env.clock.now(), "late").await.expect("settled stays settled");
    env.clock.advance(MINUTE * 60);
    assert!(env.store.take_deliveries(9, MINUTE).await.expect("none").is_empty());
    assert_eq!(env.store.deliveries_of(job).await.expect("it is remembered").len(), 1);
    for error in [
        env.store.settle_delivery(DeliveryId(4711), "").await.expect_err("missing"),
        env.store.postpone_delivery(DeliveryId(4711), later, "").await.expect_err("missing"),
    ] {
        assert!(matches!(error, StoreError::Missing(_)), "{error}");
    }
}

//! Evaluations of jobsets through the core. Tests are named after the rows of the acceptance table that
//! they show.

use crate::env::Env;
use crate::nix_farm::{drv, evaluations, fields, found, job, out, result, twenty, with_jobset, world};
use crate::statements;
use ropewalk_core::port::{Builds, Enabled, InputKind, JobsetFields, JobsetInput};
use ropewalk_core::port::{Evaluations, Jobs, Queue};
use ropewalk_model::link::Outcome;
use ropewalk_model::nix::{EvaluationResult, Found, FoundJob, Input, NixTask, Product, Realised};
use ropewalk_model::status::{Cause, JobStatus};
use std::time::Duration;

pub async fn hydra_32_an_evaluation_makes_builds_and_names_its_errors(env: Env) {
    let world = with_jobset(env).await;
    world.push("j", false).await;
    assert_eq!(world.progress("j").await.progress.started, None);
    world.tend().await;
    assert!(world.progress("j").await.progress.started.is_some(), "it runs");
    let errors = vec![("evalError".to_string(), "no attribute".to_string())];
    let found = Found { errors, ..found(twenty(), &[]) };
    world.evaluate(&result("h1", found)).await;
    let progress = world.progress("j").await.progress;
    assert_eq!((progress.started, progress.triggered), (None, None));
    assert!(progress.checked.is_some() && progress.error.contains("in job ‘evalError’:\nno attribute"));
    assert_eq!(evaluations(&world, "j").await, (1, vec![20]));
    let build = world.build("j07").await;
    assert_eq!((build.project.as_str(), build.jobset.as_str()), ("p", "j"));
    assert_eq!((build.finished, build.status, build.is_current), (false, None, true));
    assert_eq!((build.outputs["out"].as_deref(), build.drv_path), (Some("/nix/store/o07"), drv("o07")));
    assert_eq!(build.evaluations.len(), 1);
    let evaluation = world.farm.evaluation(&world.admin, build.evaluations[0]).await.expect("it");
    assert_eq!((evaluation.checkout_time, evaluation.evaluation_time, evaluation.builds.len()), (1, 2, 20));
    assert_eq!(evaluation.inputs["src"].revision.as_deref(), Some("abc"));
    assert_eq!(world.farm.open_nix_builds(&world.admin).await.expect("a number"), 20);
}

pub async fn hydra_33_the_same_inputs_make_no_evaluation_and_are_noted(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(twenty(), &[])).await;
    let before = world.progress("j").await.progress.checked;
    world.build_all(&[]).await;
    world.push("j", false).await;
    world.tend().await;
    let lease = world.env.lease_one(world.runner).await;
    let NixTask::Evaluate(evaluation) = world.task(&lease) else { panic!("an evaluation") };
    assert_eq!(evaluation.unless.as_deref(), Some("h"));
    world
        .env
        .store
        .finish(ropewalk_core::port::Finish {
            attempt: lease.attempt,
            fence: lease.fence,
            outcome: Outcome::Failure { cause: Cause::RunnerLost, message: String::new() },
            logs: vec![],
        })
        .await
        .expect("lost, tried again");
    world.env.clock.advance(Duration::from_secs(1));
    world.evaluate(&EvaluationResult { found: None, ..result("h", Found::default()) }).await;
    let progress = world.progress("j").await.progress;
    assert!(progress.checked > before && progress.started.is_none());
    assert_eq!(evaluations(&world, "j").await, (1, vec![20]));
    assert!(world.farm.evaluation(&world.admin, 2).await.is_err(), "no second row");
}

pub async fn hydra_34_a_forced_one_without_change_is_kept_and_not_listed(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(twenty(), &[])).await;
    let first = world.build("j00").await;
    world.evaluated("j", found(twenty(), &[])).await;
    assert_eq!(evaluations(&world, "j").await, (1, vec![20]));
    let second = world.farm.evaluation(&world.admin, first.evaluations[0] + 1).await.expect("a row");
    assert_eq!((second.ordinal, second.builds.len(), second.inputs.len()), (None, 0, 0));
    assert_eq!(world.build("j00").await.id, first.id);
}

pub async fn hydra_35_a_changed_job_is_one_new_build_and_the_others_are_shared(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(twenty(), &[])).await;
    world.build_all(&[]).await;
    let (kept, gone) = (world.build("j00").await, world.build("j05").await);
    let mut jobs = twenty();
    jobs[5] = job("j05", "other");
    world.evaluated("j", found(jobs, &[])).await;
    assert_eq!(evaluations(&world, "j").await, (2, vec![20, 20]));
    let new = world.build("j05").await;
    assert_ne!(new.id, gone.id);
    assert_eq!(world.build("j00").await.evaluations.len(), 2);
    let gone = world.farm.nix_build(&world.admin, gone.id).await.expect("it");
    assert_eq!((gone.is_current, new.is_current, kept.is_current), (false, true, true));
    let counts = world.farm.evaluation_counts(&world.admin, &new.evaluations).await.expect("counts");
    let count = counts[&new.evaluations[0]];
    assert_eq!((count.scheduled, count.succeeded, count.failed), (1, 19, 0));
    let id = world.progress("j").await.id;
    assert_eq!(world.farm.jobset_counts(&world.admin, &[id]).await.expect("counts")[&id], count);
}

pub async fn hydra_58_one_shot_and_one_at_a_time(env: Env) {
    let world = world(env).await;
    world.jobset("once", JobsetFields { enabled: Enabled::OneShot, check_interval: 1, ..fields() }).await;
    world.tend().await;
    world.evaluate(&result("h", found(vec![], &[]))).await;
    assert_eq!(world.progress("once").await.fields.enabled, Enabled::Off);
    world.wait(10).await;
    world.tend().await;
    assert!(world.env.lease(world.runner, 1).await.is_empty(), "never again");
    world.jobset("one", JobsetFields { enabled: Enabled::OneAtATime, check_interval: 1, ..fields() }).await;
    world.tend().await;
    world.evaluate(&result("h", found(vec![job("a", "1")], &[]))).await;
    let (_, lease) = world.next().await;
    world.wait(10).await;
    world.tend().await;
    assert!(world.env.lease(world.runner, 1).await.is_empty(), "its build has not finished");
    world.realised(&lease, &Realised::default()).await;
    world.tend().await;
    let lease = world.env.lease_one(world.runner).await;
    assert!(matches!(world.task(&lease), NixTask::Evaluate(_)));
}

pub async fn hydra_59_an_interval_asks_again_by_itself(env: Env) {
    let world = world(env).await;
    world.jobset("j", JobsetFields { check_interval: 2, ..fields() }).await;
    world.tend().await;
    world.evaluate(&result("h1", found(vec![job("a", "1")], &[]))).await;
    world.build_all(&[]).await;
    world.tend().await;
    world.wait(3).await;
    world.tend().await;
    world.evaluate(&result("h2", found(vec![job("a", "2")], &[]))).await;
    assert_eq!(evaluations(&world, "j").await.0, 2);
}

pub async fn hydra_60_builds_and_evaluations_are_inputs_of_others(env: Env) {
    let world = with_jobset(env).await;
    let input = |kind, value: &str| JobsetInput { kind, value: value.into(), tells_committers: false };
    let mut with = fields();
    with.inputs.insert("hello".into(), input(InputKind::Build, "j:hello"));
    with.inputs.insert("all".into(), input(InputKind::Eval, "p:j"));
    world.jobset("k", with).await;
    world.push("k", false).await;
    world.tend().await;
    let missing = world.progress("k").await.progress;
    assert!(missing.fetch_error.expect("why").contains("input all"), "there is nothing yet");
    assert_eq!((missing.triggered, missing.started), (None, None));
    world.evaluated("j", found(vec![job("hello", "1"), job("bad", "2")], &[])).await;
    world.build_all(&[("2", Cause::StepFailed)]).await;
    world.push("k", false).await;
    world.tend().await;
    let lease = world.env.lease_one(world.runner).await;
    let NixTask::Evaluate(evaluation) = world.task(&lease) else { panic!("an evaluation") };
    let build = world.build("hello").await;
    let Input::Build { id, path, drv_path, output_name, version } = &evaluation.inputs["hello"] else {
        panic!()
    };
    assert_eq!((*id, path, drv_path), (build.id, &out("1"), &drv("1")));
    assert_eq!((output_name.as_str(), version.as_deref()), ("out", Some("1.0")));
    let Input::Eval { id, jobs } = &evaluation.inputs["all"] else { panic!() };
    assert_eq!((*id, jobs.len(), &jobs["hello"]), (build.evaluations[0], 1, &out("1")));
}

pub async fn hydra_61_what_cannot_be_fetched_is_told_and_forgotten(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("a", "1")], &[])).await;
    world.build_all(&[]).await;
    let fails = async |cause| {
        world.push("j", false).await;
        world.tend().await;
        let lease = world.env.lease_one(world.runner).await;
        world.failed(&lease, cause).await;
        world.progress("j").await.progress
    };
    let progress = fails(Cause::SourceFailed).await;
    assert_eq!(progress.fetch_error.as_deref(), Some("it was source-failed"));
    assert_eq!((progress.error.as_str(), progress.started, progress.triggered), ("", None, None));
    let progress = fails(Cause::StepFailed).await;
    assert_eq!((progress.fetch_error, progress.error.as_str()), (None, "it was step-failed"));
    assert_eq!(evaluations(&world, "j").await, (1, vec![1]));
    assert_eq!(world.build("a").await.status, Some(0));
    world.evaluated("j", found(vec![job("a", "1")], &[])).await;
    assert_eq!(world.progress("j").await.progress.error, "");
}

pub async fn hydra_63_the_newest_evaluations_and_last_successes_are_wanted(env: Env) {
    let world = world(env).await;
    world.jobset("j", JobsetFields { keep: 1, ..fields() }).await;
    for round in ["1", "2", "3"] {
        let jobs = ["a", "b"].map(|name| job(name, &format!("{name}{round}"))).to_vec();
        world.evaluated("j", found(jobs, &[])).await;
        let failing = [("b3", Cause::StepFailed)];
        world.build_all(&failing).await;
        if round == "1" {
            let id = world.build("a").await.id;
            world.farm.keep_build(&world.admin, id, true).await.expect("kept");
        }
    }
    let wanted = world.env.store.wanted_paths().await.expect("paths");
    assert_eq!(wanted, [out("a1"), out("a3"), out("b2"), drv("b3")]);
    world.evaluated("j", found(vec![job("a", "a4")], &[])).await;
    assert!(world.env.store.wanted_paths().await.expect("paths").contains(&drv("a4")), "it is queued");
    // So is what a queued build needs, though nobody asked for it.
    world.evaluated("j", found(vec![job("c", "c5")], &[("c5", "part")])).await;
    loop {
        let (name, lease) = world.next().await;
        world.realised(&lease, &Realised::default()).await;
        if name == "part" {
            break;
        }
    }
    assert!(world.env.store.wanted_paths().await.expect("paths").contains(&out("part")), "it is needed");
}

pub async fn an_evaluation_is_taken_over_once_however_many_servers_look(env: Env) {
    let world = with_jobset(env).await;
    world.push("j", false).await;
    tokio::join!(world.farm.tend_jobsets_once(), world.farm.tend_jobsets_once());
    assert_eq!(world.env.lease(world.runner, 8).await.len(), 1, "one evaluation of one jobset");
    world.wait(700).await;
    let since = ropewalk_core::port::Clock::now(&*world.env.clock).minus(Duration::from_secs(700));
    world.env.store.expire(since, 10).await.expect("lost");
    world.evaluate(&result("h", found(twenty(), &[]))).await;
    tokio::join!(world.farm.tend_jobsets_once(), world.farm.tend_jobsets_once());
    assert_eq!(evaluations(&world, "j").await, (1, vec![20]));
    assert_eq!(world.farm.open_nix_builds(&world.admin).await.expect("a number"), 20);
}

pub async fn a_result_that_cannot_be_used_fails_and_frees_its_jobset(env: Env) {
    let world = with_jobset(env).await;
    let mut circle = found(vec![job("a", "1")], &[]);
    circle.derivations.get_mut(&drv("1")).expect("it").needs.push(drv("1"));
    world.evaluated("j", circle).await;
    let progress = world.progress("j").await.progress;
    assert!(progress.error.contains("needs itself"), "{}", progress.error);
    assert_eq!(progress.started, None);
    world.evaluated("j", found(vec![job("a", "1\0")], &[])).await;
    assert_eq!(world.build("a").await.drv_path, "/nix/store/1\u{fffd}.drv");
}

pub async fn a_push_while_an_evaluation_runs_causes_another_one(env: Env) {
    let world = with_jobset(env).await;
    world.push("j", false).await;
    world.tend().await;
    world.env.clock.advance(Duration::from_secs(1));
    world.push("j", false).await;
    world.evaluate(&result("h", found(vec![], &[]))).await;
    let lease = world.env.lease_one(world.runner).await;
    assert!(matches!(world.task(&lease), NixTask::Evaluate(_)));
    let job = world.env.job(lease.job.expect("a job")).await;
    assert_eq!(job.status, JobStatus::Running);
}

pub async fn no_more_evaluations_run_than_allowed(env: Env) {
    let world = world(env).await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        world.jobset(name, fields()).await;
        world.push(name, false).await;
    }
    world.tend().await;
    world.tend().await;
    assert_eq!(world.env.lease(world.runner, 8).await.len(), 4);
}

pub async fn hydra_72_a_thousand_jobs_are_taken_over_and_read_in_pages(env: Env) {
    let world = with_jobset(env).await;
    let jobs = (0..1000).map(|at| job(&format!("j{at:04}"), &format!("o{at:04}"))).collect();
    let found = found(jobs, &[]);
    world.push("j", true).await;
    world.tend().await;
    world.evaluate(&result("h", found)).await;
    let (mut seen, mut after) = (0, 0);
    loop {
        let page = world.farm.evaluation_builds(&world.admin, 1, after, 250).await.expect("a page");
        let Some(last) = page.last() else { break };
        (seen, after) = (seen + page.len(), last.id);
    }
    assert_eq!(seen, 1000);
}

/// Each needs what all need and something of its own; every fifth is there already.
fn many(prefix: &str, count: usize) -> Found {
    let name = |at: usize| format!("{prefix}{at:04}");
    let jobs: Vec<FoundJob> = (0..count).map(|at| job(&name(at), &name(at))).collect();
    let own: Vec<(String, String)> = (0..count).map(|at| (name(at), format!("{}-part", name(at)))).collect();
    let base = format!("{prefix}-base");
    let needs: Vec<(&str, &str)> = own
        .iter()
        .flat_map(|(who, part)| [(who.as_str(), part.as_str()), (who.as_str(), base.as_str())])
        .collect();
    let mut found = found(jobs, &needs);
    for at in (0..count).step_by(5) {
        let derivation = found.derivations.get_mut(&drv(&name(at))).expect("a derivation");
        let product = Product { kind: "file".into(), path: out(&name(at)), ..Product::default() };
        derivation.realised = Some(Realised { size: 7, products: vec![product], ..Realised::default() });
    }
    found
}

/// How long a round trip takes depends on the machine, how many there are does not.
pub async fn hydra_72_a_thousand_jobs_take_few_more_statements_than_ten(env: Env) {
    let world = with_jobset(env).await;
    world.jobset("k", fields()).await;
    let mut taken = vec![];
    for (jobset, count) in [("j", 10), ("k", 1000)] {
        world.env.clock.advance(Duration::from_secs(1));
        world.push(jobset, true).await;
        world.tend().await;
        let found = many(jobset, count);
        let before = statements::count();
        world.evaluate(&result("h", found)).await;
        taken.push(statements::count() - before);
        let jobset = world.progress(jobset).await.id;
        let cached = "SELECT build FROM nix_products p JOIN nix_builds b ON b.job = p.build \
            WHERE b.jobset = $1 AND b.finished AND b.status = 0 AND b.is_cached";
        let rows = world.env.db().query_all("look for products", cached, vec![jobset.into()]).await;
        assert_eq!(rows.expect("rows").len(), count / 5);
    }
    assert!(taken[0] > 20 && taken[1] < taken[0] + 100, "{taken:?} statements for 10 and for 1,000 jobs");
    // What was made is what is built.
    let waiting = "SELECT id FROM works WHERE status = 'waiting' AND unmet = 2 AND wanted = 1";
    let rows = world.env.db().query_all("look for works", waiting, vec![]).await.expect("rows");
    assert_eq!(rows.len(), 8 + 800);
    let ready = "SELECT id FROM works WHERE status = 'ready' AND wanted IN (1, 8, 800)";
    let rows = world.env.db().query_all("look for works", ready, vec![]).await.expect("rows");
    assert_eq!(rows.len(), 8 + 800 + 2);
}

pub async fn an_error_of_a_lost_evaluation_ends_with_the_next_look(env: Env) {
    let world = with_jobset(env).await;
    let errors = vec![("x".to_string(), "no attribute".to_string())];
    let found = Found { errors, ..found(vec![job("a", "1")], &[]) };
    world.evaluated("j", found).await;
    let kept = world.progress("j").await.progress;
    world.build_all(&[]).await;
    let looks = async || {
        world.env.clock.advance(Duration::from_secs(1));
        world.push("j", false).await;
        world.tend().await;
    };
    looks().await;
    let lease = world.env.lease_one(world.runner).await;
    world.failed(&lease, Cause::Infrastructure).await;
    let failed = world.progress("j").await.progress;
    assert!(failed.error.contains("could not be carried out"), "{}", failed.error);
    looks().await;
    world.evaluate(&EvaluationResult { found: None, ..result("h", Found::default()) }).await;
    let after = world.progress("j").await.progress;
    assert_eq!(after.error, kept.error, "that of the evaluation with these inputs");
    assert!(after.error_at > failed.error_at);
    looks().await;
    world.evaluate(&EvaluationResult { found: None, ..result("h", Found::default()) }).await;
    assert_eq!(world.progress("j").await.progress.error_at, after.error_at, "nothing was written");
}

pub async fn looks_that_left_nothing_are_forgotten_but_for_the_newest(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("a", "1")], &[])).await;
    world.build_all(&[]).await;
    let mut jobs = vec![];
    for at in 0..5 {
        world.env.clock.advance(Duration::from_secs(1));
        world.push("j", false).await;
        world.tend().await;
        jobs.push(
            world
                .env
                .store
                .evaluating(world.progress("j").await.id)
                .await
                .expect("an answer")
                .expect("it runs"),
        );
        if at % 2 == 0 {
            world.evaluate(&EvaluationResult { found: None, ..result("h", Found::default()) }).await;
        } else {
            let lease = world.env.lease_one(world.runner).await;
            world.failed(&lease, Cause::StepFailed).await;
        }
    }
    let forget = async || world.env.store.forget_looks(2, 100).await.expect("forgotten");
    assert_eq!((forget().await, forget().await), (3, 0));
    let mut left = vec![];
    for job in &jobs {
        left.push(world.env.store.root_work(*job).await.is_ok());
    }
    assert_eq!(left, [false, false, false, true, true]);
    world.tend().await;
    let build = world.build("a").await;
    let evaluation = world.farm.evaluation(&world.admin, build.evaluations[0]).await.expect("it");
    assert!(world.env.store.root_work(evaluation.job).await.is_ok(), "what was kept keeps its job");
}

pub async fn what_is_saved_while_an_evaluation_runs_is_evaluated_after_it(env: Env) {
    let world = world(env).await;
    for enabled in [Enabled::On, Enabled::OneShot] {
        let of = |description: &str| JobsetFields {
            enabled,
            check_interval: 86_400,
            description: description.into(),
            ..fields()
        };
        world.jobset("j", of("one")).await;
        world.tend().await;
        world.env.clock.advance(Duration::from_secs(1));
        world.jobset("j", of("two")).await;
        world.evaluate(&result("h", found(vec![], &[]))).await;
        assert_eq!(world.progress("j").await.fields.enabled, enabled, "as it is now it was not evaluated");
        world.evaluate(&result("h", found(vec![], &[]))).await;
        assert!(world.env.lease(world.runner, 8).await.is_empty(), "and that is all");
    }
    assert_eq!(world.progress("j").await.fields.enabled, Enabled::Off, "it was evaluated once");
    let once = || JobsetFields { enabled: Enabled::OneShot, ..fields() };
    world.jobset("k", once()).await;
    world.push("k", false).await;
    world.tend().await;
    world.env.clock.advance(Duration::from_secs(1));
    world.jobset("k", once()).await;
    world.evaluate(&result("h", found(vec![], &[]))).await;
    world.evaluate(&result("h", found(vec![], &[]))).await;
    assert_eq!(world.progress("k").await.fields.enabled, Enabled::Off);
}

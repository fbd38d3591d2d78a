//! Builds of jobsets through the core. Tests are named after the rows of the acceptance table that
//! they show.

use crate::env::Env;
use crate::nix_farm::{drv, evaluations, fields, found, job, out, result, twenty, with_jobset};
use ropewalk_core::access::Caller;
use ropewalk_core::error::Kind;
use ropewalk_core::nix::Restart;
use ropewalk_core::port::{BuildFilter, BuildProgress, Builds, Jobs, JobsetFields, Role, Waiting};
use ropewalk_core::port::{Evaluations, Queue};
use ropewalk_model::ids::JobId;
use ropewalk_model::nix::{FoundJob, Metric, NixTask, Product, Realised};
use ropewalk_model::status::Cause;
use ropewalk_testkit::farm::user;
use std::time::Duration;

pub async fn hydra_36_builds_end_with_hydras_numbers(env: Env) {
    let world = with_jobset(env).await;
    let wrong = FoundJob { system: "i586-haiku".into(), ..job("wrongSystem", "w") };
    let odd = FoundJob { system: "no word".into(), ..job("odd", "odd") };
    let names = ["success", "failure", "depFailure", "timeout", "slowDep", "flag", "onFlag", "log", "infra"];
    let mut jobs: Vec<FoundJob> = names.iter().map(|name| job(name, name)).collect();
    jobs.extend([wrong, odd]);
    let found = found(jobs, &[("depFailure", "inner"), ("slowDep", "timeout"), ("onFlag", "flag")]);
    world.evaluated("j", found).await;
    assert_eq!(world.build("odd").await.status, Some(9), "no machine can have such a system");
    let failing = [
        ("failure", Cause::StepFailed),
        ("inner", Cause::StepFailed),
        ("timeout", Cause::Silence),
        ("log", Cause::LogLimit),
        ("infra", Cause::Infrastructure),
    ];
    world.build_all(&failing).await;
    let ended = world.statuses(&names).await;
    assert_eq!(ended, [0, 1, 2, 7, 7, 6, 0, 10, 3].map(Some));
    let inner = world.build("depFailure").await.message.expect("a message");
    assert!(inner.contains("/nix/store/inner.drv failed: it was step-failed"), "{inner}");
    let begun = ropewalk_core::port::Clock::now(&*world.env.clock);
    world.farm.fail_unserved(begun).await.expect("looked");
    assert!(!world.build("wrongSystem").await.finished);
    world.wait(121).await;
    world.farm.fail_unserved(begun).await.expect("looked");
    world.tend().await;
    assert_eq!(world.build("wrongSystem").await.status, Some(9));
}

pub async fn hydra_39_what_a_build_made_is_kept(env: Env) {
    let world = with_jobset(env).await;
    let there = Realised { release_name: Some("old-1".into()), ..Realised::default() };
    let mut found = found(vec![job("product", "a"), job("there", "b")], &[]);
    found.derivations.get_mut(&drv("b")).expect("it").realised = Some(there);
    world.evaluated("j", found).await;
    let cached = world.build("there").await;
    assert_eq!((cached.finished, cached.status, cached.is_cached), (true, Some(0), true));
    assert_eq!(cached.release_name.as_deref(), Some("old-1"));
    assert!(cached.started.is_some() && cached.started == cached.stopped);
    let (name, lease) = world.next().await;
    assert_eq!(name, "a");
    let iso = Product {
        kind: "file".into(),
        subtype: "iso".into(),
        name: "disk.iso".into(),
        path: "/nix/store/a/disk.iso".into(),
        default_path: None,
        size: Some(200),
        sha256: Some("ab".repeat(32)),
    };
    let manual =
        Product { kind: "doc".into(), default_path: Some("index.html".into()), ..Product::default() };
    let coverage = Metric { value: 87.5, unit: Some("%".into()) };
    let realised = Realised {
        size: 1000,
        closure_size: 2000,
        products: vec![iso, manual],
        metrics: [
            ("coverage".to_string(), coverage),
            ("count".to_string(), Metric { value: 7.0, unit: None }),
        ]
        .into(),
        release_name: Some("product-1".into()),
        is_failed: false,
        is_built: true,
    };
    world.realised(&lease, &realised).await;
    let build = world.build("product").await;
    assert_eq!((build.status, build.is_cached), (Some(0), false));
    assert_eq!((build.size, build.closure_size), (Some(1000), Some(2000)));
    assert_eq!((build.products, build.metrics), (realised.products, realised.metrics));
    assert_eq!(build.release_name, realised.release_name);
    assert!(build.stopped > build.started);
}

pub async fn hydra_46_builds_are_found_by_parts_of_paths(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("a", "abcdef-hello"), job("b", "zzz-other")], &[])).await;
    let find = async |text: &str, limit| {
        let found = world.farm.find_builds(&world.admin, text, limit).await.expect("an answer");
        found.into_iter().map(|build| build.job).collect::<Vec<_>>()
    };
    assert!(find("hello", 10).await.is_empty(), "unfinished ones are not shown");
    world.build_all(&[]).await;
    assert_eq!(find("CDEF-h", 10).await, ["a"]);
    assert_eq!(find(&out("zzz-other"), 10).await, ["b"]);
    assert_eq!(find("/nix/store", 10).await, ["b", "a"]);
    assert_eq!(find("/nix/store", 1).await, ["b"]);
    assert!(find("a%b", 10).await.is_empty());
    let by_drv = world.farm.find_builds_by_drv(&world.admin, "hello.drv", 10).await.expect("an answer");
    assert_eq!(by_drv.len(), 1);
}

pub async fn hydra_49_the_latest_builds_are_found(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("a", "1"), job("b", "2")], &[])).await;
    let filter = |job: Option<&str>, state| BuildFilter {
        project: Some("p".into()),
        jobset: Some("j".into()),
        job: job.map(String::from),
        system: None,
        state,
    };
    let newest = async |filter: &BuildFilter| world.farm.newest_nix_build(&world.admin, filter).await;
    let good = filter(Some("a"), BuildProgress::Succeeded);
    assert_eq!(newest(&good).await.unwrap_err().kind, Kind::Missing);
    let (name, lease) = world.next().await;
    assert_eq!(name, "1");
    world.realised(&lease, &Realised::default()).await;
    let first = world.build("a").await.id;
    assert_eq!(newest(&good).await.expect("one"), first);
    let system = |system: &str| BuildFilter { system: Some(system.into()), ..good.clone() };
    assert_eq!(newest(&system("x86_64-linux")).await.expect("one"), first);
    assert!(newest(&system("i586-haiku")).await.is_err());
    assert!(newest(&BuildFilter { project: Some("q".into()), ..good.clone() }).await.is_err());
    let finished = async || world.farm.latest_finished_build(&world.admin, &good).await;
    let id = world.progress("j").await.id;
    assert_eq!(finished().await.unwrap_err().kind, Kind::Missing, "another build is queued");
    assert!(world.farm.latest_evaluation(&world.admin, id).await.is_err());
    world.build_all(&[]).await;
    assert_eq!(finished().await.expect("one"), first);
    let evaluation = world.farm.latest_evaluation(&world.admin, id).await.expect("one");
    assert_eq!(world.build("a").await.evaluations, [evaluation]);
    assert!(newest(&filter(None, BuildProgress::Open)).await.is_err());
}

pub async fn hydra_49_the_latest_builds_of_projects_and_of_all_are_found(env: Env) {
    let world = with_jobset(env).await;
    world.jobset("k", fields()).await;
    let foreign = FoundJob { system: "riscv64-linux".into(), ..job("c", "3") };
    world.evaluated("j", found(vec![job("a", "1"), job("b", "2")], &[])).await;
    world.evaluated("k", found(vec![job("a", "4"), foreign], &[])).await;
    let newest = async |filter: &BuildFilter, before, limit| {
        let found =
            world.farm.newest_nix_builds(&world.admin, filter, before, limit).await.expect("an answer");
        found.into_iter().map(|build| (build.jobset, build.job)).collect::<Vec<_>>()
    };
    let pair = |jobset: &str, job: &str| (jobset.to_string(), job.to_string());
    let all = [pair("k", "c"), pair("k", "a"), pair("j", "b"), pair("j", "a")];
    let of_project = BuildFilter { project: Some("p".into()), ..BuildFilter::default() };
    for filter in [&of_project, &BuildFilter::default()] {
        assert_eq!(newest(filter, None, 10).await, all);
        assert_eq!(newest(filter, None, 1).await, all[..1]);
        assert_eq!(newest(filter, None, 3).await, all[..3]);
        assert_eq!(newest(filter, None, 0).await, []);
        let third = world.farm.newest_nix_builds(&world.admin, filter, None, 3).await.expect("three")[2].id;
        assert_eq!(newest(filter, Some(third), 10).await, all[3..]);
        for (job, system, found) in [
            (Some("a"), None, vec![all[1].clone(), all[3].clone()]),
            (None, Some("riscv64-linux"), vec![all[0].clone()]),
            (Some("a"), Some("riscv64-linux"), vec![]),
        ] {
            let filter = BuildFilter {
                job: job.map(String::from),
                system: system.map(String::from),
                ..filter.clone()
            };
            assert_eq!(newest(&filter, None, 10).await, found);
        }
    }
    let other = BuildFilter { project: Some("q".into()), ..BuildFilter::default() };
    assert_eq!(newest(&other, None, 10).await, []);

    // Everything of j is finished, of k nothing.
    for lease in world.env.lease(world.runner, 4).await {
        let NixTask::Realise(realise) = world.task(&lease) else { panic!("no derivation") };
        if [drv("1"), drv("2")].contains(&realise.drv_path) {
            world.realised(&lease, &Realised::default()).await;
        }
    }
    let finished = async |filter: &BuildFilter| world.farm.latest_finished_build(&world.admin, filter).await;
    let b = newest(&BuildFilter { state: BuildProgress::Finished, ..of_project.clone() }, None, 1).await;
    assert_eq!(b, [pair("j", "b")]);
    for filter in [&of_project, &BuildFilter::default()] {
        let found = finished(filter).await.expect("one");
        assert_eq!(world.farm.nix_build(&world.admin, found).await.expect("it").job, "b");
    }
    assert_eq!(finished(&other).await.unwrap_err().kind, Kind::Missing);
}

pub async fn an_evaluation_leads_to_its_builds_and_back(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("a", "1"), job("b", "2")], &[])).await;
    let (a, farm, admin) = (world.build("a").await, &world.farm, &world.admin);
    let first = a.evaluations[0];
    assert_eq!(farm.build_of_evaluation(admin, first, "a").await.expect("it"), a.id);
    for (evaluation, job) in [(first, "c"), (99, "a")] {
        let error = farm.build_of_evaluation(admin, evaluation, job).await.unwrap_err();
        assert_eq!(error.kind, Kind::Missing);
    }
    assert_eq!(farm.latest_evaluation_of_build(admin, a.id).await.unwrap_err().kind, Kind::Missing);
    world.build_all(&[]).await;
    assert_eq!(farm.latest_evaluation_of_build(admin, a.id).await.expect("it"), first);
    world.evaluated("j", found(vec![job("a", "1"), job("b", "3")], &[])).await;
    assert_eq!(world.build("a").await.evaluations.len(), 2);
    assert_eq!(farm.latest_evaluation_of_build(admin, a.id).await.expect("it"), first, "b is queued");
    world.build_all(&[]).await;
    assert_eq!(farm.latest_evaluation_of_build(admin, a.id).await.expect("it"), first + 1);
    assert_eq!(farm.latest_evaluation_of_build(admin, 99).await.unwrap_err().kind, Kind::Missing);
}

pub async fn builds_are_measured_and_counted_over_time(env: Env) {
    let world = with_jobset(env).await;
    let hour = Duration::from_secs(3600);
    let counts = async |filter: &BuildFilter, number| {
        world.farm.count_nix_builds(&world.admin, filter, hour, number).await.expect("numbers")
    };
    let all = BuildFilter { state: BuildProgress::Finished, ..BuildFilter::default() };
    world.evaluated("j", found(vec![job("a", "1"), job("b", "2")], &[])).await;
    assert_eq!(counts(&all, 1).await, [0], "nothing is finished");
    for size in [10, 20] {
        let (_, lease) = world.next().await;
        world.realised(&lease, &Realised { size, closure_size: 10 * size, ..Realised::default() }).await;
    }
    world.env.clock.advance(2 * hour);
    world.evaluated("j", found(vec![job("a", "3"), job("b", "2")], &[])).await;
    let (_, lease) = world.next().await;
    world.realised(&lease, &Realised { size: 30, ..Realised::default() }).await;
    assert_eq!(counts(&all, 4).await, [0, 2, 0, 1]);
    assert_eq!(counts(&all, 2).await, [0, 1]);
    assert_eq!(counts(&all, 0).await, [0; 0]);
    assert_eq!(counts(&all, 5000).await.len(), 100);
    let of = |project: &str, job: Option<&str>| BuildFilter {
        project: Some(project.into()),
        job: job.map(String::from),
        ..all.clone()
    };
    assert_eq!(counts(&of("p", None), 3).await, [2, 0, 1]);
    assert_eq!(counts(&of("p", Some("a")), 3).await, [1, 0, 1]);
    assert_eq!(counts(&of("q", None), 3).await, [0, 0, 0]);
    let system = BuildFilter { system: Some("riscv64-linux".into()), ..all.clone() };
    assert_eq!(counts(&system, 3).await, [0, 0, 0]);

    let filter = BuildFilter { jobset: Some("j".into()), ..of("p", Some("a")) };
    let measured = world.farm.measured_nix_builds(&world.admin, &filter).await.expect("builds");
    let sizes: Vec<_> = measured.iter().map(|build| (build.size, build.closure_size)).collect();
    assert_eq!(sizes, [(Some(10), Some(100)), (Some(30), Some(0))]);
    assert!(measured.iter().all(|build| build.started < build.stopped && !build.is_cached));
}

pub async fn lists_are_narrowed_by_project_jobset_job_and_system(env: Env) {
    let world = with_jobset(env).await;
    world.jobset("k", fields()).await;
    world.evaluated("j", found(vec![job("a", "1"), job("b", "2")], &[])).await;
    world.build_all(&[]).await;
    world.push("k", true).await;
    world.tend().await;
    let other = FoundJob { system: "i686-linux".into(), ..job("b", "4") };
    world.evaluate(&result("k", found(vec![job("a", "3"), other], &[]))).await;
    world.build_all(&[]).await;
    let list = async |project: Option<&str>,
                      jobset: Option<&str>,
                      job: Option<&str>,
                      system: Option<&str>,
                      limit| {
        let text = |text: Option<&str>| text.map(String::from);
        let (project, jobset, job, system) = (text(project), text(jobset), text(job), text(system));
        let filter = BuildFilter { project, jobset, job, system, state: BuildProgress::Any };
        let builds = world.farm.newest_brief_builds(&world.admin, &filter, limit).await.expect("a list");
        builds.iter().map(|build| format!("{}{}", build.jobset, build.job)).collect::<Vec<_>>().join(" ")
    };
    let (p, linux, other) = (Some("p"), Some("x86_64-linux"), Some("i686-linux"));
    assert_eq!(list(None, None, None, None, 9).await, "kb ka jb ja");
    assert_eq!(list(p, None, None, None, 9).await, "kb ka jb ja");
    assert_eq!(list(p, None, None, None, 3).await, "kb ka jb");
    assert_eq!(list(p, Some("j"), None, None, 1).await, "jb");
    assert_eq!(list(None, None, Some("a"), None, 9).await, "ka ja");
    assert_eq!(list(p, None, Some("b"), linux, 9).await, "jb");
    assert_eq!(list(p, Some("k"), Some("b"), other, 9).await, "kb");
    assert_eq!(list(None, None, None, other, 9).await, "kb");
    assert_eq!(list(Some("q"), None, None, None, 9).await, "");
    assert_eq!(list(p, Some("k"), None, Some("nosuch"), 9).await, "");
}

pub async fn the_queue_by_priority_is_cut_after_it_is_sorted(env: Env) {
    let world = with_jobset(env).await;
    let last = FoundJob { priority: Some(1000), ..job("z", "z") };
    world.evaluated("j", found(vec![job("a", "1"), job("b", "2"), last], &[])).await;
    let queue = async |limit| {
        let queue = world.farm.nix_queue_by_priority(&world.admin, limit).await.expect("the queue");
        queue.into_iter().map(|build| (build.job, build.priority)).collect::<Vec<_>>()
    };
    assert_eq!(queue(1).await, [("z".to_string(), 1000)]);
    assert_eq!(queue(9).await.len(), 3);
    assert_eq!(queue(2).await[1], ("a".to_string(), 100));
}

pub async fn hydra_50_an_aggregate_waits_for_its_constituents_and_fails_with_one(env: Env) {
    let world = with_jobset(env).await;
    let names = Some(["c", "a", "b"].map(String::from).to_vec());
    let all = FoundJob { constituents: names, ..job("all", "all") };
    let needs = [("all", "1"), ("all", "2"), ("all", "3")];
    let jobs = || vec![all.clone(), job("a", "1"), job("b", "2"), job("c", "3")];
    world.evaluated("j", found(jobs(), &needs)).await;
    let aggregate = world.build("all").await.id;
    let parts = world.farm.nix_constituents(&world.admin, aggregate).await.expect("an answer");
    assert_eq!(parts.iter().map(|build| build.job.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let work = world.env.store.root_work(JobId(aggregate)).await.expect("a work");
    assert_eq!(world.env.store.waiting(work).await.expect("why"), Waiting::Needs { count: 3 });
    world.build_all(&[("2", Cause::StepFailed)]).await;
    assert_eq!(world.statuses(&["all", "a", "b", "c"]).await, [2, 0, 1, 0].map(Some));
}

pub async fn hydra_52_queued_and_running_builds_are_cancelled_and_finished_ones_not(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("a", "1"), job("b", "2")], &[])).await;
    let (a, b) = (world.build("a").await.id, world.build("b").await.id);
    world.farm.cancel_build(&world.admin, b).await.expect("cancelled");
    let cancelled = world.build("b").await;
    assert_eq!((cancelled.status, cancelled.finished), (Some(4), true));
    assert_eq!(cancelled.started, cancelled.stopped);
    let (_, lease) = world.next().await;
    assert_eq!(world.farm.running_nix_builds(&world.admin).await.expect("one").len(), 1);
    world.farm.cancel_build(&world.admin, a).await.expect("told");
    assert!(!world.build("a").await.finished, "its runner has not said so");
    world.failed(&lease, Cause::Cancelled).await;
    assert_eq!(world.build("a").await.status, Some(4));
    let again = world.farm.cancel_build(&world.admin, a).await.unwrap_err();
    assert_eq!(again.kind, Kind::Refused);
}

pub async fn hydra_53_a_restart_takes_along_what_failed_because_of_it(env: Env) {
    let world = with_jobset(env).await;
    let jobs = || vec![job("dep", "d"), job("top", "t"), job("more", "m")];
    let needs = [("t", "i"), ("i", "d"), ("m", "t")];
    world.evaluated("j", found(jobs(), &needs)).await;
    world.build_all(&[("d", Cause::StepFailed)]).await;
    assert_eq!(world.statuses(&["dep", "top", "more"]).await, [1, 2, 2].map(Some));
    let memory = world.env.store.forget_failures(false).await.expect("looked");
    assert_eq!(memory, 0, "it is remembered for days");
    let (dep, top) = (world.build("dep").await.id, world.build("top").await.id);
    world.farm.restart_build(&world.admin, dep).await.expect("restarted");
    for name in ["dep", "top", "more"] {
        let build = world.build(name).await;
        assert_eq!((build.finished, build.status, build.started, build.stopped), (false, None, None, None));
    }
    assert_eq!((world.build("dep").await.id, world.build("top").await.id), (dep, top));
    assert!(world.farm.restart_build(&world.admin, top).await.is_err(), "it has not finished");
    world.build_all(&[]).await;
    assert_eq!(world.statuses(&["dep", "top", "more"]).await, [0, 0, 0].map(Some));
}

pub async fn hydra_53_a_restart_reaches_what_failed_by_memory(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("dep", "d")], &[])).await;
    world.build_all(&[("d", Cause::StepFailed)]).await;
    let jobs = vec![job("dep", "d"), job("top", "t"), job("same", "d")];
    world.evaluated("j", found(jobs, &[("t", "d")])).await;
    assert_eq!(world.statuses(&["dep", "top", "same"]).await, [1, 2, 1].map(Some));
    assert!(world.build("same").await.is_cached);
    world.farm.restart_build(&world.admin, world.build("dep").await.id).await.expect("restarted");
    assert_eq!(world.statuses(&["dep", "top", "same"]).await, [None; 3]);
    world.build_all(&[]).await;
    assert_eq!(world.statuses(&["dep", "top", "same"]).await, [0; 3].map(Some));
}

/// A job whose path another derivation makes than before.
fn moved(name: &str, makes: &str, by: &str) -> FoundJob {
    FoundJob { drv_path: drv(by), ..job(name, makes) }
}

pub async fn hydra_53_a_corrected_source_is_tried_again_although_its_path_is_the_same(env: Env) {
    let world = with_jobset(env).await;
    let jobs = vec![job("src", "s"), job("app", "a"), job("ok", "o")];
    world.evaluated("j", found(jobs, &[("a", "s")])).await;
    world.build_all(&[("s", Cause::StepFailed)]).await;
    let names = ["src", "app", "ok"];
    assert_eq!(world.statuses(&names).await, [1, 2, 0].map(Some));
    let before = world.build("app").await;
    let jobs = vec![moved("src", "s", "s2"), moved("app", "a", "a2"), moved("ok", "o", "o2")];
    world.evaluated("j", found(jobs, &[("a2", "s2")])).await;
    assert_eq!(world.statuses(&names).await, [None, None, Some(0)]);
    let again = world.build("app").await;
    assert_eq!((again.id, again.drv_path.as_str()), (before.id, drv("a2").as_str()));
    assert_eq!(evaluations(&world, "j").await, (1, vec![3]), "there are no new builds");
    let (name, lease) = world.next().await;
    assert_eq!(name, "s2");
    world.realised(&lease, &Realised::default()).await;
    let wanted = world.env.store.wanted_paths().await.expect("paths");
    assert!(wanted.contains(&drv("a2")), "what waits keeps its derivation: {wanted:?}");
    world.build_all(&[]).await;
    assert_eq!(world.statuses(&names).await, [Some(0); 3]);
}

pub async fn a_build_in_the_queue_whose_derivation_moved_is_built_by_the_new_one(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("runs", "r"), job("waits", "w"), job("there", "t")], &[])).await;
    let (name, running) = world.next().await;
    assert_eq!(name, "r");
    let jobs = vec![moved("runs", "r", "r2"), moved("waits", "w", "w2"), moved("there", "t", "t2")];
    let mut found = found(jobs, &[]);
    found.derivations.get_mut(&drv("t2")).expect("it").realised =
        Some(Realised { size: 9, ..Realised::default() });
    world.evaluated("j", found).await;
    let there = world.build("there").await;
    assert_eq!((there.status, there.is_cached, there.size), (Some(0), true, Some(9)));
    world.failed(&running, Cause::Superseded).await;
    assert!(!world.build("runs").await.finished, "the end of the old derivation is not its end");
    let mut built = vec![];
    for _ in 0..2 {
        let (name, lease) = world.next().await;
        world.realised(&lease, &Realised::default()).await;
        built.push(name);
    }
    built.sort();
    assert_eq!(built, ["r2", "w2"]);
    assert!(world.env.lease(world.runner, 8).await.is_empty(), "the old ones are not built");
    assert_eq!(world.statuses(&["runs", "waits"]).await, [Some(0); 2]);
}

pub async fn hydra_54_a_success_that_is_restarted_ends_cached(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("a", "1")], &[])).await;
    world.build_all(&[]).await;
    let id = world.build("a").await.id;
    world.farm.restart_build(&world.admin, id).await.expect("restarted");
    let build = world.build("a").await;
    assert_eq!((build.finished, build.status, build.is_cached), (false, None, false));
    world.build_all(&[]).await;
    let build = world.build("a").await;
    assert_eq!((build.id, build.status, build.is_cached), (id, Some(0), true));
    // What was collected meanwhile is built again.
    world.farm.restart_build(&world.admin, id).await.expect("restarted");
    let (_, lease) = world.next().await;
    world.realised(&lease, &Realised { is_built: true, ..Realised::default() }).await;
    let build = world.build("a").await;
    assert_eq!((build.id, build.status, build.is_cached), (id, Some(0), false));
}

pub async fn hydra_55_strangers_change_nothing_and_a_role_opens_one_thing(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(vec![job("a", "1"), job("b", "2")], &[])).await;
    let (a, b) = (world.build("a").await.id, world.build("b").await.id);
    let carol = user(&world.farm, "carol", &[]).await;
    let farm = &world.farm;
    let refused = async |by: &Caller| {
        [
            farm.bump_build(by, a).await.unwrap_err().kind,
            farm.cancel_build(by, a).await.unwrap_err().kind,
            farm.restart_build(by, a).await.unwrap_err().kind,
            farm.keep_build(by, a, true).await.unwrap_err().kind,
            farm.cancel_evaluation(by, 1).await.unwrap_err().kind,
            farm.bump_evaluation(by, 1).await.unwrap_err().kind,
            farm.restart_evaluation(by, 1, Restart::Failed).await.unwrap_err().kind,
        ]
    };
    assert_eq!(refused(&carol).await, [Kind::Forbidden; 7]);
    assert!(refused(&Caller::Anonymous).await.iter().all(|kind| *kind != Kind::Missing));
    let bumper = user(farm, "bumper", &[Role::BumpToFront]).await;
    farm.bump_build(&bumper, b).await.expect("allowed");
    assert_eq!(farm.cancel_build(&bumper, b).await.unwrap_err().kind, Kind::Forbidden);
    let canceller = user(farm, "canceller", &[Role::CancelBuild]).await;
    farm.cancel_build(&canceller, a).await.expect("allowed");
    let restarter = user(farm, "restarter", &[Role::RestartJobs]).await;
    farm.restart_build(&restarter, a).await.expect("allowed");
    farm.keep_build(&world.admin, a, true).await.expect("allowed");
    assert!(world.build("a").await.keep);
}

pub async fn hydra_56_a_bumped_build_is_next(env: Env) {
    let world = with_jobset(env).await;
    let jobs = (0..50).map(|at| job(&format!("j{at:02}"), &format!("o{at:02}"))).collect();
    world.evaluated("j", found(jobs, &[("o37", "inner")])).await;
    let build = world.build("j37").await.id;
    world.farm.bump_build(&world.admin, build).await.expect("bumped");
    let queue = world.farm.nix_queue(&world.admin, 3).await.expect("the queue");
    assert_eq!(queue.iter().map(|build| build.job.as_str()).collect::<Vec<_>>(), ["j37", "j00", "j01"]);
    let (first, lease) = world.next().await;
    assert_eq!(first, "inner", "what it needs goes before");
    world.realised(&lease, &Realised::default()).await;
    assert_eq!(world.next().await.0, "o37");
}

pub async fn hydra_57_jobsets_share_time_by_their_shares(env: Env) {
    let world = with_jobset(env).await;
    world.jobset("k", JobsetFields { shares: 3, ..fields() }).await;
    let jobs =
        |prefix: &str| (0..60).map(|at| job(&format!("{prefix}{at}"), &format!("{prefix}{at}"))).collect();
    world.evaluated("j", found(jobs("a"), &[])).await;
    world.push("k", true).await;
    world.tend().await;
    world.evaluate(&result("h", found(jobs("b"), &[]))).await;
    let (mut one, mut three) = (0, 0);
    for _ in 0..40 {
        let (name, lease) = world.next().await;
        world.env.clock.advance(Duration::from_secs(100));
        world.realised(&lease, &Realised::default()).await;
        if name.starts_with('a') { one += 1 } else { three += 1 }
    }
    assert!((9..=11).contains(&one) && (29..=31).contains(&three), "{one} to {three}");
}

pub async fn a_failure_is_remembered_until_a_restart_or_its_time(env: Env) {
    let world = with_jobset(env).await;
    let make = |hash: &str| found(vec![job("a", &format!("a{hash}")), job("b", &format!("b{hash}"))], &[]);
    let with = |hash: &str| {
        let mut found = make(hash);
        for (who, needed) in [(format!("a{hash}"), "inner"), (format!("b{hash}"), "slow")] {
            found.derivations.get_mut(&drv(&who)).expect("it").needs.push(drv(needed));
            let inner = found.derivations[&drv(&who)].clone();
            let inner = ropewalk_model::nix::Derivation { needs: vec![], name: needed.into(), ..inner };
            found.derivations.insert(drv(needed), inner);
        }
        found
    };
    world.evaluated("j", with("1")).await;
    world.build_all(&[("inner", Cause::StepFailed), ("slow", Cause::Timeout)]).await;
    assert_eq!(world.statuses(&["a", "b"]).await, [2, 7].map(Some));
    world.evaluated("j", with("2")).await;
    world.tend().await;
    let a = world.build("a").await;
    assert_eq!((a.status, a.is_cached), (Some(2), false), "it failed before");
    let waits = world.build("b").await;
    assert!(!waits.finished, "a time-out may end otherwise");
    world.build_all(&[]).await;
    world.farm.restart_build(&world.admin, a.id).await.expect("restarted");
    world.build_all(&[]).await;
    assert_eq!(world.build("a").await.status, Some(0));
    world.evaluated("j", with("3")).await;
    world.build_all(&[("inner", Cause::StepFailed)]).await;
    assert_eq!(world.build("a").await.status, Some(2));
    world.wait(8 * 24 * 3600).await;
    world.evaluated("j", with("4")).await;
    assert!(!world.build("a").await.finished, "its time is over");
}

pub async fn a_removed_jobset_takes_its_builds_along(env: Env) {
    let world = with_jobset(env).await;
    world.evaluated("j", found(twenty(), &[])).await;
    let id = world.build("j00").await.id;
    let (_, lease) = world.next().await;
    world.push("j", false).await;
    world.tend().await;
    world.farm.delete_jobset(&world.admin, "p", "j").await.expect("removed");
    assert_eq!(world.farm.nix_build(&world.admin, id).await.unwrap_err().kind, Kind::Missing);
    world.failed(&lease, Cause::Cancelled).await;
    assert!(world.env.lease(world.runner, 8).await.is_empty(), "nothing of it is run any more");
    let told = (world.env.store.ended_builds(10).await, world.env.store.ended_evaluations(10).await);
    assert!(told.0.expect("none").is_empty() && told.1.expect("none").is_empty());
    world.jobset("j", fields()).await;
    world.evaluated("j", found(twenty(), &[])).await;
    assert_eq!(evaluations(&world, "j").await, (1, vec![20]));
}

pub async fn a_derivation_that_two_jobsets_need_is_built_once(env: Env) {
    let world = with_jobset(env).await;
    world.jobset("k", fields()).await;
    world.evaluated("j", found(vec![job("a", "same")], &[])).await;
    world.push("k", true).await;
    world.tend().await;
    world.evaluate(&result("h", found(vec![job("b", "same")], &[]))).await;
    let (_, lease) = world.next().await;
    assert!(world.env.lease(world.runner, 8).await.is_empty());
    world.realised(&lease, &Realised { size: 9, ..Realised::default() }).await;
    for name in ["a", "b"] {
        let build = world.build(name).await;
        assert_eq!((build.status, build.size), (Some(0), Some(9)));
    }
}

//! Builds: queued, polled, built by agents that may vanish.

use super::{Farm, GIT, now, on_both_engines};
use crate::server::Engine;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

on_both_engines! {
    vieter_13_what_cannot_be_queued_is_told_in_five_texts
    vieter_14_a_queued_build_is_handed_out_once
    vieter_15_force_is_true_if_it_is_there
    vieter_16_polls_that_get_nothing
    vieter_17_builds_come_in_the_order_in_which_they_were_queued
    vieter_18_builds_go_to_their_architecture_only
    vieter_19_a_patch_drops_queued_builds
    vieter_20_a_removal_drops_queued_builds
    vieter_22_twenty_agents_share_two_hundred_builds
    vieter_23_after_a_restart_nothing_is_due_at_once
    what_was_queued_and_handed_out_survives_kill_9
    a_log_ends_the_build_and_the_job_shows_it
    agents_build_what_their_account_wrote_and_owners_keep_their_own
}

async fn vieter_13_what_cannot_be_queued_is_told_in_five_texts(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    for (query, message) in [
        ("arch=a".to_string(), "Missing target query arg."),
        (String::new(), "Missing target query arg."),
        (format!("target={id}"), "Missing arch query arg."),
        (format!("target={id}&arch="), "Empty arch query arg."),
        ("target=999&arch=a".into(), "Unknown target id."),
        ("target=x&arch=a".into(), "Unknown target id."),
    ] {
        farm.post(&format!("/api/v1/jobs/queue?{query}")).await.is_refused(400, message);
    }
    for arch in ["a", "x86_64", ""] {
        assert!(farm.poll(arch, 9).await.is_empty());
    }
}

async fn vieter_14_a_queued_build_is_handed_out_once(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target("kind=git&url=U&repo=r&branch=b&path=p").await;
    farm.queue(id, "x86_64").await;
    let expected = format!(
        r#"{{"message":"","data":[{{"target_id":{id},"kind":"git","url":"U","branch":"b","path":"p","repo":"r","base_image":"archlinux:base-devel","force":false,"timeout":3600}}]}}"#
    );
    assert_eq!(farm.get("/api/v1/jobs/poll?arch=x86_64&max=5").await.text(), expected);
    assert_eq!(farm.get("/api/v1/jobs/poll?arch=x86_64&max=5").await.text(), r#"{"message":"","data":[]}"#);
}

async fn vieter_15_force_is_true_if_it_is_there(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    for force in ["&force", "&force=", "&force=true", "&force=false", ""] {
        farm.post(&format!("/api/v1/jobs/queue?target={id}&arch=x86_64{force}")).await.is_bare(200);
    }
    let forced: Vec<Value> = farm.poll("x86_64", 9).await.iter().map(|job| job["force"].clone()).collect();
    assert_eq!(json!(forced), json!([true, true, true, true, false]));
}

async fn vieter_16_polls_that_get_nothing(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    farm.queue(id, "x86_64").await;
    farm.get("/api/v1/jobs/poll?max=1").await.is_refused(400, "Missing arch query arg.");
    farm.get("/api/v1/jobs/poll").await.is_refused(400, "Missing arch query arg.");
    farm.get("/api/v1/jobs/poll?arch=x86_64").await.is_refused(400, "Missing max query arg.");
    for query in ["arch=x86_64&max=0", "arch=x86_64&max=-1", "arch=x86_64&max=abc", "arch=unknown&max=3"] {
        assert_eq!(farm.get(&format!("/api/v1/jobs/poll?{query}")).await.data(), json!([]), "{query}");
    }
    assert_eq!(farm.poll("x86_64", 1).await.len(), 1);
}

async fn vieter_17_builds_come_in_the_order_in_which_they_were_queued(engine: Engine) {
    let farm = Farm::start(engine).await;
    let mut queued = vec![];
    for _ in 0..5 {
        let id = farm.target(GIT).await;
        farm.queue(id, "x86_64").await;
        queued.push(id);
    }
    let mut polled = vec![];
    for count in [2, 2, 1, 0] {
        let jobs = farm.poll("x86_64", 2).await;
        assert_eq!(jobs.len(), count);
        polled.extend(jobs.iter().map(|job| job["target_id"].as_i64().unwrap()));
    }
    assert_eq!(polled, queued);
}

async fn vieter_18_builds_go_to_their_architecture_only(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    for arch in ["aarch64", "a%20b,c"] {
        farm.queue(id, arch).await;
        assert!(farm.poll("x86_64", 5).await.is_empty());
        assert_eq!(farm.poll(arch, 5).await.len(), 1);
    }
}

async fn vieter_19_a_patch_drops_queued_builds(engine: Engine) {
    let farm = Farm::start(engine).await;
    let (id, other) = (farm.target(GIT).await, farm.target(GIT).await);
    farm.queue(id, "x86_64").await;
    farm.queue(id, "aarch64").await;
    farm.queue(other, "x86_64").await;
    farm.ask("PATCH", &format!("/api/v1/targets/{id}?branch=x")).await.data();
    assert!(farm.poll("aarch64", 5).await.is_empty());
    let left = farm.poll("x86_64", 5).await;
    assert_eq!(left.iter().map(|job| job["target_id"].as_i64().unwrap()).collect::<Vec<_>>(), [other]);
    // What came later is not touched, nor is what was handed out.
    farm.queue(id, "x86_64").await;
    assert_eq!(farm.poll("x86_64", 5).await[0]["branch"], "x");
    farm.ask("PATCH", &format!("/api/v1/targets/{id}?branch=y")).await.data();
    let log = farm.log(&log_of(id, 0), b"built").await;
    assert_eq!(job_of(&farm, log), ("success".into(), 1));
}

async fn vieter_20_a_removal_drops_queued_builds(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    farm.queue(id, "x86_64").await;
    farm.ask("DELETE", &format!("/api/v1/targets/{id}")).await.is_bare(200);
    assert!(farm.poll("x86_64", 5).await.is_empty());
}

async fn vieter_22_twenty_agents_share_two_hundred_builds(engine: Engine) {
    const BUILDS: usize = 200;
    let farm = Arc::new(Farm::start(engine).await);
    let mut queued = BTreeSet::new();
    for _ in 0..BUILDS {
        let id = farm.target(GIT).await;
        farm.queue(id, "x86_64").await;
        queued.insert(id);
    }
    let agents: Vec<_> = (0..20)
        .map(|_| {
            let farm = farm.clone();
            tokio::spawn(async move {
                let mut got = vec![];
                loop {
                    let jobs = farm.poll("x86_64", 3).await;
                    if jobs.is_empty() {
                        return got;
                    }
                    got.extend(jobs.iter().map(|job| job["target_id"].as_i64().unwrap()));
                }
            })
        })
        .collect();
    let mut all = vec![];
    for agent in agents {
        all.extend(agent.await.unwrap());
    }
    // Agents that step over each other's rows may see nothing where something is left.
    all.extend(farm.poll("x86_64", 200).await.iter().map(|job| job["target_id"].as_i64().unwrap()));
    assert_eq!(all.len(), BUILDS, "each once");
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), queued);
}

async fn vieter_23_after_a_restart_nothing_is_due_at_once(engine: Engine) {
    let mut farm = Farm::start(engine).await;
    // Twelve hours from now, so that no test runs when it comes.
    let hour = (now() / 3600 + 12) % 24;
    for _ in 0..3 {
        farm.target(&format!("{GIT}&schedule=0+{hour}")).await;
    }
    const NEXT: &str = "SELECT MIN(next_at) AS n FROM arch_target_archs";
    let next = farm.server.number(NEXT).await;
    farm.server.kill();
    // It came yesterday, while no server ran.
    let day = 24 * 3600 * 1_000_000_i64;
    assert_eq!(
        farm.server.change_database(&format!("UPDATE arch_target_archs SET next_at = next_at - {day}")).await,
        3
    );
    farm.server.start_again();
    assert!(farm.poll("x86_64", 9).await.is_empty());
    assert_eq!(farm.server.number(NEXT).await, next, "it comes at its next time");
    assert_eq!(farm.get("/api/v1/targets?limit=0").await.data().as_array().unwrap().len(), 3);
}

fn log_of(target: i64, exit: i32) -> String {
    let at = now();
    format!("target={target}&startTime={at}&endTime={at}&arch=x86_64&exitCode={exit}")
}

/// Status of the newest job, which a log has just ended, and how many jobs of this door there are.
fn job_of(farm: &Farm, _log: i64) -> (String, usize) {
    let jobs = farm.server.json(&["list", "--json"]);
    let jobs: Vec<&Value> = jobs.as_array().unwrap().iter().filter(|job| job["kind"] == "vieter").collect();
    let ended = jobs.iter().filter(|job| !job["ended"].is_null());
    let newest = ended.max_by_key(|job| job["ended"].as_str().unwrap_or_default().to_string()).unwrap();
    let ends = jobs.iter().filter(|job| job["status"] == newest["status"]).count();
    (newest["status"].as_str().unwrap().into(), ends)
}

async fn what_was_queued_and_handed_out_survives_kill_9(engine: Engine) {
    let mut farm = Farm::start(engine).await;
    let (id, other) = (farm.target(GIT).await, farm.target(GIT).await);
    farm.queue(id, "x86_64").await;
    assert_eq!(farm.poll("x86_64", 1).await.len(), 1);
    farm.queue(other, "x86_64").await;
    farm.server.kill();
    farm.server.start_again();
    let jobs = farm.poll("x86_64", 9).await;
    assert_eq!(jobs.iter().map(|job| job["target_id"].as_i64().unwrap()).collect::<Vec<_>>(), [other]);
    // The build that was handed out before is still the one that its log ends.
    let log = farm.log(&log_of(id, 0), b"built").await;
    farm.server.kill();
    farm.server.start_again();
    assert_eq!(farm.get(&format!("/api/v1/logs/{log}/content")).await.bytes, b"built");
    assert_eq!(job_of(&farm, log), ("success".into(), 1));
}

async fn a_log_ends_the_build_and_the_job_shows_it(engine: Engine) {
    let farm = Farm::start_with(engine, &[("ROPEWALK_ARCH__BUILD_TIMEOUT", "60")]).await;
    let id = farm.target(GIT).await;
    farm.queue(id, "x86_64").await;
    assert_eq!(farm.poll("x86_64", 1).await[0]["timeout"], 60);
    let log = farm.log(&log_of(id, 4), b"==> ERROR\n").await;
    assert_eq!(job_of(&farm, log), ("failed".into(), 1));
    let jobs = farm.server.json(&["list", "--json"]);
    let number = jobs[0]["id"].as_i64().unwrap();
    let shown = farm.server.json(&["show", "--json", &number.to_string()]);
    assert_eq!((&shown["kind"], &shown["cause"]), (&json!("vieter"), &json!("step-failed")), "{shown:#}");
    let bytes = farm.server.done(&["logs", &number.to_string()]);
    assert!(bytes.contains("==> ERROR"), "{bytes}");
    // A log that nothing was handed out for is a build of its own.
    let alone = farm.log(&log_of(id, 0), b"by hand").await;
    assert_eq!(job_of(&farm, alone), ("success".into(), 1));
    assert_eq!(farm.get(&format!("/api/v1/logs/{alone}/content")).await.bytes, b"by hand");
}

async fn agents_build_what_their_account_wrote_and_owners_keep_their_own(engine: Engine) {
    let farm = Farm::start(engine).await;
    farm.server.done(&["user", "create", "ann"]);
    let ann = farm.server.done(&["token", "create", "--user", "ann"]).trim().to_string();
    let reader =
        farm.server.done(&["token", "create", "--user", "ann", "--grants", "REPOS:RO"]).trim().to_string();
    let other =
        farm.server.done(&["token", "create", "--user", "ann", "--grants", "JOBS:RW"]).trim().to_string();
    let id = farm.target(GIT).await;
    let status = async |key: &str, method: &str, path: String| {
        super::answer(farm.request(method, &path).header("X-API-KEY", key)).await.status
    };
    assert_eq!(status(&ann, "GET", format!("/api/v1/targets/{id}")).await, 200);
    assert_eq!(status(&reader, "GET", format!("/api/v1/targets/{id}")).await, 200);
    assert_eq!(status(&other, "GET", format!("/api/v1/targets/{id}")).await, 403);
    assert_eq!(status(&reader, "POST", format!("/api/v1/targets?{GIT}")).await, 403);
    for (method, path) in [
        ("PATCH", format!("/api/v1/targets/{id}?branch=x")),
        ("DELETE", format!("/api/v1/targets/{id}")),
        ("POST", format!("/api/v1/targets?{GIT}")),
        ("POST", format!("/api/v1/jobs/queue?target={id}&arch=x86_64")),
        ("POST", format!("/api/v1/logs?{}", log_of(id, 0))),
    ] {
        assert_eq!(status(&ann, method, path.clone()).await, 403, "{method} {path}");
    }
    assert_eq!(status(&ann, "POST", "/api/v1/targets?kind=git&url=U&repo=ann".into()).await, 200);
    // Her agent needs no administrator's key, and no administrator's agent runs what she wrote.
    let hers =
        farm.server.done(&["token", "create", "--user", "ann", "--grants", "AGENT:RW"]).trim().to_string();
    farm.queue(id, "x86_64").await;
    let own = id + 1;
    assert_eq!(status(&ann, "POST", format!("/api/v1/jobs/queue?target={own}&arch=x86_64")).await, 200);
    let polled =
        super::answer(farm.request("GET", "/api/v1/jobs/poll?arch=x86_64&max=9").header("X-API-KEY", &hers))
            .await;
    let ids = |jobs: &[Value]| jobs.iter().map(|job| job["target_id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(polled.data().as_array().unwrap()), [own]);
    assert_eq!(ids(&farm.poll("x86_64", 9).await), [id]);
    let package = super::packages::package("p", "1-1", "any");
    let published =
        super::answer(farm.request("POST", "/ann/publish").header("X-API-KEY", &hers).body(package)).await;
    assert_eq!(published.status, 200);
    assert_eq!(status(&hers, "POST", format!("/api/v1/logs?{}", log_of(own, 0))).await, 200);
    assert_eq!(status(&hers, "DELETE", "/ann".into()).await, 403);
    assert_eq!(status(&hers, "GET", "/api/v1/logs".into()).await, 403);
    // The administrator's own token is more than an agent should hold.
    assert_eq!(farm.server.words().matches("may do all that its account may").count(), 1);
    assert_eq!(farm.get(&format!("/api/v1/targets/{id}")).await.data()["branch"], "");
}

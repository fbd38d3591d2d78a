//! Addresses that lead from one thing to another, and how builds went over time.

use super::builds::World;
use super::on_both_engines;
use crate::server::Engine;
use serde_json::{Value, json};

on_both_engines! {
    hydra_49_the_newest_builds_of_projects_jobsets_and_all
    evaluations_lead_to_builds_and_back
    a_job_has_histories
}

const RELEASE: &str = r#"
{ src ? null }:
let sh = name: script: derivation {
  inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ];
}; in {
  good = sh "good-1.0" ''
    mkdir -p $out/nix-support; echo 'coverage 87.5 %' > $out/nix-support/hydra-metrics
  '';
  bad = sh "bad-1.0" "exit 1";
}
"#;

async fn hydra_49_the_newest_builds_of_projects_jobsets_and_all(engine: Engine) {
    let world = World::of(engine, RELEASE, 2).await;
    let good = world.build("good").await;
    for place in ["", "/project/p", "/jobset/p/j", "/job/p/j/good"] {
        for kind in ["latest", "latest-for/x86_64-linux", "latest-finished"] {
            for rest in ["", "/download/1/some%20name?x=y"] {
                let led = world.get(&format!("{place}/{kind}{rest}")).await;
                let to = format!("{}/build/{good}{rest}", world.farm.origin());
                assert_eq!((led.status, led.header("location")), (302, to.as_str()), "{place}/{kind}");
            }
        }
        world.get(&format!("{place}/latest-for/riscv64-linux")).await.is_refused(404);
    }
    for nothing in ["/project/q/latest", "/jobset/p/q/latest", "/job/p/q/good/latest", "/job/p/j/bad/latest"]
    {
        world.get(nothing).await.is_refused(404);
    }
    assert_eq!(world.farm.jobset("p", "empty", super::good_jobset()).await.status, 201);
    world.get("/jobset/p/empty/latest").await.is_refused(404);
    let mut renamed = super::good_jobset();
    renamed["name"] = json!("new");
    assert_eq!(world.farm.jobset("p", "empty", renamed).await.status, 200);
    let moved = world.get("/jobset/p/empty/latest-for/x?a=b").await;
    let to = format!("{}/jobset/p/new/latest-for/x?a=b", world.farm.origin());
    assert_eq!((moved.status, moved.header("location")), (301, to.as_str()));
}

async fn evaluations_lead_to_builds_and_back(engine: Engine) {
    let world = World::of(engine, RELEASE, 2).await;
    let (good, evaluation) = (world.build("good").await, world.evaluation().await);
    let id = &evaluation["id"];
    let leads = async |from: &str, to: &str| {
        let led = world.get(from).await;
        let to = format!("{}{to}", world.farm.origin());
        assert_eq!((led.status, led.header("location")), (302, to.as_str()), "{from}");
    };
    leads(&format!("/eval/{id}/job/good"), &format!("/build/{good}")).await;
    leads(&format!("/eval/{id}/job/good/log/raw?x"), &format!("/build/{good}/log/raw?x")).await;
    leads(&format!("/build/{good}/eval"), &format!("/eval/{id}")).await;
    leads(&format!("/build/{good}/eval/store-paths"), &format!("/eval/{id}/store-paths")).await;
    assert_eq!(world.get(&format!("/build/{good}/evals")).await.data(), json!([evaluation]));
    assert_eq!(world.get(&format!("/eval/{id}/errors")).await.data(), evaluation);
    let build = world.get(&format!("/build/{good}")).await.data();
    let info = json!({
        "buildId": good, "drvPath": build["drvpath"], "outPath": build["buildoutputs"]["out"]["path"],
    });
    assert_eq!(world.get(&format!("/build/{good}/api/get-info")).await.data(), info);
    for nothing in [
        &format!("/eval/{id}/job/nosuch"),
        "/eval/99/job/good",
        "/build/99999/eval",
        "/build/99999/evals",
        "/eval/x/job/y",
    ] {
        world.get(nothing).await.is_refused(404);
    }
}

async fn a_job_has_histories(engine: Engine) {
    let world = World::of(engine, RELEASE, 2).await;
    let build = world.get(&format!("/build/{}", world.build("good").await)).await.data();
    let history = async |what: &str| world.get(&format!("/job/p/j/good/{what}")).await.data();
    let number = |name: &str| build[name].as_i64().unwrap();
    let of = |value: Value| json!([{ "id": build["id"], "timestamp": build["timestamp"], "value": value }]);
    assert_eq!(history("build-times").await, of(json!(number("stoptime") - number("starttime"))));
    for sizes in ["closure-sizes", "output-sizes"] {
        let size = history(sizes).await[0]["value"].as_i64().unwrap();
        assert!(size > 100, "{sizes}: {size}");
        assert_eq!(history(sizes).await, of(json!(size)));
    }
    let mut coverage = of(json!(87.5));
    coverage[0]["unit"] = json!("%");
    assert_eq!(history("metric/coverage").await, coverage);
    assert_eq!(history("metric/nosuch").await, json!([]));
    assert_eq!(world.get("/job/p/j/bad/output-sizes").await.data(), json!([]));
    world.get("/job/p/q/good/output-sizes").await.is_refused(404);

    let measures = async |job: &str| world.get(&format!("/job/p/j/{job}/prometheus")).await;
    for (job, failed) in [("good", 0), ("bad", 1)] {
        let text = measures(job).await.text();
        let line = format!("hydra_job_failed{{project=\"p\",jobset=\"j\",job=\"{job}\"}} {failed}\n");
        assert!(
            text.contains(&line) && text.contains("# TYPE hydra_job_completion_time counter\n"),
            "{text}"
        );
    }
    measures("nosuch").await.is_refused(404);

    let counts = async |query: &str| world.get(&format!("/api/nrbuilds?{query}")).await.data();
    // An hour may have begun since.
    let sum = |counts: Value| counts.as_array().unwrap().iter().filter_map(Value::as_i64).sum::<i64>();
    assert_eq!(sum(counts("nr=2&period=hour").await), 2);
    assert_eq!(sum(counts("nr=2&period=day&project=p&jobset=j&job=good").await), 1);
    assert_eq!(counts("nr=3&period=day&project=q").await, json!([0, 0, 0]));
    for bad in ["", "nr=2", "period=day", "nr=-1&period=day", "nr=2&period=week", "nr=2&period=day&jobset=j"]
    {
        world.get(&format!("/api/nrbuilds?{bad}")).await.is_refused(400);
    }
}

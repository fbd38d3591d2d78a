//! What real builds made, as it is shown: outputs, products, logs, errors of evaluations; and how `hydra-cli` waits.

use super::builds::World;
use super::client::HydraCli;
use super::on_both_engines;
use crate::server::Engine;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

on_both_engines! {
    hydra_30_hydra_cli_waits_for_a_green_jobset
    hydra_31_hydra_cli_waits_for_failures_and_in_vain
    hydra_37_a_build_is_shown_with_all_that_is_known
    hydra_38_several_outputs_are_shown
    hydra_39_products_release_name_and_metrics_are_shown
    hydra_40_a_folder_is_a_product_and_a_file_is_none
    hydra_42_logs_are_shown_by_build_and_derivation
    hydra_43_a_log_is_shown_while_its_build_runs
    hydra_51_an_aggregate_of_a_missing_job_is_the_only_error
    hydra_71_hard_errors_leave_good_jobs_alone
}

/// An expression with these jobs.
fn release(jobs: &str) -> String {
    let sh = r#"name: script: extra: derivation ({
      inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ];
    } // extra)"#;
    format!("{{ src ? null }}:\nlet sh = {sh}; in {{\n{jobs}\n}}\n")
}

async fn world(engine: Engine, jobs: &str, finished: usize) -> World {
    World::of(engine, &release(jobs), finished).await
}

async fn shown(world: &World, job: &str) -> Value {
    world.get(&format!("/build/{}", world.build(job).await)).await.data()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// How `jobset-wait` ends: its exit code. Whoever waits for the next evaluation must not miss it, so it is asked for
/// again and again meanwhile.
async fn waited(world: &World, timeout: Duration) -> i32 {
    let client = HydraCli::new(&world.farm);
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (begun, mut idle) = (std::time::Instant::now(), None);
    while begun.elapsed() < timeout {
        let jobset = client.get("/api/jobsets?project=p").data()[0].clone();
        let is_idle = jobset["starttime"].is_null();
        match idle {
            None if is_idle => idle = Some(second()),
            Some(since) if jobset["lastcheckedtime"].as_u64() > Some(since) => {
                if jobset["haserrormsg"] == true || jobset["nrfailed"] != 0 {
                    return 1;
                }
                if jobset["nrsucceeded"] == jobset["nrtotal"] {
                    return 0;
                }
            }
            Some(_) if is_idle => assert_eq!(client.push("p:j").status, 200),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    124
}

async fn hydra_30_hydra_cli_waits_for_a_green_jobset(engine: Engine) {
    let world = world(engine, r#"a = sh "a" "echo > $out" {}; b = sh "b" "echo > $out" {};"#, 2).await;
    assert_eq!(waited(&world, crate::server::PATIENCE).await, 0);
}

async fn hydra_31_hydra_cli_waits_for_failures_and_in_vain(engine: Engine) {
    let jobs = r#"good = sh "good" "echo > $out" {}; slow = sh "slow" "sleep 300" {};"#;
    let world = world(engine, jobs, 1).await;
    assert_eq!(waited(&world, Duration::from_secs(3)).await, 124);
    world.change(&release(r#"good = sh "good" "echo > $out" {}; bad = throw "no job";"#));
    assert_eq!(waited(&world, crate::server::PATIENCE).await, 1);
    assert_eq!(world.overview().await["haserrormsg"], true);
    world.change(&release(r#"good = sh "good" "echo > $out" {}; bad = sh "bad" "exit 1" {};"#));
    assert_eq!(waited(&world, crate::server::PATIENCE).await, 1);
    let jobset = world.overview().await;
    assert_eq!((&jobset["haserrormsg"], &jobset["nrfailed"]), (&json!(false), &json!(1)));
}

async fn hydra_37_a_build_is_shown_with_all_that_is_known(engine: Engine) {
    let world = world(engine, r#"success = sh "success-1.0" "echo made > $out" {};"#, 1).await;
    let build = shown(&world, "success").await;
    let all = "buildmetrics buildoutputs buildproducts buildstatus drvpath finished id job jobset jobsetevals nixname \
               priority project releasename starttime stoptime system timestamp";
    assert_eq!(keys(&build), all.split_whitespace().collect());
    for number in ["id", "timestamp", "starttime", "stoptime", "priority"] {
        assert!(build[number].is_i64(), "{number}: {build}");
    }
    assert!(build["starttime"].as_i64() <= build["stoptime"].as_i64());
    let words = ["project", "jobset", "job", "nixname", "system"].map(|name| build[name].as_str().unwrap());
    assert_eq!(words, ["p", "j", "success", "success-1.0", "x86_64-linux"]);
    assert_eq!((&build["finished"], &build["buildstatus"]), (&json!(1), &json!(0)));
    assert!(build["releasename"].is_null() && build["jobsetevals"][0].is_i64());
    assert!(build["drvpath"].as_str().unwrap().ends_with("-success-1.0.drv"));
    let path = build["buildoutputs"]["out"]["path"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "made\n");
}

async fn hydra_38_several_outputs_are_shown(engine: Engine) {
    let jobs = r#"
      multi = sh "multi" "mkdir $out $dev $doc" { outputs = [ "out" "dev" "doc" ]; };
      noOut = sh "noout" "echo only > $lib" { outputs = [ "lib" ]; };
    "#;
    let world = world(engine, jobs, 2).await;
    for (job, outputs) in [("multi", &["dev", "doc", "out"][..]), ("noOut", &["lib"])] {
        let build = shown(&world, job).await;
        assert!(keys(&build["buildoutputs"]).into_iter().eq(outputs.iter().copied()), "{build}");
        for output in outputs {
            assert!(std::path::Path::new(build["buildoutputs"][output]["path"].as_str().unwrap()).exists());
        }
    }
}

async fn hydra_39_products_release_name_and_metrics_are_shown(engine: Engine) {
    let jobs = r#"product = sh "product-1.0" ''
      mkdir -p $out/nix-support $out/doc
      head -c 200 /dev/zero > $out/disk.iso
      echo "file iso $out/disk.iso" > $out/nix-support/hydra-build-products
      echo "doc manual $out/doc index.html" >> $out/nix-support/hydra-build-products
      echo product-1.0pre7 > $out/nix-support/hydra-release-name
      printf 'coverage 87.5 %%\nsize 4096 B\ncount 7\n' > $out/nix-support/hydra-metrics
    '' {};"#;
    let world = world(engine, jobs, 1).await;
    let build = shown(&world, "product").await;
    let out = build["buildoutputs"]["out"]["path"].as_str().unwrap();
    // head -c 200 /dev/zero | sha256sum
    let sum = "6d9c54dee5660c46886f32d80e57e9dd0ffa57ee0cd2a762b036d9c8e0c3a33a";
    let products = json!({
        "1": { "type": "file", "subtype": "iso", "name": "disk.iso", "path": format!("{out}/disk.iso"),
               "defaultpath": "", "filesize": 200, "sha256hash": sum },
        "2": { "type": "doc", "subtype": "manual", "name": "doc", "path": format!("{out}/doc"),
               "defaultpath": "index.html", "filesize": null, "sha256hash": null },
    });
    assert_eq!(build["buildproducts"], products);
    assert_eq!(build["releasename"], "product-1.0pre7");
    let metrics = json!({
        "coverage": { "value": 87.5, "unit": "%" },
        "size": { "value": 4096.0, "unit": "B" },
        "count": { "value": 7.0, "unit": null },
    });
    assert_eq!(build["buildmetrics"], metrics);
}

async fn hydra_40_a_folder_is_a_product_and_a_file_is_none(engine: Engine) {
    let jobs = r#"
      folder = sh "folder-1.0" "mkdir $out" {};
      plain = sh "plain-1.0" "echo > $out" {};
    "#;
    let world = world(engine, jobs, 2).await;
    let folder = shown(&world, "folder").await;
    assert_eq!(keys(&folder["buildproducts"]), BTreeSet::from(["1"]));
    let product = &folder["buildproducts"]["1"];
    let words = ["type", "subtype", "name"].map(|name| product[name].as_str().unwrap());
    assert_eq!(words, ["nix-build", "", "folder-1.0"]);
    assert_eq!(product["path"], folder["buildoutputs"]["out"]["path"]);
    assert_eq!(shown(&world, "plain").await["buildproducts"], json!({}));
}

async fn hydra_42_logs_are_shown_by_build_and_derivation(engine: Engine) {
    let jobs = r#"success = sh "success-1.0" "echo one; echo two; echo three; echo > $out" {};"#;
    let world = world(engine, jobs, 1).await;
    let build = shown(&world, "success").await;
    let name = build["drvpath"].as_str().unwrap().rsplit('/').next().unwrap();
    let log = world.get(&format!("/log/{name}")).await;
    assert_eq!((log.status, log.text().as_str()), (200, "one\ntwo\nthree\n"));
    assert_eq!(log.header("content-type"), "text/plain; charset=utf-8");
    let raw = world.get(&format!("/build/{}/log/raw", build["id"])).await;
    let to = format!("{}/log/{name}", world.farm.origin());
    assert_eq!((raw.status, raw.header("location")), (302, to.as_str()));
    assert_eq!(world.get(&format!("/log/{name}?tail=2")).await.text(), "two\nthree\n");
    world.get("/log/none").await.is_refused(404);
}

async fn hydra_43_a_log_is_shown_while_its_build_runs(engine: Engine) {
    let jobs = r#"
      done = sh "done" "echo > $out" {};
      slow = sh "slow" "echo first; sleep 300" {};
    "#;
    let world = world(engine, jobs, 1).await;
    let queue = world.get("/queue").await.data();
    let build = &queue[0];
    assert_eq!((queue.as_array().unwrap().len(), &build["job"]), (1, &json!("slow")));
    let name = build["drvpath"].as_str().unwrap().rsplit('/').next().unwrap();
    world.until("its line", async || world.get(&format!("/log/{name}")).await.text() == "first\n").await;
    assert_eq!(world.get(&format!("/build/{}", build["id"])).await.data()["finished"], 0);
    let cancel = format!("/build/{}/cancel", build["id"]);
    assert_eq!(world.farm.ask(&world.farm.alice, "POST", &cancel).await.status, 302);
    world.until("its end", async || world.get("/api/nrqueue").await.data() == json!(0)).await;
}

async fn hydra_51_an_aggregate_of_a_missing_job_is_the_only_error(engine: Engine) {
    let jobs = r#"
      part = sh "part" "echo > $out" {};
      whole = sh "whole" "echo > $out" { _hydraAggregate = true; constituents = [ "part" ]; };
      broken = sh "broken" "echo > $out" { _hydraAggregate = true; constituents = [ "part" "nosuch" ]; };
    "#;
    let world = world(engine, jobs, 2).await;
    let error = world.get("/jobset/p/j").await.data()["errormsg"].as_str().unwrap().to_owned();
    assert!(error.contains("broken") && error.contains("nosuch") && !error.contains("whole"), "{error}");
    for job in ["part", "whole"] {
        assert_eq!(shown(&world, job).await["buildstatus"], 0, "{job}");
    }
    assert_eq!(world.get("/api/latestbuilds?nr=10&job=broken&project=p&jobset=j").await.data(), json!([]));
}

async fn hydra_71_hard_errors_leave_good_jobs_alone(engine: Engine) {
    let jobs = r#"
      aFirst = sh "first" "echo > $out" {};
      infinite = let x = x + 1; in sh "x" x {};
      deep = let f = n: 1 + f (n + 1); in sh "x" (toString (f 0)) {};
      syntax = import (builtins.toFile "bad.nix" "{ a = ;");
      outside = sh "x" (builtins.readFile "/etc/passwd") {};
      imported = import (sh "made.nix" "echo 1 > $out" {});
      fetched = sh "x" (builtins.readFile (builtins.fetchurl "http://example.org/x")) {};
      zLast = sh "last" "echo > $out" {};
    "#;
    let world = world(engine, jobs, 2).await;
    let error = world.get("/jobset/p/j").await.data()["errormsg"].as_str().unwrap().to_owned();
    for job in ["infinite", "deep", "syntax", "outside", "imported", "fetched"] {
        assert!(error.contains(&format!("in job ‘{job}’")), "{job}: {error}");
    }
    assert_eq!(error.matches("in job ‘").count(), 6, "{error}");
    for job in ["aFirst", "zLast"] {
        assert_eq!(shown(&world, job).await["buildstatus"], 0, "{job}");
    }
}

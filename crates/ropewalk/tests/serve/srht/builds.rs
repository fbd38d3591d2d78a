//! Jobs that are built.

use super::farm::{Farm, statuses};
use super::on_both_engines;
use crate::server::Engine;
use serde_json::{Value, json};

on_both_engines! {
    srht_10_a_job_that_takes_too_long_is_a_timeout
    srht_14_show_has_what_hut_prints
    srht_17_a_failed_job_shows_which_task_failed_and_its_log
    srht_24_an_artifact_is_downloaded_by_its_url
    srht_25_the_url_of_an_old_artifact_is_null
    srht_26_cancel_ends_a_running_job
    srht_27_cancel_of_an_ended_job_is_an_error
    srht_34_a_running_job_names_its_runner_without_a_port
    srht_56_complete_build_skips_the_rest
    srht_57_a_failed_task_leaves_later_ones_pending
    srht_58_tasks_share_neither_folder_nor_variables_and_are_traced
    srht_59_the_environment_is_exported
}

async fn srht_17_a_failed_job_shows_which_task_failed_and_its_log(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let id = farm
        .submit(
            "image: host\ntasks:\n  - good: true\n  - bad: |\n      echo oh no\n      exit 3\n"
                .replace("good: true", "good: 'true'")
                .as_str(),
            "",
        )
        .await;
    farm.wait(id, "FAILED").await;
    let query =
        "query show ($id: Int!) { job(id: $id) { id status note tags log { fullURL } owner { canonicalName }
        tasks { name status log { fullURL } } group { jobs { id status } } } }";
    let job = farm.ask(&farm.alice, query, json!({ "id": id })).await["job"].clone();
    let failed = job["tasks"].as_array().unwrap().iter().find(|task| task["status"] == "FAILED").unwrap();
    assert_eq!(failed["name"], "bad");
    let url = failed["log"]["fullURL"].as_str().unwrap();
    let (status, range, bytes) =
        farm.get(url.strip_prefix(&farm.server.origin).unwrap(), Some(&farm.alice), Some("bytes=0-")).await;
    let size = bytes.len();
    assert_eq!((status, range), (206, Some(format!("bytes 0-{}/{size}", size - 1))));
    assert!(bytes.windows(5).any(|window| window == b"oh no"));
}

async fn srht_24_an_artifact_is_downloaded_by_its_url(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let manifest = "image: host\nartifacts: [\"out/a b+c.bin\"]\ntasks:\n  - a: |\n      mkdir out\n      printf 'x\\000\\377y' > 'out/a b+c.bin'\n";
    let id = farm.submit(manifest, ", visibility: PRIVATE").await;
    farm.wait(id, "SUCCESS").await;
    let artifact = farm.job(id, "artifacts { id created path size url }").await["artifacts"][0].clone();
    assert_eq!((&artifact["path"], &artifact["size"]), (&"out/a b+c.bin".into(), &4.into()));
    assert!(artifact["created"].as_str().unwrap().ends_with('Z'), "{artifact}");
    let url = artifact["url"].as_str().unwrap().strip_prefix(&farm.server.origin).unwrap().to_string();
    // No token: whoever was told the address may read it.
    let (status, _, bytes) = farm.get(&url, None, None).await;
    assert_eq!((status, bytes.as_slice()), (200, &b"x\x00\xffy"[..]));
    assert_eq!(farm.get(&url, None, Some("bytes=1-2")).await.2, b"\x00\xff");
    for wrong in [url.replace("a%20b", "a%20c"), url.replace("/artifacts/", "/artifacts/0")] {
        assert_eq!(farm.get(&wrong, None, None).await.0, 404, "{wrong}");
    }
}

async fn srht_25_the_url_of_an_old_artifact_is_null(engine: Engine) {
    let mut farm = Farm::busy(engine).await;
    let id = farm.submit("image: host\nartifacts: [f]\ntasks:\n  - a: echo x > f\n", "").await;
    farm.wait(id, "SUCCESS").await;
    let url = farm.job(id, "artifacts { url }").await["artifacts"][0]["url"].as_str().unwrap().to_string();
    let path = url.strip_prefix(&farm.server.origin).unwrap();
    for (days, answered) in [(89, 200), (91, 404)] {
        farm.server.terminate();
        farm.server.age_artifacts(days).await;
        farm.server.start_again();
        let url = if answered == 200 { json!(url) } else { Value::Null };
        let artifacts = farm.job(id, "artifacts { path url }").await["artifacts"].clone();
        assert_eq!(artifacts, json!([{ "path": "f", "url": url }]), "after {days} days");
        assert_eq!(farm.get(path, None, None).await.0, answered, "after {days} days");
    }
}

async fn srht_26_cancel_ends_a_running_job(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let id = farm
        .submit("image: host\ntasks:\n  - a: |\n      echo begun\n      sleep 600\n  - b: echo never\n", "")
        .await;
    farm.wait(id, "RUNNING").await;
    farm.wait_for_log(id, "a", "begun").await;
    let cancel = "mutation cancel ($jobId: Int!) { cancel(jobId: $jobId) { id } }";
    assert_eq!(farm.ask(&farm.alice, cancel, json!({ "jobId": id })).await["cancel"]["id"], id);
    let job = farm.wait(id, "CANCELLED").await;
    assert_eq!(statuses(&job), ["FAILED", "PENDING"]);
}

async fn srht_34_a_running_job_names_its_runner_without_a_port(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let id = farm.submit("image: host\ntasks:\n  - a: sleep 600\n", "").await;
    farm.wait(id, "RUNNING").await;
    let runner = farm.job(id, "runner").await["runner"].as_str().unwrap().to_string();
    assert!(!runner.is_empty() && !runner.contains(':'), "{runner}");
    farm.ask(&farm.alice, "mutation($id: Int!) { cancel(jobId: $id) { id } }", json!({ "id": id })).await;
    farm.wait(id, "CANCELLED").await;
}

async fn srht_27_cancel_of_an_ended_job_is_an_error(engine: Engine) {
    let farm = Farm::idle(engine).await;
    let id = farm.submit(super::farm::MANIFEST, "").await;
    let cancel = "mutation cancel ($jobId: Int!) { cancel(jobId: $jobId) { id } }";
    farm.ask(&farm.alice, cancel, json!({ "jobId": id })).await;
    let (status, body) = farm.post(&farm.alice, cancel, json!({ "jobId": id })).await;
    assert_eq!((status, &body["data"]), (200, &json!({ "cancel": null })), "{body}");
    assert_eq!(body["errors"].as_array().unwrap().len(), 1);
}

async fn srht_10_a_job_that_takes_too_long_is_a_timeout(engine: Engine) {
    let server = crate::server::Server::start_on(engine, &[], &[("ROPEWALK_LIMITS__BUILD_TIME", "15")]).await;
    let (client, token) = (server.client(), server.token());
    let id = server.submit("image: host\ntasks:\n  - a: sleep 600\n");
    server.wait_for(id, "timeout");
    let query = json!({ "query": format!("{{ job(id: {id}) {{ status tasks {{ status }} }} version {{ settings {{ buildTimeout }} }} }}") });
    let (_, body) = client.send("POST", "/query", Some(&token), query).await;
    let expected = json!({ "job": { "status": "TIMEOUT", "tasks": [{ "status": "FAILED" }] },
        "version": { "settings": { "buildTimeout": "15s" } } });
    assert_eq!(body["data"], expected);
}

async fn srht_56_complete_build_skips_the_rest(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let id =
        farm.submit("image: host\ntasks:\n  - a: echo 1\n  - b: complete-build\n  - c: exit 1\n", "").await;
    assert_eq!(statuses(&farm.wait(id, "SUCCESS").await), ["SUCCESS", "SUCCESS", "SKIPPED"]);
}

async fn srht_57_a_failed_task_leaves_later_ones_pending(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let manifest = "image: host\nartifacts: [f]\ntasks:\n  - a: echo x > f\n  - b: exit 3\n  - c: echo 3\n";
    let id = farm.submit(manifest, "").await;
    assert_eq!(statuses(&farm.wait(id, "FAILED").await), ["SUCCESS", "FAILED", "PENDING"]);
    assert_eq!(farm.job(id, "artifacts { id }").await["artifacts"], json!([]));
}

/// The output of a task.
async fn output(farm: &Farm, id: i64, task: &str) -> String {
    let (status, _, bytes) = farm.get(&format!("/query/log/{id}/{task}/log"), Some(&farm.alice), None).await;
    assert_eq!(status, 200);
    String::from_utf8(bytes).unwrap().replace('\r', "")
}

async fn srht_58_tasks_share_neither_folder_nor_variables_and_are_traced(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let manifest = "image: host\ntasks:\n  - one: |\n      cd /tmp\n      export X=1\n  - two: |\n      pwd\n      echo ${X-unset}\n";
    let id = farm.submit(manifest, "").await;
    farm.wait(id, "SUCCESS").await;
    let log = output(&farm, id, "two").await;
    let lines: Vec<&str> = log.lines().collect();
    for line in ["+ pwd", "/home/build", "unset"] {
        assert!(lines.contains(&line), "{line} in {log}");
    }
}

async fn srht_59_the_environment_is_exported(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let manifest = r#"image: host
environment:
  TEXT: "it's \"so\" $HOME"
  YES: true
  INT: 7
  FLOAT: 1.5
  NOTHING: null
  LIST: [a b, c]
tasks:
  - show: |
      set +x
      echo "TEXT=$TEXT"
      echo "YES=$YES INT=$INT FLOAT=$FLOAT NOTHING=[$NOTHING]"
      echo "LIST=${#LIST[@]} ${LIST[0]}"
      env | grep -c '^LIST=' || true
      echo "$CI_NAME $JOB_ID $JOB_URL"
"#;
    let id = farm.submit(manifest, "").await;
    farm.wait(id, "SUCCESS").await;
    let log = output(&farm, id, "show").await;
    let url = format!("sourcehut {id} {}/~alice/job/{id}", farm.server.origin);
    for line in ["TEXT=it's \"so\" $HOME", "YES=true INT=7 FLOAT=1.5 NOTHING=[]", "LIST=2 a b", "0", &url] {
        assert!(log.lines().any(|printed| printed == line), "{line} in {log}");
    }
}

async fn srht_14_show_has_what_hut_prints(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let id = farm.submit(super::farm::MANIFEST, ", note: \"N\", tags: [\"a\", \"b\"]").await;
    farm.wait(id, "SUCCESS").await;
    let query =
        "query show ($id: Int!) { job(id: $id) { id status note tags log { fullURL } owner { canonicalName }
        tasks { name status log { fullURL } } group { jobs { id status } } } }";
    let origin = &farm.server.origin;
    let expected = json!({ "id": id, "status": "SUCCESS", "note": "N", "tags": ["a", "b"],
        "log": { "fullURL": format!("{origin}/query/log/{id}/log") }, "owner": { "canonicalName": "~alice" },
        "tasks": [{ "name": "a", "status": "SUCCESS", "log": { "fullURL": format!("{origin}/query/log/{id}/a/log") } }],
        "group": Value::Null });
    let (_, body) = farm.post(&farm.alice, query, json!({ "id": id })).await;
    assert_eq!(body, json!({ "data": { "job": expected } }));
    // Members stand in the order of the question.
    let order = |text: &str| {
        ["\"id\"", "\"note\"", "\"log\"", "\"tasks\"", "\"group\""].map(|name| text.find(name).unwrap())
    };
    let response = farm
        .client
        .request("POST", "/query", Some(&farm.alice))
        .json(&json!({ "query": query, "variables": { "id": id } }));
    let text = response.send().await.unwrap().text().await.unwrap();
    assert!(order(&text).is_sorted(), "{text}");
}

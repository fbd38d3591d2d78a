//! The bytes of logs, in the ranges that hut asks for.

use super::farm::Farm;
use super::on_both_engines;
use crate::server::{Engine, Server};
use serde_json::{Value, json};

on_both_engines! {
    srht_08_an_empty_log_answers_206
    srht_46_logs_are_exported_whole
    srht_70_ranges_of_logs
    srht_71_the_last_128_kib_of_a_large_log
    srht_71_the_last_128_kib_of_a_large_setup_log
}

async fn srht_08_an_empty_log_answers_206(engine: Engine) {
    let farm = Farm::busy(engine).await;
    // The second task has printed nothing while the first one sleeps.
    let manifest = "image: host\ntasks:\n  - a: |\n      sleep 600\n".to_string();
    let id = farm.submit(&format!("{manifest}  - b: echo later\n"), "").await;
    farm.wait(id, "RUNNING").await;
    let address = format!("/query/log/{id}/b/log");
    for range in ["bytes=0-", "bytes=5-", "bytes=-131072", "bytes=0-0"] {
        let answer = farm.get(&address, Some(&farm.alice), Some(range)).await;
        assert_eq!(answer, (206, Some("bytes 0-0/0".into()), vec![]), "{range}");
    }
    // As hut export asks.
    assert_eq!(farm.get(&address, Some(&farm.alice), None).await, (200, None, vec![]));
    let head = farm.client.request("HEAD", &address, Some(&farm.alice)).header("range", "bytes=0-");
    let head = head.send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-range"]),
        (206, &"bytes 0-0/0".parse().unwrap())
    );
    farm.ask(&farm.alice, "mutation($id: Int!) { cancel(jobId: $id) { id } }", json!({ "id": id })).await;
    farm.wait(id, "CANCELLED").await;
}

async fn srht_70_ranges_of_logs(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let id = farm.submit("image: host\ntasks:\n  - a: echo hi\n", "").await;
    farm.wait(id, "SUCCESS").await;
    for address in [format!("/query/log/{id}/log"), format!("/query/log/{id}/a/log")] {
        let (status, _, whole) = farm.get(&address, Some(&farm.alice), None).await;
        let (size, last) = (whole.len(), whole.len() - 1);
        assert_eq!(status, 200);
        for (range, from) in [
            ("bytes=0-".to_string(), 0),
            (format!("bytes={last}-"), last),
            ("bytes=-131072".into(), 0),
            ("bytes=-2".into(), size - 2),
        ] {
            let answer = farm.get(&address, Some(&farm.alice), Some(&range)).await;
            let expected = (206, Some(format!("bytes {from}-{last}/{size}")), whole[from..].to_vec());
            assert_eq!(answer, expected, "{range}");
        }
        let beyond = farm.get(&address, Some(&farm.alice), Some(&format!("bytes={size}-"))).await;
        assert_eq!(beyond, (416, Some(format!("bytes */{size}")), vec![]));
        let head = farm.client.request("HEAD", &address, Some(&farm.alice)).send().await.unwrap();
        assert_eq!(
            (head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()),
            (200, &*size.to_string())
        );
        assert_eq!(head.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(farm.get(&address, None, Some("bytes=0-")).await.0, 401);
    }
    for (address, status) in [
        ("/query/log/x/log", 400),
        ("/query/log/999999/log", 404),
        ("/query/log/-1/log", 404),
        ("/query/log/1/nothing/log", 404),
        ("/query/log/99999999999999999999/log", 400),
        ("/query/log/1", 404),
        ("/query/log/1/a/b/log", 404),
    ] {
        let (found, _, body) = farm.get(address, Some(&farm.alice), None).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(found, status, "{address}: {body}");
        assert!(body["errors"][0]["message"].is_string(), "{address}: {body}");
    }
}

#[tokio::test]
async fn a_job_that_no_runner_has_taken_has_no_log() {
    let farm = Farm::idle(Engine::Sqlite).await;
    let id = farm.submit(super::farm::MANIFEST, "").await;
    assert_eq!(farm.get(&format!("/query/log/{id}/log"), Some(&farm.alice), Some("bytes=0-")).await.0, 404);
    let job = farm.job(id, "log { fullURL } tasks { log { fullURL } }").await;
    assert_eq!(job, json!({ "log": null, "tasks": [{ "log": null }] }));
}

async fn srht_71_the_last_128_kib_of_a_large_log(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let manifest = "image: host\ntasks:\n  - a: |\n      set +x\n      for n in $(seq 20000); do printf 'line %06d of a log that is more than a million bytes long\\n' $n; done\n";
    let id = farm.submit(manifest, "").await;
    farm.wait(id, "SUCCESS").await;
    let (_, _, whole) = farm.get(&format!("/query/log/{id}/a/log"), Some(&farm.alice), None).await;
    assert!(whole.len() > 1_000_000, "{}", whole.len());
    let tail = farm.job(id, "tasks { log { last128KiB } } log { last128KiB }").await;
    let text = tail["tasks"][0]["log"]["last128KiB"].as_str().unwrap();
    assert_eq!(text.len(), 131_072);
    assert_eq!(text.as_bytes(), &whole[whole.len() - 131_072..]);
    let (size, address) = (whole.len(), format!("/query/log/{id}/a/log"));
    let tail = (206, Some(format!("bytes {}-{}/{size}", size - 131_072, size - 1)), text.as_bytes().to_vec());
    let answered = farm.get(&address, Some(&farm.alice), Some("bytes=-131072")).await;
    assert!(answered == tail, "{:?} {} bytes", (answered.0, answered.1), answered.2.len());
    let tail = farm.job(id, "tasks { log { last128KiB } } log { last128KiB }").await;
    assert!(tail["log"]["last128KiB"].as_str().unwrap().contains("Running task"), "{}", tail["log"]);
}

async fn srht_71_the_last_128_kib_of_a_large_setup_log(engine: Engine) {
    // git shows what a server answers instead of a repository, here more than a million bytes.
    let words: String = (0..20_000)
        .map(|n| format!("line {n:06} of an answer that is no repository at all, sadly\n"))
        .collect();
    let app = axum::Router::new().fallback(move || async move {
        (axum::http::StatusCode::NOT_FOUND, [("content-type", "text/plain")], words)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, app).into_future());
    let variables = [("ROPEWALK_SANDBOX__NETWORK", "host")];
    let farm = Farm::of(Server::start_on(engine, &[], &variables).await);
    let manifest = format!("image: host\nsources: [\"http://{address}/none\"]\ntasks:\n  - a: echo never\n");
    let id = farm.submit(&manifest, "").await;
    farm.wait(id, "FAILED").await;
    serving.abort();
    let (_, _, whole) = farm.get(&format!("/query/log/{id}/log"), Some(&farm.alice), None).await;
    assert!(whole.len() > 1_000_000, "{}", String::from_utf8_lossy(&whole));
    let job = farm.job(id, "log { last128KiB }").await;
    let text = job["log"]["last128KiB"].as_str().unwrap();
    assert_eq!(text.len(), 131_072);
    assert!(text.as_bytes() == &whole[whole.len() - 131_072..], "{text}");
}

async fn srht_46_logs_are_exported_whole(engine: Engine) {
    let farm = Farm::busy(engine).await;
    let id = farm.submit(super::farm::MANIFEST, "").await;
    farm.wait(id, "SUCCESS").await;
    let query = "query exportJobs ($cursor: Cursor) { jobs(cursor: $cursor) { results { id status note tags visibility
        log { fullURL } tasks { name status log { fullURL } } } cursor } }";
    let data = farm.ask(&farm.alice, query, json!({ "cursor": null })).await;
    let job = &data["jobs"]["results"][0];
    assert_eq!(job["id"], id);
    for log in [&job["log"], &job["tasks"][0]["log"]] {
        let address = log["fullURL"].as_str().unwrap().strip_prefix(&farm.server.origin).unwrap();
        let (status, range, bytes) = farm.get(address, Some(&farm.alice), None).await;
        assert_eq!((status, range), (200, None));
        assert!(!bytes.is_empty());
    }
}

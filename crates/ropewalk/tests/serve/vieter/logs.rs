//! Logs of builds.

use super::{Farm, GIT, now, on_both_engines};
use crate::server::Engine;
use serde_json::json;

on_both_engines! {
    old_logs_are_removed_and_jobs_keep_theirs
    metrics_are_shown_where_they_are_asked_for
    vieter_25_a_mebibyte_of_anything_comes_back_as_it_was
    vieter_26_an_upload_lacks_something
    vieter_27_empty_filters_filter_nothing
    vieter_28_exit_codes_are_wanted_or_not
    vieter_29_before_and_after_are_strict
    vieter_30_a_log_is_removed
    vieter_31_logs_outlive_their_target
}

/// Bytes without a pattern.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

async fn vieter_25_a_mebibyte_of_anything_comes_back_as_it_was(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    let bytes = noise(1 << 20);
    let log = farm
        .log(&format!("target={id}&startTime=5000000000&endTime=5000000009&arch=x86_64&exitCode=0"), &bytes)
        .await;
    let content = farm.get(&format!("/api/v1/logs/{log}/content")).await;
    assert_eq!((content.status, content.headers["content-type"].to_str().unwrap()), (200, "text/plain"));
    assert!(content.bytes == bytes);
    let part = farm.request("GET", &format!("/api/v1/logs/{log}/content")).header("X-Api-Key", &farm.key);
    let part = super::answer(part.header("Range", "bytes=10-19")).await;
    assert_eq!((part.status, part.bytes.as_slice()), (206, &bytes[10..20]));
    let shown = farm.get(&format!("/api/v1/logs/{log}")).await.text();
    assert_eq!(
        shown,
        format!(
            r#"{{"message":"","data":{{"id":{log},"target_id":{id},"start_time":5000000000,"end_time":5000000009,"arch":"x86_64","exit_code":0}}}}"#
        )
    );
    let empty =
        farm.post(&format!("/api/v1/logs?target={id}&startTime=1&endTime=2&arch=x86_64&exitCode=1")).await;
    let empty = empty.data().as_i64().unwrap();
    assert_eq!(farm.get(&format!("/api/v1/logs/{empty}/content")).await.bytes, b"");
}

async fn vieter_26_an_upload_lacks_something(engine: Engine) {
    let farm = Farm::start(engine).await;
    let id = farm.target(GIT).await;
    for (query, message) in [
        ("endTime=2&exitCode=0&arch=a", "Invalid or missing start time."),
        ("startTime=0&endTime=2&exitCode=0&arch=a", "Invalid or missing start time."),
        ("startTime=x&endTime=2&exitCode=0&arch=a", "Invalid or missing start time."),
        ("startTime=1&exitCode=0&arch=a", "Invalid or missing end time."),
        ("startTime=1&endTime=2&arch=a", "Missing exit code."),
        ("startTime=1&endTime=2&exitCode=0", "Missing parameter 'arch'."),
    ] {
        farm.send(&format!("/api/v1/logs?target={id}&{query}"), b"x".to_vec()).await.is_refused(400, message);
    }
    for target in ["", "&target=99", "&target=x", "&target="] {
        let query = format!("startTime=1&endTime=2&exitCode=0&arch=a{target}");
        farm.send(&format!("/api/v1/logs?{query}"), b"x".to_vec()).await.is_refused(400, "Unknown target.");
    }
    for arch in ["..", "a/b", "", "%0a"] {
        let query = format!("target={id}&startTime=1&endTime=2&exitCode=0&arch={arch}");
        assert_eq!(farm.send(&format!("/api/v1/logs?{query}"), b"x".to_vec()).await.status, 400, "{arch}");
    }
    assert_eq!(farm.get("/api/v1/logs?limit=0").await.data(), json!([]));
}

/// Five logs: of two targets, one a minute from 600 on, exit codes 0 to 4.
async fn filled(engine: Engine) -> (Farm, i64, i64) {
    let farm = Farm::start(engine).await;
    let (one, two) = (farm.target(GIT).await, farm.target(GIT).await);
    for n in 0..5 {
        let (target, arch) = if n < 3 { (one, "x86_64") } else { (two, "aarch64") };
        let start = 600 + n * 60;
        let query =
            format!("target={target}&startTime={start}&endTime={}&arch={arch}&exitCode={n}", start + 1);
        farm.log(&query, b"log").await;
    }
    (farm, one, two)
}

async fn found(farm: &Farm, query: &str) -> Vec<i64> {
    let logs = farm.get(&format!("/api/v1/logs?{query}")).await.data();
    logs.as_array().unwrap().iter().map(|log| log["exit_code"].as_i64().unwrap()).collect()
}

async fn vieter_27_empty_filters_filter_nothing(engine: Engine) {
    let (farm, one, two) = filled(engine).await;
    let all = vec![0, 1, 2, 3, 4];
    assert_eq!(found(&farm, "").await, all);
    let cli = "limit=25&offset=0&target=0&before=0&after=0&arch=&exit_codes=";
    assert_eq!(found(&farm, cli).await, all);
    assert_eq!(found(&farm, "limit=0").await, all);
    assert_eq!(found(&farm, "limit=2&offset=1").await, [1, 2]);
    assert_eq!(found(&farm, &format!("target={one}")).await, [0, 1, 2]);
    assert_eq!(found(&farm, &format!("target={two}&arch=aarch64")).await, [3, 4]);
    assert!(found(&farm, "arch=x86").await.is_empty());
    assert_eq!(farm.get("/api/v1/logs?target=x").await.status, 400);
}

async fn vieter_28_exit_codes_are_wanted_or_not(engine: Engine) {
    let (farm, ..) = filled(engine).await;
    for (codes, expected) in [
        ("0", vec![0]),
        ("1,2", vec![1, 2]),
        ("%210", vec![1, 2, 3, 4]),
        ("!1,!2", vec![0, 3, 4]),
        ("1,,2,", vec![1, 2]),
        ("1,2,!2", vec![1]),
    ] {
        assert_eq!(found(&farm, &format!("exit_codes={codes}")).await, expected, "{codes}");
    }
    assert_eq!(farm.get("/api/v1/logs?exit_codes=x").await.status, 400);
    assert_eq!(farm.get("/api/v1/logs?exit_codes=1;drop").await.status, 400);
}

async fn vieter_29_before_and_after_are_strict(engine: Engine) {
    let (farm, ..) = filled(engine).await;
    assert_eq!(found(&farm, "before=720").await, [0, 1]);
    assert_eq!(found(&farm, "after=720").await, [3, 4]);
    assert_eq!(found(&farm, "after=600&before=840").await, [1, 2, 3]);
}

async fn vieter_30_a_log_is_removed(engine: Engine) {
    let (farm, ..) = filled(engine).await;
    farm.ask("DELETE", "/api/v1/logs/1").await.is_bare(200);
    farm.ask("DELETE", "/api/v1/logs/1").await.is_bare(404);
    farm.get("/api/v1/logs/1").await.is_bare(404);
    farm.get("/api/v1/logs/1/content").await.is_bare(404);
    farm.get("/api/v1/logs/x").await.is_bare(404);
    assert_eq!(found(&farm, "").await, [1, 2, 3, 4]);
    assert_eq!(farm.get("/api/v1/logs/2/content").await.bytes, b"log");
}

async fn vieter_31_logs_outlive_their_target(engine: Engine) {
    let (farm, one, _) = filled(engine).await;
    farm.ask("DELETE", &format!("/api/v1/targets/{one}")).await.is_bare(200);
    assert_eq!(found(&farm, &format!("target={one}")).await, [0, 1, 2]);
    assert_eq!(farm.get("/api/v1/logs/1/content").await.bytes, b"log");
}

async fn old_logs_are_removed_and_jobs_keep_theirs(engine: Engine) {
    let mut farm = Farm::start_with(engine, &[("ROPEWALK_ARCH__MAX_LOG_AGE", "3")]).await;
    let id = farm.target(GIT).await;
    let day = 24 * 3600;
    let log =
        |age: i64| format!("target={id}&startTime={0}&endTime={0}&arch=x86_64&exitCode=0", now() - age * day);
    let (old, young) = (farm.log(&log(4), b"old").await, farm.log(&log(2), b"young").await);
    farm.server.kill();
    farm.server.start_again();
    let deadline = std::time::Instant::now() + crate::server::PATIENCE;
    while farm.get(&format!("/api/v1/logs/{old}")).await.status != 404 {
        assert!(std::time::Instant::now() < deadline, "the old log is still there");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(farm.get(&format!("/api/v1/logs/{young}/content")).await.bytes, b"young");
    assert!(farm.server.done(&["logs", "1"]).contains("old"), "the job's own");
}

async fn metrics_are_shown_where_they_are_asked_for(engine: Engine) {
    let farm = Farm::start_with(engine, &[("ROPEWALK_ARCH__COLLECT_METRICS", "true")]).await;
    farm.get("/api/v1/targets/7").await.is_bare(404);
    let answer = super::answer(farm.request("GET", "/api/v1/metrics")).await;
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, "text/plain"));
    let line = r#"vieter_http_requests_total{method="GET",path="/api/v1/targets/{id}",status="404"} 1"#;
    assert!(answer.text().contains(line), "{}", answer.text());
}

//! Logs by range and by server-sent events.

use crate::server::{Client, Engine, PATIENCE, Server};
use base64::Engine as _;
use serde_json::Value;
use std::time::{Duration, Instant};

/// One event as the tests read it.
#[derive(Debug)]
struct Event {
    id: String,
    name: String,
    data: Value,
    at: Instant,
}

/// Reads a stream of events until a test has enough, or its end.
async fn events(
    client: &Client,
    path: &str,
    last: Option<&str>,
    mut enough: impl FnMut(&[Event]) -> bool,
) -> Vec<Event> {
    let mut request = client.request("GET", path, None);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut text, mut read) = (vec![], vec![]);
    while !enough(&read) {
        let Some(bytes) = tokio::time::timeout(PATIENCE, response.chunk()).await.unwrap().unwrap() else {
            break;
        };
        text.extend_from_slice(&bytes);
        while let Some(end) = text.windows(2).position(|window| window == b"\n\n") {
            let block: Vec<u8> = text.drain(..end + 2).collect();
            read.extend(event(std::str::from_utf8(&block).unwrap()));
        }
    }
    read
}

fn event(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(String::from)
    };
    let data = serde_json::from_str(&field("data")?).unwrap();
    Some(Event { id: field("id").unwrap_or_default(), name: field("event")?, data, at: Instant::now() })
}

fn bytes(events: &[Event]) -> Vec<u8> {
    let piece = |event: &Event| match event.data.get("text").and_then(Value::as_str) {
        Some(text) => text.as_bytes().to_vec(),
        None => {
            base64::engine::general_purpose::STANDARD.decode(event.data["base64"].as_str().unwrap()).unwrap()
        }
    };
    events.iter().filter(|event| event.name == "log").flat_map(piece).collect()
}

async fn log(client: &Client, path: &str) -> Vec<u8> {
    client.request("GET", path, None).send().await.unwrap().bytes().await.unwrap().to_vec()
}

/// A finished job whose log holds characters of every length, escapes, carriage returns and bytes that are no text.
async fn finished() -> Server {
    let server = Server::start(Engine::Sqlite).await;
    let manifest = "image: host\ntasks:\n  - a: |\n      set +x\n      for n in $(seq 300); do printf 'ä€𝄞 %s\\033[1m\\r\\n\\377\\000' $n; done\n";
    assert!(server.run(&["submit", "--follow", &server.manifest(manifest)]).status.success());
    server
}

#[tokio::test]
async fn any_part_of_a_log_is_served_exactly() {
    let server = finished().await;
    let client = server.client();
    let whole = log(&client, "/api/n1/jobs/1/logs/0").await;
    assert!(whole.len() > 3000);
    let size = whole.len();
    for (range, expected) in [
        ("bytes=0-".to_string(), &whole[..]),
        ("bytes=10-19".into(), &whole[10..20]),
        (format!("bytes={}-", size - 1), &whole[size - 1..]),
        ("bytes=-131072".into(), &whole[..]),
        ("bytes=-7".into(), &whole[size - 7..]),
        (format!("bytes=5-{}", u64::MAX), &whole[5..]),
    ] {
        let request = client.request("GET", "/api/n1/jobs/1/logs/0", None).header("range", &range);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 206, "{range}");
        let shown = response.headers()["content-range"].to_str().unwrap().to_string();
        assert!(shown.ends_with(&format!("/{size}")), "{shown}");
        assert_eq!(response.bytes().await.unwrap(), expected, "{range}");
    }
    for range in [format!("bytes={size}-"), "bytes=-0".into(), "bytes=99999999999999999999-".into()] {
        let request = client.request("GET", "/api/n1/jobs/1/logs/0", None).header("range", &range);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 416, "{range}");
        assert_eq!(response.headers()["content-range"], format!("bytes */{size}"));
    }
    let head = client.request("HEAD", "/api/n1/jobs/1/logs/0", None).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()),
        (200, &*size.to_string())
    );
    for missing in ["/api/n1/jobs/1/logs/1", "/api/n1/jobs/2/logs/0", "/api/n1/jobs/1/logs/x"] {
        assert_eq!(client.get(missing, None).await.0, 404, "{missing}");
    }
}

#[tokio::test]
async fn a_reader_that_comes_back_misses_no_byte() {
    let server = finished().await;
    let client = server.client();
    let whole = log(&client, "/api/n1/jobs/1/logs/0").await;
    let path = "/api/n1/jobs/1/logs/0/live";
    let all = events(&client, path, None, |_| false).await;
    assert_eq!(bytes(&all), whole);
    assert_eq!(
        (all.last().unwrap().name.as_str(), &all.last().unwrap().id),
        ("end", &whole.len().to_string())
    );
    for from in [1, 2, 3, 1000, whole.len() - 1] {
        let rest = events(&client, path, Some(&from.to_string()), |_| false).await;
        assert_eq!(bytes(&rest), &whole[from..], "from {from}");
        assert_eq!(rest[0].data["offset"], from as u64);
    }
    let after =
        client.request("GET", path, None).header("last-event-id", whole.len().to_string()).send().await;
    assert_eq!(after.unwrap().status(), 204);
    let bad = client.request("GET", path, None).header("last-event-id", "-1").send().await.unwrap();
    assert_eq!(bad.status(), 400);

    // The stream of the whole job, cut after every event.
    let path = "/api/n1/jobs/1/live";
    let all = events(&client, path, None, |_| false).await;
    assert_eq!(
        (all.last().unwrap().name.as_str(), &all.last().unwrap().data["status"]),
        ("end", &"success".into())
    );
    let step = |events: &[Event]| -> Vec<u8> {
        let of_step = |event: &&Event| event.name == "log" && event.data["log"] == "0";
        let pieces: Vec<Event> =
            events.iter().filter(of_step).map(|e| Event { data: e.data.clone(), ..clone(e) }).collect();
        bytes(&pieces)
    };
    assert_eq!(step(&all), whole);
    for cut in 1..all.len() {
        let rest = events(&client, path, Some(&all[cut - 1].id), |_| false).await;
        let mut both = step(&all[..cut]);
        both.extend(step(&rest));
        assert_eq!(both, whole, "cut after {cut} events");
        assert_eq!(rest.last().unwrap().name, "end");
    }
}

#[tokio::test]
async fn a_stream_ends_soon_after_its_token_was_revoked() {
    let server = Server::start_with(Engine::Sqlite, &["--no-runner"]).await;
    server.done(&["user", "create", "ann"]);
    let (client, admin) = (server.client(), server.token());
    let wish = serde_json::json!({ "grants": "" });
    let (_, made) = client.send("POST", "/api/n1/users/ann/tokens", Some(&admin), wish).await;
    let token = made["secret"].as_str().unwrap();
    let manifest = "image: host\ntasks:\n  - a: 'true'\n";
    let body = serde_json::json!({ "manifest": manifest, "visibility": "private" });
    let (status, job) = client.send("POST", "/api/n1/jobs", Some(token), body).await;
    assert_eq!(status, 201, "{job}");
    let open = async |path: &str| {
        let response =
            client.request("GET", &format!("/api/n1/jobs/1{path}"), Some(token)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response
    };
    let streams = [open("/logs/setup/live").await, open("/live").await];
    let number = made["token"]["id"].to_string();
    server.done(&["token", "revoke", &number, "--user", "ann"]);
    for mut stream in streams {
        let end = async { while stream.chunk().await.unwrap().is_some() {} };
        tokio::time::timeout(PATIENCE, end).await.expect("the stream goes on");
    }
    assert_eq!(client.get("/api/n1/jobs/1/live", Some(token)).await.0, 401);
    // Others are not ended with it.
    let (_, job) = client.get("/api/n1/jobs/1", Some(&admin)).await;
    assert_eq!(job["status"], "queued");
}

fn clone(event: &Event) -> Event {
    Event { id: event.id.clone(), name: event.name.clone(), data: event.data.clone(), at: event.at }
}

#[tokio::test]
async fn a_live_log_comes_at_once_and_at_most_ten_times_a_second() {
    let server = Server::start(Engine::Sqlite).await;
    let manifest = "image: host\ntasks:\n  - a: |\n      set +x\n      echo start\n      while [ ! -e go ]; do sleep 0.05; [ $SECONDS -gt 3 ] && touch go; done\n      for n in $(seq 150); do echo $n; sleep 0.02; done\n";
    let job = server.submit(manifest);
    let client = server.client();
    server.wait_for(job, "running");
    let path = format!("/api/n1/jobs/{job}/logs/0/live");
    let all = events(&client, &path, None, |_| false).await;
    let logs: Vec<&Event> = all.iter().filter(|event| event.name == "log").collect();
    // The build prints fifty times a second.
    assert!(logs.len() > 10, "only {} batches came: it was not live", logs.len());
    let busiest = logs
        .iter()
        .map(|first| {
            let within =
                |event: &&&Event| event.at >= first.at && event.at < first.at + Duration::from_secs(1);
            logs.iter().filter(within).count()
        })
        .max()
        .unwrap();
    assert!(busiest <= 12, "{busiest} batches came within a second");
}

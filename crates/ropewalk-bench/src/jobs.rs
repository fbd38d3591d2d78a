//! Jobs as a client sees them.

use crate::http::Client;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime};

/// A job that says when its first command ran.
pub(crate) const CLOCK: &str = "image: host\ntasks:\n  - clock: |\n      echo $EPOCHREALTIME\n";
/// A job that does nothing.
pub(crate) const TRIVIAL: &str = "image: host\ntasks:\n  - nothing: 'true'\n";

/// Submits a manifest and answers the job's number once it was accepted.
pub(crate) async fn submit(client: &mut Client, manifest: &str) -> Result<i64> {
    let body = json!({ "manifest": manifest, "visibility": "public", "tags": ["bench"] });
    let answer = client.ask("POST", "/api/n1/jobs", Bytes::from(body.to_string())).await?;
    let answer: Value = serde_json::from_slice(&answer)?;
    answer.get("id").and_then(Value::as_i64).context("a job without a number")
}

/// Follows a job until its stream says that it ended with success.
pub(crate) async fn follow_to_end(client: Client, job: i64) -> Result<()> {
    let mut events = client.follow(&format!("/api/n1/jobs/{job}/live")).await?;
    while let Some(event) = events.next().await? {
        if event.name == "end" {
            let status = event.data.get("status").and_then(Value::as_str).unwrap_or_default();
            ensure!(status == "success", "job {job} ended with {status}: {}", event.data);
            return Ok(());
        }
    }
    anyhow::bail!("the stream of job {job} ended before the job")
}

/// Asks for a job until it has ended with success; answers how long it took from its start to its end.
pub(crate) async fn ask_to_end(client: &mut Client, job: i64, every: Duration) -> Result<()> {
    loop {
        let shown = client.get_json(&format!("/api/n1/jobs/{job}")).await?;
        if shown.get("ended").is_some_and(|ended| !ended.is_null()) {
            ensure!(shown.get("status").is_some_and(|status| status == "success"), "a job failed: {shown}");
            return Ok(());
        }
        tokio::time::sleep(every).await;
    }
}

/// Times of one job, from before it was submitted.
pub(crate) struct Times {
    pub(crate) accepted: Duration,
    pub(crate) first_command: Duration,
    pub(crate) finished: Duration,
}

/// Submits [`CLOCK`] and follows it to its end. `follower` has a connection of its own.
pub(crate) async fn timed(client: &mut Client, follower: Client) -> Result<Times> {
    // Waits for no connection: it is not what is measured.
    client.get("/healthz").await?;
    let (clock, began) = (SystemTime::now(), Instant::now());
    let job = submit(client, CLOCK).await?;
    let accepted = began.elapsed();
    follow_to_end(follower, job).await?;
    let finished = began.elapsed();
    let log = client.get(&format!("/api/n1/jobs/{job}/logs/0")).await?;
    let printed = log.split(|byte| *byte == b'\n').find_map(read_clock);
    let printed = printed.with_context(|| format!("job {job} printed no time: {}", log.escape_ascii()))?;
    let first_command = printed.duration_since(clock).context("the clock went back")?;
    Ok(Times { accepted, first_command, finished })
}

/// Reads what bash's `$EPOCHREALTIME` says: seconds, and six digits of their fraction.
pub(crate) fn read_clock(line: &[u8]) -> Option<SystemTime> {
    let (seconds, fraction) = str::from_utf8(line).ok()?.trim().split_once('.')?;
    let micros = fraction.parse().ok().filter(|_| fraction.len() == 6)?;
    let since = Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_read_and_a_command_is_not() {
        let at = read_clock(b"1763842000.000250\n").unwrap();
        assert_eq!(
            at.duration_since(SystemTime::UNIX_EPOCH).unwrap(),
            Duration::from_micros(1_763_842_000_000_250)
        );
        assert_eq!(read_clock(b"+ echo 1763842000.000250"), None);
        assert_eq!(read_clock(b"1763842000.25"), None);
    }
}

//! The server ends at a chosen line of a publish, a removal, a poll and the upload of a log, and is started again.

use super::packages::package;
use super::{Answer, Farm, GIT, now, on_both_engines};
use crate::server::Engine;
use ropewalk_model::fault::Point;
use serde_json::json;
use sha2::Digest;

on_both_engines! {
    vieter_51_a_publish_that_is_cut_is_in_every_database_or_in_none
    a_removal_that_is_cut_is_done_or_not_begun
    a_poll_that_is_cut_loses_no_build
    a_log_that_is_cut_ends_its_build_once
}

const ARCHS: [&str; 3] = ["aarch64", "riscv64", "x86_64"];

impl Farm {
    /// Starts the server anew so that it ends at a point, asks it for something, and starts it again.
    async fn cut_at(&mut self, point: Point, method: &str, path: &str, body: Vec<u8>) {
        self.server.terminate();
        self.server.arm(Some(point));
        self.server.start_again();
        let request = self.request(method, path).header("X-Api-Key", &self.key).body(body);
        let answered = request.send().await;
        assert!(answered.is_err(), "{point} was not visited: {answered:?}");
        self.server.wait_for_end();
        self.server.arm(None);
        self.server.start_again();
    }

    /// The version of `p` in a database of each architecture, whose file must be there and be the one described.
    async fn versions(&self) -> Vec<String> {
        let mut versions = vec![];
        for arch in ARCHS {
            for kind in ["db", "files"] {
                let entries = self.database(&format!("/r/{arch}/r.{kind}")).await;
                let is_p = |(path, _): &&(String, String)| path.starts_with("p-") && path.ends_with("/desc");
                let (_, text) = entries.iter().find(is_p).expect("p is in each database");
                let value =
                    |key: &str| text.lines().skip_while(|line| *line != key).nth(1).unwrap().to_string();
                let file = self.read(&format!("/r/{arch}/{}", value("%FILENAME%"))).await;
                assert_eq!(
                    (file.status, hex::encode(sha2::Sha256::digest(&file.bytes))),
                    (200, value("%SHA256SUM%"))
                );
                versions.push(value("%VERSION%"));
            }
        }
        versions.dedup();
        versions
    }

    async fn logs(&self) -> Answer {
        self.get("/api/v1/logs?limit=0").await
    }

    fn only_job(&self) -> serde_json::Value {
        let jobs = self.server.json(&["list", "--json"]);
        assert_eq!(jobs.as_array().unwrap().len(), 1, "{jobs:#}");
        jobs[0].clone()
    }
}

async fn vieter_51_a_publish_that_is_cut_is_in_every_database_or_in_none(engine: Engine) {
    let mut farm = Farm::start(engine).await;
    for (name, arch) in [("a", "aarch64"), ("b", "riscv64"), ("p", "any")] {
        assert_eq!(farm.publish("r", package(name, "1-1", arch)).await.status, 200);
    }
    let cuts = [(Point::PublishBeforeCommit, "2-1", "1-1"), (Point::PublishAfterCommit, "3-1", "3-1")];
    for (point, new, left) in cuts {
        farm.cut_at(point, "POST", "/r/publish", package("p", new, "any")).await;
        assert_eq!(farm.versions().await, [left], "{point}");
        assert_eq!(std::fs::read_dir(farm.server.data().join("incoming")).unwrap().count(), 0);
        let again = farm.publish("r", package("p", new, "any")).await;
        assert_eq!(again.data()["archs"], json!(ARCHS));
        assert_eq!(farm.versions().await, [new], "{point}");
    }
}

async fn a_removal_that_is_cut_is_done_or_not_begun(engine: Engine) {
    let mut farm = Farm::start(engine).await;
    for (point, left, again) in
        [(Point::UnpublishBeforeCommit, 200, 200), (Point::UnpublishAfterCommit, 404, 404)]
    {
        for (name, arch) in [("a", "aarch64"), ("b", "riscv64"), ("p", "any")] {
            assert_eq!(farm.publish("r", package(name, "1-1", arch)).await.status, 200);
        }
        farm.cut_at(point, "DELETE", "/r", vec![]).await;
        for arch in ARCHS {
            for path in [format!("/r/{arch}/r.db"), format!("/r/{arch}/p-1-1-any.pkg.tar.zst")] {
                assert_eq!(farm.read(&path).await.status, left, "{point}: {path}");
            }
        }
        farm.ask("DELETE", "/r").await.is_bare(again);
        assert_eq!(farm.read("/r/x86_64/r.db").await.status, 404);
    }
}

async fn a_poll_that_is_cut_loses_no_build(engine: Engine) {
    let mut farm = Farm::start(engine).await;
    let target = farm.target(GIT).await;
    farm.queue(target, "x86_64").await;
    let poll = "/api/v1/jobs/poll?arch=x86_64&max=1";
    farm.cut_at(Point::LeaseBeforeCommit, "GET", poll, vec![]).await;
    assert_eq!(farm.only_job()["status"], "queued");
    farm.cut_at(Point::LeaseAfterCommit, "GET", poll, vec![]).await;
    // Nobody was told: it is handed out again when its time is over, and a log ends it before.
    assert_eq!(farm.only_job()["status"], "running");
    assert!(farm.poll("x86_64", 1).await.is_empty());
    assert_eq!(farm.server.number("SELECT COUNT(*) AS n FROM leases").await, 1);
    let at = now();
    farm.log(&format!("target={target}&startTime={at}&endTime={at}&arch=x86_64&exitCode=0"), b"log").await;
    assert_eq!(farm.only_job()["status"], "success");
}

async fn a_log_that_is_cut_ends_its_build_once(engine: Engine) {
    let mut farm = Farm::start(engine).await;
    let target = farm.target(GIT).await;
    farm.queue(target, "x86_64").await;
    assert_eq!(farm.poll("x86_64", 1).await.len(), 1);
    let at = now();
    let path = format!("/api/v1/logs?target={target}&startTime={at}&endTime={at}&arch=x86_64&exitCode=0");
    farm.cut_at(Point::FinishBeforeCommit, "POST", &path, b"log".to_vec()).await;
    assert_eq!(farm.logs().await.data(), json!([]));
    assert_eq!(farm.only_job()["status"], "running");
    farm.cut_at(Point::FinishAfterCommit, "POST", &path, b"log".to_vec()).await;
    let logs = farm.logs().await.data();
    assert_eq!(logs.as_array().unwrap().len(), 1, "{logs}");
    assert_eq!(farm.get(&format!("/api/v1/logs/{}/content", logs[0]["id"])).await.bytes, b"log");
    assert_eq!(farm.only_job()["status"], "success");
}

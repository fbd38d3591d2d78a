//! Evaluations and builds of a local repository, made by real Nix, as Hydra's clients see them.

use super::client::HydraCli;
use super::{Answer, Farm, answer, on_both_engines};
use crate::server::{Engine, PATIENCE};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

on_both_engines! {
    hydra_44_evaluations_are_shown_in_pages
    hydra_45_an_evaluation_and_its_builds
    hydra_46_builds_are_searched
    hydra_47_hydra_cli_searches_and_reproduces
    hydra_48_the_shield_of_a_job
    hydra_49_the_newest_builds_of_a_job
    hydra_55_who_may_do_what_to_builds
}

/// One that succeeds, one that fails, one that no runner here can build.
const RELEASE: &str = r#"
{ src ? null }:
let sh = name: script: derivation {
  inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ];
}; in {
  success = sh "success-1.0" "echo one; echo two; echo three; echo made > $out";
  failure = sh "failure-1.0" "exit 1";
  foreign = derivation { name = "foreign-1.0"; system = "aarch64-darwin"; builder = "/bin/sh"; };
}
"#;

pub(crate) struct World {
    pub(crate) farm: Farm,
    repository: tempfile::TempDir,
}

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let done = Command::new("git").arg("-C").arg(folder).args(identity).args(arguments).output().unwrap();
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl World {
    /// A jobset that was evaluated, and of whose builds only the one for another system waits.
    async fn start(engine: Engine) -> World {
        World::of(engine, RELEASE, 2).await
    }

    /// A jobset of this expression that was evaluated, and so many of whose builds are finished.
    pub(crate) async fn of(engine: Engine, release: &str, finished: usize) -> World {
        let farm = Farm::start_with(engine, &[], &[("ROPEWALK_NIX__UNSUPPORTED_AFTER", "100000")]).await;
        let world = World::begin(farm, release, None).await;
        world.until("its finished builds", async || world.latest("").await.len() == finished).await;
        world.until("the jobset's rest", async || world.overview().await["starttime"].is_null()).await;
        world
    }

    /// A jobset of this expression, in a repository of this account, that is about to be evaluated.
    pub(super) async fn begin(farm: Farm, release: &str, owner: Option<u32>) -> World {
        let repository = tempfile::tempdir().unwrap();
        std::fs::write(repository.path().join("release.nix"), release).unwrap();
        git(repository.path(), &["init", "-q"]);
        git(repository.path(), &["add", "."]);
        git(repository.path(), &["commit", "-qm", "a release"]);
        if let Some(owner) = owner {
            let mut chown = Command::new("chown");
            chown.arg("-R").arg(format!("{owner}:{owner}")).arg(repository.path());
            assert!(chown.status().unwrap().success());
        }
        farm.project("p").await;
        let jobset = super::client::created_jobset(repository.path().to_str().unwrap());
        assert_eq!(farm.jobset("p", "j", jobset).await.status, 201);
        World { farm, repository }
    }

    /// Commits another expression.
    pub(crate) fn change(&self, release: &str) {
        std::fs::write(self.repository.path().join("release.nix"), release).unwrap();
        git(self.repository.path(), &["commit", "-qam", "a change"]);
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "waited for {what}: {}", self.overview().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.farm.get(path).await
    }

    pub(super) async fn overview(&self) -> Value {
        self.get("/api/jobsets?project=p").await.data()[0].clone()
    }

    async fn latest(&self, filter: &str) -> Vec<Value> {
        let path = format!("/api/latestbuilds?nr=10&project=p&jobset=j{filter}");
        self.get(&path).await.data().as_array().unwrap().clone()
    }

    /// Number of the finished build of a job.
    pub(crate) async fn build(&self, job: &str) -> i64 {
        self.latest(&format!("&job={job}")).await[0]["id"].as_i64().unwrap()
    }

    /// Number of the build that waits.
    async fn waiting(&self) -> i64 {
        let queue = self.get("/queue").await.data();
        assert_eq!((queue.as_array().unwrap().len(), &queue[0]["job"]), (1, &json!("foreign")));
        assert_eq!(self.get("/api/nrqueue").await.data(), json!(1));
        queue[0]["id"].as_i64().unwrap()
    }

    pub(crate) async fn evaluation(&self) -> Value {
        self.get("/jobset/p/j/evals").await.data()["evals"][0].clone()
    }
}

async fn hydra_44_evaluations_are_shown_in_pages(engine: Engine) {
    let world = World::start(engine).await;
    let first = world.get("/jobset/p/j/evals").await.data();
    assert_eq!((&first["first"], &first["last"]), (&json!("?page=1"), &json!("?page=1")));
    assert_eq!(first["evals"].as_array().unwrap().len(), 1);
    assert!(first["next"].is_null() && first["previous"].is_null(), "{first}");
    let second = world.get("/jobset/p/j/evals?page=2").await.data();
    assert_eq!((&second["evals"], &second["previous"]), (&json!([]), &json!("?page=1")));
    for odd in ["abc", "0", "-1"] {
        assert_eq!(world.get(&format!("/jobset/p/j/evals?page={odd}")).await.data(), first, "{odd}");
    }
    assert_eq!(world.farm.jobset("p", "fresh", super::good_jobset()).await.status, 201);
    let none = world.get("/jobset/p/fresh/evals").await.data();
    assert_eq!((&none["last"], &none["evals"]), (&json!("?page=0"), &json!([])));
    world.get("/jobset/p/nosuch/evals").await.is_refused(404);
    let listed = world.get("/evals").await.data();
    assert_eq!(listed[0]["eval"], first["evals"][0]);
    let numbers = ["nrScheduled", "nrSucceeded", "nrFailed", "diff"].map(|name| listed[0][name].clone());
    assert_eq!(numbers, [1, 1, 1, 1].map(Value::from));
    // Whoever knew the jobset by another name is led to its evaluations.
    let mut renamed = super::good_jobset();
    renamed["name"] = json!("new");
    assert_eq!(world.farm.jobset("p", "fresh", renamed).await.status, 200);
    let moved = world.get("/jobset/p/fresh/evals?page=1").await;
    let to = format!("{}/jobset/p/new/evals?page=1", world.farm.origin());
    assert_eq!((moved.status, moved.header("location")), (301, to.as_str()));
}

async fn hydra_45_an_evaluation_and_its_builds(engine: Engine) {
    let world = World::start(engine).await;
    let shown = world.evaluation().await;
    let id = shown["id"].as_i64().unwrap();
    assert_eq!(world.get(&format!("/eval/{id}")).await.data(), shown);
    assert_eq!((&shown["hasnewbuilds"], &shown["flake"]), (&json!(1), &json!(null)));
    for number in ["timestamp", "checkouttime", "evaltime"] {
        assert!(shown[number].is_i64(), "{number}: {shown}");
    }
    let src = &shown["jobsetevalinputs"]["src"];
    assert_eq!(src["type"], "git");
    assert!(src["uri"].is_string() && src["revision"].as_str().is_some_and(|revision| revision.len() == 40));
    let builds = world.get(&format!("/eval/{id}/builds")).await.data();
    let builds = builds.as_array().unwrap();
    let ids: Vec<&Value> = builds.iter().map(|build| &build["id"]).collect();
    assert_eq!(ids, shown["builds"].as_array().unwrap().iter().collect::<Vec<_>>());
    for build in builds {
        let one = world.get(&format!("/build/{}", build["id"])).await.data();
        assert_eq!((&one, &build["jobsetevals"]), (build, &json!([id])));
    }
    let success = builds.iter().find(|build| build["job"] == "success").unwrap();
    assert_eq!((&success["finished"], &success["buildstatus"]), (&json!(1), &json!(0)));
    let path = success["buildoutputs"]["out"]["path"].as_str().unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "made\n");
    let waiting = builds.iter().find(|build| build["job"] == "foreign").unwrap();
    for name in ["buildstatus", "starttime", "stoptime"] {
        assert_eq!(waiting[name], json!(null), "{name}");
    }
    // The log of the derivation, whole and its end.
    let log = world.get(&format!("/build/{}/log/raw", success["id"])).await;
    let address = log.header("location").strip_prefix(world.farm.origin()).unwrap().to_string();
    assert_eq!(log.status, 302);
    let whole = world.get(&address).await;
    assert!(whole.text().ends_with("one\ntwo\nthree\n"), "{}", whole.text());
    assert_eq!(whole.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(world.get(&format!("{address}?tail=2")).await.text(), "two\nthree\n");
    for nothing in ["/eval/99", "/eval/99/builds", "/eval/x", "/build/99999", "/build/x", "/log/none"] {
        world.get(nothing).await.is_refused(404);
    }
}

async fn hydra_46_builds_are_searched(engine: Engine) {
    let world = World::start(engine).await;
    for bad in ["", "?query=", "?query=%20", "?query=a%25b", "?query=a;b"] {
        world.get(&format!("/search{bad}")).await.is_refused(500);
    }
    let build = world.get(&format!("/build/{}", world.build("success").await)).await.data();
    let path = build["buildoutputs"]["out"]["path"].as_str().unwrap();
    let name = path.rsplit('/').next().unwrap();
    let found = world.get(&format!("/search?query={}", &name[3..20])).await.data();
    assert_eq!(found["builds"], json!([build]));
    for list in ["projects", "jobsets", "buildsdrv"] {
        assert!(found[list].is_array(), "{found}");
    }
    let by_drv = world.get("/search?query=-1.0.drv&limit=2").await.data();
    assert_eq!(by_drv["buildsdrv"].as_array().unwrap().len(), 2);
    let all = world.get("/search?query=-1.0.drv").await.data();
    assert_eq!(all["buildsdrv"].as_array().unwrap().len(), 3);
    let names = world.get("/search?query=P").await.data();
    assert_eq!((&names["projects"][0]["name"], names["jobsets"].as_array().unwrap().len()), (&json!("p"), 0));
}

async fn hydra_47_hydra_cli_searches_and_reproduces(engine: Engine) {
    let world = World::start(engine).await;
    world.waiting().await;
    let client = HydraCli::new(&world.farm);
    for text in ["-1.0", "success", "foreign"] {
        let found = client.get(&format!("/search?query={text}")).data();
        for build in found["builds"].as_array().unwrap() {
            let texts = ["project", "drvpath", "job", "jobset"].iter().all(|name| build[*name].is_string());
            let outputs =
                build["buildoutputs"].as_object().unwrap().values().all(|out| out["path"].is_string());
            let numbers = build["stoptime"].is_i64() && build["jobsetevals"][0].is_i64();
            assert!(texts && outputs && numbers, "{build}");
        }
    }
    let found = client.get("/search?query=success").data();
    let evaluation = client.get(&format!("/eval/{}", found["builds"][0]["jobsetevals"][0])).data();
    let jobset = client.get("/jobset/p/j").data();
    let input = &evaluation["jobsetevalinputs"][jobset["nixexprinput"].as_str().unwrap()];
    assert!(input["uri"].is_string() && input["revision"].is_string(), "{evaluation}");
}

async fn hydra_48_the_shield_of_a_job(engine: Engine) {
    let world = World::start(engine).await;
    let shield = async |job: &str| world.get(&format!("/job/p/j/{job}/shield")).await;
    let of = |color: &str, message: &str| json!({ "schemaVersion": 1, "label": "hydra build", "color": color, "message": message });
    assert_eq!(shield("success").await.data(), of("green", "passing"));
    assert_eq!(shield("failure").await.data(), of("red", "failing"));
    shield("foreign").await.is_refused(404);
    shield("nosuch").await.is_refused(404);
    world.get("/job/p/nosuch/success/shield").await.is_refused(404);
    let waiting = world.waiting().await;
    let cancelled = world.farm.ask(&world.farm.alice, "POST", &format!("/build/{waiting}/cancel")).await;
    let to = format!("{}/build/{waiting}", world.farm.origin());
    assert_eq!((cancelled.status, cancelled.header("location")), (302, to.as_str()));
    world.until("its end", async || world.latest("&job=foreign").await.len() == 1).await;
    assert_eq!(shield("foreign").await.data(), of("yellow", "cancelled"));
    world.farm.ask(&world.farm.alice, "POST", &format!("/build/{waiting}/cancel")).await.is_refused(400);
}

async fn hydra_49_the_newest_builds_of_a_job(engine: Engine) {
    let world = World::start(engine).await;
    let build = world.build("success").await;
    let leads = async |path: &str, rest: &str| {
        let led = world.get(&format!("/job/p/j/success/{path}{rest}")).await;
        let to = format!("{}/build/{build}{rest}", world.farm.origin());
        assert_eq!((led.status, led.header("location")), (302, to.as_str()), "{path}{rest}");
    };
    leads("latest", "").await;
    leads("latest", "/log/raw?a=b").await;
    leads("latest-for/x86_64-linux", "").await;
    world.get("/job/p/j/success/latest-for/riscv64-linux").await.is_refused(404);
    world.get("/job/p/j/failure/latest").await.is_refused(404);
    world.get("/job/p/j/success/latest-finished").await.is_refused(404);
    world.get("/jobset/p/j/latest-eval").await.is_refused(404);
    let waiting = world.waiting().await;
    world.farm.ask(&world.farm.alice, "GET", &format!("/build/{waiting}/cancel")).await;
    world.until("an empty queue", async || world.get("/api/nrqueue").await.data() == json!(0)).await;
    world.until("the build's end", async || world.latest("").await.len() == 3).await;
    leads("latest-finished", "").await;
    let id = world.evaluation().await["id"].as_i64().unwrap();
    let led = world.get("/jobset/p/j/latest-eval/builds").await;
    let to = format!("{}/eval/{id}/builds", world.farm.origin());
    assert_eq!((led.status, led.header("location")), (302, to.as_str()));
}

async fn hydra_55_who_may_do_what_to_builds(engine: Engine) {
    let world = World::start(engine).await;
    let (waiting, failed) = (world.waiting().await, world.build("failure").await);
    let evaluation = world.evaluation().await["id"].as_i64().unwrap();
    let orders = [
        ("bump-to-front", format!("/build/{waiting}/bump")),
        ("bump-to-front", format!("/eval/{evaluation}/bump")),
        ("restart-jobs", format!("/build/{failed}/restart")),
        ("restart-jobs", format!("/eval/{evaluation}/restart-aborted")),
        ("cancel-build", format!("/build/{waiting}/cancel")),
        ("cancel-build", format!("/eval/{evaluation}/cancel")),
    ];
    let keep = format!("/build/{failed}/keep/1");
    for (_, path) in &orders {
        for not in ["", world.farm.carol.as_str()] {
            for method in ["GET", "POST"] {
                let refused = world.farm.by(not, method, path).header("Referer", world.farm.origin());
                answer(refused).await.is_refused(403);
            }
        }
    }
    world.farm.ask(&world.farm.carol, "POST", &keep).await.is_refused(403);
    // A link on another site gives no orders.
    let link = world.farm.request("GET", &format!("/build/{waiting}/cancel")).header("Accept", "text/html");
    let link = link.header("Cookie", &world.farm.alice).header("Referer", "https://evil.example/");
    answer(link).await.is_refused(403);
    for (number, (role, path)) in orders.iter().enumerate() {
        let person = world.farm.person(&format!("person{number}"), &[role]).await;
        let done = world.farm.ask(&person, "POST", path).await;
        assert_eq!(done.status, 302, "{role} {path}: {}", done.text());
        let others = orders.iter().filter(|(other, _)| other != role);
        for (_, other) in others {
            world.farm.ask(&person, "POST", other).await.is_refused(403);
        }
    }
    assert_eq!(world.farm.ask(&world.farm.bob, "POST", &keep).await.status, 302);
    world.until("what was cancelled", async || world.latest("&job=foreign").await.len() == 1).await;
}

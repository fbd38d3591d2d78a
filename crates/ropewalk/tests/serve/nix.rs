//! A jobset of a local repository, evaluated and built by real Nix in the care of the real server. Tests are named
//! after the rows of the acceptance table that they show.

use crate::server::{Engine, PATIENCE, Server};
use ropewalk_core::access::Caller;
use ropewalk_core::farm::{Farm, Settings};
use ropewalk_core::nix::{DerivationLog, JobsetWish, ProjectWish, Push};
use ropewalk_core::port::{
    Build, BuildFilter, Enabled, InputKind, Jobset, JobsetFields, JobsetInput, ProjectFields, Role,
    SystemClock,
};
use ropewalk_store::{DiskBlobs, DiskLogs, SqlStore};
use ropewalk_testkit::farm::{settings, user};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

crate::srht::on_both_engines! {
    hydra_32_to_36_a_jobset_of_a_repository_is_evaluated_and_built
}

/// Every kind of end, one of each.
const RELEASE: &str = r#"
{ src ? { shortRev = "none"; }, greeting ? "hello" }:
let
  sh = name: script: extra: derivation ({
    inherit name; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" script ];
  } // extra);
  broken = sh "broken-1.0" "echo about to fail; exit 1" {};
in rec {
  success = sh "success-1.0" "echo made; echo ${greeting} > $out" {} // { meta = { description = "works"; schedulingPriority = 250; }; };
  failure = broken;
  depFailure = sh "dep-failure-1.0" "cat ${broken} > $out" {};
  timeout = sh "timeout-1.0" "while :; do sleep 1; echo on; done" {} // { meta.timeout = 2; };
  failedFlag = sh "failed-flag-1.0" "mkdir -p $out/nix-support; : > $out/nix-support/failed" {};
  onFlag = sh "on-flag-1.0" "test -e ${failedFlag}/nix-support/failed && echo made > $out" {};
  manyProducts = sh "many-products-1.0" ''
    mkdir -p $out/nix-support; : > $out/file
    i=0; while [ $i -lt 300 ]; do echo "file type$i $out/file"; i=$((i+1)); done > $out/nix-support/hydra-build-products
  '' {};
  product = sh "product-1.0" ''
    mkdir -p $out/nix-support; echo data > $out/disk.iso
    echo "file iso $out/disk.iso" > $out/nix-support/hydra-build-products
    echo product-1.0pre7 > $out/nix-support/hydra-release-name
    echo 'coverage 87.5 %' > $out/nix-support/hydra-metrics
  '' {};
  foreign = derivation { name = "foreign-1.0"; system = "aarch64-darwin"; builder = "/bin/sh"; };
  aggregate = sh "aggregate-1.0" "echo all > $out" { _hydraAggregate = true; constituents = [ "success" "product" ]; };
  evalError = throw "this attribute cannot be evaluated";
  notADrv = 42;
}
"#;

const JOBS: [&str; 9] = [
    "success",
    "failure",
    "depFailure",
    "timeout",
    "failedFlag",
    "onFlag",
    "product",
    "foreign",
    "aggregate",
];

/// The core on a server's database, as another server has it.
struct Beside {
    farm: Farm,
    admin: Caller,
    store: SqlStore,
    _folder: tempfile::TempDir,
}

impl Beside {
    async fn open(server: &Server) -> Beside {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = SqlStore::open(&server.database_url().replace("sqlite://", "sqlite:"), clock.clone())
            .await
            .unwrap();
        let shared = Arc::new(store.clone());
        let blobs = Arc::new(DiskBlobs::open(&server.data().join("blobs"), store.clone()).await.unwrap());
        let logs = DiskLogs::open(folder.path(), blobs.clone(), shared.clone()).await.unwrap();
        let settings = Settings { origin: server.origin.clone(), ..settings() };
        let farm = Farm::new(shared, Arc::new(logs), blobs, clock, settings);
        let admin = user(&farm, "ann", &[Role::Admin]).await;
        Beside { farm, admin, store, _folder: folder }
    }

    async fn jobset(&self) -> Jobset {
        self.farm.jobset(&self.admin, "p", "j").await.unwrap()
    }

    async fn save(&self, repository: &Path) {
        let project = ProjectWish {
            fields: ProjectFields { display_name: "P".into(), is_enabled: true, ..ProjectFields::default() },
            ..ProjectWish::default()
        };
        self.farm.save_project(&self.admin, "p", project).await.unwrap();
        let input = |kind, value: &str| JobsetInput { kind, value: value.into(), tells_committers: false };
        let fields = JobsetFields {
            expression_input: "src".into(),
            expression_path: "release.nix".into(),
            enabled: Enabled::On,
            keep: 1,
            shares: 1,
            inputs: [
                ("src".to_string(), input(InputKind::Git, repository.to_str().unwrap())),
                ("greeting".to_string(), input(InputKind::String, "hi there")),
            ]
            .into(),
            ..JobsetFields::default()
        };
        self.farm.save_jobset(&self.admin, "p", "j", JobsetWish { name: None, fields }).await.unwrap();
    }

    /// Asks for an evaluation and waits until it was made.
    async fn evaluate(&self, is_forced: bool) {
        let before = self.jobset().await.progress.checked;
        let push = Push { jobsets: vec![("p".into(), "j".into())], repos: vec![], is_forced };
        self.farm.push(&self.admin, push).await.unwrap();
        self.until("the evaluation", async || {
            let progress = self.jobset().await.progress;
            progress.started.is_none() && progress.checked > before
        })
        .await;
    }

    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds().await {
            assert!(Instant::now() < deadline, "waited for {what}: {:?}", self.jobset().await.progress);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn build(&self, job: &str) -> Build {
        let filter = BuildFilter { job: Some(job.into()), ..BuildFilter::default() };
        let found = self.farm.newest_nix_builds(&self.admin, &filter, None, 1).await.unwrap().pop();
        found.unwrap_or_else(|| panic!("no build of {job}"))
    }

    async fn drained(&self) {
        self.until("the queue", async || self.farm.open_nix_builds(&self.admin).await.unwrap() == 0).await;
    }
}

fn git(folder: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
    let done = Command::new("git").arg("-C").arg(folder).args(identity).args(arguments).output().unwrap();
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn commit(folder: &Path, release: &str) {
    std::fs::write(folder.join("release.nix"), release).unwrap();
    git(folder, &["add", "."]);
    git(folder, &["commit", "-qm", "a change"]);
}

async fn hydra_32_to_36_a_jobset_of_a_repository_is_evaluated_and_built(engine: Engine) {
    let variables = [("ROPEWALK_NIX__UNSUPPORTED_AFTER", "3")];
    let server = Server::start_on(engine, &[], &variables).await;
    let repository = tempfile::tempdir().unwrap();
    git(repository.path(), &["init", "-q"]);
    commit(repository.path(), RELEASE);
    let beside = Beside::open(&server).await;
    beside.save(repository.path()).await;

    // 32, 36: jobs, errors and every end.
    beside.evaluate(false).await;
    let progress = beside.jobset().await.progress;
    assert_eq!(progress.fetch_error, None);
    assert!(progress.error.contains("in job ‘evalError’"), "{}", progress.error);
    assert!(!progress.error.contains("notADrv"), "{}", progress.error);
    beside.drained().await;
    let mut statuses = vec![];
    for job in JOBS {
        statuses.push(beside.build(job).await.status.unwrap());
    }
    assert_eq!(statuses, [0, 1, 2, 7, 6, 0, 0, 9, 0]);
    let success = beside.build("success").await;
    assert_eq!((success.priority, success.description.as_deref()), (250, Some("works")));
    let path = success.outputs["out"].clone().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "hi there\n");
    let product = beside.build("product").await;
    assert_eq!((product.products.len(), product.release_name.as_deref()), (1, Some("product-1.0pre7")));
    assert_eq!(product.metrics["coverage"].value, 87.5);
    let many = beside.build("manyProducts").await.products;
    assert_eq!((many.len(), many[299].subtype.as_str()), (300, "type299"));
    let parts =
        beside.farm.nix_constituents(&beside.admin, beside.build("aggregate").await.id).await.unwrap();
    assert_eq!(parts.len(), 2);

    // 42: the log of a derivation, by its name.
    let drv = Path::new(&success.drv_path).file_name().unwrap().to_str().unwrap().to_owned();
    let DerivationLog::Job(log) = beside.farm.derivation_log(&beside.admin, &drv).await.unwrap() else {
        panic!("the log of a job")
    };
    let text = beside.farm.read_log(log, 0, 1000).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&text.bytes), "made\n");

    // 33, 34: the same again makes nothing, forced or not.
    let page = async || beside.farm.evaluation_page(&beside.admin, success.jobset_id, 1).await.unwrap();
    beside.evaluate(false).await;
    beside.evaluate(true).await;
    assert_eq!(page().await.total, 1);

    // 35: one job changes.
    commit(repository.path(), &RELEASE.replace("echo ${greeting}", "echo more ${greeting}"));
    beside.evaluate(false).await;
    assert_eq!(page().await.total, 2);
    beside.drained().await;
    let changed = beside.build("success").await;
    assert_ne!(changed.id, success.id);
    assert_eq!(changed.status, Some(0));
    assert_eq!(beside.build("product").await.id, product.id);

    // 53: a failure that is restarted takes its dependents along; it fails again.
    let failure = beside.build("failure").await;
    beside.farm.restart_build(&beside.admin, failure.id).await.unwrap();
    assert!(!beside.build("depFailure").await.finished);
    beside.drained().await;
    assert_eq!(beside.build("depFailure").await.status, Some(2));

    // 61: the repository is gone.
    drop(repository);
    beside.evaluate(false).await;
    assert!(beside.jobset().await.progress.fetch_error.is_some());
    assert_eq!(beside.build("success").await.status, Some(0));
    beside.store.database().close().await;
}

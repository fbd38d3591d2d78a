//! A farm with a jobset, and a runner of Nix that answers what the test says.

use crate::env::Env;
use ropewalk_core::access::Caller;
use ropewalk_core::farm::Farm;
use ropewalk_core::nix::{JobsetWish, ProjectWish, Push};
use ropewalk_core::port::{
    Blobs, Build, BuildFilter, Enabled, Finish, InputKind, Jobset, JobsetFields, JobsetInput, Lease,
    ProjectFields, Queue, Role,
};
use ropewalk_model::ids::RunnerId;
use ropewalk_model::link::{AttemptFact, Outcome, Report};
use ropewalk_model::nix::{
    Derivation, EvaluationResult, Found, FoundJob, NixTask, REALISED, RESULT, Realised, ResolvedInput,
};
use ropewalk_model::status::Cause;
use ropewalk_model::work::Labels;
use ropewalk_store::DiskBlobs;
use ropewalk_store::audit::audit;
use ropewalk_testkit::farm::{farm, settings, user};
use std::collections::BTreeMap;
use std::time::Duration;

pub const SYSTEM: &str = "x86_64-linux";

pub struct World {
    pub env: Env,
    pub farm: Farm,
    pub admin: Caller,
    pub runner: RunnerId,
    blobs: DiskBlobs,
    folder: tempfile::TempDir,
}

pub async fn world(env: Env) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let (farm, blobs) = farm(&env.store, folder.path(), env.clock.clone(), settings()).await;
    let admin = user(&farm, "ann", &[Role::Admin]).await;
    let labels = Labels {
        kinds: ["nix".to_string()].into(),
        features: [SYSTEM.to_string()].into(),
        ..Labels::default()
    };
    let runner = env.store.register("nix", &labels, 8).await.expect("a runner").id;
    World { env, farm, admin, runner, blobs, folder }
}

/// A job whose derivation is named as its output.
pub fn job(name: &str, makes: &str) -> FoundJob {
    FoundJob {
        name: name.into(),
        nix_name: format!("{name}-1.0"),
        system: SYSTEM.into(),
        drv_path: drv(makes),
        outputs: [("out".to_string(), out(makes))].into(),
        ..FoundJob::default()
    }
}

pub fn drv(makes: &str) -> String {
    format!("/nix/store/{makes}.drv")
}

pub fn out(makes: &str) -> String {
    format!("/nix/store/{makes}")
}

/// Found jobs with their derivations; `needs` are pairs of what makes something and what that needs. What only those
/// name is a derivation of no job.
pub fn found(jobs: Vec<FoundJob>, needs: &[(&str, &str)]) -> Found {
    let mut derivations = BTreeMap::<String, Derivation>::new();
    let mut add = |path: &str, system: &str| {
        let name = path.trim_start_matches("/nix/store/").trim_end_matches(".drv").to_string();
        let outputs = [("out".to_string(), out(&name))].into();
        derivations.entry(path.into()).or_insert(Derivation {
            name,
            system: system.into(),
            outputs,
            ..Derivation::default()
        });
    };
    for job in &jobs {
        add(&job.drv_path, &job.system);
    }
    for (_, needed) in needs {
        add(&drv(needed), SYSTEM);
    }
    for (who, needed) in needs {
        derivations.get_mut(&drv(who)).expect("a derivation").needs.push(drv(needed));
    }
    Found { jobs, errors: vec![], derivations }
}

pub fn result(hash: &str, found: Found) -> EvaluationResult {
    let input =
        ResolvedInput { kind: "git".into(), revision: Some("abc".into()), ..ResolvedInput::default() };
    EvaluationResult {
        hash: hash.into(),
        inputs: [("src".to_string(), input)].into(),
        checkout_time: 1,
        evaluation_time: 2,
        found: Some(found),
        store: None,
    }
}

pub fn fields() -> JobsetFields {
    let input =
        JobsetInput { kind: InputKind::Git, value: "https://e.org/r.git".into(), tells_committers: false };
    JobsetFields {
        expression_input: "src".into(),
        expression_path: "release.nix".into(),
        enabled: Enabled::On,
        shares: 1,
        inputs: [("src".to_string(), input)].into(),
        ..JobsetFields::default()
    }
}

impl World {
    /// Project `p` with this jobset.
    pub async fn jobset(&self, name: &str, fields: JobsetFields) -> Jobset {
        let wish = ProjectWish {
            fields: ProjectFields { display_name: "P".into(), is_enabled: true, ..ProjectFields::default() },
            ..ProjectWish::default()
        };
        self.farm.save_project(&self.admin, "p", wish).await.expect("a project");
        let wish = JobsetWish { name: None, fields };
        self.farm.save_jobset(&self.admin, "p", name, wish).await.expect("a jobset");
        self.progress(name).await
    }

    pub async fn progress(&self, name: &str) -> Jobset {
        self.farm.jobset(&self.admin, "p", name).await.expect("the jobset")
    }

    pub async fn push(&self, name: &str, is_forced: bool) {
        let push = Push { jobsets: vec![("p".into(), name.into())], repos: vec![], is_forced };
        self.farm.push(&self.admin, push).await.expect("pushed");
    }

    pub async fn tend(&self) {
        self.farm.tend_jobsets_once().await;
        let found = audit(self.env.db()).await.expect("an audit");
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    /// Time passes while the runner is heard of.
    pub async fn wait(&self, seconds: u64) {
        self.env.clock.advance(Duration::from_secs(seconds));
        self.env.lease(self.runner, 0).await;
    }

    pub fn task(&self, lease: &Lease) -> NixTask {
        lease.plan.open().expect("a plan").nix.expect("a task")
    }

    /// The evaluation that waits is carried out with this result.
    pub async fn evaluate(&self, result: &EvaluationResult) {
        let lease = self.env.lease_one(self.runner).await;
        assert!(matches!(self.task(&lease), NixTask::Evaluate(_)));
        let file = self.folder.path().join("result");
        std::fs::write(&file, serde_json::to_vec(result).expect("JSON")).expect("written");
        let blob = self.blobs.put_file(&file).await.expect("kept");
        let fact = AttemptFact::Artifact { path: RESULT.into(), size: blob.size, sha256: blob.sha256 };
        self.env.report(&lease, 1, fact).await.expect("told");
        self.env.clock.advance(Duration::from_secs(1));
        self.env.end(&lease, Outcome::Success).await;
        self.tend().await;
    }

    /// Asks for an evaluation and carries it out.
    pub async fn evaluated(&self, jobset: &str, found: Found) {
        self.env.clock.advance(Duration::from_secs(1));
        self.push(jobset, true).await;
        self.tend().await;
        self.evaluate(&result("h", found)).await;
    }

    /// The next derivation that the queue gives: its output's name, and its lease.
    pub async fn next(&self) -> (String, Lease) {
        let lease = self.env.lease_one(self.runner).await;
        let NixTask::Realise(realise) = self.task(&lease) else { panic!("no derivation") };
        (realise.drv_path.trim_start_matches("/nix/store/").trim_end_matches(".drv").into(), lease)
    }

    pub async fn realised(&self, lease: &Lease, realised: &Realised) {
        let text = serde_json::to_string(realised).expect("JSON");
        let at = ropewalk_core::port::Clock::now(&*self.env.clock);
        for (number, piece) in (1..).zip(text.as_bytes().chunks(50)) {
            let value = String::from_utf8(piece.to_vec()).expect("text");
            let fact = AttemptFact::Resolved { key: REALISED.into(), value };
            let report = Report { attempt: lease.attempt, fence: lease.fence, number, at, fact };
            self.env.store.record(&report).await.expect("told");
        }
        self.finish(lease, Outcome::Success).await;
    }

    pub async fn failed(&self, lease: &Lease, cause: Cause) {
        self.finish(lease, Outcome::Failure { cause, message: format!("it was {cause}") }).await;
    }

    async fn finish(&self, lease: &Lease, outcome: Outcome) {
        self.env.clock.advance(Duration::from_secs(1));
        let finish = Finish { attempt: lease.attempt, fence: lease.fence, outcome, logs: vec![] };
        self.env.store.finish(finish).await.expect("an end");
        self.tend().await;
    }

    /// Builds all that waits; what is named fails for that cause, and `flag` says itself that it failed.
    pub async fn build_all(&self, failing: &[(&str, Cause)]) {
        loop {
            let leases = self.env.lease(self.runner, 1).await;
            let Some(lease) = leases.first() else { return };
            let NixTask::Realise(realise) = self.task(lease) else { panic!("no derivation") };
            match failing.iter().find(|(name, _)| drv(name) == realise.drv_path) {
                Some((_, cause)) => self.failed(lease, *cause).await,
                None => {
                    let is_failed = realise.drv_path == drv("flag");
                    self.realised(lease, &Realised { size: 7, is_failed, ..Realised::default() }).await;
                }
            }
        }
    }

    /// The newest build of a job.
    pub async fn build(&self, job: &str) -> Build {
        let filter = BuildFilter { job: Some(job.into()), ..BuildFilter::default() };
        let mut found = self.farm.newest_nix_builds(&self.admin, &filter, None, 1).await.expect("an answer");
        found.pop().unwrap_or_else(|| panic!("no build of {job}"))
    }

    pub async fn statuses(&self, jobs: &[&str]) -> Vec<Option<i64>> {
        let mut statuses = vec![];
        for job in jobs {
            statuses.push(self.build(job).await.status);
        }
        statuses
    }
}

pub async fn with_jobset(env: Env) -> World {
    let world = world(env).await;
    world.jobset("j", fields()).await;
    world
}

pub fn twenty() -> Vec<FoundJob> {
    (0..20).map(|at| job(&format!("j{at:02}"), &format!("o{at:02}"))).collect()
}

/// Evaluations of a jobset that are listed, and how many builds each has.
pub async fn evaluations(world: &World, jobset: &str) -> (i64, Vec<usize>) {
    let id = world.progress(jobset).await.id;
    let page = world.farm.evaluation_page(&world.admin, id, 1).await.expect("a page");
    (page.total, page.evaluations.iter().map(|evaluation| evaluation.builds.len()).collect())
}

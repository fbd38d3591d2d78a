//! What scenarios are made of: a store, an evaluation, what came of it.

use ropewalk_model::ids::{AttemptId, Fence, WorkId};
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{AttemptFact, LogName, Outcome, RunValues};
use ropewalk_model::nix::{Evaluation, EvaluationLimits, EvaluationResult, Found, Input, NixTask};
use ropewalk_model::plan::Plan;
use ropewalk_model::status::Cause;
use ropewalk_runner::nix::{Settings as Nix, Store, Tools, programs};
use ropewalk_runner::spool::{Settings, Spool, create, log_file};
use ropewalk_runner::supervisor::launch;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// How long a test waits for something.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Variable that switches Nix's own restrictions off in supervisors.
pub(crate) const UNRESTRICTED: &str = "TEST_UNRESTRICTED";

/// A farm's data folder with a store.
pub(crate) struct World {
    pub(crate) home: PathBuf,
    settings: Settings,
}

/// How an evaluation ended.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    /// None unless it was published.
    pub(crate) result: Option<EvaluationResult>,
    pub(crate) log: String,
}

impl World {
    pub(crate) fn new(home: &Path) -> World {
        let store = Store::Private(home.join("nix"));
        let nix = Nix { programs: programs().unwrap(), store, local_inputs: vec![] };
        std::fs::create_dir_all(home.join("spools")).unwrap();
        let settings =
            Settings { runner: "here".into(), data: home.into(), nix: Some(nix), ..Settings::default() };
        World { home: home.into(), settings }
    }

    /// The same where a private network may be fetched from.
    pub(crate) fn opening(&self, network: &str) -> World {
        let mut settings = self.settings.clone();
        settings.origins.allow.push(network.parse().unwrap());
        World { home: self.home.clone(), settings }
    }

    /// The same where everybody's jobsets may read a folder.
    pub(crate) fn showing(&self, folder: &Path) -> World {
        let mut settings = self.settings.clone();
        settings.nix.as_mut().unwrap().local_inputs.push(folder.into());
        World { home: self.home.clone(), settings }
    }

    pub(crate) fn tools(&self) -> Tools {
        Tools::open(self.settings.nix.as_ref().unwrap()).unwrap()
    }

    /// A folder with files in it.
    pub(crate) fn folder(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.home.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        folder
    }

    /// Starts an evaluation.
    pub(crate) fn start(&self, evaluation: &Evaluation) -> (Spool, Child) {
        static COUNT: AtomicI64 = AtomicI64::new(1);
        let task = NixTask::Evaluate(Box::new(evaluation.clone()));
        let plan = Plan::of_nix(task, BuildLimits::default()).seal().unwrap();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let ids = (WorkId(number), AttemptId(number), Fence(1));
        let spool = create(&self.home.join("spools"), ids, None, &plan, self.settings.clone()).unwrap();
        let child = launch(&std::env::current_exe().unwrap(), &spool, &RunValues::default()).unwrap();
        (spool, child)
    }

    /// Evaluates to the end.
    pub(crate) fn evaluate(&self, evaluation: &Evaluation) -> Ended {
        let (spool, mut child) = self.start(evaluation);
        child.wait().unwrap();
        ended(&spool)
    }

    /// The same with what Nix forbids by itself allowed.
    pub(crate) fn found_without_restrictions(&self, evaluation: &Evaluation) -> (EvaluationResult, Found) {
        // SAFETY: a scenario has one thread.
        unsafe { std::env::set_var(UNRESTRICTED, "1") };
        self.found(evaluation)
    }

    /// Evaluates what must succeed.
    pub(crate) fn found(&self, evaluation: &Evaluation) -> (EvaluationResult, Found) {
        let ended = self.evaluate(evaluation);
        assert_eq!(ended.outcome, Outcome::Success, "{}", ended.log);
        let result = ended.result.unwrap();
        let found = result.found.clone().unwrap();
        (result, found)
    }
}

/// What the spool of a supervisor that is gone says.
pub(crate) fn ended(spool: &Spool) -> Ended {
    let log = std::fs::read(spool.logs().join(log_file(LogName::Setup))).unwrap_or_default();
    let log = String::from_utf8_lossy(&log).into_owned();
    let errors = std::fs::read_to_string(spool.errors()).unwrap();
    let facts = facts(spool);
    let Some(AttemptFact::Ended { outcome }) = facts.last() else {
        panic!("no end: {facts:?}\n{log}\n{errors}")
    };
    let published = facts.iter().any(|fact| matches!(fact, AttemptFact::Artifact { .. }));
    let result =
        published.then(|| serde_json::from_slice(&std::fs::read(spool.artifact(0)).unwrap()).unwrap());
    Ended { outcome: outcome.clone(), result, log }
}

fn facts(spool: &Spool) -> Vec<AttemptFact> {
    let text = std::fs::read_to_string(spool.path().join("events.jsonl")).unwrap();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.map(|line| serde_json::from_value(line).unwrap()).collect()
}

impl Ended {
    /// The message of a failure with this cause.
    pub(crate) fn failure(&self, wanted: Cause) -> &str {
        match &self.outcome {
            Outcome::Failure { cause, message } if *cause == wanted => message,
            other => panic!("{other:?} instead of {wanted:?}\n{}", self.log),
        }
    }
}

/// An evaluation of `src/release.nix` in this folder.
pub(crate) fn evaluation(folder: &Path) -> Evaluation {
    let path = Input::Path { path: folder.to_str().unwrap().into(), free: true };
    Evaluation {
        inputs: BTreeMap::from([("src".to_owned(), path)]),
        expression_input: "src".into(),
        expression_path: "release.nix".into(),
        unless: None,
        import_from_derivation: false,
        limits: EvaluationLimits::default(),
    }
}

/// The jobs' names.
pub(crate) fn names(found: &Found) -> Vec<&str> {
    found.jobs.iter().map(|job| job.name.as_str()).collect()
}

/// Text of an error.
pub(crate) fn error<'a>(found: &'a Found, name: &str) -> &'a str {
    let error = found.errors.iter().find(|(own, _)| own == name);
    &error.unwrap_or_else(|| panic!("no error of {name} in {:?}", found.errors)).1
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come to pass");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A repository of git's with one commit of these files; its commit.
pub(crate) fn commit(folder: &Path, files: &[(&str, &str)], more: &[&str]) -> String {
    std::fs::create_dir_all(folder).unwrap();
    if !folder.join(".git").exists() {
        git(folder, &["init", "-q", "-b", "main"]);
    }
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    git(folder, &["add", "-A"]);
    git(folder, &[&["commit", "-q", "-m", "A change"], more].concat());
    git(folder, &["rev-parse", "HEAD"])
}

/// Runs git; what it says.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments);
    command.env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().into()
}

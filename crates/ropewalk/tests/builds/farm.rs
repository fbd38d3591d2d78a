//! An agent process and the server that it speaks to: a link whose other side is a folder, so that it
//! outlives every agent. Whatever an agent does wrong (a gap, other bytes, two ends) is a panic there. An agent may
//! be killed within any of its calls, so each changes the folder in one step, or is done again by the next hello.

use crate::account::IMAGE;
use crate::bench::Bench;
use ropewalk_model::ids::{AttemptId, Fence, JobId, WorkId};
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{
    AttemptFact, Hello, LINK_VERSION, LogFile, LogPiece, Offer, Outcome, Report, RunValues, Verdict,
};
use ropewalk_model::log_times::{self, Note};
use ropewalk_model::manifest::{ManifestLimits, PlanOptions, parse, plan};
use ropewalk_model::plan::Plan;
use ropewalk_model::status::Cause;
use ropewalk_model::time::Time;
use ropewalk_model::work::Labels;
use ropewalk_runner::agent::link::{Held, Link, LinkError, Upload};
use ropewalk_runner::agent::{self, Config};
use ropewalk_runner::sandbox::Network;
use ropewalk_runner::sandbox::network::Outside;
use ropewalk_runner::spool::{log_file, times_file};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// The server's folder: `offers/ID` and `leased/ID` hold offers, which are for the attempt of their name, `ID/` what
/// came of them, `verdicts/ID` what renewals say, `silent` makes it answer nothing.
#[derive(Clone)]
pub(crate) struct Server(PathBuf);

/// A server and its agent, in a test's folder.
pub(crate) struct Farm<'a> {
    bench: &'a Bench,
    pub(crate) server: Server,
    agent: Option<Child>,
    /// Variables of the agent's environment.
    variables: Vec<(String, String)>,
}

/// Agent mode of the test program: `--agent FOLDER DATA PROGRAM`.
pub(crate) fn agent(folder: &Path, data: &Path, program: &Path) {
    let labels = Labels { kinds: ["sandbox".to_owned()].into(), ..Labels::default() };
    let seconds = |name| std::env::var(name).ok().map(|s| Duration::from_secs(s.parse().unwrap()));
    let config = Config {
        hello: Hello { version: LINK_VERSION, name: "test-runner".into(), labels, slots: 4 },
        spools: folder.join("spools"),
        data: data.into(),
        network: match std::env::var("TEST_NAT").as_deref() {
            Ok("host") => Network::Nat(Outside::of_host()),
            Ok(_) => Network::Nat(Outside::default()),
            Err(_) => Network::None,
        },
        program: program.into(),
        origins: ropewalk_runner::image::Origins::default(),
        nix: std::env::var_os("TEST_NIX").map(|folder| crate::nix::settings(Path::new(&folder))),
        lost_after: seconds("TEST_LOST_AFTER"),
        grace: seconds("TEST_GRACE").unwrap_or(agent::GRACE),
    };
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ended = runtime.block_on(agent::run(Arc::new(Server(folder.into())), config, std::future::pending()));
    panic!("the agent ended: {ended:?}");
}

/// A plan from a manifest without its image.
pub(crate) fn plan_of(manifest: &str, limits: BuildLimits) -> Plan {
    let text = format!("image: {IMAGE}\n{manifest}");
    let manifest = parse(&text, &ManifestLimits::default()).unwrap();
    plan(&manifest, &PlanOptions { secrets: true, limits })
}

impl<'a> Farm<'a> {
    pub(crate) fn new(bench: &'a Bench) -> Farm<'a> {
        for folder in ["offers", "leased", "verdicts", "spools"] {
            bench.folder(folder);
        }
        Farm { bench, server: Server(bench.folder.clone()), agent: None, variables: vec![] }
    }

    /// Sets a variable for the agents that are started from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.into(), value.into()));
    }

    #[cfg(feature = "faults")]
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.retain(|(set, _)| set != name);
    }

    /// Whether the agent ended by itself.
    #[cfg(feature = "faults")]
    pub(crate) fn agent_died(&mut self) -> bool {
        self.agent.as_mut().is_some_and(|agent| agent.try_wait().unwrap().is_some())
    }

    /// Waits for the attempt at this work that ended without a loss; its id.
    #[cfg(feature = "faults")]
    pub(crate) fn last(&mut self, first: i64) -> i64 {
        let mut last = None;
        self.wait("an attempt that is not lost", |farm| {
            last = (first..first + 10)
                .find(|id| farm.server.outcome(*id).is_some() && !farm.server.is_lost(*id));
            last.is_some()
        });
        last.unwrap()
    }

    /// Forgets what was leased.
    #[cfg(feature = "faults")]
    pub(crate) fn clear(&self) {
        for entry in std::fs::read_dir(self.bench.folder.join("leased")).unwrap().flatten() {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }

    pub(crate) fn start_agent(&mut self) -> &mut Child {
        let mut command = self.bench.command(self.bench.this_program());
        command.arg("--agent").arg(&self.bench.folder).args([self.bench.data(), self.bench.program()]);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let errors =
            std::fs::File::options().create(true).append(true).open(self.bench.folder.join("agent.log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors.unwrap());
        self.agent = Some(command.spawn().unwrap());
        self.agent.as_mut().unwrap()
    }

    /// As `kill -9` would.
    pub(crate) fn kill_agent(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }

    /// Offers a plan; its attempt's id.
    pub(crate) fn offer(&self, plan: &Plan, values: RunValues) -> i64 {
        static NEXT: AtomicI64 = AtomicI64::new(1);
        // Not the number of another test program's attempt: cgroups are named after it.
        let id = i64::from(std::process::id()) * 10_000 + NEXT.fetch_add(10, Ordering::Relaxed);
        // The next numbers are for the same work after a loss.
        for id in id..id + 10 {
            self.bench.folder(&id.to_string());
            self.bench.folder(&format!("{id}/artifacts"));
        }
        self.server.offer(&offer(id, plan, values));
        id
    }

    pub(crate) fn agent_log(&self) -> String {
        std::fs::read_to_string(self.bench.folder.join("agent.log")).unwrap_or_default()
    }

    pub(crate) fn spools(&self) -> usize {
        std::fs::read_dir(self.bench.folder.join("spools"))
            .unwrap()
            .flatten()
            .filter(|e| e.path().is_dir())
            .count()
    }

    pub(crate) fn wait(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !condition(self) {
            if Instant::now() > until {
                let tree = Command::new("find")
                    .arg(&self.bench.folder)
                    .arg("-printf")
                    .arg("%TT %M %s %P\\n")
                    .output();
                let processes = Command::new("ps")
                    .args(["-eo", "pid,ppid,stat,wchan:20,etime,args", "--forest"])
                    .output();
                let text = |output: std::io::Result<Output>| {
                    String::from_utf8_lossy(&output.unwrap().stdout).into_owned()
                };
                panic!(
                    "waited in vain: {what}\nagent's log:\n{}\nits folder:\n{}\nprocesses:\n{}",
                    self.agent_log(),
                    text(tree),
                    text(processes)
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the attempt has ended and its spool is gone.
    pub(crate) fn ended(&mut self, id: i64) -> Outcome {
        self.wait("the end of the attempt", |farm| farm.server.outcome(id).is_some());
        self.wait("the removal of its spool", |farm| !farm.has_spool(id));
        self.server.outcome(id).unwrap()
    }

    pub(crate) fn has_spool(&self, id: i64) -> bool {
        let start = format!("{id}-");
        let entries = std::fs::read_dir(self.bench.folder.join("spools")).unwrap().flatten();
        entries
            .into_iter()
            .any(|e| e.file_name().to_str().unwrap().trim_start_matches(".new-").starts_with(&start))
    }
}

impl Drop for Farm<'_> {
    fn drop(&mut self) {
        self.kill_agent();
    }
}

fn offer(id: i64, plan: &Plan, values: RunValues) -> Offer {
    let values = RunValues { job: Some(JobId(7)), ..values };
    let (work, attempt, fence) = (WorkId(1), AttemptId(id), Fence(id));
    Offer { work, attempt, fence, until: Time(i64::MAX), plan: plan.seal().unwrap(), values }
}

/// The cause of an end that is no success.
pub(crate) fn cause(outcome: &Outcome) -> Option<Cause> {
    match outcome {
        Outcome::Success => None,
        Outcome::Failure { cause, .. } => Some(*cause),
    }
}

impl Server {
    fn path(&self, id: i64, name: &str) -> PathBuf {
        self.0.join(id.to_string()).join(name)
    }

    fn offer(&self, offer: &Offer) {
        let id = offer.attempt.0;
        whole(&self.0.join("offers").join(id.to_string()), &serde_json::to_vec(offer).unwrap());
    }

    pub(crate) fn decide(&self, id: i64, verdict: &Verdict) {
        whole(&self.0.join("verdicts").join(id.to_string()), &serde_json::to_vec(verdict).unwrap());
    }

    /// While silent, no message is answered.
    pub(crate) fn silence(&self, silent: bool) {
        let path = self.0.join("silent");
        if silent { std::fs::write(path, "").unwrap() } else { std::fs::remove_file(path).unwrap() }
    }

    fn hear(&self) -> Result<(), LinkError> {
        if self.0.join("silent").exists() { Err(LinkError::Retry("silent".into())) } else { Ok(()) }
    }

    /// All facts, in order.
    pub(crate) fn facts(&self, id: i64) -> Vec<AttemptFact> {
        let text = std::fs::read_to_string(self.path(id, "reports")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str::<Report>(line).unwrap().fact).collect()
    }

    pub(crate) fn outcome(&self, id: i64) -> Option<Outcome> {
        self.facts(id).into_iter().find_map(|fact| match fact {
            AttemptFact::Ended { outcome } => Some(outcome),
            _ => None,
        })
    }

    /// The attempt ended, or was given up.
    #[cfg(feature = "faults")]
    pub(crate) fn is_over(&self, id: i64) -> bool {
        self.outcome(id).is_some()
    }

    /// The attempt was lost: reported so, or given up because nobody held it.
    #[cfg(feature = "faults")]
    pub(crate) fn is_lost(&self, id: i64) -> bool {
        self.outcome(id).is_some_and(|outcome| cause(&outcome) == Some(Cause::RunnerLost))
    }

    pub(crate) fn log(&self, id: i64, name: ropewalk_model::link::LogName) -> Vec<u8> {
        std::fs::read(self.path(id, &log_file(name))).unwrap_or_default()
    }

    /// When the bytes of a log came.
    pub(crate) fn times(&self, id: i64, name: ropewalk_model::link::LogName) -> Vec<Note> {
        log_times::read(&std::fs::read(self.path(id, &times_file(name))).unwrap_or_default())
    }

    /// An uploaded file.
    pub(crate) fn artifact(&self, id: i64, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path(id, "artifacts").join(name)).ok()
    }

    /// A lease that nobody holds is over; the work is offered anew under the next number.
    fn lost(&self, id: i64) {
        let leased = self.0.join("leased").join(id.to_string());
        std::fs::rename(leased, self.0.join("offers").join((id + 1).to_string())).unwrap();
    }

    /// Leases an offer.
    fn lease(&self, id: i64) -> Offer {
        let leased = self.0.join("leased").join(id.to_string());
        std::fs::rename(self.0.join("offers").join(id.to_string()), &leased).unwrap();
        let offer: Offer = serde_json::from_slice(&std::fs::read(leased).unwrap()).unwrap();
        Offer { attempt: AttemptId(id), fence: Fence(id), ..offer }
    }

    /// Whether losses are tried again.
    fn retries() -> bool {
        std::env::var_os("TEST_RETRY").is_some()
    }
}

impl Link for Server {
    async fn hello(&self, hello: &Hello, held: &[Held]) -> Result<(), LinkError> {
        self.hear()?;
        assert_eq!(hello.name, "test-runner");
        for entry in std::fs::read_dir(self.0.join("leased")).unwrap().flatten() {
            let id = entry.file_name().to_str().unwrap().parse().unwrap();
            let over = match self.outcome(id) {
                Some(outcome) => Server::retries() && cause(&outcome) == Some(Cause::RunnerLost),
                None => !held.iter().any(|held| held.attempt.0 == id),
            };
            if over {
                self.lost(id);
            }
        }
        Ok(())
    }

    async fn ask(&self, free: u32) -> Result<Vec<Offer>, LinkError> {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            self.hear()?;
            let offers = std::fs::read_dir(self.0.join("offers")).unwrap().flatten();
            let found: Vec<Offer> = offers
                .filter(|e| !e.file_name().to_str().unwrap().starts_with(".new"))
                .take(free as usize)
                .map(|entry| self.lease(entry.file_name().to_str().unwrap().parse().unwrap()))
                .collect();
            if !found.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(vec![])
    }

    async fn renew(&self, held: &[Held]) -> Result<Vec<(AttemptId, Verdict)>, LinkError> {
        self.hear()?;
        let verdict = |held: &Held| {
            let text = std::fs::read(self.0.join("verdicts").join(held.attempt.to_string())).ok()?;
            Some((held.attempt, serde_json::from_slice(&text).unwrap()))
        };
        Ok(held.iter().filter_map(verdict).collect())
    }

    async fn report(&self, report: &Report) -> Result<(), LinkError> {
        self.hear()?;
        let id = report.attempt.0;
        assert_eq!(report.fence.0, id);
        let path = self.path(id, "reports");
        let before = self.facts(id);
        let next = i64::try_from(before.len()).unwrap() + 1;
        assert!(report.number <= next, "a gap before {report:?}");
        if report.number < next {
            return Ok(());
        }
        assert!(self.outcome(id).is_none(), "{report:?} after the end");
        let line = serde_json::to_string(report).unwrap() + "\n";
        // One write, so that a killed agent leaves all of it or nothing.
        std::io::Write::write_all(&mut append(&path), line.as_bytes()).unwrap();
        let is_lost = |fact: &AttemptFact| matches!(fact, AttemptFact::Ended { outcome } if cause(outcome) == Some(Cause::RunnerLost));
        if is_lost(&report.fact) && Server::retries() {
            self.lost(id);
        }
        Ok(())
    }

    async fn log(&self, piece: &LogPiece) -> Result<u64, LinkError> {
        self.hear()?;
        let name = match piece.log {
            LogFile::Text(log) => log_file(log),
            LogFile::Times(log) => times_file(log),
        };
        let path = self.path(piece.attempt.0, &name);
        let before = std::fs::read(&path).unwrap_or_default();
        let offset = usize::try_from(piece.offset).unwrap();
        if offset > before.len() {
            return Ok(before.len() as u64);
        }
        let known = (before.len() - offset).min(piece.bytes.len());
        assert!(before[offset..offset + known] == piece.bytes[..known], "other bytes at {offset}");
        let new = &piece.bytes[known..];
        std::io::Write::write_all(&mut append(&path), new).unwrap();
        Ok((before.len() + new.len()) as u64)
    }

    async fn artifact(&self, upload: &Upload) -> Result<(), LinkError> {
        self.hear()?;
        let bytes = std::fs::read(&upload.file).unwrap();
        assert_eq!(bytes.len() as u64, upload.size);
        let name = upload.path.rsplit('/').next().unwrap();
        whole(&self.path(upload.held.attempt.0, "artifacts").join(name), &bytes);
        Ok(())
    }

    /// Looks at the verdicts' folder, which is what a renewal would look at.
    async fn changed(&self) {
        let folder = self.0.join("verdicts");
        let stamp = || folder.metadata().unwrap().modified().unwrap();
        let before = stamp();
        while stamp() == before {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn append(path: &Path) -> std::fs::File {
    std::fs::File::options().create(true).append(true).open(path).unwrap()
}

fn whole(path: &Path, bytes: &[u8]) {
    let new = path.with_file_name(format!(".new-{}", path.file_name().unwrap().to_str().unwrap()));
    std::fs::write(&new, bytes).unwrap();
    std::fs::rename(new, path).unwrap();
}

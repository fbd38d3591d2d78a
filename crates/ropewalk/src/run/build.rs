//! One build that belongs to this terminal.

use super::sweep;
use super::worktree::Tree;
use crate::exit::Exit;
use anyhow::Context;
use ropewalk_model::ids::{AttemptId, Fence, WorkId};
use ropewalk_model::link::{AttemptFact, Outcome, RunValues};
use ropewalk_model::plan::Plan;
use ropewalk_model::status::Cause;
use ropewalk_runner::agent::GRACE;
use ropewalk_runner::image::Origins;
use ropewalk_runner::sandbox::Network;
use ropewalk_runner::spool::{LocalSource, Settings, Spool, create};
use ropewalk_runner::supervisor::launch;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{SignalKind, signal};

/// How often the supervisor's end is looked for.
const LOOK: Duration = Duration::from_millis(10);
/// Where artifacts go, below the working directory.
const ARTIFACTS: &str = "artifacts";

/// What of the world a build and its image may use.
pub(super) struct Reach {
    pub(super) network: Network,
    pub(super) origins: Origins,
}

/// Runs the plan to its end and removes its spool.
pub(super) async fn build(
    data: &Path,
    reach: Reach,
    plan: Plan,
    values: &RunValues,
    trees: &[Tree],
) -> anyhow::Result<Exit> {
    let folder = data.join("run");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let _present = sweep::enter(&folder)?;
    let spool = make_spool(&folder, data, reach, &plan, trees)?;
    // Taken before the supervisor starts, so that no Ctrl-C leaves it behind.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut child = launch(Path::new("/proc/self/exe"), &spool, values)?;
    let ended = tokio::select! {
        ended = end_of(&mut child) => ended.map(|()| false),
        _ = interrupt.recv() => interrupted(&spool, &mut child).await.map(|()| true),
        _ = terminate.recv() => interrupted(&spool, &mut child).await.map(|()| true),
    };
    let exit = ended.and_then(|interrupted| conclude(&spool, &plan, interrupted));
    sweep::remove(spool);
    exit
}

fn make_spool(
    folder: &Path,
    data: &Path,
    reach: Reach,
    plan: &Plan,
    trees: &[Tree],
) -> anyhow::Result<Spool> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros();
    let ids = (WorkId(0), AttemptId(i64::from(std::process::id())), Fence(i64::try_from(now)?));
    let archive = |at: usize| format!("source-{at}.tar");
    let local_sources = trees.iter().enumerate();
    let local_sources = local_sources
        .map(|(at, tree)| LocalSource { directory: tree.directory.clone(), archive: archive(at) });
    let settings = Settings {
        runner: "this machine".into(),
        data: data.into(),
        network: reach.network,
        origins: reach.origins,
        tethered: true,
        nix: None,
        local_sources: local_sources.collect(),
    };
    let spool = create(folder, ids, None, &plan.seal()?, settings)?;
    for (at, tree) in trees.iter().enumerate() {
        tree.pack(&spool.path().join(archive(at)))?;
    }
    Ok(spool)
}

async fn end_of(child: &mut Child) -> anyhow::Result<()> {
    while child.try_wait()?.is_none() {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Asks the supervisor to end the build until it has. One that was stopped, or hangs, is killed, and its sandbox with it.
async fn interrupted(spool: &Spool, child: &mut Child) -> anyhow::Result<()> {
    let asked = Instant::now();
    while child.try_wait()?.is_none() {
        if asked.elapsed() > GRACE {
            child.kill()?;
        }
        // It may not listen yet; an end that was asked for twice is one end.
        let _ = spool.ask_to_end(Cause::Cancelled);
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn conclude(spool: &Spool, plan: &Plan, interrupted: bool) -> anyhow::Result<Exit> {
    let (events, _) = spool.events_from(0)?;
    let outcome = events.iter().find_map(|line| match &line.fact {
        AttemptFact::Ended { outcome } => Some(outcome.clone()),
        _ => None,
    });
    for line in &events {
        if let AttemptFact::Artifact { path, .. } = &line.fact {
            keep_artifact(spool, plan, path)?;
        }
    }
    match outcome {
        _ if interrupted => Ok(Exit::Interrupted),
        Some(Outcome::Success) => Ok(Exit::Success),
        Some(Outcome::Failure { cause: Cause::Cancelled, .. }) if is_unread() => Ok(Exit::Unread),
        Some(Outcome::Failure { cause: Cause::Cancelled, .. }) => Ok(Exit::Interrupted),
        Some(Outcome::Failure { .. }) => Ok(Exit::Failed),
        None => {
            let words = std::fs::read_to_string(spool.errors()).unwrap_or_default();
            anyhow::bail!("the supervisor ended without a result: {}", words.trim())
        }
    }
}

/// Whether standard output is a pipe that nobody reads any more: the supervisor, which shares it, ends the build then.
fn is_unread() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let out = std::io::stdout();
    let mut fds = [PollFd::new(&out, PollFlags::OUT)];
    let polled = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_ok() && fds.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}

fn keep_artifact(spool: &Spool, plan: &Plan, path: &str) -> anyhow::Result<()> {
    let Some(position) = plan.artifacts.iter().position(|artifact| artifact == path) else { return Ok(()) };
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let alone = plan.artifacts.iter().filter(|artifact| last(artifact) == last(path)).count() == 1;
    let name = if alone { last(path) } else { path.trim_start_matches(['/', '~', '.']).replace('/', "-") };
    let target = Path::new(ARTIFACTS).join(name);
    std::fs::create_dir_all(ARTIFACTS).context("cannot create ./artifacts")?;
    std::fs::copy(spool.artifact(position), &target)
        .with_context(|| format!("cannot write the artifact {}", target.display()))?;
    writeln!(std::io::stdout(), "[#run] artifact {}", target.display())?;
    Ok(())
}

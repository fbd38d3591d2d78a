//! The embedded runner: the very same agent as a remote one, with a link that needs no socket.

use super::parts::Parts;
use crate::config::Config;
use anyhow::Context;
use ropewalk_core::error::Kind;
use ropewalk_core::farm::Farm;
use ropewalk_core::port::BlobRef;
use ropewalk_core::queue::{LinkRefusal, Runner};
use ropewalk_model::ids::{AttemptId, Fence};
use ropewalk_model::link::LINK_VERSION;
use ropewalk_model::link::{Hello, LogPiece, Offer, Report, Verdict};
use ropewalk_model::work::Labels;
use ropewalk_runner::agent;
use ropewalk_runner::agent::link::{Held, Link, LinkError, Upload};
use ropewalk_runner::{nix, sandbox};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

/// The embedded runner at work.
pub(super) struct Embedded {
    task: JoinHandle<usize>,
}

/// Starts the embedded runner. It leaves its builds to their supervisors when `stopping` is true. One that ends before
/// makes the server not ready.
pub(super) fn start(
    parts: &Parts,
    config: &Config,
    data: &Path,
    mut stopping: watch::Receiver<bool>,
) -> Embedded {
    let nix = nix(config, data);
    let mut agent = agent::Config {
        hello: hello(config, data, nix.as_ref().map(|(_, features)| features.clone())),
        spools: data.join("spool"),
        data: data.into(),
        network: sandbox::Network::None,
        origins: config.origins(),
        nix: nix.map(|(settings, _)| settings),
        // By its inode: a new version that was put in its place meanwhile is not started by an old server.
        program: "/proc/self/exe".into(),
        lost_after: None,
        grace: agent::GRACE,
    };
    let link = Arc::new(Inside { farm: parts.farm.clone(), runner: OnceCell::new() });
    let stop = async move {
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let (sandbox, origin) = (config.sandbox.clone(), config.origin());
    let work = tokio::spawn(async move {
        // Looks up names of proxies and mirrors: the server answers meanwhile.
        let network = tokio::task::spawn_blocking(move || sandbox.open_network(Some(&origin))).await;
        agent.network = network.context("cannot find out what of the network builds may reach")?;
        Ok(agent::run(link, agent, stop).await?)
    });
    let readiness = parts.readiness.clone();
    let task = tokio::spawn(async move {
        let ended: anyhow::Result<usize> = work.await.map_err(anyhow::Error::from).flatten();
        ended.unwrap_or_else(|error| {
            tracing::error!("the embedded runner ended, no builds are run: {error:#}");
            readiness.runner_ended(format_args!("{error:#}; mend it and start the server again"));
            0
        })
    });
    Embedded { task }
}

impl Embedded {
    /// Waits until the agent has left; answers how many builds go on without it.
    pub(super) async fn leave(self) -> usize {
        self.task.await.unwrap_or(0)
    }
}

/// How this machine has Nix, and what it can build with it. None if Nix is not installed, or cannot be used.
fn nix(config: &Config, data: &Path) -> Option<(nix::Settings, BTreeSet<String>)> {
    let found = config.nix.of_runner(data).map_err(anyhow::Error::from).and_then(|settings| {
        let Some(settings) = settings else { return Ok(None) };
        let tools = nix::Tools::open(&settings)?;
        let mut features = nix::labels::features(&tools)?;
        features.insert(tools.label());
        Ok(Some((settings, features)))
    });
    found.unwrap_or_else(|error| {
        tracing::error!("jobsets are neither evaluated nor built here: {error:#}");
        None
    })
}

/// `nix` is what derivations can ask for, if any can be built.
fn hello(config: &Config, data: &Path, nix: Option<BTreeSet<String>>) -> Hello {
    let cores = std::thread::available_parallelism()
        .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
    let slots = match config.runner.slots {
        0 => (cores / config.limits.builds.cpus.max(1)).max(1),
        slots => slots,
    };
    let one = |word: &str| BTreeSet::from([word.to_string()]);
    let mut labels =
        Labels { kinds: one("sandbox"), archs: one(std::env::consts::ARCH), ..Labels::default() };
    if let Some(features) = nix {
        labels.kinds.insert(ropewalk_model::nix::KIND.into());
        labels.features = features;
    }
    Hello { version: LINK_VERSION, name: name(config, data), labels, slots }
}

/// The configured name, else the host's, made plain. Two servers of one host may share a database: a runner that took
/// the other one's name would take its builds for lost.
fn name(config: &Config, data: &Path) -> String {
    let host = || rustix::system::uname().nodename().to_str().unwrap_or_default().to_string();
    let name = match (config.runner.name.as_str(), config.database.url.as_str()) {
        ("", "") => host(),
        ("", _) => format!("{}-{:04x}", host(), fingerprint(data)),
        (name, _) => name.to_string(),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().map(plain).take(64).collect();
    if name.is_empty() { "localhost".into() } else { name }
}

/// The same for the same data folder, whenever it is asked.
fn fingerprint(data: &Path) -> u16 {
    let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
    let mut bytes = digest.iter().copied();
    u16::from_be_bytes([bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)])
}

/// A link into this process.
struct Inside {
    farm: Arc<Farm>,
    runner: OnceCell<Runner>,
}

impl Inside {
    fn runner(&self) -> Result<&Runner, LinkError> {
        self.runner.get().ok_or_else(|| LinkError::Refused("the runner has not said hello".into()))
    }
}

fn pairs(held: &[Held]) -> Vec<(AttemptId, Fence)> {
    held.iter().map(|held| (held.attempt, held.fence)).collect()
}

/// What cannot become better by asking again must not be asked again.
fn translate(refusal: LinkRefusal) -> LinkError {
    match refusal {
        LinkRefusal::Superseded => LinkError::Superseded,
        LinkRefusal::Failed(error) => match error.kind {
            Kind::Malformed
            | Kind::Forbidden
            | Kind::Unauthenticated
            | Kind::UnreadableToken
            | Kind::OtherScheme
            | Kind::InvalidToken => LinkError::Refused(error.to_string()),
            _ => LinkError::Retry(error.to_string()),
        },
    }
}

impl Link for Inside {
    async fn hello(&self, hello: &Hello, held: &[Held]) -> Result<(), LinkError> {
        let runner = self.farm.hello(hello, &pairs(held)).await.map_err(|error| translate(error.into()))?;
        // A second hello of the same agent finds the runner that the first one made.
        let _ = self.runner.set(runner);
        Ok(())
    }

    async fn ask(&self, free: u32) -> Result<Vec<Offer>, LinkError> {
        self.runner()?.ask(free).await.map_err(translate)
    }

    async fn renew(&self, held: &[Held]) -> Result<Vec<(AttemptId, Verdict)>, LinkError> {
        self.runner()?.renew(&pairs(held)).await.map_err(translate)
    }

    async fn report(&self, report: &Report) -> Result<(), LinkError> {
        self.runner()?.report(report).await.map_err(translate)
    }

    async fn log(&self, piece: &LogPiece) -> Result<u64, LinkError> {
        self.runner()?.log(piece).await.map_err(translate)
    }

    async fn artifact(&self, upload: &Upload) -> Result<(), LinkError> {
        let Upload { held, path, size, sha256, file } = upload;
        let promised = BlobRef { sha256: sha256.clone(), size: *size };
        let held = (held.attempt, held.fence);
        self.runner()?.artifact(held, path, &promised, file).await.map_err(translate)
    }

    async fn changed(&self) {
        match self.runner.get() {
            Some(runner) => runner.changed().await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_share_a_database_have_runners_of_their_own() {
        let mut config = Config::default();
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        assert_eq!(name(&config, a), name(&config, b));
        config.database.url = "postgres://h/d".into();
        assert!(name(&config, a) != name(&config, b) && name(&config, a) == name(&config, a));
        config.runner.name = "my runner/1".into();
        assert_eq!(name(&config, a), "my-runner-1");
    }
}

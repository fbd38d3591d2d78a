//! The agent: takes works from a server, starts a supervisor for each, and forwards what they write.
//!
//! It may be killed at any moment: all that counts is in the spools, and the next one goes on there.

mod adopt;
mod directive;
mod follow;
mod forward;
mod leftovers;
pub mod link;
mod lost;
mod overdue;
mod sent;
mod start;
mod wake;

use crate::image::Origins;
use crate::nix;
use crate::sandbox::Network;
use crate::spool::Spool;
use directive::Directive;
use link::{Held, Link, LinkError};
use ropewalk_model::link::{Hello, Offer, Verdict};
use ropewalk_model::status::Cause;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often leases are renewed.
const RENEW: Duration = Duration::from_secs(10);
/// How long to wait after an answer that did not come.
const RETRY: Duration = Duration::from_secs(1);
/// How long to wait when the disk of the spools is nearly full.
const FULL: Duration = Duration::from_secs(5);
/// Bytes that must be free for a new spool; with less no works are taken.
pub const ROOM: u64 = 64 << 20;
/// [`Config::grace`] unless a test says otherwise. A supervisor sees a directive within a quarter of a second; what takes
/// longer is bringing large logs to a slow disk.
pub const GRACE: Duration = Duration::from_secs(30);
/// A remote agent stops its builds this long before the server gives them away.
const MARGIN: Duration = Duration::from_secs(30);

/// How this machine takes works.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the agent says first.
    pub hello: Hello,
    /// Folder of the spools; made if missing.
    pub spools: PathBuf,
    /// Data folder, for the images.
    pub data: PathBuf,
    /// What of the network builds see.
    pub network: Network,
    /// Where images come from that are not here.
    pub origins: Origins,
    /// How this machine has Nix; none if it has not.
    pub nix: Option<nix::Settings>,
    /// This program: it is started again as `PROGRAM supervise SPOOL`.
    pub program: PathBuf,
    /// After how long without an answer the server gives this runner's works away; none for the
    /// embedded agent, which the server never loses.
    pub lost_after: Option<Duration>,
    /// How long a supervisor may take to end its build when it was told to, or when the build's time is over. Then it
    /// is killed: it was stopped, or hangs.
    pub grace: Duration,
}

/// Why an agent ended by itself. Builds that it left go on.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The folder of the spools cannot be used.
    #[error("cannot {what} {}: {source}", path.display())]
    Spools {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Another agent has it.
    #[error("another agent works in {}: end it first, or name another data folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The server does not want this runner.
    #[error("the server refuses this runner: {0}")]
    Refused(String),
}

/// A running agent.
struct Agent<L> {
    link: Arc<L>,
    config: Config,
    /// What it holds, with the way to tell its follower something.
    held: BTreeMap<Held, watch::Sender<Directive>>,
    followers: JoinSet<Held>,
    /// When the server last answered.
    answered: Instant,
}

/// Works until `stop` is ready; answers how many builds go on without it.
///
/// # Errors
/// When it could not begin, or the server refuses it.
pub async fn run<L: Link>(
    link: Arc<L>,
    config: Config,
    stop: impl Future<Output = ()> + Send,
) -> Result<usize, AgentError> {
    let _lock = adopt::enter(&config.spools, &config.program).await?;
    let found = adopt::find(&config.spools);
    let held: Vec<Held> = found.iter().map(held_by).collect();
    let now = Instant::now();
    let mut agent = Agent { link, config, held: BTreeMap::new(), followers: JoinSet::new(), answered: now };
    tokio::pin!(stop);
    tokio::select! {
        said = agent.say_hello(&held) => said?,
        () = &mut stop => return Ok(held.len()),
    }
    for spool in found {
        agent.adopt(spool);
    }
    agent.work(stop).await
}

fn held_by(spool: &Spool) -> Held {
    Held { attempt: spool.head.attempt, fence: spool.head.fence }
}

impl<L: Link> Agent<L> {
    async fn say_hello(&mut self, held: &[Held]) -> Result<(), AgentError> {
        loop {
            match self.link.hello(&self.config.hello, held).await {
                Ok(()) => return Ok(()),
                Err(LinkError::Refused(why)) => return Err(AgentError::Refused(why)),
                Err(error) => tracing::warn!(%error, "the server does not answer; trying again"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn work(
        mut self,
        mut stop: std::pin::Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<usize, AgentError> {
        let mut renew = tokio::time::interval(RENEW);
        renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let link = self.link.clone();
        // Kept while other things happen: an answer that nobody takes is a work that nobody runs.
        let mut asking = None;
        // Kept too: news that comes meanwhile is not missed.
        let mut changed = Box::pin(link.changed());
        loop {
            let free = self.free();
            if free > 0 && asking.is_none() {
                asking = Some(Box::pin(ask(link.clone(), self.config.spools.clone(), free)));
            }
            tokio::select! {
                () = &mut stop => return Ok(self.held.len()),
                Some(done) = self.followers.join_next() => self.forget(done),
                _ = renew.tick() => self.renew().await?,
                () = &mut changed => {
                    changed = Box::pin(link.changed());
                    self.renew().await?;
                }
                offers = answer(&mut asking) => {
                    asking = None;
                    for offer in offers? {
                        self.take(offer);
                    }
                }
            }
        }
    }

    fn free(&self) -> u32 {
        let used = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        self.config.hello.slots.saturating_sub(used)
    }

    /// Starts a work and follows it to its end, in a task of its own.
    fn take(&mut self, offer: Offer) {
        let held = Held { attempt: offer.attempt, fence: offer.fence };
        if self.held.contains_key(&held) {
            return;
        }
        let directives = self.hold(held);
        let (link, config) = (self.link.clone(), self.config.clone());
        self.followers.spawn(async move {
            let how = (config.program.clone(), config.grace);
            match start::start(config, offer).await {
                Ok((spool, child)) => follow::follow(link, how, spool, child, directives).await,
                Err(why) => lost::give_back(link, held, why).await,
            }
        });
    }

    /// Follows an attempt that an earlier agent started.
    fn adopt(&mut self, spool: Spool) {
        let directives = self.hold(held_by(&spool));
        let (link, how) = (self.link.clone(), (self.config.program.clone(), self.config.grace));
        self.followers.spawn(follow::follow(link, how, spool, None, directives));
    }

    fn hold(&mut self, held: Held) -> watch::Receiver<Directive> {
        let (sender, directives) = watch::channel(Directive::Go);
        self.held.insert(held, sender);
        directives
    }

    fn forget(&mut self, done: Result<Held, tokio::task::JoinError>) {
        match done {
            Ok(held) => {
                self.held.remove(&held);
            }
            // What a panicked follower held is found again by the next start.
            Err(error) => tracing::error!(%error, "a follower of a build ended"),
        }
    }

    /// Renews all leases and hands verdicts on.
    async fn renew(&mut self) -> Result<(), AgentError> {
        let held: Vec<Held> = self.held.keys().copied().collect();
        if held.is_empty() {
            self.answered = Instant::now();
            return Ok(());
        }
        match tokio::time::timeout(RENEW, self.link.renew(&held)).await {
            Ok(Ok(verdicts)) => {
                self.answered = Instant::now();
                for (held, directive) in &self.held {
                    let verdict = verdicts.iter().find(|(attempt, _)| *attempt == held.attempt);
                    if let Some((_, verdict)) = verdict {
                        tell(directive, verdict);
                    }
                }
                Ok(())
            }
            Ok(Err(LinkError::Refused(why))) => Err(AgentError::Refused(why)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "leases were not renewed");
                self.stop_when_lost();
                Ok(())
            }
            Err(_) => {
                tracing::warn!("leases were not renewed: no answer");
                self.stop_when_lost();
                Ok(())
            }
        }
    }

    /// Without an answer for too long the server will give the works to somebody else.
    fn stop_when_lost(&self) {
        let Some(lost_after) = self.config.lost_after else { return };
        if self.answered.elapsed() + RENEW < lost_after.saturating_sub(MARGIN) {
            return;
        }
        for directive in self.held.values() {
            directive.send_if_modified(|directive| directive.raise(Directive::End(Cause::RunnerLost)));
        }
    }
}

fn tell(directive: &watch::Sender<Directive>, verdict: &Verdict) {
    let next = match verdict {
        Verdict::Go { .. } => return,
        Verdict::Cancel { cause, .. } => Directive::End(*cause),
        Verdict::Superseded => Directive::Drop,
    };
    directive.send_if_modified(|directive| directive.raise(next));
}

/// Polls what is there; waits for ever where there is nothing.
async fn answer<T>(asking: &mut Option<std::pin::Pin<Box<impl Future<Output = T>>>>) -> T {
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}

/// Offers; waits instead of asking while the disk is nearly full.
async fn ask<L: Link>(link: Arc<L>, spools: PathBuf, free: u32) -> Result<Vec<Offer>, AgentError> {
    if !has_room(&spools) {
        tracing::error!(spools = %spools.display(), "no works are taken: the disk is nearly full");
        tokio::time::sleep(FULL).await;
        return Ok(vec![]);
    }
    match link.ask(free).await {
        Ok(offers) => Ok(offers),
        Err(LinkError::Refused(why)) => Err(AgentError::Refused(why)),
        Err(_) => {
            tokio::time::sleep(RETRY).await;
            Ok(vec![])
        }
    }
}

fn has_room(spools: &std::path::Path) -> bool {
    rustix::fs::statvfs(spools).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= ROOM)
}

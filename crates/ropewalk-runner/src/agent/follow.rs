//! Following one attempt from its start, or from where an earlier agent left it, to its removal.

use super::directive::Directive;
use super::forward::{Forward, Gone};
use super::leftovers;
use super::link::{Held, Link};
use super::lost::{end, lose, reason};
use super::overdue::Overdue;
use super::sent::Sent;
use super::wake::Wake;
use crate::sandbox::cgroup;
use crate::spool::{Lock, Spool, SpoolError};
use ropewalk_model::status::Cause;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long what is left of a killed build may take to be gone; it takes milliseconds.
const LAST_BREATH: Duration = Duration::from_secs(30);
/// How often it is looked at.
const MOMENT: Duration = Duration::from_millis(2);
/// First wait after an answer that did not come; it doubles.
const RETRY: Duration = Duration::from_millis(100);
/// Longest such wait.
const RETRY_MOST: Duration = Duration::from_secs(5);
/// How often a spool that cannot be written or removed is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// Forwards all that the attempt's supervisor writes, until its end is acknowledged and nothing of it
/// is left. `child` is the supervisor, if this agent started it.
pub(super) async fn follow<L: Link>(
    link: Arc<L>,
    (program, grace): (PathBuf, Duration),
    spool: Spool,
    child: Option<Child>,
    mut directives: watch::Receiver<Directive>,
) -> Held {
    let held = super::held_by(&spool);
    let wake = Wake::on(&spool);
    let mut sent = Sent::read(&spool);
    let overdue = Overdue::new(grace);
    let (lock, breath, is_dead) = (None, None, false);
    let mut attempt =
        Following { link, spool, child, directive: Directive::Go, overdue, lock, breath, is_dead };
    let mut wait = RETRY;
    loop {
        attempt.directive.raise(*directives.borrow_and_update());
        attempt.pass_on_order();
        let due = attempt.end_overdue();
        // Neither a directive nor a deadline waits for a server that does not answer. What is sent twice counts once.
        let advanced = tokio::select! {
            advanced = attempt.advance(&mut sent) => advanced,
            Ok(()) = directives.changed() => continue,
            () = at(due) => continue,
        };
        if attempt.is_over(&sent) {
            break;
        }
        let pause = match advanced {
            Ok(()) => {
                wait = RETRY;
                None
            }
            Err(Gone::Superseded) => {
                attempt.directive.raise(Directive::Drop);
                continue;
            }
            Err(Gone::Unanswered) => {
                wait = (wait * 2).min(RETRY_MOST);
                Some(wait)
            }
            Err(Gone::Spool(error)) => {
                tracing::error!(attempt = %held.attempt, "{error}");
                Some(AGAIN)
            }
        };
        tokio::select! {
            () = wake.sleep(), if pause.is_none() => {}
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            Ok(()) = directives.changed() => {}
            () = at(due) => {}
        }
    }
    attempt.remove(program).await;
    held
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

struct Following<L> {
    link: Arc<L>,
    spool: Spool,
    child: Option<Child>,
    directive: Directive,
    overdue: Overdue,
    /// Ours once the supervisor is gone.
    lock: Option<Lock>,
    /// Until when the rest of it may take to be gone. Kept, as the lock is, when waiting for it is interrupted.
    breath: Option<Instant>,
    /// Nothing lives, and how it ended is written.
    is_dead: bool,
}

impl<L: Link> Following<L> {
    /// Nothing of it lives, and the server knows its end or does not want to.
    fn is_over(&self, sent: &Sent) -> bool {
        self.is_dead && (sent.ended || self.directive == Directive::Drop)
    }

    /// Does what can be done now.
    async fn advance(&mut self, sent: &mut Sent) -> Result<(), Gone> {
        // Asked before reading: what is written after the answer "alive" is read in the next round.
        self.look_for_end().await?;
        if self.directive == Directive::Drop || sent.ended {
            return Ok(());
        }
        Forward { link: &*self.link, spool: &self.spool }.everything(sent).await
    }

    /// Asks the supervisor to end the build, again and again: it may not have listened yet.
    fn pass_on_order(&self) {
        let cause = match self.directive {
            Directive::Go => return,
            Directive::End(cause) => cause,
            Directive::Drop => Cause::Superseded,
        };
        if self.lock.is_none()
            && let Err(error) = self.spool.ask_to_end(cause)
        {
            tracing::error!(attempt = %self.spool.head.attempt, "{error}");
        }
    }

    /// Ends a supervisor that should have ended its build long ago; answers when to look again.
    fn end_overdue(&mut self) -> Option<Instant> {
        if self.lock.is_some() {
            return None;
        }
        let due = self.overdue.due(&self.spool, self.directive)?;
        if Instant::now() < due {
            return Some(due);
        }
        if let Err(error) = self.overdue.end(&self.spool, self.directive, self.child.as_mut()) {
            tracing::error!(attempt = %self.spool.head.attempt, "{error}");
        }
        self.overdue.due(&self.spool, self.directive)
    }

    /// Takes the lock when the supervisor is gone, and writes the end that it did not write.
    async fn look_for_end(&mut self) -> Result<(), Gone> {
        if self.is_dead {
            return Ok(());
        }
        if self.lock.is_none() {
            self.lock = self.take_lock()?;
        }
        if self.lock.is_none() {
            return Ok(());
        }
        self.last_breath().await;
        let Some(lock) = &self.lock else { return Ok(()) };
        if !self.spool.has_ended()? {
            match self.overdue.decided(&self.spool) {
                Some(decided) => end(&self.spool, lock, decided)?,
                None => lose(&self.spool, lock, &reason(&self.spool))?,
            }
        }
        self.is_dead = true;
        Ok(())
    }

    /// The lock, if the supervisor is gone.
    fn take_lock(&mut self) -> Result<Option<Lock>, Gone> {
        if let Some(child) = &mut self.child {
            // A child that has not ended may be about to take the lock: it must find it free.
            match child.try_wait() {
                Ok(None) => return Ok(None),
                _ => self.child = None,
            }
        }
        match self.spool.lock() {
            Ok(lock) => Ok(Some(lock)),
            Err(SpoolError::Busy { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until nothing of the sandbox lives, and removes what it had of the host.
    async fn last_breath(&mut self) {
        let until = *self.breath.get_or_insert_with(|| Instant::now() + LAST_BREATH);
        let init = self.spool.init();
        // By our own place the groups of version 2 would be found only by an agent in the group of the first.
        let noted = self.spool.supervisor().map(|supervisor| supervisor.groups);
        let groups = noted.unwrap_or_else(|| cgroup::groups(&self.spool.name()));
        let is_alive = || init.is_some_and(|init| init.is_alive());
        while is_alive() && Instant::now() < until {
            tokio::time::sleep(MOMENT).await;
        }
        if !is_alive() && !self.spool.has_ended().unwrap_or(false) {
            self.end_builders(&groups).await;
        }
        while !cgroup::remove(&groups) && Instant::now() < until {
            tokio::time::sleep(MOMENT).await;
        }
    }

    /// A sandbox dies with its init. What Nix builds does not die with Nix, where that was killed.
    async fn end_builders(&self, groups: &[PathBuf]) {
        let (spool, groups) = (self.spool.clone(), groups.to_vec());
        let ended = tokio::task::spawn_blocking(move || leftovers::end(&spool, &groups)).await;
        if let Err(why) = ended.unwrap_or_else(|error| Err(error.to_string())) {
            tracing::error!(attempt = %self.spool.head.attempt, "{why}");
        }
    }

    async fn remove(self, program: PathBuf) {
        let Following { spool, lock, .. } = self;
        loop {
            let (again, program) = (spool.clone(), program.clone());
            match tokio::task::spawn_blocking(move || again.remove_by(&program)).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => tracing::error!("a spool is not removed yet: {error}"),
                Err(error) => tracing::error!("a spool is not removed yet: {error}"),
            }
            tokio::time::sleep(AGAIN).await;
        }
        drop(lock);
    }
}

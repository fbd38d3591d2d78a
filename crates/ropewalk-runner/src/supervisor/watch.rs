//! What can end a build from outside of it, and the one place where the supervisor sleeps.

use super::signals::Signals;
use super::stop::Stop;
use crate::backend::Place;
use crate::spool::control::Control;
use ropewalk_model::status::Cause;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// How often limits that the kernel does not enforce are looked at.
const SAMPLE: Duration = Duration::from_millis(250);

pub(crate) struct Watch {
    control: Control,
    signals: Signals,
    /// The build ends when this end of file comes.
    tether: Option<std::io::Stdin>,
    deadline: Instant,
    build_time: u64,
    sampled: Instant,
}

/// What woke the supervisor.
pub(crate) struct Woken {
    /// The place has something to say.
    pub(crate) place: bool,
    /// A pipe has something to read.
    pub(crate) output: bool,
}

impl Watch {
    pub(super) fn new(control: Control, signals: Signals, tethered: bool, build_time: u64) -> Watch {
        let tether = tethered.then(std::io::stdin);
        let now = Instant::now();
        // A limit beyond the clock's range is no limit; a year is as good.
        let deadline = now.checked_add(Duration::from_secs(build_time));
        let deadline = deadline.unwrap_or(now + Duration::from_secs(365 * 86_400));
        Watch { control, signals, tether, deadline, build_time, sampled: now }
    }

    /// Sleeps until the place or a pipe has something, or the build must end.
    pub(crate) fn sleep<'a>(
        &mut self,
        place: &dyn Place,
        pipes: impl Iterator<Item = BorrowedFd<'a>>,
    ) -> Result<Woken, Stop> {
        let mut fds = self.own();
        let own = fds.len();
        fds.push(PollFd::from_borrowed_fd(place.as_fd(), PollFlags::IN));
        fds.extend(pipes.map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)));
        let wait = self.deadline.saturating_duration_since(Instant::now()).min(SAMPLE);
        wait_for(&mut fds, wait)?;
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        self.judge(&ready)?;
        self.sample(place)?;
        let mut rest = ready.into_iter().skip(own);
        let place = rest.next().unwrap_or(false);
        Ok(Woken { place, output: rest.any(|ready| ready) })
    }

    /// The same without a place: until a descriptor can be read, or a moment later.
    pub(crate) fn sleep_beside(&mut self, others: &[BorrowedFd<'_>]) -> Result<(), Stop> {
        let mut fds = self.own();
        fds.extend(others.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
        let wait = self.deadline.saturating_duration_since(Instant::now()).min(SAMPLE);
        wait_for(&mut fds, wait)?;
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        self.judge(&ready)?;
        self.has_spool()
    }

    /// The same without a place and without sleeping.
    pub(crate) fn glance(&mut self) -> Result<(), Stop> {
        let mut fds = self.own();
        wait_for(&mut fds, Duration::ZERO)?;
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        self.judge(&ready)
    }

    fn own(&self) -> Vec<PollFd<'_>> {
        let fds =
            [Some(self.control.as_fd()), Some(self.signals.as_fd()), self.tether.as_ref().map(AsFd::as_fd)];
        fds.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect()
    }

    fn judge(&mut self, ready: &[bool]) -> Result<(), Stop> {
        let is_ready = |at: usize| ready.get(at).copied().unwrap_or(false);
        if is_ready(0)
            && let Some(cause) = self.control.read().into_iter().next()
        {
            return Err(Stop::new(cause, wish(cause)));
        }
        if is_ready(1) {
            return Err(Stop::new(Cause::RunnerLost, "the runner's machine is being shut down"));
        }
        if self.tether.is_some() && is_ready(2) {
            return Err(Stop::new(Cause::Cancelled, "the program that started the build is gone"));
        }
        if Instant::now() >= self.deadline {
            let message = format!("the build took longer than {} s (limits.build-time)", self.build_time);
            return Err(Stop::new(Cause::Timeout, message));
        }
        Ok(())
    }

    fn sample(&mut self, place: &dyn Place) -> Result<(), Stop> {
        if self.sampled.elapsed() < SAMPLE {
            return Ok(());
        }
        let sampled = self.look(place);
        // From its end: between two looks there is time for orders and logs, however long a look takes.
        self.sampled = Instant::now();
        sampled
    }

    /// Nobody could ever learn how a build ends whose spool was removed.
    fn has_spool(&self) -> Result<(), Stop> {
        if rustix::fs::fstat(&self.control).is_ok_and(|stat| stat.st_nlink == 0) {
            return Err(Stop::new(Cause::Infrastructure, "the attempt's spool was removed"));
        }
        Ok(())
    }

    fn look(&self, place: &dyn Place) -> Result<(), Stop> {
        self.has_spool()?;
        not_broken(place)?;
        match place.passed_limit() {
            Some(passed) => Err(Stop::new(passed.cause, passed.message)),
            None => Ok(()),
        }
    }
}

/// A build that lost a part of its place must not go on as if nothing had happened.
pub(super) fn not_broken(place: &dyn Place) -> Result<(), Stop> {
    place.broken().map_or(Ok(()), |why| Err(Stop::new(Cause::Infrastructure, why)))
}

/// Who asked for an end with this cause, in words.
pub(crate) fn wish(cause: Cause) -> &'static str {
    match cause {
        Cause::Cancelled => "the build was cancelled",
        Cause::Superseded => "the attempt was given to another runner",
        Cause::RunnerLost => "the runner had no answer from the server for too long",
        _ => "the build was ended by the server",
    }
}

fn wait_for(fds: &mut [PollFd<'_>], wait: Duration) -> Result<(), Stop> {
    let timeout = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() };
    match poll(fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(Stop::new(Cause::Infrastructure, format_args!("cannot poll: {error}"))),
    }
}

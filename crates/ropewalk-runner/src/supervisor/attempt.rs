//! The life of an attempt: open a place, set it up, run the steps, collect files, close.

use super::output::Logs;
use super::stop::Stop;
use super::watch::{Watch, not_broken};
use crate::backend::{self, Place, Run};
use crate::spool::events::Writer;
use crate::spool::{Lock, Process, Spool};
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::{AttemptFact, LogName, Outcome, RunValues};
use ropewalk_model::plan::{Backend, Plan};
use ropewalk_model::status::Cause;
use rustix::fd::AsFd;
use std::io::Write;
use std::time::{Duration, Instant};

/// How long output may still come in after everything inside is dead.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// What belongs to one attempt for as long as it lives.
pub(crate) struct Attempt<'a> {
    pub(crate) spool: &'a Spool,
    /// Held for as long as anything of the attempt lives.
    pub(crate) lock: &'a Lock,
    pub(crate) plan: Plan,
    pub(crate) values: RunValues,
    pub(crate) events: &'a mut Writer,
    pub(crate) logs: Logs,
    pub(crate) watch: Watch,
    /// The step whose script runs.
    pub(crate) running: Option<u32>,
    /// The folder for secrets is there.
    pub(crate) secrets_prepared: bool,
}

impl Attempt<'_> {
    /// Runs the build to its end. Nothing of it lives when this returns.
    pub(crate) fn carry_out(mut self) -> Outcome {
        let runner = self.spool.head.settings.runner.clone();
        let result =
            self.say(format_args!("Running build on {runner}")).and_then(|()| match self.plan.backend {
                Backend::Sandbox => self.carry_out_in_place(),
                Backend::Nix => self.carry_out_by_nix(),
            });
        self.conclude(result)
    }

    fn carry_out_in_place(&mut self) -> Result<(), Stop> {
        let mut place = self.begin()?;
        let result = self.build(&*place);
        self.note_conclusion();
        place.close();
        // What was printed before the end belongs to the log, whatever the end was.
        let output = self.last_output();
        let step = self.step_was_killed();
        result.and(output).and(step)
    }

    fn begin(&mut self) -> Result<Box<dyn Place>, Stop> {
        let image = self.plan.image.clone();
        self.say(format_args!("Opening image {image}"))?;
        self.fetch_image()?;
        visit(Point::SupervisorBeforeOpen);
        let began = Instant::now();
        let (mut place, facts) = backend::open(self.spool, &self.plan)?;
        let noted = Process::of(place.pid()).map_or(Ok(()), |init| self.spool.note_init(init));
        visit(Point::SupervisorAfterOpen);
        let told = noted.map_err(Stop::from).and_then(|()| self.settled(began));
        let told =
            told.and_then(|()| facts.into_iter().try_for_each(|(key, value)| self.resolved(key, value)));
        match told {
            Ok(()) => Ok(place),
            Err(stop) => {
                place.close();
                Err(stop)
            }
        }
    }

    fn settled(&self, began: Instant) -> Result<(), Stop> {
        let limit = self.plan.limits.settle;
        if began.elapsed() <= Duration::from_secs(limit) {
            return Ok(());
        }
        Err(Stop::new(
            Cause::Timeout,
            format_args!("opening the sandbox took longer than {limit} s (limits.settle)"),
        ))
    }

    fn build(&mut self, place: &dyn Place) -> Result<(), Stop> {
        self.set_up(place)?;
        self.run_steps(place)?;
        if !self.plan.artifacts.is_empty() {
            self.note_conclusion();
        }
        self.collect_artifacts(place)?;
        self.stay_open(place)
    }

    /// The agent has more patience from now on. On a full disk it does not learn of it, which must not end the build.
    fn note_conclusion(&self) {
        if let Err(error) = self.spool.note_conclusion() {
            let _ = writeln!(std::io::stderr(), "{error}");
        }
    }

    /// With `shell: true` the place stays until the deadline, or until somebody ends it. A build that
    /// belongs to a terminal has nobody who could enter.
    fn stay_open(&mut self, place: &dyn Place) -> Result<(), Stop> {
        if !self.plan.shell || self.spool.head.settings.tethered {
            return Ok(());
        }
        self.say("The build stays open until its time is over")?;
        loop {
            match self.wake(place) {
                Ok(Some(exit)) => {
                    return Err(Stop::new(Cause::Infrastructure, format_args!("unexpected exit {exit}")));
                }
                Ok(None) => {}
                Err(stop) if stop.cause == Cause::Timeout => return Ok(()),
                Err(stop) => return Err(stop),
            }
        }
    }

    /// Runs a script to its end, its output to `log`, and answers its exit code.
    pub(crate) fn run(&mut self, place: &dyn Place, log: LogName, run: Run<'_>) -> Result<i32, Stop> {
        self.events.keep_reserve()?;
        let output = self.logs.pipe_to(log)?;
        place.start(run, output.as_fd())?;
        // Ours: the pipe ends when the last process that has it is gone.
        drop(output);
        let exit = loop {
            if let Some(exit) = self.wake(place)? {
                break exit;
            }
        };
        self.logs.drain()?;
        // Whatever its exit code: it may have seen no network.
        not_broken(place)?;
        // A script that the kernel ended for want of memory looks like one that failed.
        match place.passed_limit().filter(|_| exit != 0) {
            Some(passed) => Err(Stop::new(passed.cause, passed.message)),
            None => Ok(exit),
        }
    }

    /// Sleeps until something happens, takes output, and answers a script's exit code if one ended.
    fn wake(&mut self, place: &dyn Place) -> Result<Option<i32>, Stop> {
        let woken = self.watch.sleep(place, self.logs.pipes())?;
        if woken.output {
            self.logs.pump()?;
        }
        Ok(if woken.place { Some(place.exit()?) } else { None })
    }

    /// Everything inside is dead: each pipe comes to its end.
    fn last_output(&mut self) -> Result<(), Stop> {
        let until = Instant::now() + LAST_OUTPUT;
        while self.logs.pipes().next().is_some() && Instant::now() < until {
            self.logs.drain()?;
        }
        Ok(())
    }

    fn conclude(&mut self, result: Result<(), Stop>) -> Outcome {
        let mut outcome = match result {
            Ok(()) => Outcome::Success,
            Err(mut stop) => {
                stop.message = self.logs.masked(&stop.message);
                let _ = self.say(format_args!("{}: {}", title(stop.cause), stop.message));
                stop.into()
            }
        };
        if let Err(stop) = self.logs.sync()
            && outcome == Outcome::Success
        {
            outcome = stop.into();
        }
        outcome
    }

    /// Reports a fact that was found on the way.
    pub(crate) fn resolved(&mut self, key: impl Into<String>, value: impl Into<String>) -> Result<(), Stop> {
        let fact = AttemptFact::Resolved { key: key.into(), value: value.into() };
        Ok(self.events.append(fact, false)?)
    }

    /// A line of the setup log, as builds.sr.ht writes it.
    pub(crate) fn say(&mut self, message: impl std::fmt::Display) -> Result<(), Stop> {
        self.logs.mark(&self.spool.mark(message))
    }
}

/// The word before the message with which a build ends.
pub(crate) fn title(cause: Cause) -> &'static str {
    match cause {
        Cause::Cancelled | Cause::Superseded => "Cancelled",
        Cause::Timeout | Cause::Silence => "Timeout",
        _ => "Error",
    }
}

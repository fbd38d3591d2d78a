//! The build of one derivation, in Nix's own sandbox.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::child::{Care, Channel};
use super::surroundings::Surroundings;
use super::{STEP, timeout, unable};
use crate::backend::Passed;
use crate::nix::Tools;
use crate::nix::files::is_store_path;
use crate::nix::messages::{Lines, Said, read};
use crate::nix::outcome::Failure;
use crate::nix::realised::Reader;
use crate::nix::roots;
use crate::nix::sizes::{ANSWER, Sizes};
use crate::sandbox::{Beside, Breach, Limits};
use ropewalk_model::limits::BuildLimits;
use ropewalk_model::link::{AttemptFact, LogName};
use ropewalk_model::nix::{REALISED, Realise, Realised};
use ropewalk_model::status::Cause;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// Errors of Nix's that are kept.
const ERRORS: usize = 100;
/// Exit code of a step that was ended from outside: 128 + SIGKILL.
const KILLED: i32 = 137;

/// Bytes of a fact: fewer than the 8,192 characters that the queue keeps of a text.
const FACT: usize = 8000;

/// What a build may keep in `/dev/shm`, as a part of its memory. Nix's own is half of the machine's.
const SHARED_PART: u64 = 4;
/// And at least so many bytes: 0 would be no limit.
const SHARED_LEAST: u64 = 1 << 20;
/// Bytes that a disk has left when what fails on it says nothing about a derivation.
const FULL: u64 = 16 << 20;

/// What was heard of a build.
#[derive(Default)]
struct Heard {
    lines: Lines,
    /// Numbers of the activities that build the derivation.
    activities: Vec<u64>,
    errors: Vec<String>,
}

impl Attempt<'_> {
    pub(super) fn realise(&mut self, tools: &Tools, task: &Realise) -> Result<(), Stop> {
        check(tools, task)?;
        if tools.is_of_daemon() {
            self.is_isolated_by_daemon(tools)?;
        }
        roots::add(tools, std::iter::once(&task.drv_path).chain(task.outputs.values())).map_err(unable)?;
        self.say(format_args!("Building {}", task.drv_path))?;
        self.events.keep_reserve()?;
        self.events.append(AttemptFact::StepStarted { step: STEP }, false)?;
        let built = self.build_derivation(tools, task);
        let exit = match &built {
            Ok(_) => 0,
            Err((exit, _)) => *exit,
        };
        self.logs.sync()?;
        self.events.append(AttemptFact::StepEnded { step: STEP, exit }, true)?;
        let is_built = built.map_err(|(_, stop)| stop)?;
        let realised = self.read_outputs(tools, task, is_built)?;
        self.judge(tools, task, &realised)
    }

    /// Whether anything was built; the outputs may have been valid. The error has the step's exit code beside it.
    fn build_derivation(&mut self, tools: &Tools, task: &Realise) -> Result<bool, (i32, Stop)> {
        let mut command = self.command(tools, task).map_err(|stop| (1, stop))?;
        let around = Surroundings::make(self.spool, tools, task).map_err(|stop| (1, stop))?;
        let mut limited = self.limited();
        // SAFETY: this process has one thread, so its child may run ordinary code.
        unsafe { command.pre_exec(limited.entering()) };
        around.surround(&mut command);
        let mut heard = Heard::default();
        let mut lines = std::mem::take(&mut heard.lines);
        let mut hear = |attempt: &mut Self, channel, bytes: &[u8]| match channel {
            // The paths of the outputs, which are known.
            Channel::Out => Ok(()),
            Channel::Err => lines.take(bytes, |line| attempt.take_message(task, &mut heard, line)),
        };
        let mut look = |attempt: &mut Self, root| match limited.is_watching() {
            false => attempt.begin_watching(&mut limited, tools, task, root),
            true => pass(limited.breach()).and_then(|()| around.not_lost()),
        };
        let ended = self.attend(command, Care { hear: &mut hear, look: &mut look });
        let rest = lines.rest().map_or(Ok(()), |line| self.take_message(task, &mut heard, &line));
        let status = ended.and_then(|status| rest.map(|()| status)).map_err(|stop| (KILLED, stop))?;
        if status.success() {
            return Ok(!heard.activities.is_empty());
        }
        // A builder that the kernel ended for want of memory looks like one that failed.
        let passed = pass(limited.last_breach()).and_then(|()| around.not_lost());
        passed.map_err(|stop| (KILLED, stop))?;
        let (exit, stop) = failure(task, &heard, status);
        match stop.cause {
            Cause::StepFailed if is_full(&tools.store) => {
                Err((exit, unable(format_args!("the disk under the store is full: {}", stop.message))))
            }
            _ => Err((exit, stop)),
        }
    }

    /// The limits of all that Nix will start.
    fn limited(&self) -> Beside {
        let BuildLimits { memory, processes, disk, cpus, .. } = self.plan.limits;
        Beside::prepare(self.spool.name(), Limits { memory, processes, disk, cpus })
    }

    fn begin_watching(
        &self,
        limited: &mut Beside,
        tools: &Tools,
        task: &Realise,
        root: i32,
    ) -> Result<(), Stop> {
        // Where Nix lets a build write before its outputs are taken.
        let chroot = format!("{}.chroot", task.drv_path);
        let folders = vec![self.spool.layer(), chroot.into()];
        let watching = limited.watch(root, &tools.store, folders);
        watching.map_err(|error| unable(format_args!("cannot watch the limits of the build: {error}")))
    }

    fn command(&self, tools: &Tools, task: &Realise) -> Result<Command, Stop> {
        let limits = &self.plan.limits;
        let timeout = timeout(task, limits);
        let folder = self.spool.layer();
        std::fs::create_dir_all(&folder)
            .map_err(|error| unable(format_args!("cannot create {}: {error}", folder.display())))?;
        let mut command = tools.command("nix-store");
        command.args(["--realise", &task.drv_path, "--log-format", "internal-json", "-v"]);
        for (option, value) in [
            ("timeout", timeout),
            // Nix takes 0 for no end.
            ("max-silent-time", if task.max_silent == 0 { timeout } else { task.max_silent.min(timeout) }),
            ("max-build-log-size", limits.log_step),
            ("cores", limits.cpus.into()),
            ("sandbox-dev-shm-size", (limits.memory / SHARED_PART).max(SHARED_LEAST)),
            ("max-jobs", 1),
        ] {
            command.args(["--option", option, &value.to_string()]);
        }
        let options = [
            ["sandbox", "true"],
            ["sandbox-fallback", "false"],
            // Ours is the log; and what is built elsewhere knows no limit of ours.
            ["keep-build-log", "false"],
            ["builders", ""],
        ];
        for option in options {
            command.arg("--option").args(option);
        }
        // Not in /tmp: what a killed build leaves goes with the spool.
        command.env("TMPDIR", folder);
        Ok(command)
    }

    fn take_message(&mut self, task: &Realise, heard: &mut Heard, line: &[u8]) -> Result<(), Stop> {
        match read(line) {
            Said::Begun { id, drv } if drv == task.drv_path => heard.activities.push(id),
            Said::Begun { drv, .. } => {
                self.say(format_args!("Building {drv} before it, which was valid once"))?
            }
            Said::Line { id, text } => {
                let log = if heard.activities.contains(&id) { LogName::Step(STEP) } else { LogName::Setup };
                self.logs.append(log, format!("{text}\n").as_bytes())?;
            }
            Said::Error(text) => {
                if heard.errors.len() < ERRORS {
                    heard.errors.push(text);
                }
            }
            Said::Text(text) => {
                self.logs.append(LogName::Setup, format!("{text}\n").as_bytes())?;
                if text.starts_with("error:") && heard.errors.len() < ERRORS {
                    heard.errors.push(text);
                }
            }
            Said::Other => {}
        }
        Ok(())
    }

    fn read_outputs(&mut self, tools: &Tools, task: &Realise, is_built: bool) -> Result<Realised, Stop> {
        let mut sizes = Sizes::default();
        let question = Sizes::question(tools, task.outputs.values().map(String::as_str));
        let answer = self.ask(question, ANSWER)?;
        sizes
            .add(tools, &answer)
            .map_err(|e| unable(format_args!("cannot read what Nix says of outputs: {e}")))?;
        let mut go_on = || self.watch.glance();
        let mut reader = Reader { store: &tools.store, sizes: &sizes, go_on: &mut go_on };
        let realised = Realised { is_built, ..reader.read(&task.outputs)? };
        let text = serde_json::to_string(&realised).map_err(unable)?;
        for piece in pieces(&text, FACT) {
            self.resolved(REALISED, piece)?;
        }
        Ok(realised)
    }

    fn judge(&mut self, tools: &Tools, task: &Realise, realised: &Realised) -> Result<(), Stop> {
        if let Some(most) = task.max_output.filter(|most| realised.size > *most) {
            // What was there before belongs to others too.
            if realised.is_built {
                self.discard(tools, task);
            }
            let message =
                format!("the outputs have {} bytes, {most} are allowed (nix.max-output)", realised.size);
            return Err(Stop::new(Cause::DiskLimit, message));
        }
        if realised.is_failed {
            self.say("The build marked its output as failed (nix-support/failed); what needs it goes on")?;
        }
        Ok(())
    }

    /// Takes outputs that are too large out of the store, unless something needs them.
    fn discard(&mut self, tools: &Tools, task: &Realise) {
        roots::remove(tools, task.outputs.values());
        let mut command = tools.command("nix-store");
        command.arg("--delete").args(task.outputs.values());
        if let Err(stop) = self.ask(command, 1 << 20) {
            let _ = self.say(format_args!("The outputs stay in the store: {}", stop.message));
        }
    }
}

/// A text in pieces of at most so many bytes; a character is never cut.
fn pieces(text: &str, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at_checked(rest.floor_char_boundary(most))?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn is_full(store: &Path) -> bool {
    rustix::fs::statvfs(store).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < FULL)
}

fn pass(breach: Option<Breach>) -> Result<(), Stop> {
    breach.map_or(Ok(()), |breach| Err(Passed::from(breach).into()))
}

/// What a plan names becomes arguments and links.
fn check(tools: &Tools, task: &Realise) -> Result<(), Stop> {
    let is_good = |path: &String| is_store_path(&tools.store, path);
    match std::iter::once(&task.drv_path).chain(task.outputs.values()).find(|path| !is_good(path)) {
        None if !task.outputs.is_empty() => Ok(()),
        None => Err(unable(format_args!("{} has no outputs", task.drv_path))),
        Some(path) => {
            let store = tools.store.display();
            Err(unable(format_args!("{path:?} is no path of this runner's store {store}")))
        }
    }
}

fn failure(task: &Realise, heard: &Heard, status: ExitStatus) -> (i32, Stop) {
    let failure = Failure { exit: status.code(), errors: &heard.errors, drv: &task.drv_path };
    (failure.exit_of_builder(), Stop::new(failure.cause(), failure.message()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_short_and_make_the_whole(text in any::<String>(), most in 4_usize..40) {
            let all: Vec<&str> = pieces(&text, most).collect();
            prop_assert!(all.iter().all(|piece| (1..=most).contains(&piece.len())));
            prop_assert_eq!(all.concat(), text);
        }
    }
}

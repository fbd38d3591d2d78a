//! An attempt that evaluates a jobset.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use crate::nix::{self, Machine, Overseer, Tools};
use crate::sandbox::{Breach, Cells, Limits};
use crate::spool::{At, Process};
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::AttemptFact;
use ropewalk_model::nix::{Evaluation, RESULT};
use ropewalk_model::status::Cause;
use rustix::fd::BorrowedFd;
use sha2::{Digest, Sha256};
use std::fmt::Display;
use std::fs::File;
use std::io::Write;

/// Bytes of memory that all processes of an evaluation may use besides what one of them may address.
const EXTRA: u64 = 256 << 20;

impl Attempt<'_> {
    /// Evaluates, and publishes the result as the plan's one artifact.
    pub(super) fn evaluate(&mut self, tools: &Tools, evaluation: &Evaluation) -> Result<(), Stop> {
        let settings = self.spool.head.settings.clone();
        let machine = Machine {
            allow: &settings.origins.allow,
            opened: settings.nix.as_ref().map_or(&[], |nix| &nix.local_inputs),
            tools,
            clones: settings.data.join("nix-sources"),
            attempt: self.spool.name(),
        };
        let cells = self.cells(tools, evaluation);
        let mut overseen = Overseen { attempt: self, cells };
        let result = nix::evaluate(&mut overseen, &machine, evaluation);
        let result = result.map_err(|stop| overseen.explained(stop))?;
        drop(overseen);
        let text = serde_json::to_vec(&result).map_err(|error| {
            Stop::new(Cause::Infrastructure, format_args!("the result cannot be written: {error}"))
        })?;
        self.publish(&text)
    }

    /// The limits of all that the evaluation runs.
    fn cells(&self, tools: &Tools, evaluation: &Evaluation) -> Cells {
        let limits = &evaluation.limits;
        let limits = Limits {
            memory: limits.memory.saturating_add(EXTRA),
            disk: limits.disk,
            processes: self.plan.limits.processes,
            cpus: self.plan.limits.cpus,
        };
        Cells::new(self.spool.name(), limits, &tools.store)
    }

    /// Durable when this returns.
    fn publish(&mut self, text: &[u8]) -> Result<(), Stop> {
        let position = self.plan.artifacts.iter().position(|path| path == RESULT);
        let Some(position) = position else {
            let message = format!("the plan does not ask for the artifact {RESULT}");
            return Err(Stop::new(Cause::Infrastructure, message));
        };
        let (size, most) = (text.len() as u64, self.plan.limits.artifact_size);
        if size > most {
            let message = format!("{RESULT} is larger than {most} bytes (limits.artifact-size)");
            return Err(Stop::new(Cause::ArtifactLimit, message));
        }
        let path = self.spool.artifact(position);
        let mut file = File::create(&path).at("create", &path)?;
        file.write_all(text).at("write", &path)?;
        file.sync_all().at("sync", &path)?;
        let sha256 = hex::encode(Sha256::digest(text));
        visit(Point::SupervisorBeforeArtifact);
        self.events.append(AttemptFact::Artifact { path: RESULT.into(), size, sha256 }, true)?;
        visit(Point::SupervisorAfterArtifact);
        Ok(())
    }
}

/// An attempt and the limits of what it runs.
struct Overseen<'x, 'a> {
    attempt: &'x mut Attempt<'a>,
    cells: Cells,
}

impl Overseen<'_, '_> {
    /// A program that the kernel ended for want of memory looks like one that failed.
    fn explained(&mut self, stop: Stop) -> Stop {
        match stop.cause {
            Cause::StepFailed | Cause::SourceFailed | Cause::Infrastructure => {
                self.cells.last_breach().map_or(stop, passed)
            }
            _ => stop,
        }
    }
}

impl Overseer for Overseen<'_, '_> {
    fn say(&mut self, message: &dyn Display) -> Result<(), Stop> {
        self.attempt.say(message)
    }

    fn sleep(&mut self, fds: &[BorrowedFd<'_>]) -> Result<(), Stop> {
        self.attempt.watch.sleep_beside(fds)?;
        self.cells.breach().map_or(Ok(()), |breach| Err(passed(breach)))
    }

    fn glance(&mut self) -> Result<(), Stop> {
        self.attempt.watch.glance()
    }

    fn take_in(&mut self, first: i32) -> Result<(), Stop> {
        if let Some(first) = Process::of(first) {
            self.attempt.spool.note_init(first)?;
        }
        Ok(self.cells.join(first)?)
    }
}

/// What the breach is called in an evaluation.
fn passed(breach: Breach) -> Stop {
    let (cause, key) = match breach {
        Breach::Memory { .. } | Breach::Starved { .. } => (Cause::MemoryLimit, "nix.evaluation-memory"),
        Breach::Disk { .. } | Breach::Full { .. } => (Cause::DiskLimit, "nix.evaluation-disk"),
    };
    Stop::new(cause, format_args!("{breach} ({key})"))
}

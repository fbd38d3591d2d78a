//! An attempt that evaluates a jobset.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use crate::nix::{self, Cell, Machine, Overseer, Tools};
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

impl Attempt<'_> {
    /// Evaluates, and publishes the result as the plan's one artifact.
    pub(super) fn evaluate(&mut self, tools: &Tools, evaluation: &Evaluation) -> Result<(), Stop> {
        let settings = self.spool.head.settings.clone();
        let machine = Machine {
            allow: &settings.origins.allow,
            tools,
            clones: settings.data.join("nix-sources"),
            attempt: self.spool.name(),
        };
        let result = nix::evaluate(self, &machine, evaluation)?;
        let text = serde_json::to_vec(&result).map_err(|error| {
            Stop::new(Cause::Infrastructure, format_args!("the result cannot be written: {error}"))
        })?;
        self.publish(&text)
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

impl Overseer for Attempt<'_> {
    fn say(&mut self, message: &dyn Display) -> Result<(), Stop> {
        Attempt::say(self, message)
    }

    fn sleep(&mut self, fds: &[BorrowedFd<'_>]) -> Result<(), Stop> {
        self.watch.sleep_beside(fds)
    }

    fn glance(&mut self) -> Result<(), Stop> {
        self.watch.glance()
    }

    fn note(&mut self, cell: &Cell) -> Result<(), Stop> {
        Process::of(cell.pid()).map_or(Ok(()), |init| Ok(self.spool.note_init(init)?))
    }
}

//! Taking the files that a plan publishes out of the place.

use super::attempt::Attempt;
use super::stop::Stop;
use crate::backend::{BackendError, Place};
use crate::sandbox::{HOME, SandboxError};
use crate::spool::At;
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::AttemptFact;
use ropewalk_model::status::Cause;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};

/// Bytes that are copied before the build's end is looked for again.
const PIECE: usize = 1 << 20;

impl Attempt<'_> {
    /// All of them, or the attempt fails at the first that cannot be had.
    pub(crate) fn collect_artifacts(&mut self, place: &dyn Place) -> Result<(), Stop> {
        let paths = self.plan.artifacts.clone();
        let most = self.plan.limits.artifacts;
        if paths.len() > most as usize {
            let message = format!("{} artifacts, {most} are allowed (limits.artifacts)", paths.len());
            return Err(Stop::new(Cause::ArtifactLimit, message));
        }
        for (position, path) in paths.iter().enumerate() {
            self.collect(place, position, path)?;
        }
        Ok(())
    }

    fn collect(&mut self, place: &dyn Place, position: usize, path: &str) -> Result<(), Stop> {
        self.say(format_args!("Uploading {path}"))?;
        let source = place.file(below_home(path)).map_err(|error| match error {
            BackendError::Sandbox(SandboxError::Refused(why)) => Stop::new(Cause::ArtifactMissing, why),
            other => other.into(),
        })?;
        let (size, sha256) = self.copy(source, position, path)?;
        visit(Point::SupervisorBeforeArtifact);
        self.events.append(AttemptFact::Artifact { path: path.into(), size, sha256 }, true)?;
        visit(Point::SupervisorAfterArtifact);
        Ok(())
    }

    /// Copies into the spool, durable when this returns: size and SHA-256 in hexadecimal.
    fn copy(&mut self, mut source: File, position: usize, path: &str) -> Result<(u64, String), Stop> {
        let target = self.spool.artifact(position);
        let mut file = File::create(&target).at("create", &target)?;
        let limit = self.plan.limits.artifact_size;
        let (mut hash, mut size, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
        loop {
            self.watch.glance()?;
            let count = source.read(&mut piece).map_err(|error| {
                Stop::new(Cause::ArtifactMissing, format_args!("cannot read {path}: {error}"))
            })?;
            let bytes = piece.get(..count).unwrap_or_default();
            size += bytes.len() as u64;
            if size > limit {
                let message = format!("{path} is larger than {limit} bytes (limits.artifact-size)");
                return Err(Stop::new(Cause::ArtifactLimit, message));
            }
            if bytes.is_empty() {
                break;
            }
            hash.update(bytes);
            file.write_all(bytes).at("write", &target)?;
        }
        file.sync_all().at("sync", &target)?;
        Ok((size, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

/// The path as the place knows it, for the ways in which people write one below the home folder.
fn below_home(path: &str) -> &str {
    let inside = path.strip_prefix("~/").or_else(|| path.strip_prefix(HOME)?.strip_prefix('/'));
    inside.unwrap_or(path).trim_start_matches("./")
}

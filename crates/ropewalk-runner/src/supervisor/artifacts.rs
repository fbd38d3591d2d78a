//! Taking the files that a plan publishes out of the place.

use super::attempt::Attempt;
use super::setup::with_arguments;
use super::stop::Stop;
use crate::backend::{BackendError, Place, Run};
use crate::sandbox::{HOME, SandboxError};
use crate::spool::At;
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::{AttemptFact, LogName};
use ropewalk_model::status::Cause;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};

/// `set -- FILE COPY` comes before it.
const STAGE: &str = "[ -f \"$1\" ] && [ ! -L \"$1\" ] && exec cp -- \"$1\" \"$2\"\nexit 1\n";
/// Bytes that are copied before the build's end is looked for again.
const PIECE: usize = 1 << 20;

impl Attempt<'_> {
    /// All of them, or the attempt fails at the first that cannot be had.
    pub(crate) fn collect_artifacts(&mut self, place: &dyn Place) -> Result<(), Stop> {
        let paths = self.plan.artifacts.clone();
        let most = self.plan.limits.artifacts;
        if paths.len() > most as usize {
            let first = paths.get(most as usize).map(String::as_str).unwrap_or_default();
            let message = format!(
                "{} artifacts, of which {first} is one too many: {most} are allowed (limits.artifacts)",
                paths.len()
            );
            return Err(Stop::new(Cause::ArtifactLimit, message));
        }
        for (position, path) in paths.iter().enumerate() {
            self.collect(place, position, path)?;
        }
        Ok(())
    }

    fn collect(&mut self, place: &dyn Place, position: usize, path: &str) -> Result<(), Stop> {
        self.say(format_args!("Uploading {path}"))?;
        let inside = match below_home(path) {
            Some(inside) => inside.to_owned(),
            None => self.stage(place, position, path)?,
        };
        let source = place.file(&inside).map_err(|error| match error {
            BackendError::Sandbox(SandboxError::Refused(why)) if why.contains(path) => missing(why),
            BackendError::Sandbox(SandboxError::Refused(why)) => missing(format!("{path}: {why}")),
            other => other.into(),
        })?;
        let (size, sha256) = self.copy(source, position, path)?;
        visit(Point::SupervisorBeforeArtifact);
        self.events.append(AttemptFact::Artifact { path: path.into(), size, sha256 }, true)?;
        visit(Point::SupervisorAfterArtifact);
        Ok(())
    }

    /// Copies a file from elsewhere in the place below the home folder, with no more rights than the
    /// build account has; answers where.
    fn stage(&mut self, place: &dyn Place, position: usize, path: &str) -> Result<String, Stop> {
        let staged = format!(".ropewalk-artifact-{position}");
        let script = with_arguments([path, staged.as_str()], STAGE);
        let run = Run { name: "artifact", script: script.as_bytes(), input: None, root: false };
        match self.run(place, LogName::Setup, run)? {
            0 => Ok(staged),
            _ => Err(missing(format!("{path} is not there, or is no plain file"))),
        }
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
        Ok((size, hex::encode(hash.finalize())))
    }
}

fn missing(why: String) -> Stop {
    Stop::new(Cause::ArtifactMissing, why)
}

/// The path below the home folder, for the ways in which people write one; none if it lies elsewhere.
fn below_home(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("~/").or_else(|| path.strip_prefix(HOME)?.strip_prefix('/'));
    match inside {
        None if path.starts_with('/') => None,
        inside => Some(inside.unwrap_or(path).trim_start_matches("./")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_home_is_known_however_it_is_written() {
        for path in ["a/b", "./a/b", "~/a/b", "/home/build/a/b"] {
            assert_eq!(below_home(path), Some("a/b"));
        }
        for path in ["/tmp/a", "/home/builder/a", "/home/build"] {
            assert_eq!(below_home(path), None);
        }
    }
}

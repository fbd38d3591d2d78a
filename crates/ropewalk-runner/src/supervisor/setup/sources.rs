//! Fetching the sources into the home folder.

use super::super::attempt::Attempt;
use super::super::stop::Stop;
use super::{failed, with_arguments};
use crate::backend::{Place, Run};
use ropewalk_model::link::LogName;
use ropewalk_model::manifest::script::clone;
use ropewalk_model::plan::{Scm, Source};
use ropewalk_model::status::Cause;
use std::io::Read;
use std::path::Path;

/// `set -- DIRECTORY` comes before it; the archive over standard input.
const UNPACK: &str = include_str!("unpack.sh");
/// Bytes of a file that names a commit.
const NAME_MAX: u64 = 4096;
/// Bytes of a Mercurial node.
const NODE: usize = 20;

impl Attempt<'_> {
    pub(super) fn fetch_sources(&mut self, place: &dyn Place) -> Result<(), Stop> {
        if self.plan.sources.is_empty() {
            return Ok(());
        }
        self.say("Cloning repositories")?;
        for source in self.plan.sources.clone() {
            let exit = match self.archive_of(&source) {
                Some(archive) => self.unpack(place, &source, &archive)?,
                None => self.script(place, "source", &clone(&source))?,
            };
            if exit != 0 {
                let what = format_args!("cannot fetch the source {}", source.url);
                return Err(failed(Cause::SourceFailed, what, exit));
            }
            if let Some(commit) = commit(place, &source) {
                self.resolved(format!("source.{}.commit", source.directory), commit)?;
            }
        }
        Ok(())
    }

    fn archive_of(&self, source: &Source) -> Option<std::path::PathBuf> {
        let local = &self.spool.head.settings.local_sources;
        let local = local.iter().find(|local| local.directory == source.directory)?;
        Some(self.spool.path().join(&local.archive))
    }

    fn unpack(&mut self, place: &dyn Place, source: &Source, archive: &Path) -> Result<i32, Stop> {
        let directory = source.directory.as_str();
        self.say(format_args!("Taking {directory} from the working tree instead of {}", source.url))?;
        let input = std::fs::File::open(archive).map_err(|error| {
            let message = format!("cannot open the packed source {}: {error}", archive.display());
            Stop::new(Cause::SourceFailed, message)
        })?;
        let script = with_arguments([directory], UNPACK);
        let run = Run { name: "source", script: script.as_bytes(), input: Some(input.into()), root: false };
        self.run(place, LogName::Setup, run)
    }
}

/// The commit that was fetched, as the repository in the home folder tells.
fn commit(place: &dyn Place, source: &Source) -> Option<String> {
    let directory = &source.directory;
    match source.scm {
        Scm::Git => {
            let head = text(place, &format!("{directory}/.git/HEAD"))?;
            let commit = match head.strip_prefix("ref: ") {
                Some(name) => text(place, &format!("{directory}/.git/{name}"))?,
                None => head,
            };
            commit.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(commit)
        }
        Scm::Hg => {
            let bytes = bytes(place, &format!("{directory}/.hg/dirstate"))?;
            let v2 = bytes.strip_prefix(b"dirstate-v2\n").unwrap_or(&bytes);
            let node = v2.get(..NODE)?;
            Some(hex::encode(node))
        }
    }
}

fn text(place: &dyn Place, path: &str) -> Option<String> {
    Some(String::from_utf8(bytes(place, path)?).ok()?.trim().to_owned())
}

fn bytes(place: &dyn Place, path: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    place.file(path).ok()?.take(NAME_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

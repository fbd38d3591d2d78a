//! Getting an image from where it comes from. Whoever asks for the same one meanwhile waits and has it too.

use super::bootstrap::{Order, Scratch};
use super::entry::Provenance;
use super::error::Doing;
use super::progress::{Progress, megabytes};
use super::registry::{self, Blobs};
use super::worker::{Outcome, Task};
use super::{Catalog, Entry, ImageError, ImageName, Origins, Source, Suite, host, oci};
use oci_spec::distribution::Reference;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::time::Duration;

/// How often another process's lock is tried.
const LOOK: Duration = Duration::from_millis(100);

impl Catalog {
    /// Fetches an image from a source under a name; an image that this name had before stays usable by running builds.
    ///
    /// # Errors
    /// When the source has no such image, or none that may be trusted; nothing is changed then.
    pub fn fetch(
        &self,
        name: &str,
        source: &Source,
        origins: &Origins,
        progress: &mut Progress<'_>,
    ) -> Result<Entry, ImageError> {
        let name = ImageName::parse(name)?;
        self.in_turn(&name, &source.to_string(), progress, |progress| match source {
            Source::Registry(reference) => self.pull(&name, reference, origins, progress),
            Source::Bootstrap(suite) => self.make(&name, suite, None, progress),
        })
    }

    /// Makes an image from Debian's or Ubuntu's packages under a name: the essential ones and `packages`, without
    /// which those of builds.sr.ht's images are taken.
    ///
    /// # Errors
    /// When this machine's mirror has no such suite or packages, or mmdebstrap is missing; nothing is changed then.
    pub fn bootstrap(
        &self,
        name: &str,
        suite: &Suite,
        packages: Option<&[String]>,
        progress: &mut Progress<'_>,
    ) -> Result<Entry, ImageError> {
        let name = ImageName::parse(name)?;
        let what = format!("bootstrap:{} {packages:?}", suite.as_str());
        self.in_turn(&name, &what, progress, |progress| self.make(&name, suite, packages, progress))
    }

    /// One at a time gets the same thing under the same name. Who had to wait takes what came meanwhile.
    fn in_turn(
        &self,
        name: &ImageName,
        what: &str,
        progress: &mut Progress<'_>,
        get: impl FnOnce(&mut Progress<'_>) -> Result<Entry, ImageError>,
    ) -> Result<Entry, ImageError> {
        if name.as_str() == host::NAME {
            return Err(ImageError::Reserved);
        }
        self.make_folders()?;
        let digest = oci::sha256(format!("{name} {what}").as_bytes());
        let path = self.turns().join(digest.replace(':', "-"));
        let turn = File::create(&path).doing(format_args!("open {}", path.display()))?;
        let mut waited = false;
        while let Err(e) = flock(&turn, FlockOperation::NonBlockingLockExclusive) {
            if e != Errno::WOULDBLOCK {
                return Err(e).doing(format_args!("lock {}", path.display()));
            }
            if !std::mem::replace(&mut waited, true) {
                progress.say(format_args!("another process fetches {name}: waiting for it"));
            }
            std::thread::sleep(LOOK);
        }
        match self.entry(name).filter(|_| waited) {
            Some(entry) if self.resolve(name.as_str()).is_ok() => Ok(entry),
            _ => get(progress),
        }
    }

    fn pull(
        &self,
        name: &ImageName,
        reference: &Reference,
        origins: &Origins,
        progress: &mut Progress<'_>,
    ) -> Result<Entry, ImageError> {
        let blobs = Blobs::open(&self.folder)?;
        let taken = self.pull_into(&blobs, name, reference, origins, progress);
        drop(blobs);
        // Also what came before an error, but for a part that can be gone on with.
        self.sweep_blobs();
        let entry = taken?;
        progress.say(format_args!("{name} is there: {}, {}", entry.digest, megabytes(entry.bytes)));
        Ok(entry)
    }

    fn pull_into(
        &self,
        blobs: &Blobs,
        name: &ImageName,
        reference: &Reference,
        origins: &Origins,
        progress: &mut Progress<'_>,
    ) -> Result<Entry, ImageError> {
        let pulled = registry::pull(reference, origins, blobs, self.limits, progress)?;
        let source = Source::Registry(reference.clone()).to_string();
        progress.say("unpacking");
        let task = Task::Import {
            source: self.folder.clone(),
            manifest: Some(pulled.manifest.clone()),
            roots: self.roots(),
            limits: self.limits,
        };
        let provenance = Provenance {
            manifest: Some(pulled.manifest),
            blobs: pulled.blobs.clone(),
            ..Provenance::of(source)
        };
        self.take_in(name, &task, provenance).inspect_err(|_| {
            // A disk may have spoilt what came whole.
            let spoilt = blobs.drop_spoilt(&pulled.blobs);
            if spoilt > 0 {
                progress.say(format_args!("{spoilt} spoilt parts were removed from the cache: try again"));
            }
        })
    }

    fn make(
        &self,
        name: &ImageName,
        suite: &Suite,
        packages: Option<&[String]>,
        progress: &mut Progress<'_>,
    ) -> Result<Entry, ImageError> {
        let scratch = Scratch::make(&self.folder.join("scratch"))?;
        let (order, key) = Order::prepare(suite, packages, &scratch, progress)?;
        let source = Source::Bootstrap(suite.clone()).to_string();
        let provenance = Provenance { key: Some(key.clone()), ..Provenance::of(source) };
        if let Some(entry) = self.again(name, &key, &provenance)? {
            progress.say(format_args!("{name} is there: nothing changed since it was made"));
            return Ok(entry);
        }
        let mut errors = vec![];
        let task = Task::Bootstrap { order, roots: self.roots() };
        let made = task.run_telling(&mut |line| {
            errors.extend(line.strip_prefix("E: ").map(str::to_owned));
            progress.say(line.trim_start_matches("I: "));
        });
        match made? {
            Outcome::Made => {}
            Outcome::Failed(why) => {
                errors.push(why);
                return Err(ImageError::Bootstrap(errors.join("; ")));
            }
            _ => return Err(ImageError::Bootstrap("an answer to another question".into())),
        }
        progress.say("unpacking");
        let task =
            Task::Import { source: scratch.tar(), manifest: None, roots: self.roots(), limits: self.limits };
        let entry = self.take_in(name, &task, provenance)?;
        progress.say(format_args!("{name} is there: {}, {}", entry.digest, megabytes(entry.bytes)));
        Ok(entry)
    }
}

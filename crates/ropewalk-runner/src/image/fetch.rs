//! Getting an image from where it comes from. Whoever asks for the same one meanwhile waits and has it too.

use super::bootstrap::{BootstrapOrder, Scratch};
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
        match source {
            Source::Registry(reference) => {
                let name = ImageName::parse(name)?;
                let pull = |progress: &mut Progress<'_>| self.pull(&name, reference, origins, progress);
                self.in_turn(&name, source, "", progress, pull)
            }
            Source::Bootstrap(suite) => self.bootstrap(name, suite, None, progress),
        }
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
        let source = Source::Bootstrap(suite.clone());
        let make = |progress: &mut Progress<'_>| self.make(&name, suite, packages, progress);
        self.in_turn(&name, &source, &format!("{packages:?}"), progress, make)
    }

    /// One at a time gets the same thing, from a source with these details, under the same name. Who had to wait takes
    /// what came meanwhile; where nothing came it is their turn.
    fn in_turn(
        &self,
        name: &ImageName,
        source: &Source,
        details: &str,
        progress: &mut Progress<'_>,
        get: impl FnOnce(&mut Progress<'_>) -> Result<Entry, ImageError>,
    ) -> Result<Entry, ImageError> {
        if name.as_str() == host::NAME {
            return Err(ImageError::Reserved);
        }
        self.make_folders()?;
        let before = self.noted_at(name);
        let digest = oci::sha256(format!("{name} {source} {details}").as_bytes());
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
        let came = (waited && self.noted_at(name) != before).then(|| self.entry(name)).flatten();
        match came.filter(|entry| entry.source == source.to_string()) {
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
        let (order, key) = BootstrapOrder::prepare(suite, packages, &scratch, progress)?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]
    use super::*;
    use crate::sandbox::range::Range;
    use std::path::Path;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn catalog(data: &Path) -> Catalog {
        Catalog::new(data, Range { uid: 1, gid: 1 })
    }

    fn image() -> (ImageName, Source) {
        (ImageName::parse("a/b").unwrap(), "docker://r.example/a:b".parse().unwrap())
    }

    /// Notes an image as if it had come just now. Its digest is of no known kind: nobody removes its root.
    fn note(catalog: &Catalog, digest: &str) -> Entry {
        let (name, source) = image();
        std::fs::create_dir_all(catalog.roots().join(digest.replace(':', "-"))).unwrap();
        let provenance = Provenance::of(source.to_string());
        catalog.note(&name, digest.into(), 1, vec![], provenance).unwrap()
    }

    /// Gets the image by two at the same time: the first is done with `first` when the second waits. Answers what the
    /// second has, and whether it had to get it itself.
    fn by_two(
        catalog: &Catalog,
        first: impl FnOnce(&Catalog) -> Result<Entry, ImageError> + Send,
    ) -> (Entry, bool) {
        let (name, source) = image();
        let ((begun, begins), (waits, waiting)) = (channel(), channel());
        thread::scope(|scope| {
            let (name, source) = (&name, &source);
            scope.spawn(move || {
                let get = |_: &mut Progress<'_>| {
                    begun.send(()).unwrap();
                    waiting.recv_timeout(PATIENCE).unwrap();
                    first(catalog)
                };
                catalog.in_turn(name, source, "", &mut Progress::silent(), get)
            });
            begins.recv_timeout(PATIENCE).unwrap();
            let mut own = false;
            let mut tell = |_: &str| waits.send(()).unwrap();
            let get = |_: &mut Progress<'_>| {
                own = true;
                Ok(note(catalog, "x:own"))
            };
            let had = catalog.in_turn(name, source, "", &mut Progress::new(&mut tell), get).unwrap();
            (had, own)
        })
    }

    #[test]
    fn who_waited_has_what_came_meanwhile() {
        let data = tempfile::tempdir().unwrap();
        let catalog = catalog(data.path());
        let (had, own) = by_two(&catalog, |catalog| Ok(note(catalog, "x:first")));
        assert_eq!((had.digest.as_str(), own), ("x:first", false));
        // The same again is as good: it is what the source has now.
        let (had, own) = by_two(&catalog, |catalog| Ok(note(catalog, "x:first")));
        assert_eq!((had.digest.as_str(), own), ("x:first", false));
    }

    #[test]
    fn what_was_there_before_is_not_what_was_waited_for() {
        let data = tempfile::tempdir().unwrap();
        let catalog = catalog(data.path());
        catalog.make_folders().unwrap();
        note(&catalog, "x:old");
        let (had, own) = by_two(&catalog, |_| Err(ImageError::Reserved));
        assert_eq!((had.digest.as_str(), own), ("x:own", true));
    }

    /// Makes an image in a thread until this machine's mirror is asked. What it says first comes at once; if that is
    /// that it asks, it goes on to nowhere as soon as something is sent.
    fn making(data: &Path, by_name: bool) -> (Receiver<String>, Sender<()>, thread::JoinHandle<()>) {
        let ((says, said), (goes, go)) = (channel(), channel());
        let catalog = catalog(data);
        let thread = thread::spawn(move || {
            let mut tell = |line: &str| {
                let _ = says.send(line.to_owned());
                if line.starts_with("asking") {
                    let _ = go.recv_timeout(PATIENCE);
                    panic!("as it was told");
                }
            };
            let mut progress = Progress::new(&mut tell);
            let suite: Suite = "bookworm".parse().unwrap();
            let source = Source::Bootstrap(suite.clone());
            let _ = match by_name {
                true => catalog.fetch("a/b", &source, &Origins::default(), &mut progress),
                false => catalog.bootstrap("a/b", &suite, None, &mut progress),
            };
        });
        (said, goes, thread)
    }

    #[test]
    fn a_build_waits_for_an_image_that_somebody_makes_by_hand() {
        let data = tempfile::tempdir().unwrap();
        for by_name in [true, false] {
            let (said, go, first) = making(data.path(), by_name);
            match said.recv_timeout(PATIENCE) {
                Ok(line) => assert!(line.starts_with("asking"), "{line}"),
                Err(_) => return println!("NOT RUN here: two that make one image: mmdebstrap is missing"),
            }
            let (said, go_too, second) = making(data.path(), !by_name);
            let line = said.recv_timeout(PATIENCE).unwrap();
            let _ = (go.send(()), first.join(), go_too.send(()), second.join());
            assert_eq!(line, "another process fetches a/b: waiting for it");
        }
    }
}

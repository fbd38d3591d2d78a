//! Where fetched things lie before they are in the store, and how they get there.

use super::failed;
use super::local::Local;
use crate::nix::Tools;
use crate::nix::cell::Spec;
use crate::nix::graph::Graph;
use crate::nix::overseer::Overseer;
use crate::nix::run::{Allowance, Call, Ran, RunError, run, text};
use crate::spool::{At, SpoolError, read_json, write_whole};
use crate::supervisor::Stop;
use ipnet::IpNet;
use ropewalk_model::nix::EvaluationLimits;
use ropewalk_model::status::Cause;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{File, create_dir_all};
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// Bytes that a program may say while something is fetched.
const MAX_OUTPUT: usize = 1 << 20;
/// File in the folder of an address that whoever uses it has locked. It is as old as the last use.
pub(super) const LOCK: &str = "lock";
/// Folders within each other that are looked at.
const DEEPEST: usize = 256;

/// What fetching needs.
pub(crate) struct Fetch<'a> {
    pub(crate) tools: &'a Tools,
    /// A cell in which the store can be written, and nothing of the machine be read.
    pub(crate) cell: &'a Spec,
    /// Folder of all clones, below the data folder.
    pub(crate) clones: PathBuf,
    pub(crate) limits: &'a EvaluationLimits,
    /// Private networks that repositories may lie in.
    pub(crate) allow: &'a [IpNet],
    /// Folders of this machine that everybody's jobsets may read.
    pub(crate) opened: &'a [PathBuf],
    /// When the whole evaluation must be over.
    pub(crate) until: Instant,
    /// Keeps what was fetched from being collected until the jobs' own roots are there.
    pub(crate) roots: Rooted,
}

impl Fetch<'_> {
    /// What is left of the time, and not more than this.
    pub(super) fn left(&self, most: Duration) -> Duration {
        self.until.saturating_duration_since(Instant::now()).min(most)
    }

    /// Copies a file or folder into the store under its own name, and keeps it there. `local`: it is no file of ours,
    /// and may belong to another account of this machine.
    pub(super) fn add(
        &mut self,
        overseer: &mut dyn Overseer,
        source: &Path,
        local: Option<&Local>,
    ) -> Result<String, Stop> {
        let mut cell = self.cell.clone();
        match local {
            Some(local) => local.show(source, &mut cell),
            None => cell.readable.push(source.into()),
        }
        let source = source.display().to_string();
        let call = Call {
            program: self.tools.program("nix-store"),
            arguments: vec!["--add".into(), source.clone()],
            environment: self.tools.environment(),
        };
        let ran = self.run(overseer, &cell, call, Duration::MAX)?;
        let path = text(&ran.output).trim().to_owned();
        if ran.code != 0 || !Path::new(&path).starts_with(&self.tools.store) {
            return Err(failed(format_args!("cannot copy {source} into the store: {}", ran.errors.trim())));
        }
        self.roots.keep(&path)?;
        Ok(path)
    }

    /// Makes sure that a path of the store is there, and keeps it there.
    pub(super) fn valid(&mut self, overseer: &mut dyn Overseer, path: &str) -> Result<(), Stop> {
        let graph = Graph { tools: self.tools, cell: self.cell, until: self.until };
        if !Path::new(path).starts_with(&self.tools.store) {
            return Err(failed(format_args!("{path} does not lie in {}", self.tools.store.display())));
        }
        self.roots.keep(path)?;
        if graph.invalid(overseer, &BTreeSet::from([path.to_owned()]))?.is_empty() {
            return Ok(());
        }
        Err(failed(format_args!("{path} is not in the store any more: build it again")))
    }

    /// Runs a program; what goes wrong about running it is a failed source.
    pub(super) fn run(
        &self,
        overseer: &mut dyn Overseer,
        cell: &Spec,
        call: Call,
        most: Duration,
    ) -> Result<Ran, Stop> {
        let time = self.left(most);
        match run(overseer, cell, call, Allowance { time, output: MAX_OUTPUT }) {
            Ok(ran) => Ok(ran),
            Err(RunError::Stop(stop)) => Err(stop),
            Err(RunError::TimedOut) if time < most => Err(Stop::new(
                Cause::Timeout,
                format_args!("the evaluation took longer than {} s", self.limits.time),
            )),
            Err(RunError::TimedOut) => Err(failed(format_args!("it took longer than {} s", most.as_secs()))),
            Err(RunError::TooMuch) => Err(failed("the program says too much")),
        }
    }

    /// The folder of one address, for us alone.
    pub(super) fn lock(
        &self,
        overseer: &mut dyn Overseer,
        kind: &str,
        address: &str,
    ) -> Result<Locked, Stop> {
        let folder = self.clones.join(kind).join(hex::encode(Sha256::digest(address.as_bytes())));
        let path = folder.join(LOCK);
        let mut told = false;
        loop {
            create_dir_all(&folder).at("create", &folder)?;
            let file = File::create(&path).at("create", &path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, &path) => {
                    file.set_modified(SystemTime::now()).at("touch", &path)?;
                    return Ok(Locked { folder, _file: file });
                }
                // It was removed in between, or is the next one's already.
                Ok(()) => continue,
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).at("lock", &path)?,
            }
            if !std::mem::replace(&mut told, true) {
                overseer.say(&"Another evaluation fetches it now: waiting")?;
            }
            if self.left(Duration::MAX).is_zero() {
                return Err(failed("another evaluation fetched it for too long"));
            }
            overseer.sleep(&[])?;
        }
    }
}

/// Whether the file is the one that lies there.
fn is_at(file: &File, path: &Path) -> bool {
    let (open, there) = (file.metadata(), path.symlink_metadata());
    open.is_ok_and(|open| there.is_ok_and(|there| (open.dev(), open.ino()) == (there.dev(), there.ino())))
}

/// The folder of one address.
pub(super) struct Locked {
    pub(super) folder: PathBuf,
    _file: File,
}

/// What something was the last time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Known {
    pub(super) store_path: String,
    pub(super) revision: String,
}

impl Locked {
    /// What was remembered under this name, if anything can be read.
    pub(super) fn known(&self, name: &str) -> Option<Known> {
        read_json(&self.folder.join(format!("{name}.json"))).ok()
    }

    pub(super) fn remember(&self, name: &str, known: &Known) -> Result<(), Stop> {
        let path = self.folder.join(format!("{name}.json"));
        let text = serde_json::to_vec(known)
            .map_err(|error| SpoolError::Malformed { path: path.clone(), why: error.to_string() })?;
        Ok(write_whole(&path, &text)?)
    }
}

/// Roots of one evaluation. They go with it.
pub(crate) struct Rooted {
    folder: PathBuf,
    /// Begins the names of the links.
    name: String,
    links: Vec<PathBuf>,
}

impl Rooted {
    /// Below a folder of roots, under names that no other evaluation has.
    pub(crate) fn new(folder: PathBuf, name: &str) -> Rooted {
        Rooted { folder, name: format!("evaluation-{name}"), links: vec![] }
    }

    fn keep(&mut self, path: &str) -> Result<(), Stop> {
        create_dir_all(&self.folder).at("create", &self.folder)?;
        let link = self.folder.join(format!("{}-{}", self.name, self.links.len()));
        let _ = std::fs::remove_file(&link);
        symlink(path, &link).at("link", &link)?;
        self.links.push(link);
        Ok(())
    }
}

impl Drop for Rooted {
    fn drop(&mut self) {
        for link in &self.links {
            let _ = std::fs::remove_file(link);
        }
    }
}

/// Bytes of all files of a tree; more than `most` is said early. No link is followed.
pub(super) fn tree_size(path: &Path, most: u64) -> io::Result<u64> {
    let mut folders = vec![(path.to_owned(), 0)];
    let mut size = 0;
    while let Some((path, depth)) = folders.pop() {
        let meta = path.symlink_metadata()?;
        size += meta.len();
        if depth > DEEPEST {
            return Err(io::Error::other(format!("more than {DEEPEST} folders lie within each other")));
        }
        if size > most {
            return Ok(size);
        }
        if meta.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                folders.push((entry?.path(), depth + 1));
            }
        }
    }
    Ok(size)
}

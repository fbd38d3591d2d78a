//! What a catalogue has done inside the id range, by a process of its own: the range can only be
//! entered by a process with one thread.

use super::archive::Parts;
use super::fetching::FetchOrder;
use super::unpack::{self, Limits, Unpacked};
use super::{ImageError, bootstrap, host, oci};
use crate::inside;
use crate::sandbox::{Doing as _, SandboxError, range};
use crate::tree;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A task for the process inside the range.
#[derive(Serialize, Deserialize)]
pub(crate) enum Task {
    /// Unpack an image below the folder `roots`; where the source holds the parts of many, the one
    /// with this manifest.
    Import { source: PathBuf, manifest: Option<String>, roots: PathBuf, limits: Limits },
    /// Make the tar of a Debian root.
    Bootstrap { order: bootstrap::BootstrapOrder, roots: PathBuf },
    /// Generate the `host` image below the folder `roots`.
    Host { roots: PathBuf },
    /// Remove an unpacked image.
    Remove { folder: PathBuf },
}

/// What came of it.
#[derive(Serialize, Deserialize)]
pub(crate) enum Outcome {
    Imported { digest: String, bytes: u64, env: Vec<(String, String)> },
    Made,
    Removed,
    InUse,
    NotAnImage(String),
    Failed(String),
}

impl Task {
    /// Has the task done by a new process.
    pub(super) fn run(&self) -> Result<Outcome, ImageError> {
        self.run_telling(&mut |_| {})
    }

    /// The same; what it says meanwhile goes to `tell`.
    pub(super) fn run_telling(&self, tell: &mut dyn FnMut(&str)) -> Result<Outcome, ImageError> {
        inside::ask(&inside::Task::<_, FetchOrder>::Image(self), tell).map_err(ImageError::Unpack)
    }

    /// Does the task in this process, which has one thread.
    pub(crate) fn carry_out(self) -> Outcome {
        let is_import = matches!(self, Task::Import { .. });
        // An image's names and fields stand in it: they write no lines of their own and turn no terminal.
        let said = |text: String| if is_import { inside::printable(text.as_bytes()) } else { text };
        let result = match self {
            Task::Import { source, manifest, roots, limits } => {
                import(&source, manifest.as_deref(), &roots, limits)
            }
            Task::Bootstrap { order, roots } => bootstrap::make(&order, &roots).map(|()| Outcome::Made),
            Task::Host { roots } => host_image(&roots),
            Task::Remove { folder } => remove(&folder),
        };
        match result {
            Ok(outcome) => outcome,
            Err(ImageError::NotAnImage { why, .. }) => Outcome::NotAnImage(said(why)),
            Err(e) => Outcome::Failed(said(e.to_string())),
        }
    }
}

/// The folder of a digest below `roots`.
pub(super) fn folder(roots: &Path, digest: &str) -> PathBuf {
    roots.join(digest.replace(':', "-"))
}

fn import(
    source: &Path,
    manifest: Option<&str>,
    roots: &Path,
    limits: Limits,
) -> Result<Outcome, ImageError> {
    let refuse = |e: io::Error| ImageError::NotAnImage { path: source.into(), why: e.to_string() };
    let parts = Parts::open(source, roots, limits.bytes).map_err(refuse)?;
    let recipe = oci::read(source, &parts, manifest)?;
    let env = recipe.as_ref().map(|r| r.env.clone()).unwrap_or_default();
    range::enter()?;
    // A fetch that was ended takes its helpers along. After the change of ids, which clears it.
    set_parent_process_death_signal(Some(Signal::KILL)).doing("tie the process to its parent")?;
    if let Some(recipe) = &recipe
        && let there = folder(roots, &recipe.digest)
        && there.exists()
    {
        return Ok(Outcome::Imported { digest: recipe.digest.clone(), bytes: bytes_below(&there), env });
    }
    let new = Draft::begin(roots)?;
    let unpacked = new.fill(|folder| unpack::unpack(&parts, recipe.as_ref(), folder, limits))?;
    new.sync()?;
    new.keep(&folder(roots, &unpacked.digest))?;
    Ok(Outcome::Imported { digest: unpacked.digest, bytes: unpacked.bytes, env })
}

/// Bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let listed = fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = listed.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)));
    entries.map(|(path, meta)| if meta.is_dir() { bytes_below(&path) } else { meta.len() }).sum()
}

fn host_image(roots: &Path) -> Result<Outcome, ImageError> {
    let usr = host::Usr::here();
    range::enter()?;
    let new = Draft::begin(roots)?;
    let made = new.fill(|folder| host::generate(folder, usr))?;
    new.keep(&folder(roots, &made.digest))?;
    Ok(Outcome::Imported { digest: made.digest, bytes: made.bytes, env: vec![] })
}

/// A root that is being filled. It counts only when it has its final name; what a killed process
/// left is swept by the next.
pub(super) struct Draft {
    folder: PathBuf,
    /// Held as long as the filler or its child lives.
    lock: File,
}

impl Draft {
    pub(super) fn begin(roots: &Path) -> Result<Draft, SandboxError> {
        let lock = roots.join(".lock");
        let all = File::create(&lock).doing(format_args!("open {}", lock.display()))?;
        flock(&all, FlockOperation::LockExclusive).doing("lock the image folder")?;
        sweep(roots);
        let folder = roots.join(format!(".new-{}", std::process::id()));
        fs::create_dir(&folder).doing(format_args!("create {}", folder.display()))?;
        std::os::unix::fs::chown(&folder, Some(0), Some(0)).doing("give the image to the range")?;
        let own = File::open(&folder).doing(format_args!("open {}", folder.display()))?;
        flock(&own, FlockOperation::LockExclusive).doing("lock the new image")?;
        Ok(Draft { folder, lock: own })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets a child process fill the folder.
    pub(super) fn fill(
        &self,
        work: impl FnOnce(&Path) -> Result<Unpacked, SandboxError>,
    ) -> Result<Unpacked, SandboxError> {
        let (mut from, mut to) = io::pipe().doing("make a pipe")?;
        // SAFETY: this process has one thread, so the child may run ordinary code.
        let child = match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()).doing("fork the unpacker"),
            0 => {
                let done = work(&self.folder).map_err(|e| e.to_string());
                let told = serde_json::to_vec(&done).is_ok_and(|text| to.write_all(&text).is_ok());
                // SAFETY: ends the child without running the parent's exit handlers.
                unsafe { libc::_exit(i32::from(!told)) }
            }
            pid => pid,
        };
        drop(to);
        let mut text = vec![];
        let read = from.read_to_end(&mut text);
        let mut status = 0;
        // SAFETY: waits for our own child; `status` outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        read.doing("hear from the unpacker")?;
        if status != 0 {
            let why = format!("the unpacker died (wait status {status}); is the archive a bomb?");
            return Err(SandboxError::Refused(why));
        }
        serde_json::from_slice::<Result<Unpacked, String>>(&text)
            .map_err(|e| SandboxError::Message(e.to_string()))?
            .map_err(SandboxError::Refused)
    }

    /// Waits until all of it is on the disk.
    pub(super) fn sync(&self) -> Result<(), SandboxError> {
        rustix::fs::syncfs(&self.lock).doing("write the image to disk")
    }

    /// Gives the root its final name.
    pub(super) fn keep(&self, name: &Path) -> Result<(), SandboxError> {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&self.folder, mode).doing("open the image to its account")?;
        match fs::rename(&self.folder, name) {
            // Another process was faster; the contents are the same.
            Err(_) if name.exists() => Ok(()),
            renamed => renamed.doing(format_args!("name the image {}", name.display())),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = tree::remove(&self.folder);
    }
}

/// Removes what killed processes left. The caller holds the lock of the whole folder.
fn sweep(roots: &Path) {
    for entry in fs::read_dir(roots).into_iter().flatten().flatten() {
        let left =
            entry.file_name().to_str().is_some_and(|n| n.starts_with(".new-") || n.starts_with(".old-"));
        let free = || {
            let folder = File::open(entry.path())?;
            flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
            io::Result::Ok(folder)
        };
        if left && let Ok(_lock) = free() {
            let _ = tree::remove(&entry.path());
        }
    }
}

fn remove(folder: &Path) -> Result<Outcome, ImageError> {
    range::enter()?;
    let Ok(open) = File::open(folder) else { return Ok(Outcome::Removed) };
    if flock(&open, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(Outcome::InUse);
    }
    let old = folder.with_file_name(format!(".old-{}", std::process::id()));
    fs::rename(folder, &old).doing(format_args!("take away {}", folder.display()))?;
    tree::remove(&old).doing(format_args!("remove {}", old.display()))?;
    Ok(Outcome::Removed)
}

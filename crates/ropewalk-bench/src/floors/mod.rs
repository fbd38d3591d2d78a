//! What the machine itself takes: nothing that a build farm does can be faster.

mod answer;
mod pipe;
mod sandbox;

pub(crate) use answer::BareAnswer;
pub(crate) use pipe::{lines, pipe_to_file};
pub(crate) use sandbox::BareSandbox;

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Bytes of a record: a job's row.
const RECORD: usize = 512;

/// Starts `/bin/true` and waits for its end.
pub(crate) fn spawn_true() -> Result<Duration> {
    let began = Instant::now();
    let status = Command::new("/bin/true").status().context("cannot run /bin/true")?;
    ensure!(status.success(), "/bin/true ended with {status}");
    Ok(began.elapsed())
}

/// A file that records are appended to.
pub(crate) struct Appended(File);

impl Appended {
    /// A new file in a folder on the disk that is to be measured.
    pub(crate) fn create(folder: &Path) -> Result<Appended> {
        let path = folder.join("appended");
        let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Appended(file))
    }

    /// Appends one record and waits until it is on the disk.
    pub(crate) fn append(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.0.write_all(&[b'x'; RECORD])?;
        self.0.sync_data()?;
        Ok(began.elapsed())
    }
}

//! A pipe into a file: what a log is at least.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// The script that writes so many bytes of 80-byte lines.
pub(crate) fn lines(bytes: u64) -> String {
    let line = "x".repeat(79);
    format!("yes {line} | head -c {bytes}")
}

/// Writes so many bytes through a pipe into a new file of a folder.
pub(crate) fn pipe_to_file(folder: &Path, bytes: u64) -> Result<Duration> {
    let path = folder.join("piped");
    let began = Instant::now();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("{} | cat >\"$0\"", lines(bytes))]).arg(&path);
    let status = shell.status().context("cannot run /bin/sh")?;
    let took = began.elapsed();
    let written = path.metadata().map_or(0, |found| found.len());
    std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    ensure!(
        status.success() && written == bytes,
        "a pipe into a file ended with {status} after {written} bytes"
    );
    Ok(took)
}

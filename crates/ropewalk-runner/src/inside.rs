//! Work that must be done inside the id range by a process of its own. The program starts itself
//! again under another name; [`run_if_asked`] takes over there.

use crate::image::worker;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

/// Name (`argv[0]`) of such a process.
const NAME: &str = "ropewalk-inside";
/// Longest task in bytes.
const MAX_TASK: u64 = 1 << 20;

/// What there is to do.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "I: serde::de::DeserializeOwned"))]
pub(crate) enum Task<I> {
    /// Something with images.
    Image(I),
}

/// To be called first in `main`: when this process was started to work inside the id range, does
/// that and gives the exit code to end with. `None` in an ordinary start.
#[must_use]
pub fn run_if_asked() -> Option<ExitCode> {
    if std::env::args_os().next()? != NAME {
        return None;
    }
    // What it makes is seen by builds, whatever the caller's umask is.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let mut text = vec![];
    let read = std::io::stdin().take(MAX_TASK).read_to_end(&mut text);
    let Ok(task) = serde_json::from_slice::<Task<worker::Task>>(&text) else {
        return Some(ExitCode::from(2));
    };
    let Task::Image(task) = task;
    let written = read.is_ok()
        && serde_json::to_vec(&task.carry_out())
            .is_ok_and(|answer| std::io::stdout().write_all(&answer).is_ok());
    Some(if written { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has a task done and gives what came of it.
pub(crate) fn ask<A: DeserializeOwned>(task: &Task<impl Serialize>) -> Result<A, String> {
    let text = serde_json::to_vec(task).map_err(|e| e.to_string())?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("start {NAME}: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&text).map_err(|e| format!("tell {NAME}: {e}"))?;
    }
    let output = child.wait_with_output().map_err(|e| format!("wait for {NAME}: {e}"))?;
    serde_json::from_slice(&output.stdout).map_err(|_| {
        let said = output.stderr.escape_ascii();
        format!("{NAME} ended with {}: {said}", output.status)
    })
}

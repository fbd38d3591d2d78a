//! Work that must be done by a process of its own: inside the id range, or beside a supervisor that must not wait. The
//! program starts itself again under another name; [`run_if_asked`] takes over there.

use crate::image::{fetching, worker};
use crate::supervisor::end_account;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

/// Name (`argv[0]`) of such a process.
const NAME: &str = "ropewalk-inside";
/// Longest task in bytes.
const MAX_TASK: u64 = 1 << 20;
/// Longest line that a task says, in bytes.
const MAX_LINE: u64 = 4 << 10;
/// Lines that an error shows of a task that died.
const LAST_WORDS: usize = 5;

/// What there is to do.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "I: DeserializeOwned, F: DeserializeOwned"))]
pub(crate) enum Task<I, F> {
    /// Something with images, inside the range.
    Image(I),
    /// Fetching an image; outside.
    Fetch(F),
    /// Ending what is left of a build with this account of a data folder; inside.
    EndAccount(u32, PathBuf),
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
    let read = io::stdin().take(MAX_TASK).read_to_end(&mut text);
    let Ok(task) = serde_json::from_slice::<Task<worker::Task, fetching::FetchOrder>>(&text) else {
        return Some(ExitCode::from(2));
    };
    if read.is_err() {
        return Some(ExitCode::from(2));
    }
    let answer = match task {
        Task::Image(task) => serde_json::to_vec(&task.carry_out()),
        Task::Fetch(order) => serde_json::to_vec(&order.carry_out()),
        Task::EndAccount(account, data) => serde_json::to_vec(&end_account(account, &data)),
    };
    let written = answer.is_ok_and(|answer| io::stdout().write_all(&answer).is_ok());
    Some(if written { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts a process for a task. What it says comes over its standard error, its answer over its standard output.
pub(crate) fn start(task: &Task<impl Serialize, impl Serialize>) -> Result<Child, String> {
    let text = serde_json::to_vec(task).map_err(|e| e.to_string())?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("start {NAME}: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&text).map_err(|e| format!("tell {NAME}: {e}"))?;
    }
    Ok(child)
}

/// Has a task done and gives what came of it; each line that it says meanwhile goes to `tell`.
pub(crate) fn ask<A: DeserializeOwned>(
    task: &Task<impl Serialize, impl Serialize>,
    tell: &mut dyn FnMut(&str),
) -> Result<A, String> {
    let mut child = start(task)?;
    let mut said = vec![];
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr);
        while let Some(line) = next_line(&mut lines).map_err(|e| format!("hear from {NAME}: {e}"))? {
            tell(&line);
            said.push(line);
            let superfluous = said.len().saturating_sub(LAST_WORDS);
            said.drain(..superfluous);
        }
    }
    answer(child, &said)
}

/// The answer of a process that says nothing more.
pub(crate) fn answer<A: DeserializeOwned>(child: Child, said: &[String]) -> Result<A, String> {
    let output = child.wait_with_output().map_err(|e| format!("wait for {NAME}: {e}"))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("{NAME} ended with {}: {}", output.status, said.join("; ")))
}

/// The next line without its end, as much of it as may be shown.
fn next_line(lines: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = vec![];
    if lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(printable(&line)))
}

/// A line as it may be shown; one that is no text has its odd bytes escaped.
pub(crate) fn printable(line: &[u8]) -> String {
    let text = str::from_utf8(line).map_or_else(|_| line.escape_ascii().to_string(), str::to_owned);
    text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

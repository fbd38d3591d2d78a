//! The one check that proves the others: a build that does nothing.

use super::checks::Finding;
use ropewalk_runner::spool::{TRIAL, clean_by};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Time for opening a sandbox with its network and running one step.
const WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);
const OURSELVES: &str = "/proc/self/exe";
const MANIFEST: &str = "image: host\ntasks:\n  - nothing: 'true'\n";

/// Runs a build in a sandbox with a network by nat, as `ropewalk run` does.
pub(super) fn build(data: &Path) -> Finding {
    let name = "trial build";
    let started = Instant::now();
    match tempfile::Builder::new().prefix(TRIAL).tempdir_in(data).and_then(try_in) {
        Ok(None) => {
            Finding::good(name, format!("ran in a sandbox in {:.1} s", started.elapsed().as_secs_f64()))
        }
        Ok(Some(words)) => Finding::broken(
            name,
            words,
            "the checks above say what is missing; `ropewalk run` shows all that it says",
        ),
        Err(error) => {
            Finding::broken(name, format!("could not be started: {error}"), "name another folder with --data")
        }
    }
}

/// Runs the build with its data in the folder, and removes what belongs to the id range there, too.
fn try_in(folder: TempDir) -> std::io::Result<Option<String>> {
    let words = run(folder.path())?;
    // Without a range there is nothing that this account could not remove itself, as it does now.
    let _ = clean_by(Path::new(OURSELVES), folder.path());
    Ok(words)
}

/// None when it succeeded, else its last words.
fn run(data: &Path) -> std::io::Result<Option<String>> {
    let mut command = Command::new(OURSELVES);
    command.arg("--data").arg(data).args(["run", "-"]).current_dir(data);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(MANIFEST.as_bytes())?;
    }
    // It prints less than a pipe holds, so nobody need read meanwhile.
    let deadline = Instant::now() + WITHIN;
    while child.try_wait()?.is_none() {
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Ok(Some(format!("did not end within {} s", WITHIN.as_secs())));
        }
        std::thread::sleep(LOOK);
    }
    if child.wait()?.success() {
        return Ok(None);
    }
    Ok(Some(last_words(&mut child)))
}

fn last_words(child: &mut Child) -> String {
    let mut bytes = vec![];
    if let Some(mut output) = child.stdout.take() {
        let _ = output.read_to_end(&mut bytes);
    }
    if let Some(mut errors) = child.stderr.take() {
        let _ = errors.read_to_end(&mut bytes);
    }
    let text: String = bytes.utf8_chunks().map(|chunk| chunk.valid()).collect();
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("failed without a word").to_string()
}

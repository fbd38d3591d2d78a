//! Starting a supervisor.

use crate::spool::{At, Spool, SpoolError};
use ropewalk_model::fault::{Point, VARIABLE, visit};
use ropewalk_model::link::RunValues;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Variables of ours may hold a token; the supervisor needs none of them but those about faults.
const OURS: &str = "ROPEWALK_";

/// Starts `program supervise SPOOL` and hands it the values. A tethered supervisor shows the logs on
/// our standard output, and its standard input stays open in the child that is returned: closing it
/// ends the build.
///
/// # Errors
/// When the program cannot be started or does not take the values; it does not run then.
pub fn launch(program: &Path, spool: &Spool, values: &RunValues) -> Result<Child, SpoolError> {
    let tethered = spool.head.settings.tethered;
    let errors = spool.errors();
    let errors = File::options().append(true).open(&errors).at("open", &errors)?;
    let mut command = Command::new(program);
    command.arg("supervise").arg(spool.path()).current_dir("/");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with(OURS) && !name.starts_with(VARIABLE)) {
            command.env_remove(name);
        }
    }
    let output = if tethered { Stdio::inherit() } else { Stdio::null() };
    command.stdin(Stdio::piped()).stdout(output).stderr(errors);
    let mut line = serde_json::to_vec(values)
        .map_err(|e| SpoolError::Malformed { path: spool.path().into(), why: e.to_string() })?;
    line.push(b'\n');
    visit(Point::SpoolBeforeLaunch);
    let mut child = command.spawn().at("start", program)?;
    let told = child.stdin.as_mut().map_or(Ok(()), |input| input.write_all(&line));
    if !tethered {
        drop(child.stdin.take());
    }
    visit(Point::SpoolAfterLaunch);
    if told.is_err() {
        // It may have begun, but nothing of the build has: that waits for the values.
        let _ = child.kill();
        let _ = child.wait();
    }
    told.at("hand the run-time values to", program)?;
    Ok(child)
}

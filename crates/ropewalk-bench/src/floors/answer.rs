//! The bare answer, in a process of its own.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// A server that answers with one JSON value at `/`.
pub(crate) struct BareAnswer {
    child: Child,
    origin: String,
}

impl BareAnswer {
    pub(crate) fn start(value: &Value) -> Result<BareAnswer> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare-answer").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.as_mut().context("no standard input")?;
        writeln!(input, "{value}")?;
        let mut origin = String::new();
        BufReader::new(child.stdout.take().context("no standard output")?).read_line(&mut origin)?;
        ensure!(!origin.is_empty(), "the bare answer's server did not start; see above");
        Ok(BareAnswer { child, origin: origin.trim().into() })
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for BareAnswer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

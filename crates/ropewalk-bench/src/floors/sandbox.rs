//! The bare sandbox, in a process of its own.

use crate::arguments::Network;
use crate::own::{Opened, ROUNDS};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Opens one sandbox after the other.
pub(crate) struct BareSandbox {
    folder: PathBuf,
    network: Network,
    process: Process,
    left: usize,
}

impl BareSandbox {
    /// Makes it ready, with its files in a folder of its own.
    pub(crate) fn start(folder: &Path, network: Network) -> Result<BareSandbox> {
        let process = Process::start(folder, network)?;
        Ok(BareSandbox { folder: folder.into(), network, process, left: ROUNDS - 1 })
    }

    /// Opens a sandbox around `/bin/true` and removes it.
    pub(crate) fn open(&mut self) -> Result<Opened> {
        if self.left == 0 {
            (self.process, self.left) = (Process::start(&self.folder, self.network)?, ROUNDS - 1);
        }
        self.left -= 1;
        self.process.open()
    }
}

struct Process {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it and opens a first sandbox that does not count.
    fn start(folder: &Path, network: Network) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare-sandbox").arg(folder).arg(network.word());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut started = Process { child, orders, answers };
        started.open()?;
        Ok(started)
    }

    fn open(&mut self) -> Result<Opened> {
        self.orders.write_all(b"\n").context("the bare sandbox's process is gone")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).context("the bare sandbox could not be opened; see above")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

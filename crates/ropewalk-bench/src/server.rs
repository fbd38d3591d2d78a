//! A `ropewalk serve` under measurement.

use crate::http::Client;
use crate::processor;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time for anything that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// How often is looked while something is waited for that nobody tells.
const LOOK: Duration = Duration::from_millis(5);

/// What stands between this program and the server.
pub(crate) enum Parent {
    /// A process that reaps what the server leaves behind.
    Reaper,
    /// `strace`, which writes calls that wait for the disk into this file.
    Tracer(PathBuf),
}

/// A running server.
pub(crate) struct Server {
    parent: Child,
    pid: u32,
    data: PathBuf,
    pub(crate) origin: String,
}

impl Server {
    /// Starts a server on a folder that holds `data/ropewalk.toml`, and waits until it says that it serves.
    pub(crate) fn start(program: &Path, folder: &Path, parent: &Parent) -> Result<Server> {
        let mut command = match parent {
            Parent::Reaper => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("reap").arg("--");
                command
            }
            Parent::Tracer(file) => {
                let mut command = Command::new("strace");
                command.args([
                    "-f",
                    "-qq",
                    "--seccomp-bpf",
                    "-e",
                    &format!("trace={}", SYNCS.join(",")),
                    "-o",
                ]);
                command.arg(file);
                command
            }
        };
        command.arg(program);
        serve(&mut command, folder, "127.0.0.1:0")?;
        let mut parent = command.stdout(Stdio::piped()).spawn().context("cannot start the server")?;
        let output = parent.stdout.take().context("no standard output")?;
        let data = folder.join("data");
        let Some(origin) = origin(BufReader::new(output)) else {
            let _ = parent.kill();
            let _ = parent.wait();
            anyhow::bail!("the server did not start: see {}", words(folder).display());
        };
        let pid = pid_of(&data)?;
        Ok(Server { parent, pid, data, origin })
    }

    /// A client with or without a token.
    pub(crate) fn client(&self, token: Option<&str>) -> Client {
        Client::new(&self.origin, token)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Processor time of the server and of all builds that have ended.
    pub(crate) fn used(&self) -> Result<Duration> {
        Ok(processor::used(self.pid)? + processor::used_by_children(self.parent.id())?)
    }

    /// Waits until no build has any process left.
    pub(crate) async fn settle(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let spools = self.data.join("spool");
        loop {
            let runs =
                std::fs::read_dir(&spools).is_ok_and(|found| found.flatten().any(|e| e.path().is_dir()));
            let left = processor::children(self.pid).len() + processor::children(self.parent.id()).len();
            // The server itself is one of its parent's children.
            if !runs && left <= 1 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "builds have ended and their processes have not");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends it. That it and its parent have ended is waited for when it is dropped.
    pub(crate) fn stop(self) -> Result<()> {
        let pid = Pid::from_raw(self.pid.cast_signed()).context("no process")?;
        kill_process(pid, Signal::TERM).context("cannot end the server")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.pid.cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.parent.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

/// Calls that wait for the disk.
pub(crate) const SYNCS: [&str; 6] = ["fdatasync", "fsync", "syncfs", "sync_file_range", "sync", "msync"];

/// Until a server that is started now answers that requests may be sent to it.
pub(crate) async fn cold_start(program: &Path, folder: &Path) -> Result<Duration> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut command = Command::new(program);
    serve(&mut command, folder, &address)?;
    let began = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().context("cannot start the server")?;
    let ready = ready(&address, began).await;
    let took = began.elapsed();
    if let Some(pid) = Pid::from_raw(child.id().cast_signed()) {
        kill_process(pid, Signal::TERM)?;
    }
    child.wait()?;
    ready.map(|()| took)
}

async fn ready(address: &str, began: Instant) -> Result<()> {
    let mut client = Client::new(address, None);
    loop {
        match client.get("/readyz").await {
            Ok(_) => return Ok(()),
            Err(error) => ensure!(began.elapsed() < PATIENCE, "the server is not ready: {error:#}"),
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

/// Adds the arguments of a server on a folder, and takes away whatever this process has settings of.
fn serve(command: &mut Command, folder: &Path, listen: &str) -> Result<()> {
    let data = folder.join("data");
    let words = File::options().create(true).append(true).open(words(folder))?;
    command.arg("--data").arg(&data).args(["serve", "--listen", listen]);
    without_settings(command, folder).stdin(Stdio::null()).stderr(words);
    Ok(())
}

/// A command with a home of its own.
pub(crate) fn without_settings<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("ROPEWALK_")) {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME")
}

/// What the server writes to standard error.
fn words(folder: &Path) -> PathBuf {
    folder.join("serve.log")
}

/// Reads the address that the server prints; what it prints later is read and forgotten.
fn origin(output: impl BufRead + Send + 'static) -> Option<String> {
    let mut lines = output.lines().map_while(Result::ok);
    let origin =
        lines.find_map(|line| Some(line.strip_prefix("Ropewalk serves ")?.split(' ').next()?.to_string()));
    std::thread::spawn(move || lines.for_each(drop));
    origin
}

fn pid_of(data: &Path) -> Result<u32> {
    let path = data.join("lock");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    text.trim().parse().with_context(|| format!("{} names no process: {text}", path.display()))
}

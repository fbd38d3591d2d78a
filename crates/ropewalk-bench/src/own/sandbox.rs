//! The bare sandbox: opened around `/bin/true` for each line of standard input, by the library that supervisors use and
//! with the limits that builds have.

use crate::arguments;
use anyhow::{Context, Result, ensure};
use ropewalk_runner::image::{Catalog, Pinned};
use ropewalk_runner::sandbox::network::Outside;
use ropewalk_runner::sandbox::{Answer, Limits, Network, Order, Sandbox, Spec, range};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::AsFd;
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Sandboxes that one process can open.
pub(crate) const ROUNDS: usize = 200;
/// What builds have unless the configuration says otherwise.
const LIMITS: Limits = Limits { memory: 4 << 30, processes: 4096, disk: 24 << 30, cpus: 2 };

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Folder for the image and the layers.
    folder: PathBuf,
    /// Network of the sandbox.
    network: arguments::Network,
}

/// How long one sandbox took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// Until `/bin/true` had ended.
    pub(crate) ran: Duration,
    /// Until nothing of it was left.
    pub(crate) gone: Duration,
    /// Processor time.
    pub(crate) used: Duration,
}

/// Answers each line with an [`Opened`] of its own.
pub(super) fn answer_rounds(arguments: &Arguments) -> Result<()> {
    let Arguments { folder, network } = arguments;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Before the range is entered: afterwards nobody can say which it is.
    let image = Catalog::new(folder, range::find()?).resolve("host")?;
    let network = match network {
        arguments::Network::Nat => Network::Nat(Outside::of_host().for_build(false)),
        arguments::Network::None => Network::None,
    };
    // Each sandbox uses one up, and inside the range there are no further ones.
    let mut pinned = (0..ROUNDS).map(|_| image.pin()).collect::<Result<Vec<_>, _>>()?;
    range::enter()?;
    let layer = folder.join(format!("layer-{}", std::process::id()));
    for line in std::io::stdin().lock().lines() {
        line?;
        let image = pinned.pop().context("too many rounds for one process")?;
        let opened = around_true(image, &network, &layer)?;
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, &opened)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

fn around_true(image: Pinned, network: &Network, layer: &Path) -> Result<Opened> {
    let (began, before) = (Instant::now(), used());
    let spec = Spec {
        name: format!("bench-{}", std::process::id()),
        image,
        layer: layer.into(),
        network: network.clone(),
        hostname: "build".into(),
        binds: vec![],
        limits: LIMITS,
    };
    let mut sandbox = Sandbox::open(&spec)?;
    let status = run(&sandbox, "exec /bin/true")?;
    let ran = began.elapsed();
    ensure!(status == 0, "/bin/true ended with status {status} in the bare sandbox");
    sandbox.kill();
    std::fs::remove_dir_all(layer).with_context(|| format!("cannot remove {}", layer.display()))?;
    Ok(Opened { ran, gone: began.elapsed(), used: used().saturating_sub(before) })
}

/// Processor time of this process and of all that it waited for.
fn used() -> Duration {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN].into_iter().map(used_by).sum()
}

fn used_by(whom: libc::c_int) -> Duration {
    // SAFETY: the structure outlives the call, and zeros are one of its values.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(whom, &raw mut usage);
        usage
    };
    let time = |time: libc::timeval| Duration::from_secs_f64(time.tv_sec as f64 + time.tv_usec as f64 / 1e6);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// Runs a script as a step and answers its wait status.
fn run(sandbox: &Sandbox, script: &str) -> Result<i32> {
    let mut file = File::from(memfd_create("step", MemfdFlags::CLOEXEC)?);
    file.write_all(script.as_bytes())?;
    file.rewind()?;
    let output = File::options().write(true).open("/dev/null")?;
    let order = Order::Run { name: "true".into(), env: vec![], root: false };
    sandbox.order(&order, &[output.as_fd(), file.as_fd()])?;
    poll(&mut [PollFd::new(sandbox, PollFlags::IN)], None)?;
    match sandbox.answer()? {
        (Answer::Exit(status), _) => Ok(status),
        (other, _) => anyhow::bail!("the bare sandbox answered {other:?}"),
    }
}

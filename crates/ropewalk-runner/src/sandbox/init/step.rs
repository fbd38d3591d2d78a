//! Starting a step.

use super::super::{BUILD, BUILD_ID, Doing, HOME, Network, SandboxError, Spec, seccomp};
use super::privileges;
use rustix::fd::OwnedFd;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where scripts are put; a tmpfs.
const SCRIPTS: &str = "/run/step";

/// What is the same for all steps of a sandbox.
pub(super) struct Surroundings {
    filter: Vec<libc::sock_filter>,
    env: Vec<(String, String)>,
}

impl Surroundings {
    pub(super) fn new(spec: &Spec) -> Surroundings {
        let mut env = vec![("PATH".to_owned(), PATH.to_owned())];
        env.push(("LANG".to_owned(), "C.UTF-8".to_owned()));
        env.extend(spec.image.rootfs().env.iter().cloned());
        if let Network::Nat(outside) = &spec.network {
            env.extend(outside.environment());
        }
        Surroundings { filter: seccomp::filter(), env }
    }
}

/// Starts a step and gives its process id. `fds`: output, script, and standard input if any.
pub(super) fn start(
    name: &str,
    env: Vec<(String, String)>,
    root: bool,
    fds: Vec<OwnedFd>,
    surroundings: &Surroundings,
) -> Result<i32, SandboxError> {
    let mut fds = fds.into_iter();
    let (Some(output), Some(script)) = (fds.next(), fds.next()) else {
        return Err(SandboxError::Message("a step needs an output and a script".into()));
    };
    let input = fds.next().map_or_else(Stdio::null, Stdio::from);
    let mut command = place_script(name, script)?;
    let user = if root { "root" } else { BUILD };
    command.env_clear().envs(surroundings.env.iter().cloned());
    command.envs([("HOME", HOME), ("USER", user), ("LOGNAME", user)]);
    command.envs(env).current_dir(HOME);
    let errors = output.try_clone().doing("copy the output's descriptor")?;
    command.stdin(input).stdout(output).stderr(errors);
    let id = if root { 0 } else { BUILD_ID };
    let filter = surroundings.filter.clone();
    // SAFETY: system calls only.
    unsafe { command.pre_exec(move || privileges::become_step(id, &filter)) };
    let child = command.spawn().doing(format_args!("start step {name}"))?;
    Ok(child.id().cast_signed())
}

/// Writes the script and gives the command that runs it.
fn place_script(name: &str, script: OwnedFd) -> Result<Command, SandboxError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(allowed) {
        return Err(SandboxError::Message(format!("bad step name {name:?}")));
    }
    let mut text = vec![];
    File::from(script).read_to_end(&mut text).doing("read the script")?;
    // Root inside owns this folder: a planted link must not lead our write astray.
    let file = format!("{SCRIPTS}/{name}");
    let _ = std::fs::remove_file(&file);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o755);
    let mut target = options.open(&file).doing(format_args!("create {file}"))?;
    target.write_all(&text).doing(format_args!("write {file}"))?;
    if text.starts_with(b"#!") {
        return Ok(Command::new(file));
    }
    let mut shell = Command::new("/bin/sh");
    shell.args(["-e", &file]);
    Ok(shell)
}

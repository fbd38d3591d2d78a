//! What surrounds a build of Nix's: a network as the builds of other backends have it, an account for the builder, and
//! a view of the machine's files that says so.
//!
//! Nix keeps builds from the network unless their output is fixed by a hash. Those share the network of `nix-store`, and
//! their builders are any programs; so `nix-store` has none of the machine's own, nor its abstract sockets.

use super::account::{BuildAccount, GROUP};
use super::unable;
use crate::nix::{Tools, read_drv};
use crate::sandbox::network::{Keeper, Outside, isolate, proxies_of_host, resolv_conf};
use crate::sandbox::{Network, mountfd, range};
use crate::spool::Spool;
use crate::supervisor::stop::Stop;
use ropewalk_model::nix::Realise;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::getuid;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where programs ask for accounts and names before they read files, which leads out of any network.
const CACHE: &str = "/run/nscd";
/// Shown there: nobody answers.
const NOBODY: &str = "/sys/fs";
/// Says which server knows names.
const RESOLVER: &str = "/etc/resolv.conf";

/// The surroundings of one build. Dropping them ends its network.
pub(super) struct Surroundings {
    account: Option<BuildAccount>,
    keeper: Option<Keeper>,
    /// What is shown, and in the place of what.
    shown: Vec<(PathBuf, PathBuf)>,
    environment: Vec<(String, String)>,
}

impl Surroundings {
    /// Makes them, and moves the supervisor into the namespaces where they exist. The spool's layer must be there.
    pub(super) fn make(spool: &Spool, tools: &Tools, task: &Realise) -> Result<Surroundings, Stop> {
        let nothing = Surroundings { account: None, keeper: None, shown: vec![], environment: vec![] };
        if tools.is_of_daemon() {
            // Its builds are children of the daemon, in surroundings of its own.
            return Ok(nothing);
        }
        let network = spool.head.settings.network.clone().for_build(false);
        let outside = match &network {
            Network::Nat(outside) if needs_network(tools, task) => Some(outside),
            _ => None,
        };
        // Before this process is in a user namespace.
        let keeper =
            outside.map(|outside| Keeper::start(outside, &spool.layer())).transpose().map_err(unable)?;
        let account = BuildAccount::take(spool, tools)?;
        let mut around = Surroundings { account, keeper, ..nothing };
        around.shown = around.account.as_ref().map(BuildAccount::shown).unwrap_or_default();
        if network == Network::Host {
            around.environment = proxies_of_host();
        } else {
            around.isolate(spool, outside)?;
        }
        let is_asked = around.account.is_some() || network != Network::Host;
        if is_asked && Path::new(CACHE).is_dir() {
            around.shown.push((NOBODY.into(), CACHE.into()));
        }
        Ok(around)
    }

    fn isolate(&mut self, spool: &Spool, outside: Option<&Outside>) -> Result<(), Stop> {
        if self.account.is_none() && !getuid().is_root() {
            range::enter_alone().map_err(unable)?;
        }
        let (Some(keeper), Some(outside)) = (&self.keeper, outside) else { return isolate().map_err(unable) };
        keeper.connect(outside).map_err(unable)?;
        self.environment = outside.environment();
        // Often a link. Where there is none, names cannot be looked up outside either.
        if let Ok(original) = Path::new(RESOLVER).canonicalize() {
            let path = spool.path().join("resolv.conf");
            std::fs::write(&path, resolv_conf(outside))
                .map_err(|error| unable(format_args!("cannot write {}: {error}", path.display())))?;
            self.shown.push((path, original));
        }
        Ok(())
    }

    /// Puts a program of Nix's into them.
    pub(super) fn surround(&self, command: &mut Command) {
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.account.is_some() {
            command.args(["--option", "build-users-group", GROUP]);
        }
        if self.account.is_some() || !self.shown.is_empty() {
            let taken = self.account.as_ref().map(|account| account.taken().as_raw_fd());
            // SAFETY: this process has one thread, so its child may run ordinary code.
            unsafe { command.pre_exec(entering(self.shown.clone(), taken)) };
        }
    }

    /// A build that lost its network must not count as one that failed.
    pub(super) fn not_lost(&self) -> Result<(), Stop> {
        self.keeper.as_ref().and_then(Keeper::lost).map_or(Ok(()), |why| Err(unable(why)))
    }
}

/// What the program does before it becomes Nix: makes a mount namespace with what is shown in it. `taken` stays open.
fn entering(
    shown: Vec<(PathBuf, PathBuf)>,
    taken: Option<RawFd>,
) -> impl Fn() -> std::io::Result<()> + Send + Sync + 'static {
    move || {
        // SAFETY: no other thread exists, and no flag here unshares memory or descriptors.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        for (path, original) in &shown {
            mountfd::clone_tree(path)
                .and_then(|tree| mountfd::attach(&tree, original))
                .map_err(std::io::Error::other)?;
        }
        if let Some(taken) = taken {
            // SAFETY: the supervisor holds it open while it starts us.
            fcntl_setfd(unsafe { BorrowedFd::borrow_raw(taken) }.as_fd(), FdFlags::empty())?;
        }
        Ok(())
    }
}

/// Whether anything that Nix may build now shares its network: a derivation whose output is fixed, here or where an
/// output that the build needs is gone and has to be built again; and what a store of others may fetch instead.
fn needs_network(tools: &Tools, task: &Realise) -> bool {
    let Some(drv) = read_drv(tools, &task.drv_path).filter(|_| tools.is_own()) else { return true };
    let is_there = |input: &String, names: &[String]| {
        let outputs = read_drv(tools, input).map(|drv| drv.paths()).unwrap_or_default();
        names
            .iter()
            .all(|name| outputs.get(name).is_some_and(|path| Path::new(path).symlink_metadata().is_ok()))
    };
    drv.is_fixed || !drv.inputs.iter().all(|(input, names)| is_there(input, names))
}

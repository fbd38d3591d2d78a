//! What a sandbox is opened with.

use super::network::Outside;
use crate::image::Pinned;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that [`super::Sandbox::open`] needs to know.
#[derive(Debug)]
pub struct Spec {
    /// Name of the sandbox on the host: its control groups carry it, so whoever cleans up after a
    /// killed supervisor finds them. `[A-Za-z0-9._-]`, at most 64 bytes.
    pub name: String,
    /// The image whose root is the lower layer.
    pub image: Pinned,
    /// Folder for the overlay's upper and work folders; made if missing.
    pub layer: PathBuf,
    /// What of the network steps see.
    pub network: Network,
    /// Host name inside.
    pub hostname: String,
    /// Host paths that are visible inside, read-only.
    pub binds: Vec<Bind>,
    /// What the build may use.
    pub limits: Limits,
}

/// A read-only bind of a host path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// Path on the host.
    pub source: PathBuf,
    /// Absolute path inside; made if missing.
    pub target: PathBuf,
}

/// What of the network steps see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A network of their own that leads to the world, but not to the host or its neighbours
    /// unless they are opened. Opening a sandbox fails where it cannot be had.
    Nat(Outside),
    /// A loopback of their own and nothing else.
    #[default]
    None,
    /// The host's own network, loopback services included: for trusted builds only.
    Host,
}

impl Network {
    /// The same for one build: only one with a token for the server may reach it.
    #[must_use]
    pub fn for_build(self, has_token: bool) -> Network {
        match self {
            Network::Nat(outside) => Network::Nat(outside.for_build(has_token)),
            other => other,
        }
    }
}

/// What the processes of one sandbox may use together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory, tmpfs contents included.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Bytes that files take on disk; also the largest size of one file.
    pub disk: u64,
    /// Processors' worth of time; 0 for no limit. Only where control groups are ours.
    pub cpus: u32,
}

//! The sandbox: a build's namespaces, id range, init, system call filter, control groups, disk and
//! network. The single-threaded supervisor opens it; nothing here uses threads or an async runtime.
//!
//! Order of use: [`range::enter`], [`Sandbox::open`], then [`Sandbox::order`] and
//! [`Sandbox::answer`] for each step, [`Sandbox::kill`].

mod beside;
mod bpf;
mod cells;
pub mod cgroup;
mod error;
mod init;
mod message;
pub(crate) mod mountfd;
pub mod network;
mod open;
pub mod range;
pub mod seccomp;
mod spec;
mod subid;
mod watch;
#[cfg(feature = "weaken")]
pub mod weaken;
#[cfg(not(feature = "weaken"))]
pub(crate) mod weaken;

pub use error::SandboxError;
pub use message::{Answer, Order};
pub use open::Sandbox;
pub use spec::{Bind, Limits, Network, Spec};
pub use watch::{Breach, WATCH_INTERVAL};

pub(crate) use beside::Beside;
pub(crate) use cells::Cells;
pub(crate) use error::Doing;
pub(crate) use watch::pids_below;

/// What is added to the kernel's opinion of who ends first when there is no memory left, for all that builds.
pub(crate) const OOM_SCORE_ADJ: &str = "800";

/// The account that steps run as, by name. Its id is [`BUILD_ID`], its home [`HOME`].
pub const BUILD: &str = "build";
/// User and group id of the build account inside the sandbox.
pub const BUILD_ID: u32 = 1000;
/// Home and working directory of steps.
pub const HOME: &str = "/home/build";

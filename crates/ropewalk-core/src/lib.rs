//! Use cases over ports: what the farm does, without a socket, a file or a process.
//!
//! Doors call the use cases; the use cases call the [ports](port); the binary plugs implementations in.

pub mod access;
pub mod arch;
pub mod artifacts;
pub mod badges;
pub mod error;
pub mod farm;
pub mod finish;
pub mod groups;
pub mod identity;
pub mod jobs;
pub mod logs;
mod many;
pub mod nix;
pub mod port;
pub mod profiles;
pub mod queue;
pub mod submit;
pub mod turn;

//! Use cases over ports: what the farm does, without a socket, a file or a process.
//!
//! Doors call the use cases; the use cases call the [ports](port); the binary plugs implementations in.

pub mod finish;
pub mod port;
pub mod turn;

//! The core's storage ports on SQLite and PostgreSQL, and finished bytes on disk.
//!
//! [`db`] is the engine: one way to write and to read for both databases. On top of it [`SqlStore`] implements the
//! ports, one folder for each; its tables are made in [`migration`].

mod arch;
pub mod audit;
mod blobs;
mod change;
pub mod db;
mod deliveries;
mod files;
mod identity;
mod jobs;
mod logs;
pub mod migration;
mod nix;
mod queue;
mod sql_store;

pub use blobs::DiskBlobs;
pub use logs::{Chapter, Contents, DiskLogs, LogIndex};
pub use sql_store::SqlStore;

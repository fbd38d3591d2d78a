//! The words of the domain: pure types and rules, no I/O, no async, no clock.
//!
//! Every other crate may import this one; it imports none of them.

pub mod event;
pub mod fault;
pub mod grant;
pub mod ids;
pub mod job;
pub mod limits;
pub mod link;
pub mod log_times;
pub mod manifest;
pub mod nix;
pub mod plan;
pub mod secret;
pub mod status;
pub mod time;
pub mod work;

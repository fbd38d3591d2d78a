//! What tests of several crates share.

pub mod authority;
pub mod clock;
pub mod dummy;
pub mod postgres;
pub mod scenario;

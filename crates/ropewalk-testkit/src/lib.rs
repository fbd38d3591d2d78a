//! What tests of several crates share.

pub mod account;
pub mod authority;
pub mod clock;
pub mod dummy;
pub mod farm;
pub mod postgres;
pub mod scenario;

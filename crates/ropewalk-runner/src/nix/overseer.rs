//! What a task of Nix's has of its supervisor.

use super::cell::Cell;
use crate::supervisor::Stop;
use rustix::fd::BorrowedFd;
use std::fmt::Display;

/// The supervisor, as far as a task knows it.
pub(crate) trait Overseer {
    /// A line of the setup log.
    fn say(&mut self, message: &dyn Display) -> Result<(), Stop>;

    /// Sleeps until one of the descriptors can be read, or for a moment. The error is the attempt's end.
    fn sleep(&mut self, fds: &[BorrowedFd<'_>]) -> Result<(), Stop>;

    /// The same without sleeping, in the midst of work.
    fn glance(&mut self) -> Result<(), Stop>;

    /// Notes a cell, so that whoever cleans up after a killed supervisor can wait for its end.
    fn note(&mut self, cell: &Cell) -> Result<(), Stop>;
}

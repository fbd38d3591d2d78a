//! What a task of Nix's has of its supervisor.

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

    /// Takes in the first process of a cell before it begins: notes it, so that whoever cleans up after a killed
    /// supervisor can wait for its end, and limits it.
    fn take_in(&mut self, first: i32) -> Result<(), Stop>;
}

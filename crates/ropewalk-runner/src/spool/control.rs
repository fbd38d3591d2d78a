//! The control FIFO: one order a line. The only one is `end CAUSE`.

use super::{At, Spool, SpoolError};
use ropewalk_model::status::Cause;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

const NAME: &str = "control";
/// Bytes of orders that are read at once; longer ones are nonsense.
const MAX: usize = 256;

pub(super) fn make(spool: &Path) -> Result<(), SpoolError> {
    let path = spool.join(NAME);
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).at("create", &path)
}

/// The supervisor's end. Readable (see poll) when an order came.
#[derive(Debug)]
pub struct Control(File);

impl Control {
    /// The causes asked for since the last call; what is no order is ignored.
    pub fn read(&mut self) -> Vec<Cause> {
        let mut bytes = [0; MAX];
        let count = self.0.read(&mut bytes).unwrap_or(0);
        let text = str::from_utf8(bytes.get(..count).unwrap_or_default()).unwrap_or_default();
        text.lines().filter_map(|line| line.trim().strip_prefix("end ")?.parse().ok()).collect()
    }
}

impl rustix::fd::AsFd for Control {
    fn as_fd(&self) -> rustix::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Spool {
    /// Opens the supervisor's end.
    ///
    /// # Errors
    /// When the FIFO cannot be opened.
    pub fn control(&self) -> Result<Control, SpoolError> {
        let path = self.path().join(NAME);
        // For writing too, so that there is no end of file when a writer goes away.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(Control(File::from(open(&path, flags, Mode::empty()).at("open", &path)?)))
    }

    /// Asks the supervisor to end the build. False when none listens: not yet, or no more.
    ///
    /// # Errors
    /// When the FIFO is missing or broken.
    pub fn ask_to_end(&self, cause: Cause) -> Result<bool, SpoolError> {
        let path = self.path().join(NAME);
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match open(&path, flags, Mode::empty()) {
            Ok(fifo) => {
                File::from(fifo).write_all(format!("end {cause}\n").as_bytes()).at("write", &path)?;
                Ok(true)
            }
            Err(Errno::NXIO) => Ok(false),
            Err(error) => Err(error).at("open", &path),
        }
    }
}

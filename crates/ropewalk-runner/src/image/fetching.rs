//! Fetching an image by a process of its own, for those who have one thread and other things to watch.

use super::progress::Progress;
use super::{Catalog, Entry, ImageError, Origins, Source};
use crate::inside;
use crate::sandbox::range;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;
use std::process::Child;

/// Bytes that are taken at once.
const PIECE: usize = 4 << 10;
/// Longest line in bytes; longer ones are cut.
const MAX_LINE: usize = 4 << 10;
/// Lines that an error shows.
const LAST_WORDS: usize = 5;

/// What to fetch.
#[derive(Serialize, Deserialize)]
pub(crate) struct FetchOrder {
    data: PathBuf,
    name: String,
    source: Source,
    origins: Origins,
    /// Process that wants it: without it nobody does.
    parent: i32,
}

impl FetchOrder {
    /// Fetches, in this process.
    pub(crate) fn carry_out(self) -> Result<Entry, String> {
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| e.to_string())?;
        if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(self.parent) {
            return Err("whoever wanted it is gone".into());
        }
        let mut tell = |line: &str| drop(writeln!(std::io::stderr(), "{line}"));
        let range = range::find().map_err(|e| e.to_string())?;
        Catalog::new(&self.data, range)
            .with_limits(self.origins.limits)
            .fetch(&self.name, &self.source, &self.origins, &mut Progress::new(&mut tell))
            .map_err(|e| e.to_string())
    }
}

/// An image on its way. Dropping it ends the fetching.
#[derive(Debug)]
pub struct Fetching {
    child: Option<Child>,
    rest: Vec<u8>,
    said: Vec<String>,
}

/// What a look at it showed.
#[derive(Debug)]
pub enum FetchNews {
    /// Lines about how far it is.
    Lines(Vec<String>),
    /// It is there.
    Done(Box<Entry>),
}

impl Fetching {
    /// Begins to fetch an image into the catalogue below `data`.
    ///
    /// # Errors
    /// When no process can be started.
    pub fn start(
        data: PathBuf,
        name: &str,
        source: Source,
        origins: Origins,
    ) -> Result<Fetching, ImageError> {
        let parent = rustix::process::getpid().as_raw_nonzero().get();
        let order = FetchOrder { data, name: name.to_owned(), source, origins, parent };
        let child = inside::start(&inside::Task::<(), _>::Fetch(order)).map_err(ImageError::Unpack)?;
        if let Some(lines) = &child.stderr {
            rustix::io::ioctl_fionbio(lines, true)
                .map_err(|e| ImageError::Unpack(format!("listen to the fetching process: {e}")))?;
        }
        Ok(Fetching { child: Some(child), rest: vec![], said: vec![] })
    }

    /// What is new. To be asked when the descriptor is readable; does not wait before the end.
    ///
    /// # Errors
    /// When the image could not be fetched.
    pub fn look(&mut self) -> Result<FetchNews, ImageError> {
        let mut piece = [0; PIECE];
        let ended = || ImageError::Unpack("the fetching process is gone".into());
        let lines = self.child.as_ref().and_then(|child| child.stderr.as_ref()).ok_or_else(ended)?;
        match rustix::io::read(lines, &mut piece) {
            Ok(0) => self.end(),
            Ok(count) => Ok(FetchNews::Lines(self.take(piece.get(..count).unwrap_or_default()))),
            Err(Errno::AGAIN | Errno::INTR) => Ok(FetchNews::Lines(vec![])),
            Err(e) => Err(ImageError::Unpack(format!("listen to the fetching process: {e}"))),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let mut lines = vec![];
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            lines.push(inside::printable(&line));
        }
        self.rest.truncate(MAX_LINE);
        self.said.extend(lines.iter().cloned());
        let superfluous = self.said.len().saturating_sub(LAST_WORDS);
        self.said.drain(..superfluous);
        lines
    }

    fn end(&mut self) -> Result<FetchNews, ImageError> {
        let child = self.child.take().ok_or_else(|| ImageError::Unpack("fetched already".into()))?;
        match inside::answer::<Result<Entry, String>>(child, &self.said).map_err(ImageError::Unpack)? {
            Ok(entry) => Ok(FetchNews::Done(Box::new(entry))),
            Err(why) => Err(ImageError::Fetch(why)),
        }
    }
}

impl AsFd for Fetching {
    /// Readable when [`Fetching::look`] has something; standard input where there is nothing to wait for.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self.child.as_ref().and_then(|child| child.stderr.as_ref()) {
            Some(lines) => lines.as_fd(),
            None => rustix::stdio::stdin(),
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

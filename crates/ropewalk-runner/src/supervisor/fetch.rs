//! Fetching the image on its first use: by a process of its own, so that a cancellation or the deadline ends it at once.

use super::attempt::Attempt;
use super::stop::Stop;
use crate::backend::{self, BackendError};
use crate::image::FetchNews;
use rustix::fd::AsFd;

impl Attempt<'_> {
    /// Fetches the plan's image if it is not here and has a source. How far it is goes to the setup log.
    pub(super) fn fetch_image(&mut self) -> Result<(), Stop> {
        let Some((source, mut fetching)) = backend::fetch(self.spool, &self.plan)? else { return Ok(()) };
        let image = self.plan.image.clone();
        self.say(format_args!("The image {image} is not here yet: fetching {source}"))?;
        loop {
            self.watch.sleep_beside(&[fetching.as_fd()])?;
            match fetching.look().map_err(BackendError::from)? {
                FetchNews::Lines(lines) => lines.iter().try_for_each(|line| self.say(line))?,
                FetchNews::Done(_) => return Ok(()),
            }
        }
    }
}

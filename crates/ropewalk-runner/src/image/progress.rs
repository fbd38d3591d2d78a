//! Telling how far fetching is.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How often a growing number is told.
const EVERY: Duration = Duration::from_secs(2);

/// Takes lines for whoever waits.
pub struct Progress<'a> {
    tell: Option<&'a mut dyn FnMut(&str)>,
    told: Instant,
}

impl std::fmt::Debug for Progress<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Progress")
    }
}

impl<'a> Progress<'a> {
    /// Hands each line, without its end, to `tell`.
    pub fn new(tell: &'a mut dyn FnMut(&str)) -> Progress<'a> {
        Progress { tell: Some(tell), told: Instant::now() }
    }

    /// For nobody.
    #[must_use]
    pub fn silent() -> Progress<'a> {
        Progress { tell: None, told: Instant::now() }
    }

    pub(super) fn say(&mut self, line: impl Display) {
        self.told = Instant::now();
        if let Some(tell) = &mut self.tell {
            tell(&line.to_string());
        }
    }

    /// So many bytes of so many; told at the end, and now and then before.
    pub(super) fn bytes(&mut self, title: &str, have: u64, all: u64) {
        if have == all || self.told.elapsed() >= EVERY {
            let (have, all) = (megabytes(have), megabytes(all));
            self.say(format_args!("{title}: {have} of {all}"));
        }
    }
}

/// Bytes in MiB, for people.
pub(super) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_number_is_told_at_its_end() {
        let mut lines = vec![];
        let mut tell = |line: &str| lines.push(line.to_owned());
        let mut progress = Progress::new(&mut tell);
        for have in 0..=10 {
            progress.bytes("layer 1 of 1", have << 20, 10 << 20);
        }
        assert_eq!(lines, ["layer 1 of 1: 10.0 MiB of 10.0 MiB"]);
        assert_eq!(megabytes(1_572_864), "1.5 MiB");
    }
}

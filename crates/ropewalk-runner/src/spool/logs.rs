//! Names of log files, and lines of our own in them.

use super::{At, Spool, SpoolError, Times};
use ropewalk_model::fault::{Point, visit};
use ropewalk_model::link::LogName;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

/// Characters of the time in a mark, with the space before it.
const TIME: usize = 20;

/// File name of a log below `logs/`.
#[must_use]
pub fn log_file(log: LogName) -> String {
    match log {
        LogName::Setup => "setup.log".into(),
        LogName::Step(position) => format!("step-{position}.log"),
    }
}

/// File name, below `logs/`, of the times of a log.
#[must_use]
pub fn times_file(log: LogName) -> String {
    match log {
        LogName::Setup => "setup.times".into(),
        LogName::Step(position) => format!("step-{position}.times"),
    }
}

fn log_name(file: &str) -> Option<LogName> {
    match file.strip_suffix(".log")? {
        "setup" => Some(LogName::Setup),
        step => Some(LogName::Step(step.strip_prefix("step-")?.parse().ok()?)),
    }
}

impl Spool {
    /// The logs that there are, in order.
    #[must_use]
    pub fn log_names(&self) -> Vec<LogName> {
        let entries = std::fs::read_dir(self.logs()).into_iter().flatten().flatten();
        let mut names: Vec<LogName> =
            entries.filter_map(|entry| log_name(entry.file_name().to_str()?)).collect();
        names.sort();
        names
    }

    /// A line of the setup log, as builds.sr.ht writes it, without its line feed.
    #[must_use]
    pub fn mark(&self, message: impl std::fmt::Display) -> String {
        let job = self.head.job.map_or_else(|| "run".to_owned(), |job| job.to_string());
        let now = jiff::Zoned::now();
        format!("[#{job}] {} {message}", now.strftime("%Y/%m/%d %H:%M:%S")).replace(['\n', '\r'], " ")
    }

    /// Appends such a line, from its first column, unless it is the last one already: whoever appended it may have
    /// been killed since. Only for whoever holds the lock.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append_mark(&self, message: impl std::fmt::Display) -> Result<(), SpoolError> {
        let path = self.logs().join(log_file(LogName::Setup));
        let options = File::options().create(true).read(true).append(true).clone();
        let mut file = options.open(&path).at("open", &path)?;
        let mark = format!("{}\n", self.mark(message));
        if is_last(&file, &mark).at("read", &path)? {
            return Ok(());
        }
        let (length, mut last) = (file.metadata().at("look at", &path)?.len(), [b'\n']);
        if let Some(before) = length.checked_sub(1) {
            file.read_exact_at(&mut last, before).at("read", &path)?;
        }
        let gap = if last == [b'\n'] { "" } else { "\n" };
        Times::open(&self.logs(), LogName::Setup)?.note(length)?;
        visit(Point::AgentBeforeWrite);
        file.write_all(format!("{gap}{mark}").as_bytes()).at("append to", &path)?;
        visit(Point::AgentAfterWrite);
        Ok(())
    }
}

/// Whether a file ends with a mark, made at whatever time.
fn is_last(file: &File, mark: &str) -> std::io::Result<bool> {
    let Some(at) = file.metadata()?.len().checked_sub(mark.len() as u64) else { return Ok(false) };
    let mut last = vec![0; mark.len()];
    file.read_exact_at(&mut last, at)?;
    let timeless = |line: &[u8]| {
        let (job, rest) = line.split_at(line.iter().position(|byte| *byte == b' ').unwrap_or(line.len()));
        (job.to_vec(), rest.get(TIME..).map(<[u8]>::to_vec))
    };
    Ok(timeless(&last) == timeless(mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for name in [LogName::Setup, LogName::Step(0), LogName::Step(12)] {
            assert_eq!(log_name(&log_file(name)), Some(name));
        }
        assert_eq!(log_name("step-x.log"), None);
        assert_eq!(log_name("sent.json"), None);
        assert_eq!(log_name(&times_file(LogName::Setup)), None);
    }
}

//! Names of log files.

use super::Spool;
use ropewalk_model::link::LogName;

/// File name of a log below `logs/`.
#[must_use]
pub fn log_file(log: LogName) -> String {
    match log {
        LogName::Setup => "setup.log".into(),
        LogName::Step(position) => format!("step-{position}.log"),
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
    }
}

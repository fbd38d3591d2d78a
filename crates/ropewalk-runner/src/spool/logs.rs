//! Names of log files.

use ropewalk_model::link::LogName;

/// File name of a log below `logs/`.
#[must_use]
pub fn log_file(log: LogName) -> String {
    match log {
        LogName::Setup => "setup.log".into(),
        LogName::Step(position) => format!("step-{position}.log"),
    }
}

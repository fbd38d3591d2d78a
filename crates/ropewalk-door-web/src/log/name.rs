//! How pages call the logs of a job, in addresses and as anchors. builds.sr.ht's forms, so that old links hold.

use ropewalk_model::job::Step;
use ropewalk_model::link::LogName;
use std::ops::RangeInclusive;

/// A log as a page names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Which.
    pub(crate) log: LogName,
    /// `setup` or the step's name, for people.
    pub(crate) title: String,
    /// `setup` or `task-NAME`: no step's name has a dot or is written so that two labels are the same.
    pub(crate) anchor: String,
}

impl Label {
    pub(crate) fn setup() -> Label {
        Label { log: LogName::Setup, title: "setup".into(), anchor: "setup".into() }
    }

    /// None for a position that no log can have.
    pub(crate) fn of(step: &Step) -> Option<Label> {
        let log = LogName::Step(u32::try_from(step.position).ok()?);
        Some(Label { log, title: step.name.clone(), anchor: format!("task-{}", step.name) })
    }

    /// `setup`, or the position of the step, as `/api/n1` names it.
    pub(crate) fn number(&self) -> String {
        match self.log {
            LogName::Setup => "setup".into(),
            LogName::Step(position) => position.to_string(),
        }
    }
}

/// Lines that an address points at: `task-test-120` or `task-test-120:134`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pointed {
    pub(crate) anchor: String,
    pub(crate) lines: RangeInclusive<u64>,
}

impl Pointed {
    pub(crate) fn read(text: &str) -> Option<Pointed> {
        let (anchor, lines) = text.rsplit_once('-')?;
        let (first, last) = lines.split_once(':').unwrap_or((lines, lines));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        (first.min(last) > 0)
            .then(|| Pointed { anchor: anchor.into(), lines: first.min(last)..=first.max(last) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_pointed_at_singly_and_in_ranges() {
        let of = |text| Pointed::read(text).map(|p| (p.anchor, *p.lines.start(), *p.lines.end()));
        assert_eq!(of("task-a-1-12"), Some(("task-a-1".into(), 12, 12)));
        assert_eq!(of("setup-12:15"), Some(("setup".into(), 12, 15)));
        assert_eq!(of("setup-15:12"), Some(("setup".into(), 12, 15)));
        for bad in [
            "",
            "setup",
            "setup-",
            "setup-0",
            "setup-x",
            "setup-1:",
            "setup-1:x",
            "setup-99999999999999999999",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}

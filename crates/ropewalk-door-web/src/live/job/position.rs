//! Where a reader of a whole job is: the id of its events.

use ropewalk_model::link::LogName;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Written as `EVENT.SETUP.STEP:OFFSET.STEP:OFFSET…`; steps of which nothing was read are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the last event that was told.
    pub(super) event: i64,
    setup: u64,
    steps: BTreeMap<u32, u64>,
}

impl Position {
    /// Bytes of a log that were read.
    pub(crate) fn of(&self, log: LogName) -> u64 {
        match log {
            LogName::Setup => self.setup,
            LogName::Step(position) => self.steps.get(&position).copied().unwrap_or(0),
        }
    }

    /// Goes to a place of a log.
    pub(crate) fn set(&mut self, log: LogName, to: u64) {
        match log {
            LogName::Setup => self.setup = to,
            LogName::Step(position) => drop(self.steps.insert(position, to)),
        }
    }

    pub(super) fn advance(&mut self, log: LogName, by: u64) {
        let at = match log {
            LogName::Setup => &mut self.setup,
            LogName::Step(position) => self.steps.entry(position).or_default(),
        };
        *at = at.saturating_add(by);
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.event, self.setup)?;
        self.steps.iter().try_for_each(|(step, at)| write!(f, ".{step}:{at}"))
    }
}

impl FromStr for Position {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok()).ok_or(());
        let event = i64::try_from(number()?).map_err(drop)?;
        let setup = number()?;
        let mut steps = BTreeMap::new();
        for part in parts {
            let (step, at) = part.split_once(':').ok_or(())?;
            steps.insert(step.parse().map_err(drop)?, at.parse().map_err(drop)?);
        }
        Ok(Position { event, setup, steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_read_as_it_is_written() {
        let mut position = Position { event: 3, ..Position::default() };
        position.advance(LogName::Setup, 7);
        position.advance(LogName::Step(2), 5);
        position.advance(LogName::Step(2), 5);
        assert_eq!(position.to_string(), "3.7.2:10");
        assert_eq!("3.7.2:10".parse(), Ok(position));
        assert_eq!("0.0".parse(), Ok(Position::default()));
    }

    proptest! {
        #[test]
        fn other_texts_are_refused_and_never_panic(text in "[0-9.:a-]{0,40}") {
            if let Ok(position) = text.parse::<Position>() {
                prop_assert_eq!(position.to_string().parse(), Ok(position));
            }
        }
    }
}

//! When the lines of a window came.

use super::window::Window;
use ropewalk_core::error::Error;
use ropewalk_core::farm::Farm;
use ropewalk_core::logs::OpenLog;
use ropewalk_core::port::LogTime;
use ropewalk_model::time::Time;

/// Times of bytes of one log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Vec<LogTime>);

impl Clock {
    /// For the bytes from an offset up to another one.
    pub(crate) async fn read(farm: &Farm, open: OpenLog, from: u64, to: u64) -> Result<Clock, Error> {
        Ok(Clock(farm.log_times(open, from, to).await?))
    }

    /// For the lines of a window.
    pub(crate) async fn of(farm: &Farm, open: OpenLog, window: &Window) -> Result<Clock, Error> {
        match window.lines.first() {
            Some(first) => Clock::read(farm, open, first.offset, window.end).await,
            None => Ok(Clock::default()),
        }
    }

    /// When the byte at an offset came; none where nobody noted it.
    pub(crate) fn at(&self, offset: u64) -> Option<Time> {
        let next = self.0.partition_point(|time| time.offset <= offset);
        self.0.get(next.checked_sub(1)?)?.at
    }

    /// Whether any line has a time.
    pub(crate) fn has_times(&self) -> bool {
        self.0.iter().any(|time| time.at.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_has_the_time_of_the_last_note_before_it() {
        let time = |offset, at: Option<i64>| LogTime { offset, at: at.map(Time) };
        let clock = Clock(vec![time(5, None), time(5, Some(1)), time(9, Some(2)), time(20, None)]);
        let at = |offset| clock.at(offset).map(|at| at.0);
        assert_eq!([4, 5, 8, 9, 19, 20, 99].map(at), [None, Some(1), Some(1), Some(2), Some(2), None, None]);
        assert!(clock.has_times() && !Clock(vec![time(0, None)]).has_times());
    }
}

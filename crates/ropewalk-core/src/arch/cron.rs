//! Schedules as Vieter writes them: `MINUTE HOUR [DAY [MONTH]]`, in UTC.
//!
//! A section is a list of `*`, `a`, `a-b`, each optionally `/n`; all sections must match. There are no weekdays and no
//! names. 29 February is a day of leap years, as in the calendar.

use ropewalk_model::time::Time;

const MINUTE: i64 = 60_000_000;
const MINUTES_OF_DAY: i64 = 24 * 60;
/// The calendar repeats itself after 400 years; the longest wait for a day is from one 29 February to the next but one.
const DAYS_AHEAD: i64 = 9 * 366;
/// Bytes of a schedule.
pub const LENGTH_MAX: usize = 256;

/// Why a text is no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// A part has a form that there is not.
    #[error("Invalid expression")]
    Expression,
    /// Something that should be a number is none.
    #[error("Invalid number")]
    Number,
    /// A number that its section does not have, or a range that runs backwards.
    #[error("Out of range")]
    Range,
    /// More than four sections.
    #[error("Too many parts")]
    TooMany,
    /// Less than minute and hour.
    #[error("Not enough parts")]
    NotEnough,
    /// A day that no month has.
    #[error("This day never comes")]
    Never,
}

/// When something is done: bit `n` of a field is its number `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
}

impl Default for Cron {
    /// `0 3`: every night at three.
    fn default() -> Self {
        Cron { minutes: 1, hours: 1 << 3, days: u64::MAX, months: u64::MAX }
    }
}

impl Cron {
    /// Reads a schedule. A section that is left out is `*`.
    pub fn parse(text: &str) -> Result<Cron, CronError> {
        if text.len() > LENGTH_MAX {
            return Err(CronError::Expression);
        }
        let mut sections = text.split([' ', '\t']).filter(|section| !section.is_empty());
        let (minutes, hours) = (sections.next(), sections.next());
        let (days, months) = (sections.next(), sections.next());
        let (Some(minutes), Some(hours)) = (minutes, hours) else { return Err(CronError::NotEnough) };
        if sections.next().is_some() {
            return Err(CronError::TooMany);
        }
        let cron = Cron {
            minutes: section(minutes, 0, 59)?,
            hours: section(hours, 0, 23)?,
            days: section(days.unwrap_or("*"), 1, 31)?,
            months: section(months.unwrap_or("*"), 1, 12)?,
        };
        if cron.ever_comes() { Ok(cron) } else { Err(CronError::Never) }
    }

    /// The first match in a minute after the one of `after`.
    pub fn next(&self, after: Time) -> Time {
        let first = after.0.div_euclid(MINUTE).saturating_add(1);
        let (today, minute) = (first.div_euclid(MINUTES_OF_DAY), first.rem_euclid(MINUTES_OF_DAY));
        let mut from = minute;
        for day in today..today.saturating_add(DAYS_AHEAD) {
            if self.has_day(day)
                && let Some(minute) = self.first_minute(from)
            {
                return Time((day * MINUTES_OF_DAY + minute).saturating_mul(MINUTE));
            }
            from = 0;
        }
        // Times that no calendar of ours reaches.
        Time(i64::MAX)
    }

    fn first_minute(&self, from: i64) -> Option<i64> {
        (from..MINUTES_OF_DAY).find(|at| has(self.hours, at / 60) && has(self.minutes, at % 60))
    }

    /// `day` counts from 1970-01-01.
    fn has_day(&self, day: i64) -> bool {
        let (month, day) = month_and_day(day);
        has(self.months, month) && has(self.days, day)
    }

    fn ever_comes(&self) -> bool {
        (1..=12).any(|month| has(self.months, month) && (1..=longest(month)).any(|day| has(self.days, day)))
    }
}

fn has(set: u64, number: i64) -> bool {
    u32::try_from(number).is_ok_and(|number| set.checked_shr(number).is_some_and(|set| set & 1 == 1))
}

fn longest(month: i64) -> i64 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Month and day of a day since 1970-01-01 in the Gregorian calendar: the year is taken to begin in March, so that the
/// leap day comes last.
fn month_and_day(day: i64) -> (i64, i64) {
    let day = day + 719_468;
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    (if month < 10 { month + 3 } else { month - 9 }, of_year - (153 * month + 2) / 5 + 1)
}

fn section(text: &str, min: u32, max: u32) -> Result<u64, CronError> {
    text.split(',').try_fold(0, |set, text| Ok(set | part(text, min, max)?))
}

/// `*`, `a`, `a-b`, each with `/n`.
fn part(text: &str, min: u32, max: u32) -> Result<u64, CronError> {
    let (range, step) = match text.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (text, None),
    };
    let (from, to) = match range.split_once('-') {
        Some((from, to)) => (bound(from, min, max)?, bound(to, min, max)?),
        None if range == "*" => (min, max),
        None => {
            let from = bound(range, min, max)?;
            (from, if step.is_some() { max } else { from })
        }
    };
    if from > to {
        return Err(CronError::Range);
    }
    let step = match step {
        None => 1,
        Some(text) => number(text)?,
    };
    if step == 0 || step > max - min && text.contains('/') {
        return Err(CronError::Range);
    }
    let step = usize::try_from(step).map_err(|_| CronError::Range)?;
    Ok((from..=to).step_by(step).fold(0, |set, number| set | 1 << number))
}

fn bound(text: &str, min: u32, max: u32) -> Result<u32, CronError> {
    let number = number(text)?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(CronError::Range) }
}

/// Digits only: `+1` is a number to Rust, not here.
fn number(text: &str) -> Result<u32, CronError> {
    if text.is_empty() {
        return Err(CronError::Expression);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CronError::Number);
    }
    text.parse().map_err(|_| CronError::Range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Time {
        let (date, clock) = text.split_once(' ').unwrap();
        let mut date = date.split('-').map(|part| part.parse::<i64>().unwrap());
        let (year, month, day) = (date.next().unwrap(), date.next().unwrap(), date.next().unwrap());
        let day = (0..).find(|n| year_of(*n) == year && month_and_day(*n) == (month, day)).unwrap();
        let (hour, minute) = clock.split_once(':').unwrap();
        let minute = hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap();
        Time((day * MINUTES_OF_DAY + minute) * MINUTE)
    }

    /// Counted year by year, unlike the code under test.
    fn year_of(day: i64) -> i64 {
        let (mut year, mut left) = (1970, day);
        loop {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let days = if leap { 366 } else { 365 };
            if left < days {
                return year;
            }
            (year, left) = (year + 1, left - days);
        }
    }

    fn next(cron: &str, after: &str) -> Time {
        Cron::parse(cron).unwrap().next(at(after))
    }

    #[test]
    fn every_form_of_the_table_is_read() {
        for text in [
            "0 3",
            "0 1 2 3 ",
            " 5  5 ",
            "5 5 *",
            "5 5 * *",
            "* *",
            "*/15 *",
            "3/7 0-23/2",
            "0 3-7/4,7-19",
            "0 0 */7",
            "0 0 29 2",
            "59 23 31 12",
            "0,0,0 1",
            "0 0 31 1,2",
            "07 3",
        ] {
            assert!(Cron::parse(text).is_ok(), "{text:?}: {:?}", Cron::parse(text));
        }
        assert_eq!(Cron::parse("5 5"), Cron::parse("5 5 * *"));
    }

    #[test]
    fn what_the_project_refuses_is_refused() {
        use CronError::*;
        for (text, why) in [
            ("4 *-7", Number),
            ("4 *-7/4", Number),
            ("4 7/*", Number),
            ("0 0 30 2", Never),
            ("0 0 31 2,4,6", Never),
            ("0 /5", Expression),
            ("0", NotEnough),
            ("0   ", NotEnough),
            ("   0", NotEnough),
            ("", NotEnough),
            ("  ", NotEnough),
            ("1 2 3 4~9", Number),
            ("1 1-3-5", Number),
            ("0 5/2-5", Number),
            ("1 1/2/3", Number),
            ("*5 8", Number),
            ("x 8", Number),
            ("1 2 3 4 5", TooMany),
            ("*/0 1", Range),
            ("0 */24", Range),
            ("*/60 1", Range),
            ("0 7-3", Range),
            ("60 1", Range),
            ("0 24", Range),
            ("0 0 0", Range),
            ("0 0 32", Range),
            ("0 0 1 0", Range),
            ("0 0 1 13", Range),
            ("1, 2", Expression),
            ("+1 2", Number),
            ("-1 2", Expression),
            ("99999999999 2", Range),
            ("@daily", NotEnough),
            ("0 0 1 jan", Number),
        ] {
            assert_eq!(Cron::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn by_default_it_is_three_at_night() {
        let noon = at("2002-01-01 12:00");
        assert_eq!(Cron::default().next(noon), Cron::parse("0 3").unwrap().next(noon));
    }

    #[test]
    fn the_next_match_is_strictly_later() {
        for (cron, after, then) in [
            ("0 3", "2002-01-01 04:00", "2002-01-02 03:00"),
            ("0 3", "2002-01-01 03:00", "2002-01-02 03:00"),
            ("0 3", "2002-01-01 02:59", "2002-01-01 03:00"),
            ("0 3", "2002-12-31 04:00", "2003-01-01 03:00"),
            ("0 3-7/4,7-19", "2002-01-01 04:00", "2002-01-01 07:00"),
            ("0 0 */7", "2002-01-01 00:00", "2002-01-08 00:00"),
            ("0 0 */7", "2002-01-22 00:00", "2002-01-29 00:00"),
            ("0 0 */7", "2002-01-29 00:00", "2002-02-01 00:00"),
            ("0 0 29 2", "2001-01-01 00:00", "2004-02-29 00:00"),
            ("0 0 31", "2002-01-31 00:00", "2002-03-31 00:00"),
            ("* *", "2002-01-01 04:00", "2002-01-01 04:01"),
            ("30 3/7", "2002-01-01 04:00", "2002-01-01 10:30"),
        ] {
            assert_eq!(next(cron, after), at(then), "{cron} after {after}");
        }
        // Seconds within a minute do not matter.
        assert_eq!(Cron::parse("* *").unwrap().next(Time(59_999_999)), Time(MINUTE));
    }

    #[test]
    fn a_leap_day_comes_after_a_century_without_one() {
        let centuries = Time((at("2000-02-29 00:00").0 / MINUTE + MINUTES_OF_DAY * 36_524) * MINUTE);
        let next = Cron::parse("0 0 29 2").unwrap().next(centuries);
        assert_eq!(month_and_day(next.0 / MINUTE / MINUTES_OF_DAY), (2, 29));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~]{0,40}") {
            let _ = Cron::parse(&text);
        }

        #[test]
        fn what_is_read_has_a_next_match_that_matches(
            text in "[0-9*/,-]{1,6} [0-9*/,-]{1,6} [0-9*/,-]{1,4} [0-9*/,-]{1,3}",
            after in 0_i64..4_000_000_000,
        ) {
            if let Ok(cron) = Cron::parse(&text) {
                let after = Time(after * 1_000_000);
                let next = cron.next(after);
                prop_assert!(next > after && next.0 % MINUTE == 0 && next < Time(i64::MAX));
                let minutes = next.0 / MINUTE;
                prop_assert!(cron.has_day(minutes / MINUTES_OF_DAY));
                prop_assert_eq!(cron.first_minute(minutes % MINUTES_OF_DAY), Some(minutes % MINUTES_OF_DAY));
            }
        }

        #[test]
        fn nothing_between_now_and_the_next_match_matches(
            minute in 0_u32..60, hour in 0_u32..24, step in 1_u32..23, after in 0_i64..40_000_000,
        ) {
            let cron = Cron::parse(&format!("{minute} {hour}/{step}")).unwrap();
            let next = cron.next(Time(after * MINUTE)).0 / MINUTE;
            let hours = |at: i64| { let hour_of = (at / 60 % 24) as u32; hour_of >= hour && (hour_of - hour).is_multiple_of(step) };
            for at in after + 1..next {
                prop_assert!(at % 60 != i64::from(minute) || !hours(at));
            }
            prop_assert!(next % 60 == i64::from(minute) && hours(next));
        }
    }
}

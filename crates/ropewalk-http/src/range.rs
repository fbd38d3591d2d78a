//! Byte ranges, RFC 9110 section 14.

use http::HeaderMap;
use http::header::{IF_RANGE, RANGE};

/// What part of a thing of known size is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range, or one that a server may ignore.
    Whole,
    /// The bytes `from..to`; not empty.
    Part {
        /// First byte.
        from: u64,
        /// One past the last byte.
        to: u64,
    },
    /// Bytes that are not there.
    Unsatisfiable,
}

/// Reads the request's range for a thing of `size` bytes. Several ranges, other units and broken ones are ignored, as
/// the RFC allows; so is a range under a condition, because nothing here has a validator that holds for a part.
pub fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let mut values = headers.get_all(RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Wanted::Whole };
    if headers.contains_key(IF_RANGE) {
        return Wanted::Whole;
    }
    value.to_str().ok().and_then(parse).map_or(Wanted::Whole, |range| range.resolve(size))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Between { first: u64, last: Option<u64> },
    Last(u64),
}

fn parse(text: &str) -> Option<Range> {
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    match (first.trim_end(), last.trim_start()) {
        ("", last) => Some(Range::Last(number(last)?)),
        (first, "") => Some(Range::Between { first: number(first)?, last: None }),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Range::Between { first, last: Some(last) })
        }
    }
}

/// Digits only: `+1` is a number to Rust, not to the RFC. Numbers past 64 bits lie past every end.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

impl Range {
    fn resolve(self, size: u64) -> Wanted {
        let (from, to) = match self {
            Range::Between { first, last } => {
                (first, last.map_or(size, |last| last.saturating_add(1)).min(size))
            }
            Range::Last(0) => return Wanted::Unsatisfiable,
            Range::Last(length) => (size.saturating_sub(length), size),
        };
        if from < to { Wanted::Part { from, to } } else { Wanted::Unsatisfiable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(range: &str, size: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_str(range).unwrap());
        wanted(&headers, size)
    }

    #[test]
    fn reads_the_forms_of_the_rfc() {
        assert_eq!(of("bytes=0-", 10), Wanted::Part { from: 0, to: 10 });
        assert_eq!(of("bytes=2-4", 10), Wanted::Part { from: 2, to: 5 });
        assert_eq!(of("Bytes = 2-99", 10), Wanted::Part { from: 2, to: 10 });
        assert_eq!(of("bytes=-3", 10), Wanted::Part { from: 7, to: 10 });
        assert_eq!(of("bytes=-99", 10), Wanted::Part { from: 0, to: 10 });
    }

    #[test]
    fn says_when_nothing_is_there() {
        for (range, size) in [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)] {
            assert_eq!(of(range, size), Wanted::Unsatisfiable, "{range} of {size}");
        }
        assert_eq!(of("bytes=99999999999999999999999-", 10), Wanted::Unsatisfiable);
    }

    #[test]
    fn ignores_what_it_may() {
        for range in [
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=+1-2",
            "bytes=0-0,2-3",
            "lines=0-1",
            "=0-1",
            "bytes=0x1-2",
            "bytes=1--2",
            "bytes=--1",
        ] {
            assert_eq!(of(range, 10), Wanted::Whole, "{range}");
        }
    }

    #[test]
    fn a_range_under_a_condition_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-1"));
        headers.insert(IF_RANGE, HeaderValue::from_static("\"x\""));
        assert_eq!(wanted(&headers, 10), Wanted::Whole);
    }

    proptest! {
        #[test]
        fn a_part_always_lies_within(range in "bytes=[0-9]{0,21}-[0-9]{0,21}", size in any::<u64>()) {
            if let Wanted::Part { from, to } = of(&range, size) {
                prop_assert!(from < to && to <= size);
            }
        }

        #[test]
        fn no_text_is_too_much(range in "[ -~]{0,60}", size in any::<u64>()) {
            of(&range, size);
        }
    }
}

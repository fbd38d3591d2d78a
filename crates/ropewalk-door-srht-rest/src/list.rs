//! Lists: the newest first, fifty at a time.

use serde::Serialize;

/// Items of one part.
pub(crate) const PER_PAGE: u32 = 50;

/// Part of a list.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Part<T> {
    /// Number of the first item of the next part, as text; null at the end.
    next: Option<String>,
    pub(crate) results: Vec<T>,
    /// Items of the whole list.
    total: u64,
    results_per_page: u32,
}

impl<T> Part<T> {
    /// Of up to one item more than a part holds: that one is the first of the next part.
    pub(crate) fn new(mut items: Vec<T>, total: u64, number: impl Fn(&T) -> i64) -> Part<T> {
        let size = usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
        let next = items.get(size).map(|first| number(first).to_string());
        items.truncate(size);
        Part { next, results: items, total, results_per_page: PER_PAGE }
    }

    /// The same with these in place of its items.
    pub(crate) fn with<U>(self, results: Vec<U>) -> Part<U> {
        let Part { next, total, results_per_page, .. } = self;
        Part { next, results, total, results_per_page }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_part_begins_with_the_first_item_that_this_one_lacks() {
        let part = |items: i64| Part::new((1..=items).rev().collect(), 99, |number| *number);
        assert_eq!((part(50).next, part(50).results.len()), (None, 50));
        assert_eq!((part(51).next.as_deref(), part(51).results.len()), (Some("1"), 50));
        assert_eq!(part(0), Part { next: None, results: vec![], total: 99, results_per_page: 50 });
    }
}

//! Whose turn it is: the order in which works of different share groups are handed out.

use ropewalk_model::ids::WorkId;
use std::cmp::{Ordering, Reverse};
use std::time::Duration;

/// How long the past counts.
pub const WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// What a lease costs its share group from its first moment on, so that works handed out together are not all taken
/// from the group that was first.
pub const CHARGE: Duration = Duration::from_secs(1);

/// The ready works of one requirement class and one share group, seen by their first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Its first work.
    pub head: WorkId,
    /// When that was put in front, in microseconds; 0 if it was not.
    pub bump: i64,
    /// That work's priority.
    pub priority: i64,
    /// Microseconds that the share group used within [`WINDOW`], what runs now included.
    pub used: i64,
    /// The share group's weight, at least 1.
    pub shares: i64,
}

impl Lot {
    /// Less comes first: the last bumped, then the least used in proportion to the shares, then the highest priority,
    /// then the oldest.
    pub fn turn(&self, other: &Lot) -> Ordering {
        // Cross-multiplied, so that no division rounds two groups into a tie.
        let mine = i128::from(self.used) * i128::from(other.shares.max(1));
        let theirs = i128::from(other.used) * i128::from(self.shares.max(1));
        Reverse(self.bump)
            .cmp(&Reverse(other.bump))
            .then(mine.cmp(&theirs))
            .then(Reverse(self.priority).cmp(&Reverse(other.priority)))
            .then(self.head.cmp(&other.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOT: Lot = Lot { head: WorkId(1), bump: 0, priority: 0, used: 100, shares: 1 };

    #[test]
    fn bump_beats_use_beats_priority_beats_age() {
        let bumped = Lot { bump: 5, used: 1_000, ..LOT };
        let unused = Lot { used: 99, ..LOT };
        let important = Lot { priority: 1, head: WorkId(9), ..LOT };
        let mut lots = [Lot { head: WorkId(2), ..LOT }, LOT, important, unused, bumped];
        lots.sort_by(Lot::turn);
        assert_eq!(lots, [bumped, unused, important, LOT, Lot { head: WorkId(2), ..LOT }]);
    }

    #[test]
    fn use_counts_in_proportion_to_shares() {
        let third = Lot { shares: 3, used: 299, ..LOT };
        assert_eq!(third.turn(&LOT), Ordering::Less);
        assert_eq!(Lot { used: 301, ..third }.turn(&LOT), Ordering::Greater);
        assert_eq!(Lot { used: 300, ..third }.turn(&LOT), Ordering::Equal);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let most = Lot { used: i64::MAX, shares: i64::MAX, ..LOT };
        assert_eq!(most.turn(&most), Ordering::Equal);
    }
}

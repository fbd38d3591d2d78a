//! The last lines of a terminal, among which the cursor moves.

use super::row::Row;
use super::sgr::Style;
use std::collections::VecDeque;

/// Rows that the cursor can go back to: the height of a tall terminal.
pub const ROWS_MAX: usize = 128;
/// Cells of all these together; long before they are so many the oldest rows are let go.
const CELLS_MAX: usize = 64 << 10;

/// Where in the log the line begins that made a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Of the line, from 1.
    pub number: u64,
    /// Of its first byte.
    pub offset: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) place: Place,
    pub(super) row: Row,
    /// Written to since it was shown.
    pub(super) is_new: bool,
    /// Told to whoever shows the log.
    is_told: bool,
}

impl Placed {
    fn told(&mut self) -> &mut Placed {
        (self.is_new, self.is_told) = (false, true);
        self
    }
}

/// Rows, and the one that the cursor is in; there may be none yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    rows: VecDeque<Placed>,
    at: usize,
}

impl Rows {
    /// Where the next line begins: in the row below, which is made unless the cursor was moved up.
    pub(super) fn begin(&mut self, place: Place) {
        match self.rows.get_mut(self.at) {
            // The line that made it went elsewhere at once.
            Some(here) if !here.is_told && here.row.cells.is_empty() => here.place = place,
            Some(_) => {}
            None => {
                self.rows.push_back(Placed { place, row: Row::default(), is_new: false, is_told: false });
                self.at = self.rows.len() - 1;
            }
        }
        self.set_column(0);
    }

    /// The line is over: the cursor goes to the row below, and what it cannot go back to is let go.
    pub(super) fn end(&mut self) {
        self.at += 1;
        let mut cells: usize = self.rows.iter().map(|placed| placed.row.cells.len()).sum();
        while self.rows.len() > ROWS_MAX || cells > CELLS_MAX {
            let Some(oldest) = self.rows.pop_front() else { return };
            cells -= oldest.row.cells.len();
            self.at = self.at.saturating_sub(1);
        }
    }

    /// Rows that were written to since this was asked last; and the one that the cursor is in, though nothing was.
    pub(super) fn take_new(&mut self) -> impl Iterator<Item = &mut Placed> {
        if let Some(here) = self.rows.get_mut(self.at) {
            here.is_new |= !here.is_told;
        }
        self.rows.iter_mut().filter(|placed| placed.is_new).map(Placed::told)
    }

    /// The first row that may still change.
    pub(super) fn oldest(&self) -> Option<Place> {
        self.rows.front().map(|placed| placed.place)
    }

    /// Changes the row that the cursor is in.
    pub(super) fn here(&mut self, change: impl FnOnce(&mut Row)) {
        if let Some(placed) = self.rows.get_mut(self.at) {
            change(&mut placed.row);
            placed.is_new = true;
        }
    }

    pub(super) fn put(&mut self, c: char, style: Style, link: Option<&str>) {
        self.here(|row| row.put(c, style, link));
    }

    fn column(&self) -> usize {
        self.rows.get(self.at).map_or(0, |placed| placed.row.column())
    }

    fn set_column(&mut self, column: usize) {
        if let Some(placed) = self.rows.get_mut(self.at) {
            placed.row.go_to(column);
        }
    }

    /// Up (less than nothing) or down, as far as there are rows; the column stays.
    pub(super) fn go_by(&mut self, rows: isize) {
        let column = self.column();
        let last = self.rows.len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(rows).min(last);
        self.set_column(column);
    }

    /// Makes the rows below empty.
    pub(super) fn erase_below(&mut self) {
        for placed in self.rows.iter_mut().skip(self.at + 1).filter(|placed| !placed.row.cells.is_empty()) {
            placed.row.erase();
            placed.is_new = true;
        }
    }

    /// Where the cursor is: row and column.
    pub(super) fn cursor(&self) -> (Place, usize) {
        (self.rows.get(self.at).map(|placed| placed.place).unwrap_or_default(), self.column())
    }

    /// Goes back to where it was, or to the oldest row if that one was let go.
    pub(super) fn go_to(&mut self, (place, column): (Place, usize)) {
        let last = self.rows.len().saturating_sub(1);
        self.at = self.rows.partition_point(|placed| placed.place < place).min(last);
        self.set_column(column);
    }
}

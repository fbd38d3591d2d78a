//! One line of a terminal while it is written.

use super::sgr::Style;

/// Columns that a line has at most; what is printed behind them is not shown.
pub const COLUMNS_MAX: usize = 16 << 10;

/// Cells of a line that may be moved, made blank or jumped over. A few bytes ask for as many cells as the line has: a
/// hostile line could ask for ever. What comes after that is printed only.
const EDITS_MAX: usize = 1 << 17;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) c: char,
    pub(super) style: Style,
    /// Position of the address in [`Row::links`].
    pub(super) link: Option<usize>,
}

impl Cell {
    const BLANK: Cell = Cell { c: ' ', style: Style::PLAIN, link: None };
}

/// Cells, and where the next character goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) links: Vec<String>,
    column: usize,
    edits: usize,
}

impl Row {
    pub(super) fn column(&self) -> usize {
        self.column
    }

    pub(super) fn put(&mut self, c: char, style: Style, link: Option<&str>) {
        if self.column >= COLUMNS_MAX {
            return;
        }
        let link = link.map(|address| self.link(address));
        self.pad();
        let cell = Cell { c, style, link };
        match self.cells.get_mut(self.column) {
            Some(old) => *old = cell,
            None => self.cells.push(cell),
        }
        self.column += 1;
    }

    /// At the end of the line a tab stays one, so that a copy of the text has it; elsewhere it only moves.
    pub(super) fn tab(&mut self, style: Style) {
        if self.column >= self.cells.len() {
            self.put('\t', style, None);
        } else {
            self.go_to((self.column / 8 + 1) * 8);
        }
    }

    pub(super) fn go_to(&mut self, column: usize) {
        self.column = column.min(COLUMNS_MAX);
    }

    pub(super) fn go_by(&mut self, columns: isize) {
        self.go_to(self.column.saturating_add_signed(columns));
    }

    pub(super) fn erase(&mut self) {
        self.cells.clear();
    }

    pub(super) fn erase_right(&mut self) {
        self.cells.truncate(self.column);
    }

    pub(super) fn erase_left(&mut self) {
        let end = self.column.saturating_add(1);
        if !self.may_edit(end) {
            return;
        }
        self.cells.iter_mut().take(end).for_each(|cell| *cell = Cell::BLANK);
    }

    /// Removes characters from here on; what follows moves to the left.
    pub(super) fn delete(&mut self, columns: usize) {
        let start = self.column.min(self.cells.len());
        let end = start.saturating_add(columns).min(self.cells.len());
        if !self.may_edit(self.cells.len() - start) {
            return;
        }
        self.cells.drain(start..end);
    }

    /// Inserts blanks here; what follows moves to the right.
    pub(super) fn insert(&mut self, columns: usize) {
        if self.column < self.cells.len() && self.may_edit(COLUMNS_MAX - self.column) {
            let columns = columns.min(COLUMNS_MAX);
            self.cells.splice(self.column..self.column, std::iter::repeat_n(Cell::BLANK, columns));
            self.cells.truncate(COLUMNS_MAX);
        }
    }

    /// Makes characters from here on blank.
    pub(super) fn blank(&mut self, columns: usize) {
        if !self.may_edit(columns) {
            return;
        }
        self.cells.iter_mut().skip(self.column).take(columns).for_each(|cell| *cell = Cell::BLANK);
    }

    fn pad(&mut self) {
        if self.cells.len() < self.column {
            if self.may_edit(self.column - self.cells.len()) {
                self.cells.resize(self.column, Cell::BLANK);
            } else {
                self.column = self.cells.len();
            }
        }
    }

    /// Counts cells of the line that are about to be changed.
    fn may_edit(&mut self, cells: usize) -> bool {
        self.edits = self.edits.saturating_add(cells.min(COLUMNS_MAX));
        self.edits <= EDITS_MAX
    }

    /// The same link goes on, or a new one begins.
    fn link(&mut self, address: &str) -> usize {
        if self.links.last().is_none_or(|last| last != address) {
            self.links.push(address.to_owned());
        }
        self.links.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(row: &mut Row, column: usize, c: char) {
        row.go_to(column);
        row.put(c, Style::PLAIN, None);
    }

    #[test]
    fn a_line_that_asks_for_its_own_width_again_and_again_is_printed_only() {
        let edits: [fn(&mut Row); 5] = [
            Row::erase_left,
            |row| row.insert(1),
            |row| row.blank(9999),
            |row| row.delete(1),
            |row| {
                row.erase();
                write(row, COLUMNS_MAX - 1, 'x');
            },
        ];
        for (at, edit) in edits.into_iter().enumerate() {
            let mut row = Row::default();
            write(&mut row, COLUMNS_MAX - 1, 'x');
            row.go_to(COLUMNS_MAX / 4);
            for _ in 0..100 {
                edit(&mut row);
            }
            let before = row.cells.len();
            write(&mut row, 0, 'a');
            row.erase_left();
            assert_eq!(row.cells[0].c, 'a', "edit {at}");
            write(&mut row, COLUMNS_MAX - 1, 'b');
            assert!(row.cells.len() <= before + 1 && row.cells.iter().any(|cell| cell.c == 'b'), "edit {at}");
        }
    }
}

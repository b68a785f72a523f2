//! The rows of a query as a table that fits the terminal.

use crate::display::{clip, pad, pieces, printable, width};

/// A column is no narrower than this where its values are longer.
const MIN_WIDTH: usize = 8;

/// A cell takes no more lines than this; the rest of it is cut.
const MAX_LINES: usize = 6;

/// How columns between them share a line.
const BETWEEN: usize = 3;

/// What stands for a value that is not there; it is never broken over lines.
pub(super) const NULL: &str = "<null>";
pub(super) const TOMBSTONE: &str = "<TOMBSTONE>";

/// Columns of fixed widths.
#[derive(Debug)]
pub(super) struct Grid {
    widths: Vec<usize>,
    /// Whether a cell was cut.
    pub(super) cut: bool,
}

impl Grid {
    /// For rows that come one by one, laid out by the types of their columns. `None`: so many
    /// columns do not fit.
    pub(super) fn of_types(names: &[String], types: &[String], columns: usize) -> Option<Self> {
        let room = room(names.len(), columns)?;
        let wanted = |(name, ty): (&String, &String)| {
            type_width(ty).map_or(room, |width| width.max(self::width(name)))
        };
        let natural: Vec<usize> = names.iter().zip(types).map(wanted).collect();
        let widths = shared_out(&natural, room);
        widths.iter().all(|width| *width >= MIN_WIDTH).then_some(Self { widths, cut: false })
    }

    /// For rows that are all there: as wide as they are, where that fits. `None`: so many columns
    /// do not.
    pub(super) fn of_rows(names: &[String], rows: &[Vec<String>], columns: usize) -> Option<Self> {
        let room = room(names.len(), columns)?;
        let mut natural: Vec<usize> = names.iter().map(|name| width(name)).collect();
        for row in rows {
            for (wanted, cell) in natural.iter_mut().zip(row) {
                *wanted = (*wanted).max(width(&printable(cell)));
            }
        }
        let widths = shared_out(&natural, room);
        let fits = widths.iter().zip(&natural).all(|(width, n)| *width >= (*n).min(MIN_WIDTH));
        fits.then_some(Self { widths, cut: false })
    }

    /// The line above, below and under the heading.
    pub(super) fn rule(&self) -> String {
        let parts: Vec<String> = self.widths.iter().map(|width| "-".repeat(width + 2)).collect();
        format!("+{}+\n", parts.join("+"))
    }

    /// A row, over several lines where a cell is too long for its column.
    pub(super) fn row(&mut self, cells: &[String]) -> String {
        let mut broken = Vec::with_capacity(cells.len());
        for (cell, width) in cells.iter().zip(&self.widths) {
            let (lines, cut) = lines(cell, *width);
            self.cut |= cut;
            broken.push(lines);
        }
        let height = broken.iter().map(Vec::len).max().unwrap_or(1);
        let mut text = String::new();
        for at in 0..height {
            text.push('|');
            for (cell, width) in broken.iter().zip(&self.widths) {
                let piece = cell.get(at).map_or("", String::as_str);
                text.push_str(&format!(" {} |", pad(piece, *width)));
            }
            text.push('\n');
        }
        text
    }
}

/// The columns that are left for values; `None` if there are none.
fn room(count: usize, columns: usize) -> Option<usize> {
    let room = columns.checked_sub(1 + BETWEEN * count)?;
    (count > 0 && room > 0).then_some(room)
}

/// The lines of a cell in its column, and whether something is missing.
fn lines(cell: &str, width: usize) -> (Vec<String>, bool) {
    if cell == NULL || cell == TOMBSTONE {
        return (vec![clip(cell, width)], false);
    }
    let mut lines = pieces(&printable(cell), width);
    let cut = lines.len() > MAX_LINES;
    if cut {
        lines.truncate(MAX_LINES);
        if let Some(last) = lines.last_mut() {
            *last = clip(&format!("{last}……"), width);
        }
    }
    (lines, cut)
}

/// What each column gets of `room`: all that it wants, while the others can have as much.
fn shared_out(natural: &[usize], room: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..natural.len()).collect();
    order.sort_by_key(|column| natural[*column]);
    let mut widths = vec![0; natural.len()];
    let mut left = room;
    for (done, column) in order.iter().enumerate() {
        let share = left / (natural.len() - done);
        widths[*column] = natural[*column].min(share);
        left -= widths[*column];
    }
    widths
}

/// How wide values of a type are, or what stands in their place; none where that differs.
fn type_width(ty: &str) -> Option<usize> {
    Some(match ty {
        "BOOLEAN" => MIN_WIDTH,
        "INTEGER" => 11,
        "BIGINT" => 13,
        "DOUBLE" => 14,
        "DATE" => 10,
        "TIME" => 12,
        "TIMESTAMP" => 23,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn of_types(names: &[&str], types: &[&str], columns: usize) -> Option<Grid> {
        Grid::of_types(&texts(names), &texts(types), columns)
    }

    #[test]
    fn every_line_is_as_wide_as_the_rule_also_with_wide_characters() {
        let mut grid = of_types(&["이름", "N"], &["STRING", "INTEGER"], 40).expect("it fits");
        let long = "대한민국 서울특별시 여울로 12, 어느 집";
        let rule = grid.rule();
        let mut text = grid.row(&texts(&["이름", "N"]));
        text += &grid.row(&texts(&[long, "7"]));
        text += &grid.row(&texts(&["e\u{301}\nx", "<null>"]));
        for line in text.lines() {
            assert_eq!(width(line), width(rule.trim_end()), "{text}");
        }
        assert!(text.lines().count() > 3 && !grid.cut, "{text}");
    }

    #[test]
    fn null_and_a_tombstone_stay_on_one_line() {
        for ty in ["BOOLEAN", "INTEGER", "STRING"] {
            let mut grid = of_types(&["A", "B", "C"], &[ty; 3], 34).expect("it fits");
            let row = grid.row(&texts(&["<null>", "<TOMBSTONE>", "x"]));
            assert_eq!(row.lines().count(), 1, "{row}");
            assert!(row.contains("<null>") && row.contains("<TOMB"), "{row}");
        }
    }

    #[test]
    fn a_huge_value_takes_a_few_lines_and_is_marked() {
        let mut grid = of_types(&["A", "B"], &["STRING"; 2], 40).expect("it fits");
        let row = grid.row(&texts(&[&"x".repeat(20_000), "y"]));
        assert_eq!(row.lines().count(), MAX_LINES);
        assert!(grid.cut && row.contains('…'), "{row}");
    }

    #[test]
    fn more_columns_than_fit_are_no_table() {
        let names: Vec<&str> = vec!["A"; 40];
        assert!(of_types(&names, &["STRING"; 40], 80).is_none());
        let rows = vec![texts(&["a longer value"; 40])];
        assert!(Grid::of_rows(&texts(&names), &rows, 80).is_none());
        assert!(of_types(&[], &[], 80).is_none());
        assert!(of_types(&["A"], &["STRING"], 3).is_none());
        // Short values fit, however many they are.
        let rows = vec![texts(&["1"; 19])];
        assert!(Grid::of_rows(&texts(&["A"; 19]), &rows, 80).is_some());
    }

    #[test]
    fn rows_that_are_all_there_take_the_width_that_they_have() {
        let rows = vec![texts(&["1", "short", &"long ".repeat(20)])];
        let mut grid = Grid::of_rows(&texts(&["ID", "NAME", "TEXT"]), &rows, 60).expect("it fits");
        assert_eq!(grid.widths, [2, 5, 43]);
        assert_eq!(grid.row(&rows[0]).lines().count(), 3);
    }
}

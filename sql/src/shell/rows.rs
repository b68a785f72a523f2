//! Rows of a query as they come.

use std::io::Write;

use serde_json::{Map, Value as Json};

use super::client::{Failure, Lines};
use super::grid::{Grid, TOMBSTONE};
use super::table::{OutputMode, cell, one_line, vertical};

/// Shows the rows of one query.
pub(super) struct RowPrinter {
    mode: OutputMode,
    terminal: bool,
    /// Whether the query ends by itself, so that a table can be laid out when all rows are there.
    bounded: bool,
    names: Vec<String>,
    types: Vec<String>,
    /// The table, where rows are shown as one and it fits.
    grid: Option<Grid>,
    held: Vec<Vec<String>>,
    width: usize,
    shown: u64,
}

/// The width where nothing tells the terminal's.
const DEFAULT_WIDTH: usize = 100;

/// How many rows of a bounded query are held back for one table.
const MAX_HELD: usize = 10_000;

/// What the server says at the end of a query that somebody ended before.
const TERMINATED: &str = "Query terminated";

impl RowPrinter {
    pub(super) fn new(mode: OutputMode, terminal: bool, bounded: bool) -> Self {
        let width = comfy_table::Table::new().width().map_or(DEFAULT_WIDTH, usize::from);
        Self {
            mode,
            terminal,
            bounded,
            names: Vec::new(),
            types: Vec::new(),
            grid: None,
            held: Vec::new(),
            width,
            shown: 0,
        }
    }

    /// Reads until the query ends. `Ok` carries its last words.
    ///
    /// # Errors
    /// The query failed, was terminated, or its server went away. Rows up to then were shown.
    pub(super) async fn run(
        &mut self,
        lines: &mut Lines,
        out: &mut (impl Write + Send),
    ) -> Result<String, Failure> {
        let ended = self.read(lines, out).await;
        self.finish(out);
        ended
    }

    async fn read(
        &mut self,
        lines: &mut Lines,
        out: &mut (impl Write + Send),
    ) -> Result<String, Failure> {
        while let Some(event) = lines.next_object().await? {
            if let Some(schema) = event["header"]["schema"].as_str() {
                (self.names, self.types) = columns(schema).into_iter().unzip();
                self.header(out);
            } else if let Some(columns) = event["row"]["columns"].as_array() {
                let tombstone = event["row"]["tombstone"].as_bool() == Some(true);
                self.row(columns, tombstone, out);
            } else if let Some(message) = event["finalMessage"].as_str() {
                if message == TERMINATED {
                    return Err(Failure::new("The query was terminated on the server."));
                }
                return Ok(message.to_owned());
            } else if !event["errorMessage"].is_null() {
                let message = event["errorMessage"]["message"].as_str();
                return Err(Failure::new(message.unwrap_or("the query failed")));
            }
        }
        Err(lines.cut_short())
    }

    /// What is to be said behind the rows on a terminal.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.bounded {
            let rows = if self.shown == 1 { "row" } else { "rows" };
            remarks.push(format!("{} {rows}", self.shown));
        }
        if self.grid.as_ref().is_some_and(|grid| grid.cut) {
            let text = "Values that end in … are longer: `output vertical` shows them whole.";
            remarks.push(text.to_owned());
        }
        remarks
    }

    /// Shows rows that were held back.
    pub(super) fn finish(&mut self, out: &mut impl Write) {
        let rows = std::mem::take(&mut self.held);
        if !self.tables_at_end() || self.names.is_empty() {
            return;
        }
        match Grid::of_rows(&self.names, &rows, self.width) {
            Some(mut grid) => {
                let rule = grid.rule();
                let mut text = format!("{rule}{}{rule}", grid.row(&self.names));
                // A value that is cut counts, a heading does not.
                grid.cut = self.grid.as_ref().is_some_and(|before| before.cut);
                rows.iter().for_each(|row| text.push_str(&grid.row(row)));
                text.push_str(&rule);
                put(out, &text);
                self.grid = Some(grid);
            }
            None => {
                let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
                rows.iter().for_each(|row| put(out, &vertical(&names, row)));
            }
        }
    }

    fn tables_at_end(&self) -> bool {
        self.bounded && self.terminal && self.mode == OutputMode::Tabular
    }

    fn header(&mut self, out: &mut impl Write) {
        match self.mode {
            OutputMode::Tabular if self.tables_at_end() => {}
            OutputMode::Tabular if self.terminal => {
                match Grid::of_types(&self.names, &self.types, self.width) {
                    Some(mut grid) => {
                        let rule = grid.rule();
                        put(out, &format!("{rule}{}{rule}", grid.row(&self.names)));
                        grid.cut = false;
                        self.grid = Some(grid);
                    }
                    None => {
                        let (columns, width) = (self.names.len(), self.width);
                        let text = "do not fit the terminal's width of";
                        put(out, &format!("{columns} columns {text} {width}: a line for each.\n"));
                    }
                }
            }
            OutputMode::Tabular => put(out, &format!("{}\n", self.names.join("\t"))),
            OutputMode::Vertical | OutputMode::Json => {}
        }
    }

    fn row(&mut self, columns: &[Json], tombstone: bool, out: &mut impl Write) {
        self.shown += 1;
        let mut cells: Vec<String> = columns.iter().map(cell).collect();
        if tombstone {
            for (cell, value) in cells.iter_mut().zip(columns) {
                if value.is_null() {
                    *cell = TOMBSTONE.to_owned();
                }
            }
        }
        match self.mode {
            OutputMode::Json => {
                let mut members: Map<String, Json> =
                    self.names.iter().cloned().zip(columns.iter().cloned()).collect();
                if tombstone {
                    members.insert("@tombstone".to_owned(), Json::Bool(true));
                }
                put(out, &format!("{}\n", Json::Object(members)));
            }
            OutputMode::Tabular if self.tables_at_end() => {
                self.held.push(cells);
                if self.held.len() >= MAX_HELD {
                    self.finish(out);
                }
            }
            OutputMode::Tabular if !self.terminal => {
                let cells: Vec<String> = cells.iter().map(|c| one_line(c)).collect();
                put(out, &format!("{}\n", cells.join("\t")));
            }
            OutputMode::Tabular | OutputMode::Vertical => match &mut self.grid {
                Some(grid) => put(out, &grid.row(&cells)),
                None => {
                    let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
                    put(out, &vertical(&names, &cells));
                }
            },
        }
    }
}

/// Output that has no reader any more is not an error of the query.
fn put(out: &mut impl Write, text: &str) {
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        tracing::debug!("nobody reads the output any more");
    }
}

/// The columns of a header's schema, name and type: ``"`A` INTEGER KEY, `B` STRING"``.
fn columns(schema: &str) -> Vec<(String, String)> {
    let mut columns: Vec<(String, String)> = Vec::new();
    let (mut depth, mut fresh) = (0, true);
    let mut name: Option<String> = None;
    let mut characters = schema.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, &mut name) {
            ('`', Some(open)) if characters.peek() == Some(&'`') => {
                open.push('`');
                characters.next();
            }
            ('`', Some(_)) => {
                let done = name.take().unwrap_or_default();
                if depth == 0 && fresh {
                    columns.push((done, String::new()));
                    fresh = false;
                }
            }
            ('`', None) => name = Some(String::new()),
            (c, Some(open)) => open.push(c),
            ('<' | '(', None) => depth += 1,
            ('>' | ')', None) => depth -= 1,
            (',', None) if depth == 0 => fresh = true,
            (c, None) => {
                if let (0, false, Some((_, ty))) = (depth, fresh, columns.last_mut()) {
                    ty.push(c);
                }
            }
        }
    }
    for (_, ty) in &mut columns {
        *ty = ty.split_whitespace().next().unwrap_or_default().to_owned();
    }
    columns
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_nested_types_are_not_columns() {
        let schema = "`A``x` INTEGER KEY, `B` STRUCT<`C` INTEGER, `D` DECIMAL(4, 2)>, `E` STRING";
        let column = |name: &str, ty: &str| (name.to_owned(), ty.to_owned());
        let expected = [column("A`x", "INTEGER"), column("B", "STRUCT"), column("E", "STRING")];
        assert_eq!(columns(schema), expected);
    }

    fn printer(mode: OutputMode, terminal: bool, bounded: bool) -> RowPrinter {
        let mut printer = RowPrinter::new(mode, terminal, bounded);
        printer.width = 30;
        printer.names = vec!["ID".to_owned(), "NAME".to_owned()];
        printer.types = vec!["STRING".to_owned(), "STRING".to_owned()];
        printer
    }

    fn printed(mut printer: RowPrinter, rows: &[([Json; 2], bool)]) -> String {
        let mut out = Vec::new();
        printer.header(&mut out);
        for (row, tombstone) in rows {
            printer.row(row, *tombstone, &mut out);
        }
        printer.finish(&mut out);
        printer.remarks().iter().for_each(|remark| put(&mut out, &format!("{remark}\n")));
        String::from_utf8(out).unwrap()
    }

    fn rows() -> [([Json; 2], bool); 2] {
        [([json!(1), json!("a longer name")], false), ([json!(1), json!(null)], true)]
    }

    #[test]
    fn rows_on_a_terminal_fit_its_width() {
        let expected = "\
+-------------+--------------+
| ID          | NAME         |
+-------------+--------------+
| 1           | a longer nam |
|             | e            |
| 1           | <TOMBSTONE>  |
";
        let text = printed(printer(OutputMode::Tabular, true, false), &rows());
        assert_eq!(text, expected);
    }

    #[test]
    fn rows_of_a_query_that_ends_are_counted() {
        let expected = "\
+----+---------------+
| ID | NAME          |
+----+---------------+
| 1  | a longer name |
+----+---------------+
1 row
";
        let text = printed(printer(OutputMode::Tabular, true, true), &rows()[..1]);
        assert_eq!(text, expected);
        let text = printed(printer(OutputMode::Tabular, true, true), &[]);
        assert!(text.ends_with("+----+------+\n0 rows\n"), "{text}");
    }

    #[test]
    fn a_value_that_is_cut_is_told_of_and_columns_that_do_not_fit_are_lines() {
        let long = [([json!(1), json!("x".repeat(2000))], false)];
        for bounded in [false, true] {
            let text = printed(printer(OutputMode::Tabular, true, bounded), &long);
            assert!(text.contains("…") && text.contains("`output vertical`"), "{text}");
            assert!(text.lines().count() < 15, "{text}");
            let mut narrow = printer(OutputMode::Tabular, true, bounded);
            narrow.width = 12;
            let text = printed(narrow, &rows());
            assert!(text.contains("  ID: 1\nNAME: a longer name\n"), "{text}");
        }
    }

    #[test]
    fn rows_elsewhere_are_plain() {
        let text = printed(printer(OutputMode::Tabular, false, false), &rows());
        assert_eq!(text, "ID\tNAME\n1\ta longer name\n1\t<TOMBSTONE>\n");
        let text = printed(printer(OutputMode::Json, false, false), &rows());
        let first = "{\"ID\":1,\"NAME\":\"a longer name\"}\n";
        assert_eq!(text, format!("{first}{{\"ID\":1,\"NAME\":null,\"@tombstone\":true}}\n"));
    }
}

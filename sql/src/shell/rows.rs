//! Rows of a query as they come.

use std::io::Write;

use serde_json::{Map, Value as Json};

use super::client::{Failure, Lines};
use super::table::{OutputMode, boxed, cell, one_line, vertical};

/// Shows the rows of one query.
pub(super) struct RowPrinter {
    mode: OutputMode,
    terminal: bool,
    /// Whether the query ends by itself, so that a table can be laid out when all rows are there.
    bounded: bool,
    names: Vec<String>,
    types: Vec<String>,
    held: Vec<Vec<String>>,
    width: usize,
}

/// The width where nothing tells the terminal's.
const DEFAULT_WIDTH: usize = 100;

/// How many rows of a bounded query are held back for one table.
const MAX_HELD: usize = 10_000;

impl RowPrinter {
    pub(super) fn new(mode: OutputMode, terminal: bool, bounded: bool) -> Self {
        let width = comfy_table::Table::new().width().map_or(DEFAULT_WIDTH, usize::from);
        Self {
            mode,
            terminal,
            bounded,
            names: Vec::new(),
            types: Vec::new(),
            held: Vec::new(),
            width,
        }
    }

    /// Reads until the query ends. `Ok` carries its last words.
    pub(super) async fn run(
        &mut self,
        lines: &mut Lines,
        out: &mut (impl Write + Send),
    ) -> Result<Option<String>, Failure> {
        let mut last = None;
        while let Some(event) = lines.next_object().await? {
            if let Some(schema) = event["header"]["schema"].as_str() {
                (self.names, self.types) = columns(schema).into_iter().unzip();
                self.header(out);
            } else if let Some(columns) = event["row"]["columns"].as_array() {
                let tombstone = event["row"]["tombstone"].as_bool() == Some(true);
                self.row(columns, tombstone, out);
            } else if let Some(message) = event["finalMessage"].as_str() {
                last = Some(message.to_owned());
            } else if !event["errorMessage"].is_null() {
                let message = event["errorMessage"]["message"].as_str();
                let message = message.unwrap_or("the query failed").to_owned();
                self.finish(out);
                return Err(Failure { message, entities: Vec::new() });
            }
        }
        self.finish(out);
        Ok(last)
    }

    /// Shows rows that were held back.
    pub(super) fn finish(&mut self, out: &mut impl Write) {
        let rows = std::mem::take(&mut self.held);
        if self.boxes_at_end() && !self.names.is_empty() {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            put(out, &boxed(&names, &rows, None));
        }
    }

    fn boxes_at_end(&self) -> bool {
        self.bounded && self.terminal && self.mode == OutputMode::Tabular
    }

    fn header(&mut self, out: &mut impl Write) {
        match self.mode {
            OutputMode::Tabular if self.boxes_at_end() => {}
            OutputMode::Tabular if self.terminal => {
                let rule = self.rule();
                let names = self.names.clone();
                put(out, &format!("{rule}{}{rule}", self.line(&names)));
            }
            OutputMode::Tabular => put(out, &format!("{}\n", self.names.join("\t"))),
            OutputMode::Vertical | OutputMode::Json => {}
        }
    }

    fn row(&mut self, columns: &[Json], tombstone: bool, out: &mut impl Write) {
        let mut cells: Vec<String> = columns.iter().map(cell).collect();
        if tombstone {
            for (cell, value) in cells.iter_mut().zip(columns) {
                if value.is_null() {
                    *cell = "<TOMBSTONE>".to_owned();
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
            OutputMode::Vertical => {
                let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
                put(out, &vertical(&names, &cells));
            }
            OutputMode::Tabular if self.boxes_at_end() => {
                self.held.push(cells);
                if self.held.len() >= MAX_HELD {
                    self.finish(out);
                }
            }
            OutputMode::Tabular if self.terminal => put(out, &self.line(&cells)),
            OutputMode::Tabular => {
                let cells: Vec<String> = cells.iter().map(|c| one_line(c)).collect();
                put(out, &format!("{}\n", cells.join("\t")));
            }
        }
    }

    /// How wide each column is, so that a row fits the terminal: numbers as wide as they are,
    /// the rest shared by the others; all alike where that does not do.
    fn widths(&self) -> Vec<usize> {
        let count = self.names.len().max(1);
        let room = self.width.saturating_sub(1 + 3 * count);
        let wanted = |(name, ty): (&String, &String)| {
            type_width(ty).map(|width| width.max(name.chars().count()))
        };
        let fixed: Vec<Option<usize>> = self.names.iter().zip(&self.types).map(wanted).collect();
        let taken: usize = fixed.iter().flatten().sum();
        let open = fixed.iter().filter(|width| width.is_none()).count();
        let share = room.saturating_sub(taken).checked_div(open).unwrap_or(0);
        if fixed.len() == count && taken <= room && (open == 0 || share >= 8) {
            return fixed.into_iter().map(|width| width.unwrap_or(share)).collect();
        }
        vec![(room / count).max(4); self.names.len()]
    }

    fn rule(&self) -> String {
        let parts: Vec<String> = self.widths().iter().map(|width| "-".repeat(width + 2)).collect();
        format!("+{}+\n", parts.join("+"))
    }

    /// A row, over several lines where a cell is too long for its column.
    fn line(&self, cells: &[String]) -> String {
        let widths = self.widths();
        let broken: Vec<Vec<String>> =
            cells.iter().zip(&widths).map(|(cell, width)| pieces(cell, *width)).collect();
        let height = broken.iter().map(Vec::len).max().unwrap_or(1);
        let mut text = String::new();
        for at in 0..height {
            text.push('|');
            for (cell, width) in broken.iter().zip(&widths) {
                let piece = cell.get(at).map_or("", String::as_str);
                text.push_str(&format!(" {piece:<width$} |"));
            }
            text.push('\n');
        }
        text
    }
}

fn pieces(cell: &str, width: usize) -> Vec<String> {
    let characters: Vec<char> =
        cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if characters.is_empty() {
        return vec![String::new()];
    }
    characters.chunks(width).map(|piece| piece.iter().collect()).collect()
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

/// How wide values of a type are; none where that differs.
fn type_width(ty: &str) -> Option<usize> {
    Some(match ty {
        "BOOLEAN" => 5,
        "INTEGER" => 11,
        "BIGINT" => 13,
        "DOUBLE" => 14,
        "DATE" | "TIME" => 12,
        _ => return None,
    })
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

    fn printed(mode: OutputMode, terminal: bool) -> String {
        let mut printer = RowPrinter::new(mode, terminal, false);
        printer.width = 24;
        printer.names = vec!["ID".to_owned(), "NAME".to_owned()];
        printer.types = vec!["STRING".to_owned(), "STRING".to_owned()];
        let mut out = Vec::new();
        printer.header(&mut out);
        printer.row(&[json!(1), json!("a longer name")], false, &mut out);
        printer.row(&[json!(1), json!(null)], true, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_on_a_terminal_fit_its_width() {
        let expected = "\
+----------+----------+
| ID       | NAME     |
+----------+----------+
| 1        | a longer |
|          |  name    |
| 1        | <TOMBSTO |
|          | NE>      |
";
        let text = printed(OutputMode::Tabular, true);
        assert_eq!(text, expected);
    }

    #[test]
    fn rows_elsewhere_are_plain() {
        let text = printed(OutputMode::Tabular, false);
        assert_eq!(text, "ID\tNAME\n1\ta longer name\n1\t<TOMBSTONE>\n");
        let text = printed(OutputMode::Json, false);
        let first = "{\"ID\":1,\"NAME\":\"a longer name\"}\n";
        assert_eq!(text, format!("{first}{{\"ID\":1,\"NAME\":null,\"@tombstone\":true}}\n"));
    }
}

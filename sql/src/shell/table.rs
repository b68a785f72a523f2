//! Tables that fit the terminal, and their other forms.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Map, Value as Json};

use super::grid::NULL;
use crate::display::width;

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputMode {
    /// A table; on something that is no terminal, lines with tabs between the columns.
    #[default]
    Tabular,
    /// A line for each column.
    Vertical,
    /// A JSON object a line.
    Json,
}

impl OutputMode {
    /// Reads `tabular`, `vertical` or `json`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_lowercase().as_str() {
            "tabular" => Some(Self::Tabular),
            "vertical" => Some(Self::Vertical),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Tabular => "TABULAR",
            Self::Vertical => "VERTICAL",
            Self::Json => "JSON",
        }
    }
}

/// Rows with a heading, in the wanted form.
pub(super) fn shown(
    headings: &[&str],
    rows: &[Vec<String>],
    mode: OutputMode,
    terminal: bool,
) -> String {
    match mode {
        OutputMode::Tabular if terminal => boxed(headings, rows, None),
        OutputMode::Tabular => plain(headings, rows),
        OutputMode::Vertical => rows.iter().map(|row| vertical(headings, row)).collect(),
        OutputMode::Json => rows.iter().map(|row| object(headings, row)).collect(),
    }
}

/// A table with lines, as wide as the terminal at most; `width` is for tests.
fn boxed(headings: &[&str], rows: &[Vec<String>], width: Option<u16>) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if let Some(width) = width {
        table.set_width(width);
    }
    table.set_header(headings);
    for row in rows {
        table.add_row(row);
    }
    format!("{table}\n")
}

fn plain(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = headings.join("\t");
    text.push('\n');
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| one_line(cell)).collect();
        text.push_str(&cells.join("\t"));
        text.push('\n');
    }
    text
}

/// Tabs and line ends as escapes, so that a row stays a line.
pub(super) fn one_line(cell: &str) -> String {
    cell.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

pub(super) fn vertical(headings: &[&str], row: &[String]) -> String {
    let longest = headings.iter().map(|h| width(h)).max().unwrap_or(0);
    let line = |(heading, cell): (&&str, &String)| {
        let before = " ".repeat(longest - width(heading));
        format!("{before}{heading}: {cell}\n")
    };
    let lines: String = headings.iter().zip(row).map(line).collect();
    format!("{}\n{lines}", "-".repeat(longest + 2))
}

fn object(headings: &[&str], row: &[String]) -> String {
    let members: Map<String, Json> = headings
        .iter()
        .zip(row)
        .map(|(h, cell)| ((*h).to_owned(), Json::String(cell.clone())))
        .collect();
    format!("{}\n", Json::Object(members))
}

/// A value as a cell.
pub(super) fn cell(value: &Json) -> String {
    match value {
        Json::Null => NULL.to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![vec!["A".to_owned(), "a long text that has to be broken".to_owned()]]
    }

    #[test]
    fn a_table_is_no_wider_than_the_terminal() {
        let text = boxed(&["NAME", "WHAT"], &rows(), Some(24));
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
        assert!(text.contains("NAME") && text.contains("broken"), "{text}");
    }

    #[test]
    fn plain_rows_stay_lines() {
        let rows = vec![vec!["a\tb".to_owned(), "c\nd".to_owned()]];
        let text = shown(&["X", "Y"], &rows, OutputMode::Tabular, false);
        assert_eq!(text, "X\tY\na\\tb\tc\\nd\n");
    }

    #[test]
    fn the_other_forms() {
        let rows = vec![vec!["1".to_owned(), "x".to_owned()]];
        let text = shown(&["ID", "NAME"], &rows, OutputMode::Vertical, true);
        assert_eq!(text, "------\n  ID: 1\nNAME: x\n");
        let text = vertical(&["이름", "N"], &rows[0]);
        assert_eq!(text, "------\n이름: 1\n   N: x\n");
        let text = shown(&["ID", "NAME"], &rows, OutputMode::Json, true);
        assert_eq!(text, "{\"ID\":\"1\",\"NAME\":\"x\"}\n");
    }
}

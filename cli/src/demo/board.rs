//! The table of the demo: departures and average delay by hour and airline.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Context as _;
use chrono::DateTime;
use serde_json::Value as Json;
use sql::{QueryStream, RowEvent};

use super::row_of;

/// The rows by hour (milliseconds) and airline.
#[derive(Debug, Default)]
pub(super) struct Board {
    rows: BTreeMap<(i64, String), Row>,
    /// How many changes came.
    pub(super) changes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    departures: i64,
    /// Minutes; `None` where no flight of the hour left.
    average_delay: Option<f64>,
}

impl Board {
    /// Takes all rows of a query that ends.
    pub(super) async fn fill(&mut self, query: &mut QueryStream) -> anyhow::Result<()> {
        while let Some(event) = query.rows.recv().await {
            self.apply(event)?;
        }
        Ok(())
    }

    /// Takes a change.
    ///
    /// # Errors
    /// The query failed, or its row does not have the table's columns.
    pub(super) fn apply(&mut self, event: RowEvent) -> anyhow::Result<()> {
        let Some(cells) = row_of(event)? else { return Ok(()) };
        let row = read(&cells);
        let (hour, airline, row) = row.with_context(|| format!("not a row of it: {cells:?}"))?;
        self.rows.insert((hour, airline), row);
        self.changes += 1;
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows of the last hours, at the most `count` of them, under a heading.
    pub(super) fn last_rows(&self, count: usize) -> String {
        let skipped = self.rows.len().saturating_sub(count);
        text(self.rows.iter().skip(skipped))
    }

    /// All rows, under a heading.
    pub(super) fn all_rows(&self) -> String {
        text(self.rows.iter())
    }
}

/// Columns: AIRLINE, WINDOWSTART, WINDOWEND, DEPARTURES, AVERAGE_DELAY.
fn read(cells: &[Json]) -> Option<(i64, String, Row)> {
    let [airline, hour, _, departures, average_delay] = cells else { return None };
    let row = Row { departures: departures.as_i64()?, average_delay: average_delay.as_f64() };
    Some((hour.as_i64()?, airline.as_str()?.to_owned(), row))
}

fn text<'rows>(rows: impl Iterator<Item = (&'rows (i64, String), &'rows Row)>) -> String {
    let mut text = format!("{:<16} | {:<28} | departures | average delay", "hour (UTC)", "airline");
    for ((hour, airline), row) in rows {
        let hour = DateTime::from_timestamp_millis(*hour).unwrap_or_default();
        let hour = hour.format("%Y-%m-%d %H:%M");
        let delay = row.average_delay;
        let delay = delay.map_or_else(|| "-".to_owned(), |minutes| format!("{minutes:.3}"));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{hour} | {airline:<28} | {:>10} | {delay:>13}", row.departures);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_replaces_the_row_of_its_hour_and_airline() {
        let mut board = Board::default();
        for (count, delay) in [(1, json!(-3.5)), (2, json!(null))] {
            let cells =
                vec![json!("Blue"), json!(3_600_000), json!(7_200_000), json!(count), delay];
            board.apply(RowEvent::Row(cells)).expect("a row");
        }
        assert_eq!((board.len(), board.changes), (1, 2));
        let line = "1970-01-01 01:00 | Blue                         |          2 |             -";
        assert_eq!(board.all_rows().lines().nth(1), Some(line));
        assert!(board.apply(RowEvent::Row(vec![json!(1)])).is_err());
        assert!(board.apply(RowEvent::Error("gone".into())).is_err());
    }
}

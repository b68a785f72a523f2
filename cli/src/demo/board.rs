//! The table of the demo, departures and average delay by hour and airline, and the sums of it by
//! airline.

use std::collections::BTreeMap;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use sql::{QueryStream, RowEvent};

/// The rows by hour (milliseconds) and airline.
#[derive(Debug, Default)]
pub(super) struct Board {
    rows: BTreeMap<(i64, String), Row>,
    airlines: BTreeMap<String, Sum>,
    /// How often a row came that was new, or had other figures than before; it only grows. A flight
    /// that did not leave changes nothing of a row that is there, so that there are fewer of them
    /// than flights.
    pub(super) row_changes: u64,
}

/// A cell of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) departures: i64,
    /// Minutes; `None` where no flight of the hour left.
    pub(super) average_delay: Option<f64>,
}

/// What the rows of an airline add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sum {
    departures: i64,
    delay_minutes: f64,
}

/// An airline's place in the race.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standing {
    pub(super) airline: String,
    pub(super) departures: i64,
    /// Minutes over all its departures.
    pub(super) average_delay: Option<f64>,
}

impl Row {
    /// All delays together, in minutes.
    fn delay_minutes(self) -> f64 {
        self.average_delay.unwrap_or(0.0) * self.departures as f64
    }
}

impl Board {
    /// Takes all rows of a query that ends: the table as it is. They are not counted.
    ///
    /// # Errors
    /// As [`Board::apply`].
    pub(super) async fn fill(&mut self, query: &mut QueryStream) -> anyhow::Result<()> {
        while let Some(event) = query.rows.recv().await {
            self.note(event)?;
        }
        Ok(())
    }

    /// Takes a row of the table as it is.
    fn note(&mut self, event: RowEvent) -> anyhow::Result<()> {
        self.take(event).map(|_| ())
    }

    /// Takes a row that the query gives, and counts it where it changes the table.
    ///
    /// # Errors
    /// The query failed, or its row does not have the table's columns.
    pub(super) fn apply(&mut self, event: RowEvent) -> anyhow::Result<()> {
        self.row_changes += u64::from(self.take(event)?);
        Ok(())
    }

    /// Whether the event was news. A query over a table begins with the table's past, and the
    /// count of a row only grows: a lower one is of that past, and an equal one says nothing new.
    fn take(&mut self, event: RowEvent) -> anyhow::Result<bool> {
        let cells = match event {
            RowEvent::Row(cells) => cells,
            RowEvent::Tombstone(_) | RowEvent::Final(_) => return Ok(false),
            RowEvent::Error(message) => anyhow::bail!("the query failed: {message}"),
        };
        let row = read(&cells);
        let (hour, airline, row) = row.with_context(|| {
            let cells = Json::Array(cells);
            format!("the query's row has other columns than the demo's: {cells}")
        })?;
        let key = (hour, airline);
        let old = self.rows.get(&key).copied();
        if old.is_some_and(|old| old.departures > row.departures || old == row) {
            return Ok(false);
        }
        let sum = self.airlines.entry(key.1.clone()).or_default();
        let old = old.unwrap_or(Row { departures: 0, average_delay: None });
        sum.departures += row.departures - old.departures;
        sum.delay_minutes += row.delay_minutes() - old.delay_minutes();
        self.rows.insert(key, row);
        Ok(true)
    }

    /// How many rows the table has.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Departures of all airlines and hours.
    pub(super) fn departures(&self) -> i64 {
        self.airlines.values().map(|sum| sum.departures).sum()
    }

    /// The last hour of which the table has a row.
    pub(super) fn last_hour(&self) -> Option<DateTime<Utc>> {
        let ((hour, _), _) = self.rows.last_key_value()?;
        DateTime::from_timestamp_millis(*hour)
    }

    /// The airlines, most departures first.
    pub(super) fn standings(&self) -> Vec<Standing> {
        let standing = |(airline, sum): (&String, &Sum)| Standing {
            airline: airline.clone(),
            departures: sum.departures,
            average_delay: (sum.departures > 0).then(|| sum.delay_minutes / sum.departures as f64),
        };
        let mut all: Vec<Standing> = self.airlines.iter().map(standing).collect();
        // A stable sort: equal ones stay in the order of their names.
        all.sort_by_key(|standing| -standing.departures);
        all
    }

    /// The rows of the last hours, newest first.
    pub(super) fn latest(&self) -> impl Iterator<Item = (DateTime<Utc>, &str, Row)> {
        self.rows.iter().rev().map(|((hour, airline), row)| {
            let hour = DateTime::from_timestamp_millis(*hour).unwrap_or_default();
            (hour, airline.as_str(), *row)
        })
    }

    /// The airlines as plain lines under a heading.
    pub(super) fn airlines_text(&self) -> String {
        let mut lines = vec![format!("{:<28} | departures | average delay", "airline")];
        for Standing { airline, departures, average_delay } in self.standings() {
            let delay = minutes(average_delay);
            lines.push(format!("{airline:<28} | {departures:>10} | {delay:>13}"));
        }
        lines.join("\n")
    }

    /// All rows as plain lines under a heading.
    pub(super) fn rows_text(&self) -> String {
        let heading =
            format!("{:<16} | {:<28} | departures | average delay", "hour (UTC)", "airline");
        let mut lines = vec![heading];
        for ((hour, airline), row) in &self.rows {
            let hour = DateTime::from_timestamp_millis(*hour).unwrap_or_default();
            let hour = hour.format("%Y-%m-%d %H:%M");
            let delay = minutes(row.average_delay);
            lines.push(format!("{hour} | {airline:<28} | {:>10} | {delay:>13}", row.departures));
        }
        lines.join("\n")
    }
}

fn minutes(average: Option<f64>) -> String {
    average.map_or_else(|| "-".to_owned(), |minutes| format!("{minutes:.3}"))
}

/// Columns: AIRLINE, WINDOWSTART, WINDOWEND, DEPARTURES, AVERAGE_DELAY.
fn read(cells: &[Json]) -> Option<(i64, String, Row)> {
    let [airline, hour, _, departures, average_delay] = cells else { return None };
    let row = Row { departures: departures.as_i64()?, average_delay: average_delay.as_f64() };
    Some((hour.as_i64()?, airline.as_str()?.to_owned(), row))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A row of the query.
    pub(in super::super) fn change(
        airline: &str,
        hour: i64,
        departures: i64,
        delay: Option<f64>,
    ) -> RowEvent {
        let start = hour * 3_600_000;
        let end = start + 3_600_000;
        RowEvent::Row(vec![
            json!(airline),
            json!(start),
            json!(end),
            json!(departures),
            json!(delay),
        ])
    }

    #[test]
    fn a_change_replaces_the_row_of_its_hour_and_airline() {
        let mut board = Board::default();
        board.apply(change("Blue", 1, 1, Some(-3.5))).expect("a row");
        board.apply(change("Blue", 1, 2, None)).expect("a row");
        assert_eq!((board.len(), board.row_changes, board.departures()), (1, 2, 2));
        let line = "1970-01-01 01:00 | Blue                         |          2 |             -";
        assert_eq!(board.rows_text().lines().nth(1), Some(line));
        assert!(board.apply(RowEvent::Row(vec![json!(1)])).is_err());
        assert!(board.apply(RowEvent::Error("gone".into())).is_err());
    }

    #[test]
    fn an_airline_stands_by_all_its_hours_and_its_delay_is_over_all_its_departures() {
        let mut board = Board::default();
        for event in [
            change("Blue", 1, 1, Some(10.0)),
            change("Blue", 2, 3, Some(2.0)),
            change("Red", 1, 1, Some(1.0)),
            change("Red", 1, 2, Some(5.0)),
            change("None", 1, 0, None),
        ] {
            board.apply(event).expect("a row");
        }
        let standing = |airline: &str, departures, average_delay| Standing {
            airline: airline.to_owned(),
            departures,
            average_delay,
        };
        let expected = [
            standing("Blue", 4, Some(4.0)),
            standing("Red", 2, Some(5.0)),
            standing("None", 0, None),
        ];
        assert_eq!(board.standings(), expected);
    }

    #[test]
    fn rows_that_were_there_are_no_changes_so_that_the_counter_only_grows() {
        let mut board = Board::default();
        board.apply(change("Blue", 1, 1, None)).expect("a row");
        for event in [
            change("Blue", 1, 2, None),
            change("Red", 1, 1, None),
            RowEvent::Final("Query Completed".to_owned()),
        ] {
            board.note(event).expect("a row");
        }
        assert_eq!((board.len(), board.row_changes), (2, 1));
    }

    #[test]
    fn a_flight_that_did_not_leave_changes_a_row_only_where_it_makes_one() {
        let mut board = Board::default();
        for (departures, delay, row_changes) in
            [(0, None, 1), (0, None, 1), (1, Some(4.0), 2), (1, Some(4.0), 2), (2, Some(4.0), 3)]
        {
            board.apply(change("Blue", 1, departures, delay)).expect("a row");
            assert_eq!(board.row_changes, row_changes, "{departures} departures");
        }
    }

    #[test]
    fn the_past_of_the_table_is_no_change_and_takes_nothing_back() {
        let mut board = Board::default();
        board.note(change("Blue", 1, 3, Some(2.0))).expect("a row");
        for departures in 1..=3 {
            board.apply(change("Blue", 1, departures, Some(2.0))).expect("a row");
            assert_eq!((board.departures(), board.row_changes), (3, 0));
        }
        board.apply(change("Blue", 1, 4, Some(2.5))).expect("a row");
        assert_eq!((board.departures(), board.row_changes), (4, 1));
    }
}

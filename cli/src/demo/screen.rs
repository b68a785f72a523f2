//! Where the demo shows itself: a picture drawn again and again on a terminal, plain lines
//! elsewhere.

use std::time::Instant;

use connect::ConnectorStatus;
use tokio::sync::mpsc;

use super::board::Board;
use super::frame::{self, Load, Look, Size, View};
use super::pace::{Race, Rate};
use super::terminal::{self, Terminal};
use crate::output::say;

/// What stays the same while the demo runs.
pub(super) struct About {
    /// Where clients connect.
    pub(super) addresses: String,
    /// The data folder.
    pub(super) data: String,
    /// A command that asks for the table.
    pub(super) example: String,
}

pub(super) struct Screen {
    form: Form,
    about: About,
    begun: Instant,
}

enum Form {
    Live(Box<Live>),
    /// The last tenth of the load that a line told of.
    Lines {
        told: u64,
    },
    Left,
}

struct Live {
    terminal: Terminal,
    race: Race,
    read_rate: Rate,
    change_rate: Rate,
    load: Load,
    done: bool,
}

impl Screen {
    /// Takes the terminal, if `live`; the receiver then tells when the user wants to leave.
    pub(super) fn new(live: bool, about: About) -> (Self, Option<mpsc::Receiver<()>>) {
        let begun = Instant::now();
        if !live {
            say(&about.addresses);
            return (Self { form: Form::Lines { told: 0 }, about, begun }, None);
        }
        let (terminal, keys) = Terminal::enter(terminal::look());
        let form = Form::Live(Box::new(Live {
            terminal,
            race: Race::default(),
            read_rate: Rate::default(),
            change_rate: Rate::default(),
            load: Load::default(),
            done: false,
        }));
        (Self { form, about, begun }, Some(keys))
    }

    /// Whether it is drawn in place.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.form, Form::Live(_))
    }

    /// Shows how far the flights are read, and the table as it is.
    pub(super) fn show(&mut self, flights: &ConnectorStatus, board: &Board) {
        match &mut self.form {
            Form::Live(live) => live.show(flights, board, &self.about, self.begun),
            Form::Lines { told } => {
                let tenth = flights.bytes_read * 10 / flights.bytes_total.max(1);
                if tenth > *told {
                    *told = tenth;
                    say(&progress(flights, board, tenth * 10));
                }
            }
            Form::Left => {}
        }
    }

    /// Shows that all flights are through. On plain lines the whole table ends the output.
    pub(super) fn finish(&mut self, flights: &ConnectorStatus, board: &Board) {
        if let Form::Live(live) = &mut self.form {
            live.done = true;
        }
        self.show(flights, board);
        if matches!(self.form, Form::Lines { .. }) {
            say(&format!("\n{}\n\n{}", board.airlines_text(), board.rows_text()));
        }
    }

    /// Gives the terminal back, and leaves the race on it as it stands.
    pub(super) fn close(&mut self, board: &Board) {
        let Form::Live(live) = std::mem::replace(&mut self.form, Form::Left) else { return };
        let text = live.summary(board, &self.about, self.begun);
        drop(live);
        say(&text);
    }
}

impl Live {
    fn show(&mut self, flights: &ConnectorStatus, board: &Board, about: &About, begun: Instant) {
        let now = Instant::now();
        self.load = Load {
            bytes_read: flights.bytes_read,
            bytes_total: flights.bytes_total,
            records: flights.records_written,
        };
        self.read_rate.note(now, self.load.records);
        self.change_rate.note(now, board.row_changes);
        self.race.note(now, &board.standings());
        let size = self.terminal.size();
        let picture =
            self.picture(board, about, begun, |view, look| frame::frame(view, size, look));
        self.terminal.draw(&picture, size);
    }

    fn picture<T>(
        &self,
        board: &Board,
        about: &About,
        begun: Instant,
        draw: impl FnOnce(&View<'_>, Look) -> T,
    ) -> T {
        let hint = match (self.done, self.load.records) {
            (false, _) => "q or Ctrl-C leaves; the next run goes on from there".to_owned(),
            (true, 0) => {
                format!("All were read before (q leaves): {}", again(&about.data))
            }
            (true, _) => format!("Done. Try: {}  (q leaves)", about.example),
        };
        let view = View {
            board,
            standings: &board.standings(),
            race: &self.race,
            flights: self.load,
            read_rate: &self.read_rate,
            change_rate: &self.change_rate,
            elapsed: begun.elapsed(),
            done: self.done,
            addresses: &about.addresses,
            hint: &hint,
        };
        draw(&view, self.terminal.look)
    }

    /// What stays on the user's own screen.
    fn summary(&self, board: &Board, about: &About, begun: Instant) -> String {
        let (look, Size { columns, .. }) = (self.terminal.look, self.terminal.size());
        let race = self.picture(board, about, begun, |view, look| {
            frame::race(view, columns, look, usize::MAX)
        });
        let mut lines: Vec<String> = race.iter().map(|line| line.paint(columns, look)).collect();
        lines.push(sums(board, self.load.records));
        lines.push(match self.done {
            true => format!("All flights are through: {}", again(&about.data)),
            false => format!("The next run goes on from there; its data is in {}", about.data),
        });
        lines.join("\n")
    }
}

/// What is in the table, and what this run did to it: two counts, as a flight that did not leave is
/// read and changes nothing.
fn sums(board: &Board, flights: u64) -> String {
    format!(
        "{} departures in {} rows. This run has read {flights} flights, and {} times a row changed",
        board.departures(),
        board.len(),
        board.row_changes
    )
}

fn again(data: &str) -> String {
    format!("remove {data} to watch them again")
}

fn progress(flights: &ConnectorStatus, board: &Board, percent: u64) -> String {
    let records = flights.records_written + flights.records_recovered;
    format!("{percent} % of the file read, {records} flights written, {} rows", board.len())
}

#[cfg(test)]
mod tests {
    use super::super::board::tests::change;
    use super::*;

    #[test]
    fn flights_that_were_read_and_changes_of_rows_are_told_apart() {
        let mut board = Board::default();
        for departures in [1, 2, 2] {
            board.apply(change("Blue", 1, departures, Some(1.0))).expect("a row");
        }
        assert_eq!(
            sums(&board, 3),
            "2 departures in 1 rows. This run has read 3 flights, and 2 times a row changed"
        );
    }
}

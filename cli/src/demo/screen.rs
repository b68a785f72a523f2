//! Where the demo shows itself: a redrawn screen on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write as _};

use connect::ConnectorStatus;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::board::Board;

/// How many rows of the table fit beside the bar.
const ROWS_SHOWN: usize = 16;

pub(super) struct Screen {
    live: Option<Live>,
    /// The last tenth of the load that a plain line told of.
    told: u64,
}

struct Live {
    bars: MultiProgress,
    load: ProgressBar,
    table: ProgressBar,
}

impl Screen {
    pub(super) fn new() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { live: is_terminal.then(Live::new), told: 0 }
    }

    /// Whether it is redrawn in place.
    pub(super) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Prints a line that stays.
    pub(super) fn say(&self, line: &str) {
        match &self.live {
            // A terminal that is gone ends the demo by its signal.
            Some(live) => drop(live.bars.println(line)),
            None => print_line(line),
        }
    }

    /// Shows how far the load is, and the table as it is.
    pub(super) fn show(&mut self, flights: &ConnectorStatus, board: &Board) {
        match &self.live {
            Some(live) => {
                live.load.set_length(flights.bytes_total);
                live.load.set_position(flights.bytes_read);
                live.redraw(board);
            }
            None => {
                let tenth = flights.bytes_read * 10 / flights.bytes_total.max(1);
                if tenth > self.told {
                    self.told = tenth;
                    print_line(&progress(flights, board, tenth * 10));
                }
            }
        }
    }

    /// Shows the table after a change.
    pub(super) fn redraw(&self, board: &Board) {
        if let Some(live) = &self.live {
            live.redraw(board);
        }
    }

    /// Shows that all data is through: the whole table in plain lines, the last rows on a terminal.
    pub(super) fn end(&mut self, flights: &ConnectorStatus, board: &Board) {
        self.show(flights, board);
        match &self.live {
            Some(live) => {
                live.load.finish();
                let text = format!(
                    "All flights are through: {} rows. Any Kafka client may connect; Ctrl-C stops.",
                    board.len()
                );
                self.say(&text);
            }
            None => print_line(&board.all_rows()),
        }
    }

    /// Leaves the terminal as it found it.
    pub(super) fn close(&self) {
        if let Some(live) = &self.live {
            live.load.abandon();
            live.table.abandon();
        }
    }
}

impl Live {
    fn new() -> Self {
        let bars = MultiProgress::new();
        let load = bars.add(ProgressBar::new(1));
        let table = bars.add(ProgressBar::new_spinner());
        let bar = "flights [{bar:40}] {bytes}/{total_bytes} {elapsed}";
        if let Ok(style) = ProgressStyle::with_template(bar) {
            load.set_style(style);
        }
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            table.set_style(style);
        }
        Self { bars, load, table }
    }

    fn redraw(&self, board: &Board) {
        let rows = board.last_rows(ROWS_SHOWN);
        self.table.set_message(format!("{rows}\n{} rows, {} changes", board.len(), board.changes));
    }
}

fn progress(flights: &ConnectorStatus, board: &Board, percent: u64) -> String {
    let records = flights.records_written + flights.records_recovered;
    format!("{percent} % of the file read, {records} flights written, {} rows", board.len())
}

/// A reader that is gone, as with `| head`, is no reason to fail.
fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

//! One picture of the demo: what a terminal of a given size shows, as lines of styled text.
//!
//! ```text
//!   title, the flights' clock          always: how far the file is read, and the figures
//!   bar, figures                       from 6 lines on: the race of the airlines
//!   the race of the airlines           what is left over: the last hours of the table
//!   the last hours of the table        from 12 lines on: where clients connect
//!   where to connect, how to leave
//! ```

use std::time::Duration;

use sql::shell::{clip, pad, printable, width};

use super::board::{Board, Standing};
use super::pace::{Move, Race, Rate};

/// What there is to show.
pub(super) struct View<'a> {
    pub(super) board: &'a Board,
    pub(super) standings: &'a [Standing],
    pub(super) race: &'a Race,
    pub(super) flights: Load,
    pub(super) read_rate: &'a Rate,
    pub(super) change_rate: &'a Rate,
    pub(super) elapsed: Duration,
    /// Whether all flights are through.
    pub(super) done: bool,
    /// Where clients connect.
    pub(super) addresses: &'a str,
    /// How to leave, and what is worth doing meanwhile.
    pub(super) hint: &'a str,
}

/// How far the flights are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    pub(super) bytes_read: u64,
    pub(super) bytes_total: u64,
    /// By this run.
    pub(super) records: u64,
}

/// Columns and lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) lines: usize,
}

/// How a text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Strong,
    Faint,
    Accent,
    /// Delays: of no account, to be felt, bad.
    Good,
    Fair,
    Bad,
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) colours: bool,
    /// Blocks and arrows; otherwise ASCII only.
    pub(super) blocks: bool,
}

/// A line as parts of one style each.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Line(Vec<(Style, String)>);

const RESET: &str = "\x1b[0m";

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            Self::Accent => "\x1b[36m",
            Self::Good => "\x1b[32m",
            Self::Fair => "\x1b[33m",
            Self::Bad => "\x1b[31m",
        }
    }

    fn of_delay(minutes: Option<f64>) -> Self {
        match minutes {
            None => Self::Plain,
            Some(minutes) if minutes < 5.0 => Self::Good,
            Some(minutes) if minutes < 15.0 => Self::Fair,
            Some(_) => Self::Bad,
        }
    }
}

impl Line {
    pub(super) fn of(style: Style, text: impl Into<String>) -> Self {
        Self::default().and(style, text)
    }

    fn and(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    /// How many columns it takes, where there are as many.
    pub(super) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| width(text)).sum()
    }

    /// Puts a text at the right edge where there is room for it.
    fn with_right(self, columns: usize, style: Style, text: &str) -> Self {
        let taken = self.width() + width(text);
        match columns.checked_sub(taken) {
            Some(room) if room > 1 => self.and(Style::Plain, " ".repeat(room)).and(style, text),
            _ => self,
        }
    }

    /// The line as it is written to a terminal of that many columns.
    pub(super) fn paint(&self, columns: usize, look: Look) -> String {
        let mut painted = String::new();
        let mut room = columns;
        for (style, text) in &self.0 {
            let shown = if look.blocks { clip(text, room) } else { clip_ascii(text, room) };
            room -= width(&shown).min(room);
            match style.code() {
                "" => painted.push_str(&shown),
                code if look.colours && !shown.is_empty() => {
                    painted.push_str(code);
                    painted.push_str(&shown);
                    painted.push_str(RESET);
                }
                _ => painted.push_str(&shown),
            }
        }
        painted
    }
}

/// Without the ellipsis, which is not ASCII.
fn clip_ascii(text: &str, columns: usize) -> String {
    sql::shell::head(text, columns).to_owned()
}

/// The picture: at most as many lines as the terminal has.
pub(super) fn frame(view: &View<'_>, size: Size, look: Look) -> Vec<Line> {
    let columns = size.columns;
    let mut lines = Vec::new();
    if size.lines >= 6 {
        lines.push(title(view, columns));
    }
    lines.push(bar(view, columns, look));
    if size.lines >= 3 {
        lines.push(figures(view, columns, look));
    }
    let foot = foot(view, size);
    let gap = usize::from(size.lines >= 16);
    let room = size.lines.saturating_sub(lines.len() + foot.len() + gap);
    if gap == 1 {
        lines.push(Line::default());
    }
    let race = race(view, columns, look, room);
    let left = room - race.len();
    lines.extend(race);
    // A blank line, a heading, and rows that are worth them.
    if left >= 4 {
        lines.push(Line::default());
        lines.extend(latest_hours(view, columns, left - 1));
    }
    let blank = size.lines.saturating_sub(lines.len() + foot.len());
    lines.extend((0..blank).map(|_| Line::default()));
    lines.extend(foot);
    lines.truncate(size.lines.max(1));
    lines
}

fn title(view: &View<'_>, columns: usize) -> Line {
    let clock =
        view.board.last_hour().map(|hour| hour.format("%a %-d %b %Y %H:00 UTC").to_string());
    Line::of(Style::Strong, "Yeoul").and(Style::Plain, "  flights that leave New York").with_right(
        columns,
        Style::Accent,
        &clock.unwrap_or_default(),
    )
}

/// How far the file is read.
fn bar(view: &View<'_>, columns: usize, look: Look) -> Line {
    let Load { bytes_read, bytes_total, .. } = view.flights;
    let share = if bytes_total == 0 { 0.0 } else { bytes_read as f64 / bytes_total as f64 };
    let share = if view.done { 1.0 } else { share.clamp(0.0, 1.0) };
    let percent = format!("{:>4} %", (share * 100.0).floor());
    let label = "flights ";
    let length = columns.saturating_sub(width(label) + percent.len()).min(100);
    let (full, rest) = match look.blocks {
        true => ("━", "─"),
        false => ("=", "-"),
    };
    let filled = (share * length as f64) as usize;
    Line::of(Style::Plain, label)
        .and(if view.done { Style::Good } else { Style::Accent }, full.repeat(filled))
        .and(Style::Faint, rest.repeat(length - filled))
        .and(Style::Strong, percent)
}

fn figures(view: &View<'_>, columns: usize, look: Look) -> Line {
    let board = view.board;
    let seconds = view.elapsed.as_secs();
    let line = Line::of(Style::Strong, grouped(view.flights.records))
        .and(Style::Plain, " flights ")
        .and(Style::Accent, format!("{}/s", grouped(view.read_rate.per_second())))
        .and(Style::Plain, "  ")
        .and(Style::Strong, grouped(board.row_changes))
        .and(Style::Plain, " row changes ")
        .and(Style::Accent, format!("{}/s", grouped(view.change_rate.per_second())))
        .and(Style::Plain, "  ")
        .and(Style::Strong, grouped(board.len() as u64))
        .and(Style::Plain, " rows");
    let time = format!("{:02}:{:02}", seconds / 60, seconds % 60);
    let history = history(view.change_rate, columns.saturating_sub(line.width() + 9), look);
    line.and(Style::Good, history).with_right(columns, Style::Faint, &time)
}

/// The rates of the past as a row of small bars.
fn history(rate: &Rate, room: usize, look: Look) -> String {
    const STEPS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let rates: Vec<u64> = rate.history().collect();
    let most = rates.iter().copied().max().unwrap_or(0);
    if !look.blocks || most == 0 || room < 8 {
        return String::new();
    }
    let shown = &rates[rates.len().saturating_sub(room - 2)..];
    let step = |rate: &u64| STEPS[(rate * 7).div_ceil(most).min(7) as usize];
    format!("  {}", shown.iter().map(step).collect::<String>())
}

/// The widths of the race's columns.
struct Lanes {
    name: usize,
    bar: usize,
}

impl Lanes {
    /// Rank, arrow, departures and delay take 26 columns with the blanks between them.
    fn of(columns: usize, standings: &[Standing]) -> Self {
        let longest = standings.iter().map(|s| width(&printable(&s.airline))).max().unwrap_or(0);
        let name = longest.max(7).min((columns / 3).max(8));
        Self { name, bar: columns.saturating_sub(26 + name) }
    }
}

/// The airlines, most departures first, as bars that grow.
pub(super) fn race(view: &View<'_>, columns: usize, look: Look, room: usize) -> Vec<Line> {
    if room < 2 || view.standings.is_empty() {
        return Vec::new();
    }
    let lanes = Lanes::of(columns, view.standings);
    let most = view.standings.iter().map(|s| s.departures).max().unwrap_or(0).max(1);
    let heading = format!("     {} {:>6}  {}", pad("airline", lanes.name), "left", "mean delay");
    let mut lines = vec![Line::of(Style::Faint, heading)];
    for (rank, standing) in view.standings.iter().take(room - 1).enumerate() {
        let (arrow, moved) = arrow(view.race.moved(&standing.airline), look);
        let name = if rank == 0 { Style::Strong } else { Style::Plain };
        let airline = clip(&printable(&standing.airline), lanes.name);
        let delay = standing.average_delay;
        let shown = delay.map_or_else(String::new, |minutes| format!("{minutes:+.1} min"));
        let share = standing.departures.max(0) as f64 / most as f64;
        lines.push(
            Line::of(Style::Faint, format!("{:>2} ", rank + 1))
                .and(moved, arrow)
                .and(name, format!(" {} ", pad(&airline, lanes.name)))
                .and(Style::Strong, format!("{:>6}", grouped(standing.departures.max(0) as u64)))
                .and(Style::of_delay(delay), format!(" {shown:>11} "))
                .and(Style::of_delay(delay), block(share, lanes.bar, look)),
        );
    }
    lines
}

fn arrow(moved: Option<Move>, look: Look) -> (&'static str, Style) {
    match (moved, look.blocks) {
        (Some(Move::Up), true) => ("▲", Style::Good),
        (Some(Move::Down), true) => ("▼", Style::Bad),
        (Some(Move::Up), false) => ("^", Style::Good),
        (Some(Move::Down), false) => ("v", Style::Bad),
        (None, _) => (" ", Style::Plain),
    }
}

/// A bar as long as a share of `columns`, to the eighth of a column.
fn block(share: f64, columns: usize, look: Look) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * columns as f64 * 8.0) as usize;
    match look.blocks {
        true => format!("{}{}", "█".repeat(eighths / 8), PARTS[eighths % 8]),
        false => "#".repeat(eighths / 8),
    }
}

/// The newest rows of the table under a heading.
fn latest_hours(view: &View<'_>, columns: usize, room: usize) -> Vec<Line> {
    let name = (columns.saturating_sub(38)).clamp(8, 28);
    let airline = pad("airline", name);
    let heading =
        format!("     the table: {:<6} {airline} {:>6}  {}", "hour", "left", "mean delay");
    let mut lines = vec![Line::of(Style::Faint, heading)];
    for (hour, airline, row) in view.board.latest().take(room - 1) {
        let delay = row.average_delay;
        let shown = delay.map_or_else(String::new, |minutes| format!("{minutes:+.1} min"));
        let airline = pad(&clip(&printable(airline), name), name);
        lines.push(
            Line::of(Style::Faint, format!("     {} ", hour.format("%Y-%m-%d %H:%M")))
                .and(Style::Plain, format!("  {airline} "))
                .and(Style::Strong, format!("{:>6}", row.departures))
                .and(Style::of_delay(delay), format!(" {shown:>11}")),
        );
    }
    lines
}

fn foot(view: &View<'_>, size: Size) -> Vec<Line> {
    let mut lines = Vec::new();
    if size.lines >= 16 {
        lines.push(Line::of(Style::Faint, view.addresses));
    }
    if size.lines >= 4 {
        let style = if view.done { Style::Good } else { Style::Faint };
        lines.push(Line::of(style, view.hint));
    }
    lines
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;

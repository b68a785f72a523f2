use std::time::Instant;

use super::super::board::tests::change;
use super::*;

const PLAIN: Look = Look { colours: false, blocks: true };

/// A board of three airlines over a few hours.
fn board() -> Board {
    let mut board = Board::default();
    for hour in 0..30 {
        for (airline, departures, delay) in [
            ("United Air Lines Inc.", 9, 12.0),
            ("대한항공", 6, -3.0),
            ("Mesa Airlines Inc.", 1, 30.0),
        ] {
            board.apply(change(airline, hour, departures, Some(delay))).expect("a row");
        }
    }
    board
}

fn shown(size: Size, look: Look) -> Vec<String> {
    let board = board();
    let standings = board.standings();
    let (mut read_rate, mut change_rate) = (Rate::default(), Rate::default());
    let begun = Instant::now();
    for step in 0..10 {
        let now = begun + Duration::from_millis(step * 500);
        read_rate.note(now, step * 750);
        change_rate.note(now, step * 500);
    }
    let view = View {
        board: &board,
        standings: &standings,
        race: &Race::default(),
        flights: Load { bytes_read: 50, bytes_total: 100, records: 4881 },
        read_rate: &read_rate,
        change_rate: &change_rate,
        elapsed: Duration::from_secs(67),
        done: false,
        addresses: "Kafka clients 127.0.0.1:9092",
        hint: "q or Ctrl-C ends it",
    };
    frame(&view, size, look).iter().map(|line| line.paint(size.columns, look)).collect()
}

fn size(columns: usize, lines: usize) -> Size {
    Size { columns, lines }
}

#[test]
fn a_picture_fills_the_terminal_and_never_more_at_any_size() {
    for columns in [1, 2, 9, 20, 30, 40, 60, 80, 100, 250] {
        for lines in [1, 2, 3, 4, 5, 6, 10, 12, 15, 16, 20, 24, 40, 100] {
            for blocks in [true, false] {
                let look = Look { colours: false, blocks };
                let picture = shown(size(columns, lines), look);
                assert_eq!(picture.len(), lines, "{columns} x {lines}");
                for line in &picture {
                    assert!(width(line) <= columns, "{columns} x {lines}: {line}");
                }
            }
        }
    }
}

#[test]
fn a_usual_terminal_shows_the_progress_the_race_and_the_table() {
    let picture = shown(size(80, 24), PLAIN);
    let expected = "\
Yeoul  flights that leave New York                      Fri 2 Jan 1970 05:00 UTC
flights ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━─────────────────────────────────  50 %
4,881 flights 1,500/s  90 row changes 1,000/s  90 rows  █████████          01:07

     airline                 left  mean delay
 1   United Air Lines Inc.    270   +12.0 min █████████████████████████████████
 2   대한항공                 180    -3.0 min ██████████████████████
 3   Mesa Airlines Inc.        30   +30.0 min ███▋

     the table: hour   airline                        left  mean delay
     1970-01-02 05:00   대한항공                          6    -3.0 min
     1970-01-02 05:00   United Air Lines Inc.             9   +12.0 min
     1970-01-02 05:00   Mesa Airlines Inc.                1   +30.0 min";
    let found = picture[..13].join("\n");
    assert_eq!(found, expected);
    assert_eq!(picture[22], "Kafka clients 127.0.0.1:9092");
    assert_eq!(picture[23], "q or Ctrl-C ends it");
}

#[test]
fn a_short_terminal_has_the_race_and_a_tiny_one_the_progress() {
    let short = shown(size(60, 8), PLAIN);
    assert!(short[4].contains("United Air Lines") && short[7].contains("Ctrl-C"), "{short:#?}");
    let tiny = shown(size(30, 2), PLAIN);
    assert!(tiny[0].contains("50 %") && tiny.len() == 2, "{tiny:#?}");
}

#[test]
fn without_colours_there_is_no_escape_and_without_blocks_only_ascii() {
    let plain = shown(size(80, 24), PLAIN).concat();
    assert!(!plain.contains('\x1b'), "{plain}");
    let coloured = shown(size(80, 24), Look { colours: true, blocks: true }).concat();
    assert!(coloured.contains("\x1b[31m") && coloured.contains("\x1b[32m"), "{coloured}");
    let ascii = shown(size(80, 24), Look { colours: false, blocks: false }).concat();
    // Names come from the data.
    let ascii = ascii.replace("대한항공", "");
    assert!(ascii.is_ascii(), "{ascii}");
    assert!(ascii.contains("####"), "{ascii}");
}

//! The demo's final table, held against the same figures worked out from the CSV files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::DateTime;

use crate::broker::{YEOUL, printed};

/// Hour, airline, departures, average delay with three digits.
type Row = (String, String, u64, String);

fn files() -> PathBuf {
    PathBuf::from("../examples/flights")
}

/// The demo on free ports.
fn demo(data: &Path) -> Command {
    let mut command = Command::new(YEOUL);
    // Somewhere else than the project: the demo has all that it needs in it.
    command.arg("demo").arg("--data").arg("demo").current_dir(data);
    for listener in ["--listen", "--registry-listen", "--sql-listen"] {
        command.args([listener, "127.0.0.1:0"]);
    }
    command.stdin(Stdio::null());
    command
}

/// The lines of a CSV file as named fields. None of the demo's files has quoted fields.
fn csv(name: &str) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(files().join("data").join(name)).expect("the file is there");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let fields = |line: &str| {
        let values = line.split(',').map(str::to_owned);
        names.iter().map(|name| (*name).to_owned()).zip(values).collect()
    };
    lines.map(fields).collect()
}

/// The table, without any of our own code.
fn expected() -> Vec<Row> {
    let names: BTreeMap<String, String> = csv("airlines.csv")
        .into_iter()
        .map(|airline| (airline["carrier"].clone(), airline["name"].clone()))
        .collect();
    let mut groups: BTreeMap<(String, String), (u64, f64, u64)> = BTreeMap::new();
    for flight in csv("flights.csv") {
        let at = DateTime::parse_from_rfc3339(&flight["time_hour"]).expect("a time");
        let hour = at.format("%Y-%m-%d %H:00").to_string();
        let group = groups.entry((hour, names[&flight["carrier"]].clone())).or_default();
        group.0 += u64::from(flight["dep_time"] != "NA");
        if let Ok(delay) = flight["dep_delay"].parse::<f64>() {
            group.1 += delay;
            group.2 += 1;
        }
    }
    let row = |((hour, airline), (departures, sum, count)): ((String, String), (u64, f64, u64))| {
        let delay = if count == 0 { "-".to_owned() } else { format!("{:.3}", sum / count as f64) };
        (hour, airline, departures, delay)
    };
    groups.into_iter().map(row).collect()
}

/// The rows of the table that ends the output.
fn rows(output: &str) -> Vec<Row> {
    let table = output.lines().skip_while(|line| !line.starts_with("hour (UTC)")).skip(1);
    table
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [hour, airline, departures, delay] = cells[..] else { panic!("not a row: {line}") };
            let departures = departures.parse().expect("a number");
            (hour.to_owned(), airline.to_owned(), departures, delay.to_owned())
        })
        .collect()
}

#[test]
fn the_final_table_is_that_of_the_files_also_after_a_kill_and_a_second_run() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let expected = expected();
    assert!(expected.len() > 1000, "{} rows", expected.len());

    // Killed while flights are being read, so that the next run has to go on in the middle.
    let mut killed = demo(dir.path());
    killed.args(["--rate", "5000"]).stdout(Stdio::piped());
    let mut killed = killed.spawn().expect("the demo starts");
    let lines = std::io::BufReader::new(killed.stdout.take().expect("its output is piped"));
    let mut lines = std::io::BufRead::lines(lines);
    let begun = lines.any(|line| line.is_ok_and(|line| line.contains("flights written")));
    assert!(begun, "the demo ended before it told how far it is");
    killed.kill().expect("the demo is killed");
    killed.wait().expect("the demo is gone");

    for _ in 0..2 {
        let output = printed(&demo(dir.path()).output().expect("the demo runs"));
        let found = rows(&output);
        assert_eq!(found.len(), expected.len(), "{output}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
    }
}

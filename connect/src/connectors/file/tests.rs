use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::Value;
use serde_json::Value as Json;

use super::types::type_word;
use super::*;
use crate::plugin::{
    Polled, Position, Positions, Room, SourceError, SourcePartition, SourceRecord,
};

pub(super) struct Source {
    task: Box<dyn SourceTask>,
    pub(super) positions: Positions,
    room: Room,
}

impl Source {
    pub(super) async fn open(path: &Path, more: &[(&str, &str)], positions: Positions) -> Self {
        Self::of(&DelimitedFileSource, ("files", path), more, positions).await
    }

    async fn of(
        connector: &dyn SourceConnector,
        (key, path): (&str, &Path),
        more: &[(&str, &str)],
        positions: Positions,
    ) -> Self {
        let mut settings = BTreeMap::from([
            (key.to_owned(), path.display().to_string()),
            ("topic".to_owned(), "t".to_owned()),
        ]);
        settings.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let config = connector.config().parse(&settings).expect("valid settings");
        let task = connector.task("c", &config, Arc::default());
        let mut task = task.map_err(|problems| format!("{problems:?}")).expect("a task");
        task.start(positions.clone()).await.expect("started");
        Self { task, positions, room: Room::new(10_000) }
    }

    fn remember(&mut self, partition: &SourcePartition, position: &Position) {
        let partition = Json::Object(partition.clone()).to_string();
        self.positions.insert(partition, position.clone());
    }

    /// The next records; none when there is nothing any more.
    async fn try_poll(&mut self) -> Result<Option<Vec<SourceRecord>>, SourceError> {
        loop {
            match self.task.poll(self.room.clone()).await? {
                Polled::Records(records) => {
                    for record in &records {
                        if let Some(position) = &record.position {
                            self.remember(&record.partition, position);
                        }
                    }
                    assert!(records.last().is_some_and(|record| record.position.is_some()));
                    return Ok(Some(records));
                }
                Polled::Remember(positions) => {
                    assert!(!positions.is_empty());
                    for (partition, position) in &positions {
                        self.remember(partition, position);
                    }
                }
                Polled::Idle => return Ok(Some(Vec::new())),
                Polled::Done => return Ok(None),
            }
        }
    }

    async fn poll(&mut self) -> Option<Vec<SourceRecord>> {
        self.try_poll().await.expect("polled")
    }

    async fn failure(&mut self) -> String {
        self.try_poll().await.expect_err("a failure").to_string()
    }

    /// The texts of a line source until it has nothing more.
    pub(super) async fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(records) = self.poll().await.filter(|records| !records.is_empty()) {
            lines.extend(records.iter().map(text));
        }
        lines
    }

    /// All values in the words of the columns' types, until there is nothing more.
    async fn rows(&mut self) -> Vec<String> {
        let mut rows = Vec::new();
        while let Some(records) = self.poll().await.filter(|records| !records.is_empty()) {
            rows.extend(records.iter().map(row));
        }
        rows
    }
}

fn text(record: &SourceRecord) -> String {
    match record.value.as_ref().map(|data| &data.value) {
        Some(Value::String(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

/// `name TYPE value` for each column.
fn row(record: &SourceRecord) -> String {
    let data = record.value.as_ref().expect("a value");
    let Value::Struct(values) = &data.value else { panic!("no struct: {data:?}") };
    let shown = data.schema.fields().iter().zip(values).map(|(field, value)| {
        let value = match value {
            Value::Null => "null".to_owned(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Int32(n) => n.to_string(),
            Value::Int64(n) | Value::Timestamp(n) => n.to_string(),
            Value::Float64(n) => formats::java_double(*n),
            Value::String(text) => text.clone(),
            other => format!("{other:?}"),
        };
        format!("{} {} {value}", field.name, type_word(&field.schema.ty))
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("opened");
    file.write_all(text.as_bytes()).expect("written");
}

fn new_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("in.csv");
    append(&path, text);
    (dir, path)
}

const LINES: [(&str, &str); 2] = [("format", "line"), ("batch.size", "2")];
const BATCH: [(&str, &str); 1] = [("mode", "batch")];

#[tokio::test]
async fn a_followed_file_gives_whole_lines_only() {
    let (_dir, path) = new_file("one\ntwo\r\nthr");
    let mut source = Source::open(&path, &LINES, Positions::new()).await;
    assert_eq!(source.lines().await, ["one", "two"]);
    append(&path, "ee\n\nfour\n");
    assert_eq!(source.lines().await, ["three", "", "four"]);
    append(&path, "five\n");
    let mut again = Source::open(&path, &LINES, source.positions).await;
    assert_eq!(again.lines().await, ["five"]);
}

#[tokio::test]
async fn a_batch_ends_with_the_last_line_even_without_its_line_end() {
    let (_dir, path) = new_file("one\ntwo");
    let settings = [("format", "line"), ("mode", "batch")];
    let mut source = Source::open(&path, &settings, Positions::new()).await;
    assert_eq!(source.lines().await, ["one", "two"]);
    assert!(source.poll().await.is_none());
    let mut again = Source::open(&path, &settings, source.positions).await;
    assert!(again.poll().await.is_none(), "a second run has nothing to do");
}

#[tokio::test]
async fn truncated_and_replaced_files_are_read_from_their_start() {
    let (dir, path) = new_file("one\ntwo\nthree\n");
    let mut source = Source::open(&path, &LINES, Positions::new()).await;
    assert_eq!(source.lines().await, ["one", "two", "three"]);
    File::create(&path).expect("truncated");
    append(&path, "new\n");
    assert_eq!(source.poll().await.map(|records| records.len()), Some(0));
    assert_eq!(source.lines().await, ["new"]);

    append(&path, "last");
    std::fs::rename(&path, dir.path().join("in.csv.1")).expect("rotated");
    append(&path, "next\n");
    assert_eq!(source.lines().await, ["last", "next"]);

    std::fs::remove_file(&path).expect("removed");
    append(&path, "other beginning\n");
    let mut again = Source::open(&path, &LINES, source.positions).await;
    assert_eq!(again.lines().await, ["other beginning"]);
}

#[tokio::test]
async fn files_of_a_pattern_come_one_after_the_other_and_new_ones_are_found() {
    let dir = tempfile::tempdir().expect("a folder");
    append(&dir.path().join("b.log"), "b1\n");
    append(&dir.path().join("a.log"), "a1\na2\n");
    append(&dir.path().join("c.txt"), "no\n");
    let mut source = Source::open(&dir.path().join("*.log"), &LINES, Positions::new()).await;
    assert_eq!(source.lines().await, ["a1", "a2", "b1"]);
    append(&dir.path().join("c.log"), "c1\n");
    append(&dir.path().join("a.log"), "a3\n");
    assert_eq!(source.lines().await, ["a3"]);
    assert_eq!(source.lines().await, ["c1"]);
}

const TABLE: &str = "id,price,when,name,flag\n\
                     1,2.5,2013-01-01T10:00:00Z,\"a, \"\"b\"\"\nc\",true\n\
                     NA,3,NA,NA,false\n";

#[tokio::test]
async fn delimited_records_get_columns_with_types() {
    let (_dir, path) = new_file(TABLE);
    let settings = [
        ("mode", "batch"),
        ("null.values", "NA"),
        ("key.columns", "id"),
        ("timestamp.column", "when"),
    ];
    let mut source = Source::open(&path, &settings, Positions::new()).await;
    let records = source.poll().await.expect("records");
    let schema = &records[0].value.as_ref().expect("a value").schema;
    let types: Vec<String> =
        schema.fields().iter().map(|f| format!("{} {}", f.name, type_word(&f.schema.ty))).collect();
    assert_eq!(
        types,
        ["id BIGINT", "price DOUBLE", "when TIMESTAMP", "name STRING", "flag BOOLEAN"]
    );
    let values: Vec<Value> =
        records.iter().filter_map(|record| record.value.clone()).map(|data| data.value).collect();
    let ms = 1_357_034_400_000;
    assert_eq!(
        values,
        [
            Value::Struct(vec![
                Value::Int64(1),
                Value::Float64(2.5),
                Value::Timestamp(ms),
                Value::String("a, \"b\"\nc".into()),
                Value::Boolean(true),
            ]),
            Value::Struct(vec![
                Value::Null,
                Value::Float64(3.0),
                Value::Null,
                Value::Null,
                Value::Boolean(false),
            ]),
        ]
    );
    assert_eq!(records[0].key.as_ref().map(|key| key.value.clone()), Some(Value::Int64(1)));
    assert_eq!((records[0].timestamp_ms, records[1].timestamp_ms), (Some(ms), None));
}

#[tokio::test]
async fn wrong_records_are_named_with_file_and_line() {
    let (_dir, path) = new_file("a,b\n1,2\n\"x\ny\",2\n3\n");
    let settings = [("columns", "a STRING")];
    let mut source = Source::open(&path, &settings, Positions::new()).await;
    assert_eq!(
        source.poll().await.map(|records| records.len()),
        Some(2),
        "what is right before it"
    );
    let error = source.failure().await;
    assert!(error.ends_with("in.csv, line 5: 1 value, the columns are 2"), "{error}");
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let refused = |pairs: &[(&str, &str)]| {
        let mut settings = BTreeMap::from([
            ("files".to_owned(), "x".to_owned()),
            ("topic".to_owned(), "t".to_owned()),
        ]);
        settings.extend(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let task = DelimitedFileSource
            .config()
            .parse(&settings)
            .and_then(|config| DelimitedFileSource.task("c", &config, Arc::default()));
        task.err().map(|problems| problems[0].to_string()).unwrap_or_default()
    };
    assert!(refused(&[("header", "false")]).contains("name all of them"));
    assert!(refused(&[("columns", "a WHAT")]).contains("\"WHAT\" is no type"));
    assert!(refused(&[("delimiter", "ab")]).contains("one character"));
    assert!(refused(&[("mode", "once")]).contains("one of batch, tail"));
    assert!(refused(&[("topic", "a,b")]).contains("a single topic"));
    let keyed = [("header", "false"), ("columns", "a INT"), ("key.columns", "b")];
    assert!(refused(&keyed).contains("columns has no such column"));
}

#[tokio::test]
async fn files_that_are_followed_are_read_in_turns() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in [("a.txt", "a1\na2\na3\na4\n"), ("b.txt", "b1\nb2\nb3\n")] {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let lines = |mode: &'static str| {
        let pattern = dir.path().join("*.txt");
        async move {
            let more = [("format", "line"), ("mode", mode), ("batch.size", "2")];
            Source::open(&pattern, &more, Positions::new()).await.lines().await
        }
    };
    assert_eq!(lines("tail").await, ["a1", "a2", "b1", "b2", "a3", "a4", "b3"]);
    assert_eq!(lines("batch").await, ["a1", "a2", "a3", "a4", "b1", "b2", "b3"]);
}

#[tokio::test]
async fn records_before_a_wrong_one_are_given() {
    let (_dir, path) = new_file("n\n1\n2\nx\n4\n");
    let settings = [("columns", "n INTEGER"), BATCH[0]];
    let mut source = Source::open(&path, &settings, Positions::new()).await;
    assert_eq!(source.poll().await.map(|records| records.len()), Some(2));
    let error = source.failure().await;
    assert!(error.ends_with("in.csv, line 4: column n: \"x\" is no INTEGER"), "{error}");
    let mut again = Source::open(&path, &settings, source.positions).await;
    assert!(again.failure().await.contains("line 4"), "from there on");
}

#[tokio::test]
async fn a_first_record_that_cannot_be_read_is_told_while_types_are_looked_for() {
    let long = format!("a,b\n1,{}\n2,y\n", "x".repeat(cursor::LONGEST + (1 << 20)));
    let open = format!("a,b\n1,\"{}", "open\n".repeat(cursor::LONGEST / 4));
    for (text, expected) in [(long, "line 2: the record has more than 16 MiB"), (open, "16 MiB")] {
        let (_folder, path) = new_file(&text);
        let failure = Source::open(&path, &[], Positions::new()).await.failure().await;
        assert!(failure.contains(expected), "{failure}");
    }
}

#[tokio::test]
async fn kafkas_file_source_replaces_what_is_no_utf8() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("in.txt");
    std::fs::write(&path, b"first line\ncaf\xe9 opens\nthird line\n").expect("written");
    let mut source = Source::of(&FileStreamSource, ("file", &path), &[], Positions::new()).await;
    assert_eq!(source.lines().await, ["first line", "caf\u{fffd} opens", "third line"]);
}

#[tokio::test]
async fn inference_loses_no_character() {
    let (_dir, path) = new_file(
        "name,zip,phone,id,code,price,word,n\n\
         Ann,02134,+493012345,21602730330000060100,12E5,1.50,inf,1\n\
         Bob,10115,+493012346,21602730330000060101,12E6,2.25,nan,2\n",
    );
    let mut source = Source::open(&path, &BATCH, Positions::new()).await;
    let expected = [
        "name STRING Ann, zip STRING 02134, phone STRING +493012345, \
         id STRING 21602730330000060100, code STRING 12E5, price STRING 1.50, word STRING inf, \
         n BIGINT 1",
        "name STRING Bob, zip STRING 10115, phone STRING +493012346, \
         id STRING 21602730330000060101, code STRING 12E6, price STRING 2.25, word STRING nan, \
         n BIGINT 2",
    ];
    assert_eq!(source.rows().await, expected);
}

#[tokio::test]
async fn a_column_of_a_file_that_grows_takes_wider_types() {
    let (_dir, path) = new_file("at,value\n1,21\n");
    let mut source = Source::open(&path, &[], Positions::new()).await;
    assert_eq!(source.rows().await, ["at BIGINT 1, value BIGINT 21"]);
    append(&path, "2,21.5\n3,22\n");
    let mut again = Source::open(&path, &[], source.positions.clone()).await;
    let expected = ["at BIGINT 2, value DOUBLE 21.5", "at BIGINT 3, value DOUBLE 22.0"];
    assert_eq!(again.rows().await, expected);
    append(&path, "4,n/a\n");
    let records = again.poll().await.expect("a record");
    assert_eq!(row(&records[0]), "at BIGINT 4, value STRING n/a");
    let origin = records[0].origin.as_ref().expect("an origin").to_string();
    let told = "in.csv, line 5 (column value: \"n/a\" cannot be kept as DOUBLE, so that the column \
                is STRING from here on)";
    assert!(origin.ends_with(told), "{origin}");
    // The same over a restart, from what was remembered.
    let mut once_more = Source::open(&path, &[], again.positions).await;
    append(&path, "5,6\n");
    assert_eq!(once_more.rows().await, ["at BIGINT 5, value STRING 6"]);
}

#[tokio::test]
async fn a_whole_number_that_no_double_has_keeps_its_column_from_becoming_one() {
    let (_dir, path) = new_file("n\n9007199254740993\n");
    let mut source = Source::open(&path, &[], Positions::new()).await;
    assert_eq!(source.rows().await, ["n BIGINT 9007199254740993"]);
    append(&path, "0.5\n");
    let mut again = Source::open(&path, &[], source.positions).await;
    assert_eq!(again.rows().await, ["n STRING 0.5"]);
}

#[tokio::test]
async fn types_that_a_user_writes_win_over_what_was_remembered() {
    let (_dir, path) = new_file("at,value\n1,21\n");
    let mut source = Source::open(&path, &[], Positions::new()).await;
    assert_eq!(source.rows().await, ["at BIGINT 1, value BIGINT 21"]);
    append(&path, "2,3\n");
    let settings = [("columns", "value DOUBLE")];
    let mut again = Source::open(&path, &settings, source.positions).await;
    assert_eq!(again.rows().await, ["at BIGINT 2, value DOUBLE 3.0"]);
    append(&path, "3,x\n");
    let error = again.failure().await;
    assert!(error.ends_with("line 4: column value: \"x\" is no DOUBLE"), "{error}");
}

#[tokio::test]
async fn all_files_of_a_connector_tell_of_its_columns() {
    let dir = tempfile::tempdir().expect("a folder");
    append(&dir.path().join("day1.csv"), "k,v\na,1.5\n");
    append(&dir.path().join("day2.csv"), "k,v\nc,3\n");
    for mode in ["batch", "tail"] {
        let pattern = dir.path().join("*.csv");
        let mut source = Source::open(&pattern, &[("mode", mode)], Positions::new()).await;
        let expected = ["k STRING a, v DOUBLE 1.5", "k STRING c, v DOUBLE 3.0"];
        assert_eq!(source.rows().await, expected, "{mode}");
        // A file that comes later, and over a restart.
        append(&dir.path().join("day3.csv"), "k,v\nd,4\n");
        let mut again = Source::open(&pattern, &[("mode", mode)], source.positions).await;
        assert_eq!(again.rows().await, ["k STRING d, v DOUBLE 4.0"], "{mode}");
        std::fs::remove_file(dir.path().join("day3.csv")).expect("removed");
    }
}

#[tokio::test]
async fn columns_are_remembered_before_their_records_are_given() {
    let (_dir, path) = new_file("n\n1\n");
    let mut source = Source::open(&path, &[], Positions::new()).await;
    let first = source.task.poll(source.room.clone()).await.expect("polled");
    let Polled::Remember(positions) = first else { panic!("not remembered: {first:?}") };
    assert_eq!(positions[0].1["columns"].to_string(), r#"[{"name":"n","type":"BIGINT"}]"#);
    // A run that was killed after that goes on from there, whatever the file has become.
    append(&path, "2.5\n");
    for (partition, position) in &positions {
        source.remember(partition, position);
    }
    let mut again = Source::open(&path, &[], source.positions).await;
    assert_eq!(again.rows().await, ["n BIGINT 1", "n DOUBLE 2.5"]);
}

#[tokio::test]
async fn a_header_in_any_script_names_the_columns() {
    let (_dir, path) = new_file("이름,나이,금액,날짜\n김,41,1.5,2024-01-31\n");
    let settings = [("mode", "batch"), ("key.columns", "이름"), ("columns", "나이 INTEGER")];
    let mut source = Source::open(&path, &settings, Positions::new()).await;
    let row = ["이름 STRING 김, 나이 INTEGER 41, 금액 DOUBLE 1.5, 날짜 STRING 2024-01-31"];
    assert_eq!(source.rows().await, row);
    let settings = [("mode", "batch"), ("columns", "name, age INTEGER, amount, day DATE")];
    let mut source = Source::open(&path, &settings, Positions::new()).await;
    let row = ["name STRING 김, age INTEGER 41, amount DOUBLE 1.5, day DATE Date(19753)"];
    assert_eq!(source.rows().await, row);
}

#[tokio::test]
async fn a_header_in_the_encoding_of_excel_is_read_with_its_charset() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("in.csv");
    std::fs::write(&path, b"\xc0\xcc\xb8\xa7,n\r\n\xb1\xe8,1\r\n").expect("written");
    let settings = [("mode", "batch"), ("charset", "CP949")];
    let mut source = Source::open(&path, &settings, Positions::new()).await;
    assert_eq!(source.rows().await, ["이름 STRING 김, n BIGINT 1"]);
    let mut source = Source::open(&path, &BATCH, Positions::new()).await;
    let error = source.failure().await;
    assert!(
        error.contains("in.csv, line 1: byte 1 (0xC0) of the line is not valid UTF-8"),
        "{error}"
    );
}

#[tokio::test]
async fn a_byte_order_mark_without_a_header_is_no_part_of_the_first_value() {
    let (_dir, path) = new_file("\u{feff}1,x\n");
    let settings = [("mode", "batch"), ("header", "false"), ("columns", "n INTEGER, s")];
    let mut source = Source::open(&path, &settings, Positions::new()).await;
    assert_eq!(source.rows().await, ["n INTEGER 1, s STRING x"]);
}

#[tokio::test]
async fn a_followed_file_replaced_by_a_longer_copy_of_itself_goes_on() {
    let forty: String = (0..40).map(|n| format!("line {n}\n")).collect();
    let (dir, path) = new_file(&forty);
    let mut source = Source::open(&path, &LINES, Positions::new()).await;
    assert_eq!(source.lines().await.len(), 40);
    let copy = dir.path().join("copy");
    std::fs::copy(&path, &copy).expect("copied");
    append(&copy, "line 40\n");
    std::fs::rename(&copy, &path).expect("moved");
    assert_eq!(source.lines().await, Vec::<String>::new(), "the copy is found");
    assert_eq!(source.lines().await, ["line 40"]);

    // The same where the old one ends within a line, and the copy has the rest of it.
    append(&path, "li");
    assert_eq!(source.lines().await, Vec::<String>::new());
    std::fs::copy(&path, &copy).expect("copied");
    append(&copy, "ne 41\n");
    std::fs::rename(&copy, &path).expect("moved");
    assert_eq!(source.lines().await, Vec::<String>::new(), "the copy is found");
    assert_eq!(source.lines().await, ["line 41"]);
}

#[tokio::test]
async fn a_new_file_with_the_same_beginning_is_no_copy() {
    let header = format!("{}\n", "x".repeat(2000));
    let (dir, path) = new_file(&format!("{header}one\ntwo\n"));
    let mut source = Source::open(&path, &LINES, Positions::new()).await;
    assert_eq!(source.lines().await.len(), 3);
    let new = dir.path().join("new");
    append(&new, &format!("{header}three\nfour\nfive\n"));
    std::fs::rename(&new, &path).expect("moved");
    assert_eq!(source.lines().await, Vec::<String>::new(), "the new file is found");
    assert_eq!(source.lines().await[1..], ["three", "four", "five"]);
    // And over a restart.
    append(&new, &format!("{header}6\n7\n8\n9\n10\n11\n12\n13\n14\n"));
    std::fs::rename(&new, &path).expect("moved");
    let mut again = Source::open(&path, &LINES, source.positions).await;
    assert_eq!(again.lines().await[1..3], ["6", "7"]);
}

#[tokio::test]
async fn a_file_that_is_rewritten_in_place_is_read_from_its_start() {
    let (_dir, path) = new_file("one\ntwo\n");
    let mut source = Source::open(&path, &LINES, Positions::new()).await;
    assert_eq!(source.lines().await, ["one", "two"]);
    std::fs::write(&path, "other\nlines\nlonger than before\n").expect("rewritten");
    assert_eq!(source.lines().await, Vec::<String>::new(), "that is seen");
    assert_eq!(source.lines().await, ["other", "lines", "longer than before"]);
}

#[tokio::test]
async fn empty_files_and_blank_lines_are_no_records() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in [("a.csv", ""), ("b.csv", "n\n\n\r\n1\n\n"), ("c.csv", "n\n")] {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    let settings = [("mode", "batch"), ("key.columns", "n"), ("timestamp.column", "n")];
    let mut source = Source::open(&dir.path().join("*.csv"), &settings, Positions::new()).await;
    assert_eq!(source.rows().await, ["n BIGINT 1"]);
    assert!(source.poll().await.is_none());
}

#[tokio::test]
async fn a_partition_without_room_is_passed_over() {
    let dir = tempfile::tempdir().expect("a folder");
    append(&dir.path().join("a.txt"), "a1\na2\na3\n");
    append(&dir.path().join("b.txt"), "b1\n");
    for mode in ["batch", "tail"] {
        let settings = [("format", "line"), ("mode", mode), ("batch.size", "1")];
        let mut source = Source::open(&dir.path().join("*.txt"), &settings, Positions::new()).await;
        source.room = Room::new(2);
        let mut lines = Vec::new();
        while let Some(records) = source.poll().await.filter(|records| !records.is_empty()) {
            for record in &records {
                assert!(source.room.count(&record.partition, 1), "{mode}");
                lines.push(text(record));
            }
        }
        lines.sort();
        assert_eq!(lines, ["a1", "a2", "b1"], "{mode}");
        source.room.clear();
        assert_eq!(source.lines().await, ["a3"], "{mode}");
    }
}

/// How many files this process has open below a folder.
fn open_below(folder: &Path) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("open files");
    links
        .filter_map(|link| std::fs::read_link(link.ok()?.path()).ok())
        .filter(|path| path.starts_with(folder))
        .count()
}

#[tokio::test]
async fn thousands_of_files_are_not_open_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    for n in 0..1500 {
        std::fs::write(dir.path().join(format!("{n}.txt")), format!("{n}\n")).expect("written");
    }
    let pattern = dir.path().join("*.txt");
    for mode in ["batch", "tail"] {
        let settings = [("format", "line"), ("mode", mode)];
        let mut source = Source::open(&pattern, &settings, Positions::new()).await;
        assert_eq!(source.lines().await.len(), 1500, "{mode}");
        let open = open_below(dir.path());
        assert!(open <= if mode == "batch" { 0 } else { 200 }, "{mode}: {open} files are open");
        if mode == "tail" {
            append(&dir.path().join("7.txt"), "more of 7\n");
            append(&dir.path().join("1499.txt"), "more of 1499\n");
            let mut lines = source.lines().await;
            lines.sort();
            assert_eq!(lines, ["more of 1499", "more of 7"]);
        }
    }
}

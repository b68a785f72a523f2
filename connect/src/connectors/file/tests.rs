use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::{Type, Value};
use serde_json::Value as Json;

use super::columns::{infer, parse_types};
use super::*;
use crate::plugin::{Polled, Positions, SourceRecord};

struct Source {
    task: Box<dyn SourceTask>,
    positions: Positions,
}

impl Source {
    async fn open(path: &Path, more: &[(&str, &str)], positions: Positions) -> Self {
        let mut settings = BTreeMap::from([
            ("files".to_owned(), path.display().to_string()),
            ("topic".to_owned(), "t".to_owned()),
        ]);
        settings.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let config = DelimitedFileSource.config().parse(&settings).expect("valid settings");
        let task = DelimitedFileSource.task("c", &config, Arc::default());
        let mut task = task.map_err(|problems| format!("{problems:?}")).expect("a task");
        task.start(positions.clone()).await.expect("started");
        Self { task, positions }
    }

    async fn poll(&mut self, most: usize) -> Option<Vec<SourceRecord>> {
        match self.task.poll(most).await.expect("polled") {
            Polled::Records(records) => {
                for record in &records {
                    if let Some(position) = &record.position {
                        let partition = Json::Object((*record.partition).clone()).to_string();
                        self.positions.insert(partition, position.clone());
                    }
                }
                assert!(records.last().is_some_and(|record| record.position.is_some()));
                Some(records)
            }
            Polled::Idle => Some(Vec::new()),
            Polled::Done => None,
        }
    }

    /// The texts of a line source until it has nothing more.
    async fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(records) = self.poll(2).await.filter(|records| !records.is_empty()) {
            lines.extend(records.iter().map(text));
        }
        lines
    }
}

fn text(record: &SourceRecord) -> String {
    match record.value.as_ref().map(|data| &data.value) {
        Some(Value::String(text)) => text.clone(),
        other => format!("{other:?}"),
    }
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

const LINES: [(&str, &str); 1] = [("format", "line")];

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
    assert!(source.poll(9).await.is_none());
    let mut again = Source::open(&path, &settings, source.positions).await;
    assert!(again.poll(9).await.is_none(), "a second run has nothing to do");
}

#[tokio::test]
async fn truncated_and_replaced_files_are_read_from_their_start() {
    let (dir, path) = new_file("one\ntwo\nthree\n");
    let mut source = Source::open(&path, &LINES, Positions::new()).await;
    assert_eq!(source.lines().await, ["one", "two", "three"]);
    File::create(&path).expect("truncated");
    append(&path, "new\n");
    assert_eq!(source.poll(9).await.map(|records| records.len()), Some(0));
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
    let records = source.poll(9).await.expect("records");
    let schema = &records[0].value.as_ref().expect("a value").schema;
    let types: Vec<String> =
        schema.fields().iter().map(|f| format!("{} {}", f.name, f.schema.ty)).collect();
    assert_eq!(
        types,
        ["id INT64", "price FLOAT64", "when TIMESTAMP", "name STRING", "flag BOOLEAN"]
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
async fn columns_stay_as_they_were_inferred_first() {
    let (_dir, path) = new_file("n\n1\n");
    let mut source = Source::open(&path, &[], Positions::new()).await;
    assert_eq!(source.poll(9).await.map(|records| records.len()), Some(1));
    append(&path, "2.5\n");
    let mut again = Source::open(&path, &[], source.positions).await;
    let error = again.task.poll(9).await.expect_err("no whole number").to_string();
    assert!(error.ends_with("line 3: column n: \"2.5\" is no INT64"), "{error}");
}

#[tokio::test]
async fn wrong_records_are_named_with_file_and_line() {
    let (_dir, path) = new_file("a,b\n1,2\n\"x\ny\",2\n3\n");
    let settings = [("columns", "a STRING")];
    let mut source = Source::open(&path, &settings, Positions::new()).await;
    let error = source.task.poll(9).await.expect_err("a short record").to_string();
    assert!(error.ends_with("in.csv, line 5: 1 values, the columns are 2"), "{error}");
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

#[test]
fn types_are_read_and_inferred() {
    let types = parse_types("a INT, b DECIMAL(6, 2),c timestamp").expect("types");
    let words: Vec<String> = types.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
    assert_eq!(words, ["a INT32", "b DECIMAL(6, 2)", "c TIMESTAMP"]);
    assert_eq!(parse_types(&words.join(", ")).expect("types"), types);
    let sample: Vec<Vec<String>> = [["1", "", "2013-01-01", "true"], ["2.5", "", "x", "false"]]
        .iter()
        .map(|record| record.iter().map(|text| (*text).to_owned()).collect())
        .collect();
    let inferred: Vec<Type> = (0..4).map(|column| infer(&sample, column, &[])).collect();
    assert_eq!(inferred, [Type::Float64, Type::String, Type::String, Type::Boolean]);
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
            let more = [("format", "line"), ("mode", mode)];
            Source::open(&pattern, &more, Positions::new()).await.lines().await
        }
    };
    assert_eq!(lines("tail").await, ["a1", "a2", "b1", "b2", "a3", "a4", "b3"]);
    assert_eq!(lines("batch").await, ["a1", "a2", "a3", "a4", "b1", "b2", "b3"]);
}

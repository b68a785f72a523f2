//! A followed file that changes in every way that keeps what was read of it: each of its lines is
//! given once, in order.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;

use super::tests::Source;
use crate::plugin::Positions;

#[derive(Clone, Debug)]
enum Change {
    /// More is written, perhaps a part of a line.
    Append(String),
    /// A copy with more in it takes the path.
    Copy(String),
    /// The task is started again from what is remembered.
    Restart,
    Read,
}

fn change() -> impl Strategy<Value = Change> {
    let text = prop::sample::select(vec!["a\n", "b", "\n", "\r\n", "long line", "\n\n", "이\n"]);
    let text = prop::collection::vec(text, 1..4).prop_map(|parts| parts.concat());
    prop_oneof![
        3 => text.clone().prop_map(Change::Append),
        1 => text.prop_map(Change::Copy),
        1 => Just(Change::Restart),
        3 => Just(Change::Read),
    ]
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(path).expect("opened");
    file.write_all(text.as_bytes()).expect("written");
}

const LINES: [(&str, &str); 2] = [("format", "line"), ("batch.size", "3")];

async fn lines_of(changes: &[Change]) -> (Vec<String>, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("in.txt");
    std::fs::write(&path, "begin\n").expect("written");
    let mut source = Source::open(&path, &LINES, Positions::new()).await;
    let mut found = Vec::new();
    for change in changes {
        match change {
            Change::Append(text) => append(&path, text),
            Change::Copy(text) => {
                let copy = dir.path().join("copy");
                std::fs::copy(&path, &copy).expect("copied");
                append(&copy, text);
                std::fs::rename(&copy, &path).expect("moved");
            }
            Change::Restart => {
                let positions = std::mem::take(&mut source.positions);
                source = Source::open(&path, &LINES, positions).await;
            }
            Change::Read => found.extend(source.lines().await),
        }
    }
    // A file that took the path is found first, then read.
    for _ in 0..2 {
        found.extend(source.lines().await);
    }
    (found, std::fs::read_to_string(&path).expect("read"))
}

/// The lines that have an end; a CR at the very end may be the first half of one.
fn whole_lines(text: &str) -> Vec<String> {
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    text[..end].lines().map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn each_line_is_given_once_however_the_file_changes(
        changes in prop::collection::vec(change(), 0..20)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (found, text) = runtime.block_on(lines_of(&changes));
        prop_assert_eq!(found, whole_lines(&text));
    }
}

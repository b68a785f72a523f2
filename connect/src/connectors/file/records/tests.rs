use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

struct Written {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Written {
    fn new(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("in.csv");
        std::fs::write(&path, bytes).expect("written");
        Self { _dir: dir, path }
    }

    fn append(&self, bytes: &[u8]) {
        let mut file = OpenOptions::new().append(true).open(&self.path).expect("opened");
        file.write_all(bytes).expect("written");
    }

    fn delimited(&self, charset: Charset) -> Records {
        let cut = Cut::Delimited(Reader::new(','));
        Records::open(&self.path, (0, 1), charset, cut).expect("opened")
    }

    fn lines(&self, charset: Charset) -> Records {
        Records::open(&self.path, (0, 1), charset, Cut::Lines).expect("opened")
    }
}

fn more(records: &mut Records, last: bool) -> Result<Vec<(u64, Vec<String>)>, String> {
    let mut all = Vec::new();
    while let Some((line, record)) = records.next(last).map_err(|error| error.to_string())? {
        all.push((
            line,
            match record {
                Record::Line(text) => vec![text],
                Record::Delimited(reader) => reader.values().map(str::to_owned).collect(),
            },
        ));
    }
    Ok(all)
}

fn rows(bytes: &[u8], charset: Charset) -> Result<Vec<Vec<String>>, String> {
    let written = Written::new(bytes);
    let all = more(&mut written.delimited(charset), true)?;
    Ok(all.into_iter().map(|(_, values)| values).collect())
}

fn texts(bytes: &[u8], charset: Charset) -> Result<Vec<String>, String> {
    let written = Written::new(bytes);
    let all = more(&mut written.lines(charset), true)?;
    Ok(all.into_iter().map(|(_, values)| values.concat()).collect())
}

#[test]
fn a_quotation_mark_inside_a_value_opens_nothing() {
    let sizes = b"text\n5\" tall\nplain\n6\" wide\nend\n";
    let expected = [["text"], ["5\" tall"], ["plain"], ["6\" wide"], ["end"]];
    assert_eq!(rows(sizes, Charset::UTF8).expect("records"), expected);
    let screens = b"sku,title,price\nA1,24\" monitor,199\nA2,27\" monitor,299\n";
    let expected =
        [["sku", "title", "price"], ["A1", "24\" monitor", "199"], ["A2", "27\" monitor", "299"]];
    assert_eq!(rows(screens, Charset::UTF8).expect("records"), expected);
}

#[test]
fn a_line_ends_as_kafkas_file_source_ends_it() {
    let expected = ["a", "", "b", "c", "", "d"];
    assert_eq!(texts(b"a\n\nb\rc\r\n\r\nd", Charset::JavaUtf8).expect("lines"), expected);
    let written = Written::new(b"a\r");
    let mut lines = written.lines(Charset::JavaUtf8);
    assert_eq!(more(&mut lines, false), Ok(vec![]), "LF may follow");
    written.append(b"\nb\rc");
    let expected = [(1, vec!["a".to_owned()]), (2, vec!["b".to_owned()])];
    assert_eq!(more(&mut lines, false).expect("lines"), expected);
}

/// Recorded from `FileStreamSourceTask` of Apache Kafka 4.3.1, which gives no line that has no end.
#[test]
fn lines_are_those_of_kafkas_file_source() {
    for (bytes, expected) in [
        (&b"a\n\nb\rc\r\n\r\nd\ne"[..], &["a", "", "b", "c", "", "d"][..]),
        (b"\xef\xbb\xbfa\nb\n", &["\u{feff}a", "b"]),
        (b"x\r", &[]),
        (b"x\ry\r\n", &["x", "y"]),
        (b"\n\n\n", &["", "", ""]),
        ("a\0b\nc\u{85}d\u{2028}e\u{b}f\n".as_bytes(), &["a\0b", "c\u{85}d\u{2028}e\u{b}f"]),
        (b"\r\r\n\n\r", &["", "", ""]),
        (
            b"caf\xe9 o\n\xed\xa0\x80x\n\xff\xfe\n\xe2\x82\nz\n",
            &["caf\u{fffd} o", "\u{fffd}x", "\u{fffd}\u{fffd}", "\u{fffd}", "z"],
        ),
    ] {
        let written = Written::new(bytes);
        let lines = more(&mut written.lines(Charset::JavaUtf8), false).expect("lines");
        let lines: Vec<String> = lines.into_iter().map(|(_, line)| line.concat()).collect();
        assert_eq!(lines, expected, "{bytes:x?}");
    }
}

#[test]
fn what_is_no_utf8_is_replaced_where_kafka_replaces_it_and_told_elsewhere() {
    let bytes = b"first line\ncaf\xe9 opens\nthird line\n";
    let expected = ["first line", "caf\u{fffd} opens", "third line"];
    assert_eq!(texts(bytes, Charset::JavaUtf8).expect("lines"), expected);
    let written = Written::new(bytes);
    let mut lines = written.lines(Charset::UTF8);
    assert!(lines.next(true).expect("the first").is_some());
    let error = lines.next(true).expect_err("no UTF-8").to_string();
    let told = "in.csv, line 2: byte 4 (0xE9) of the line is not valid UTF-8; set charset";
    assert!(error.contains(told), "{error}");
    let latin = Charset::named("windows-1252").expect("known");
    assert_eq!(texts(bytes, latin).expect("lines")[1], "café opens");
    let wide = rows(b"\xff\xfea\0,\0b\0", Charset::UTF8).expect_err("UTF-16");
    assert!(wide.contains("set charset=UTF-16"), "{wide}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_value() {
    assert_eq!(rows(b"\xef\xbb\xbf7,x\n", Charset::UTF8).expect("records"), [["7", "x"]]);
    let quoted = rows(b"\xef\xbb\xbf\"a,b\",x\n", Charset::UTF8).expect("records");
    assert_eq!(quoted, [["a,b", "x"]]);
    let wide = Charset::named("UTF-16").expect("known");
    let text = "\u{feff}이름,a\r\n\"x\ny\",2";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [little, big] {
        assert_eq!(rows(&bytes, wide).expect("records"), [["이름", "a"], ["x\ny", "2"]]);
    }
    // Java's reader leaves it where it is.
    assert_eq!(texts(b"\xef\xbb\xbfa\n", Charset::JavaUtf8).expect("lines"), ["\u{feff}a"]);
}

#[test]
fn an_unclosed_quotation_mark_is_told_with_its_line() {
    let error = rows(b"a,b\n1,\"x\n2,y\n", Charset::UTF8).expect_err("unclosed");
    assert!(error.contains("in.csv, line 2: a quotation mark opens a value"), "{error}");
    let mut long = b"a,b\n1,\"x\n".to_vec();
    long.resize(17 << 20, b'y');
    let error = rows(&long, Charset::UTF8).expect_err("too long");
    assert!(error.contains("16 MiB") && error.contains("record on line 2"), "{error}");
    let written = Written::new(b"a,b\n1,\"x\n2,y\n");
    let mut records = written.delimited(Charset::UTF8);
    assert_eq!(more(&mut records, false).map(|rows| rows.len()), Ok(1));
    assert_eq!(records.told, Some(2), "what is waited for is told");
    written.append(b"z\",3\n4,5\n");
    let rest = more(&mut records, false).expect("closed");
    let shown: Vec<(u64, String)> =
        rest.into_iter().map(|(line, values)| (line, values.join("|"))).collect();
    assert_eq!(shown, [(2, "1|x\n2,y\nz|3".to_owned()), (5, "4|5".to_owned())]);
}

#[test]
fn text_after_a_closing_quotation_mark_is_told_with_its_line() {
    let error = rows(b"a\n\"x\ny\"z,1\n", Charset::UTF8).expect_err("text after it");
    assert!(error.contains("in.csv, line 3: value 1 has text after"), "{error}");
}

#[test]
fn a_huge_value_is_one_value_and_lines_are_counted_through_it() {
    let huge = "x,\"y\"\"\n".repeat(300_000);
    let text = format!("a,b\n\"{}\",1\n2,3\n", huge.replace('"', "\"\""));
    let written = Written::new(text.as_bytes());
    let all = more(&mut written.delimited(Charset::UTF8), true).expect("records");
    let expected = [(1, ["a", "b"]), (2, [huge.as_str(), "1"]), (300_003, ["2", "3"])];
    assert_eq!(all.len(), expected.len());
    for ((line, values), (number, columns)) in all.iter().zip(expected) {
        assert!(*line == number && values == &columns, "line {line}");
    }
}

fn judged(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut builder = csv::ReaderBuilder::new();
    let reader = builder.has_headers(false).flexible(true).from_reader(bytes);
    let records = reader.into_records().map(|record| record.expect("text"));
    records.map(|record| record.iter().map(str::to_owned).collect()).collect()
}

fn hostile() -> impl Strategy<Value = String> {
    let words =
        prop::sample::select(vec!["\"", "\"\"", ",", "\n", "\r", "\r\n", "a", "이", "\0", "\n\n"]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_file_has_the_records_that_the_csv_crate_finds(text in hostile(), mark in any::<bool>()) {
        let text = if mark { format!("\u{feff}{text}") } else { text };
        if let Ok(records) = rows(text.as_bytes(), Charset::UTF8) {
            prop_assert_eq!(records, judged(text.as_bytes()));
        }
    }

    /// However the writes fall between the reads, the records and their lines are those of the
    /// whole file.
    #[test]
    fn a_file_that_grows_has_the_records_of_the_whole(
        text in hostile(), cuts in prop::collection::vec(0usize..160, 0..6)
    ) {
        let bytes = text.as_bytes();
        let whole = Written::new(bytes);
        let expected = more(&mut whole.delimited(Charset::UTF8), true);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let growing = Written::new(b"");
        let mut records = growing.delimited(Charset::UTF8);
        let (mut found, mut from) = (Vec::new(), 0);
        let mut outcome = Ok(());
        for cut in cuts {
            growing.append(&bytes[from..cut]);
            from = cut;
            match more(&mut records, false) {
                Ok(more) => found.extend(more),
                Err(error) => outcome = Err(error),
            }
            if outcome.is_err() {
                break;
            }
        }
        growing.append(&bytes[from..]);
        if outcome.is_ok() {
            match more(&mut records, true) {
                Ok(more) => found.extend(more),
                Err(error) => outcome = Err(error),
            }
        }
        match expected {
            Ok(expected) => {
                prop_assert_eq!(outcome, Ok(()));
                prop_assert_eq!(found, expected);
            }
            Err(_) => prop_assert!(outcome.is_err()),
        }
    }

    #[test]
    fn every_charset_gives_the_text_that_was_written(
        text in "[a-z,\\n가-힣]{0,60}", name in prop::sample::select(vec!["euc-kr", "gb18030"])
    ) {
        let charset = Charset::named(name).expect("known");
        let encoding = encoding_rs::Encoding::for_label(name.as_bytes()).expect("known");
        let (bytes, _, lost) = encoding.encode(&text);
        prop_assert!(!lost);
        prop_assert_eq!(rows(&bytes, charset), rows(text.as_bytes(), Charset::UTF8));
    }
}

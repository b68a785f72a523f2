use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Result<Vec<String>, DelimitedError> {
    let mut reader = Reader::new(',');
    reader.record(text).map(|()| reader.values().map(str::to_owned).collect())
}

/// All records of a text, without blank lines; the last may not be open.
fn all(text: &str, delimiter: char) -> Result<Vec<Vec<String>>, DelimitedError> {
    let mut reader = Reader::new(delimiter);
    let (mut records, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (line, line_end, after) = split_line(rest);
        rest = after;
        let blank = line.is_empty() && !reader.is_open();
        if !blank && reader.line(line, line_end)? {
            records.push(reader.values().map(str::to_owned).collect());
        }
    }
    if reader.is_open() { Err(DelimitedError::Open) } else { Ok(records) }
}

/// What the `csv` crate reads.
fn judged(text: &str, delimiter: u8) -> Vec<Vec<String>> {
    let mut builder = csv::ReaderBuilder::new();
    builder.has_headers(false).flexible(true).delimiter(delimiter);
    let reader = builder.from_reader(text.as_bytes());
    let records = reader.into_records().map(|record| record.expect("text"));
    records.map(|record| record.iter().map(str::to_owned).collect()).collect()
}

#[test]
fn values_are_split_and_unquoted() {
    assert_eq!(one("a,,c").unwrap(), ["a", "", "c"]);
    assert_eq!(one("\"a,\"\"b\"\"\",2\r\n").unwrap(), ["a,\"b\"", "2"]);
    assert_eq!(one("").unwrap(), [""]);
    assert_eq!(one("\"two\r\nlines\",x").unwrap(), ["two\r\nlines", "x"]);
    assert_eq!(one("\"a"), Err(DelimitedError::Open));
    assert_eq!(one("1,\"a\"b"), Err(DelimitedError::AfterQuote { position: 2 }));
    let mut reader = Reader::new('\t');
    reader.record("a\tb c").unwrap();
    assert_eq!(reader.values().collect::<Vec<_>>(), ["a", "b c"]);
}

#[test]
fn only_a_quotation_mark_that_opens_a_value_opens_a_quoted_value() {
    assert_eq!(one("A1,24\" monitor,199").unwrap(), ["A1", "24\" monitor", "199"]);
    assert_eq!(one("5\" tall").unwrap(), ["5\" tall"]);
    assert_eq!(one("a\"\"b, \"c\"").unwrap(), ["a\"\"b", " \"c\""]);
    let lines = "5\" tall\nplain\n6\" wide\nend\n";
    assert_eq!(all(lines, ',').unwrap(), [["5\" tall"], ["plain"], ["6\" wide"], ["end"]]);
}

#[test]
fn white_space_after_a_closing_quotation_mark_is_dropped_as_commons_csv_does() {
    assert_eq!(one("\"a\" ,\"b\"\t").unwrap(), ["a", "b"]);
    let mut reader = Reader::new(' ');
    reader.record("\"a\" \"b\"").unwrap();
    assert_eq!(reader.values().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn a_message_is_its_first_record_as_commons_csv_reads_it() {
    assert_eq!(one("1,a\n2,b\n").unwrap(), ["1", "a"]);
    assert_eq!(one("\n\r\n1,a\r2,b").unwrap(), ["1", "a"]);
}

#[test]
fn a_record_ends_at_each_kind_of_line_end() {
    let expected = [["a", "1"], ["b", "2"], ["c", "3"]];
    for text in ["a,1\nb,2\nc,3\n", "a,1\r\nb,2\r\nc,3", "a,1\rb,2\rc,3\r", "a,1\n\nb,2\r\rc,3"] {
        assert_eq!(all(text, ',').unwrap(), expected, "{text:?}");
    }
}

#[test]
fn written_values_come_back() {
    for value in ["plain", "a,b", "say \"hi\"", "two\nlines", "#1", " lead", "trail ", "é"] {
        let mut out = Vec::new();
        write_value(&mut out, value, ',', true);
        out.push(b',');
        assert_eq!(one(&String::from_utf8(out).unwrap()).unwrap(), [value, ""]);
    }
}

#[test]
fn the_first_value_is_quoted_unless_it_begins_with_a_letter_or_a_digit() {
    let written = |value: &str, first: bool| {
        let mut out = Vec::new();
        write_value(&mut out, value, ',', first);
        String::from_utf8(out).unwrap()
    };
    for (value, quoted) in [("-5", "\"-5\""), ("여울", "\"여울\""), ("_a", "\"_a\"")] {
        assert_eq!(
            (written(value, true).as_str(), written(value, false).as_str()),
            (quoted, value)
        );
    }
    assert_eq!([written("5", true), written("Az", true)], ["5", "Az"]);
}

#[test]
fn delimiters_have_names() {
    assert_eq!(delimiter("TAB"), Some('\t'));
    assert_eq!(delimiter("|"), Some('|'));
    assert_eq!(delimiter("||"), None);
    assert_eq!(delimiter(""), None);
}

/// Texts of few characters, so that quotation marks, delimiters and line ends meet often.
fn hostile() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec!["\"", "\"\"", ",", "\n", "\r", "\r\n", "a", "é", "\0"]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// White space after a quotation mark, the one thing that the two see differently, is not in
    /// these texts; what is an error here, the crate guesses.
    #[test]
    fn records_are_those_of_the_csv_crate(text in hostile()) {
        if let Ok(records) = all(&text, ',') {
            prop_assert_eq!(records, judged(&text, b','));
        }
    }

    #[test]
    fn what_the_csv_crate_writes_is_read_as_it_was(
        records in prop::collection::vec(prop::collection::vec(hostile(), 2..5), 1..5)
    ) {
        let mut builder = csv::WriterBuilder::new();
        let mut writer = builder.flexible(true).delimiter(b'|').from_writer(vec![]);
        for record in &records {
            writer.write_record(record).expect("written");
        }
        let text = String::from_utf8(writer.into_inner().expect("flushed")).expect("text");
        prop_assert_eq!(all(&text, '|'), Ok(records));
    }

    #[test]
    fn what_is_written_here_the_csv_crate_reads(
        record in prop::collection::vec(hostile(), 2..6)
    ) {
        let mut out = Vec::new();
        for (index, value) in record.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_value(&mut out, value, ',', index == 0);
        }
        let text = String::from_utf8(out).expect("text");
        prop_assert_eq!(judged(&text, b','), vec![record.clone()]);
        prop_assert_eq!(one(&text), Ok(record));
    }
}

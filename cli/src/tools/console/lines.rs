//! Lines of text to records, by the properties of Kafka's `LineMessageReader`: an optional head of
//! headers, an optional key, and the value.

use std::collections::BTreeMap;
use std::io;

use regex::Regex;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

use super::properties::Named;

/// Names and values; a value may be null.
pub(crate) type Headers = Vec<(String, Option<Vec<u8>>)>;

/// One record read from a line. What equals the null marker is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Headers,
}

/// Cuts bytes into lines as Java's `BufferedReader` does: LF, CR or both end one, and what follows
/// the last of them is one, too.
#[derive(Debug, Default)]
pub(crate) struct LineEnds {
    /// The line before ended with a CR: a LF that follows belongs to it.
    after_carriage_return: bool,
}

impl LineEnds {
    /// Reads the next line into `line`, without its end; false where there is none.
    pub(crate) async fn next<R: AsyncBufRead + Unpin>(
        &mut self,
        input: &mut R,
        line: &mut Vec<u8>,
    ) -> io::Result<bool> {
        line.clear();
        loop {
            let bytes = input.fill_buf().await?;
            let Some(first) = bytes.first() else { return Ok(!line.is_empty()) };
            if std::mem::take(&mut self.after_carriage_return) && *first == b'\n' {
                input.consume(1);
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                let length = bytes.len();
                line.extend_from_slice(bytes);
                input.consume(length);
                continue;
            };
            line.extend_from_slice(&bytes[..end]);
            self.after_carriage_return = bytes[end] == b'\r';
            input.consume(end + 1);
            return Ok(true);
        }
    }
}

/// How lines are taken apart.
#[derive(Debug)]
pub(crate) struct LineReader {
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: String,
    /// Kafka takes the separator for a pattern. One of a single character is only ever meant as
    /// that character, and so is one that is no pattern.
    headers_pattern: Option<Regex>,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
    line_number: u64,
}

const PROPERTIES: &[&str] = &[
    "parse.key",
    "key.separator",
    "parse.headers",
    "headers.delimiter",
    "headers.separator",
    "headers.key.separator",
    "ignore.error",
    "null.marker",
];

impl LineReader {
    /// A reader from the properties of the command line.
    ///
    /// # Errors
    /// A property that does not exist, or two marks that could not be told apart.
    pub(crate) fn new(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let named = Named::new("reader", PROPERTIES, properties)?;
        let headers_separator = named.text("headers.separator", ",");
        let is_pattern = headers_separator.chars().count() > 1;
        let reader = Self {
            headers_pattern: Regex::new(&headers_separator).ok().filter(|_| is_pattern),
            parse_key: named.is_true("parse.key", false),
            key_separator: named.text("key.separator", "\t"),
            parse_headers: named.is_true("parse.headers", false),
            headers_delimiter: named.text("headers.delimiter", "\t"),
            headers_separator,
            headers_key_separator: named.text("headers.key.separator", ":"),
            ignore_error: named.is_true("ignore.error", false),
            null_marker: properties.get("null.marker").cloned(),
            line_number: 0,
        };
        reader.check_marks()?;
        Ok(reader)
    }

    fn check_marks(&self) -> Result<(), String> {
        let marks = [
            ("headers.delimiter", &self.headers_delimiter),
            ("headers.separator", &self.headers_separator),
            ("headers.key.separator", &self.headers_key_separator),
        ];
        for (at, (name, mark)) in marks.iter().enumerate() {
            if let Some((other, _)) = marks[at + 1..].iter().find(|(_, other)| other == mark) {
                return Err(format!("{name} and {other} may not be equal"));
            }
        }
        let Some(null_marker) = &self.null_marker else { return Ok(()) };
        let used = [("key.separator", &self.key_separator)].into_iter().chain(marks);
        match used.into_iter().find(|(_, mark)| *mark == null_marker) {
            Some((name, _)) => Err(format!("null.marker and {name} may not be equal")),
            None => Ok(()),
        }
    }

    /// The next line, without its end, as a record.
    ///
    /// # Errors
    /// A mark is missing, unless `ignore.error` is set.
    pub(crate) fn read(&mut self, line: &str) -> Result<Line, String> {
        self.line_number += 1;
        let mut rest = line;
        let mut headers = None;
        if self.parse_headers {
            headers = self.cut(line, &mut rest, &self.headers_delimiter, "headers delimiter")?;
        }
        let mut key = None;
        if self.parse_key {
            key = self.cut(line, &mut rest, &self.key_separator, "key separator")?;
        }
        let headers = match headers {
            Some(text) if !self.is_null(text) => self.split_headers(text)?,
            _ => Vec::new(),
        };
        let key = key.filter(|key| !self.is_null(key)).map(|key| key.as_bytes().to_vec());
        let value = Some(rest).filter(|value| !self.is_null(value));
        Ok(Line { key, value: value.map(|value| value.as_bytes().to_vec()), headers })
    }

    fn is_null(&self, text: &str) -> bool {
        self.null_marker.as_deref() == Some(text)
    }

    /// What stands before the mark; `rest` is moved behind it.
    fn cut<'line>(
        &self,
        line: &str,
        rest: &mut &'line str,
        mark: &str,
        name: &str,
    ) -> Result<Option<&'line str>, String> {
        match rest.split_once(mark) {
            Some((before, after)) => {
                *rest = after;
                Ok(Some(before))
            }
            None if self.ignore_error => Ok(None),
            None => {
                let number = self.line_number;
                Err(format!("No {name} found on line number {number}: '{line}'"))
            }
        }
    }

    fn split_headers(&self, text: &str) -> Result<Headers, String> {
        let mut headers = Vec::new();
        let mut pairs: Vec<&str> = match &self.headers_pattern {
            Some(pattern) => pattern.split(text).collect(),
            None => text.split(self.headers_separator.as_str()).collect(),
        };
        // As Java splits: what is empty at the end is left out, if there was anything to split.
        if pairs.len() > 1 {
            let filled = pairs.iter().rposition(|pair| !pair.is_empty());
            pairs.truncate(filled.map_or(0, |last| last + 1));
        }
        for pair in pairs {
            let (key, value) = match pair.split_once(self.headers_key_separator.as_str()) {
                Some((key, value)) => (key, Some(value)),
                None if self.ignore_error => (pair, None),
                None => {
                    let number = self.line_number;
                    return Err(format!(
                        "No header key separator found in pair '{pair}' on line number {number}"
                    ));
                }
            };
            if value.is_some() && self.is_null(key) {
                return Err(format!(
                    "Header keys should not be equal to the null marker '{key}' as they can't be null"
                ));
            }
            let value = value.filter(|value| !self.is_null(value));
            headers.push((key.to_owned(), value.map(|value| value.as_bytes().to_vec())));
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn reader(properties: &[(&str, &str)]) -> Result<LineReader, String> {
        let owned = properties.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        LineReader::new(&owned)
    }

    fn read(properties: &[(&str, &str)], line: &str) -> Result<Line, String> {
        reader(properties).expect("the properties are right").read(line)
    }

    fn bytes(text: &str) -> Option<Vec<u8>> {
        Some(text.as_bytes().to_vec())
    }

    fn from_hex(value: &Value) -> Option<Vec<u8>> {
        let hex = value.as_str()?;
        let digits = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
        Some(digits.collect::<Result<_, _>>().expect("hex digits"))
    }

    /// All records of an input, and what refuses a line, as the producer reads them. The input
    /// comes in pieces of three bytes, so that ends of lines are cut.
    async fn records(
        properties: &BTreeMap<String, String>,
        input: &[u8],
    ) -> (Vec<Line>, Option<String>) {
        let mut records = Vec::new();
        let mut reader = match LineReader::new(properties) {
            Ok(reader) => reader,
            Err(refusal) => return (records, Some(refusal)),
        };
        let mut input = tokio::io::BufReader::with_capacity(3, input);
        let (mut ends, mut line) = (LineEnds::default(), Vec::new());
        while ends.next(&mut input, &mut line).await.expect("memory is read") {
            match reader.read(&String::from_utf8_lossy(&line)) {
                Ok(record) => records.push(record),
                Err(refusal) => return (records, Some(refusal)),
            }
        }
        (records, None)
    }

    /// Recorded by `tools/clients/java_text.sh`.
    #[tokio::test]
    async fn lines_are_the_records_that_the_facts_of_kafka_say() {
        let facts = match std::env::var("JAVATEXT_FACTS") {
            Ok(path) => std::fs::read_to_string(path).expect("the facts are there"),
            Err(_) => include_str!("lines_facts.jsonl").to_owned(),
        };
        let facts = facts.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut count = 0;
        for fact in facts.filter(|fact| fact["kind"] == "lines") {
            count += 1;
            let properties = fact["properties"].as_object().expect("properties").iter();
            let properties = properties
                .map(|(key, value)| (key.clone(), value.as_str().expect("text").to_owned()))
                .collect();
            let input = from_hex(&fact["hex"]).expect("hex");
            let of_kafka = fact["records"].as_array().expect("records").iter().map(|record| Line {
                key: from_hex(&record[0]),
                value: from_hex(&record[1]),
                headers: (record[2].as_array().expect("headers").iter())
                    .map(|h| (h[0].as_str().expect("a key").to_owned(), from_hex(&h[1])))
                    .collect(),
            });
            let (found, refusal) = records(&properties, &input).await;
            assert_eq!(found, of_kafka.collect::<Vec<_>>(), "{fact}");
            assert_eq!(refusal.as_deref(), fact["error"].as_str(), "{fact}");
        }
        assert!(count >= 400, "{count} facts");
    }

    #[test]
    fn a_separator_of_several_characters_is_a_pattern_and_one_alone_is_not() {
        let headers = |separator: &str, line: &str| {
            let properties = [("parse.headers", "true"), ("headers.separator", separator)];
            read(&properties, line).expect("reads").headers
        };
        let both = vec![("a".to_owned(), bytes("1")), ("b".to_owned(), bytes("2"))];
        assert_eq!(headers("|", "a:1|b:2\tv"), both);
        assert_eq!(headers("\\|", "a:1|b:2\tv"), both);
        assert_eq!(headers("[;,]", "a:1;b:2,\tv"), both);
        assert_eq!(headers("((", "a:1((b:2\tv"), both);
    }

    #[test]
    fn a_line_is_a_value_unless_told_otherwise() {
        let line = read(&[], "a\tb").expect("reads");
        assert_eq!(line, Line { key: None, value: bytes("a\tb"), headers: vec![] });
    }

    #[test]
    fn headers_and_key_stand_before_the_value() {
        let properties =
            [("parse.key", "true"), ("parse.headers", "true"), ("null.marker", "NULL")];
        let line = read(&properties, "h1:v1,h2:NULL\tk1\tNULL").expect("reads");
        let headers = vec![("h1".to_owned(), bytes("v1")), ("h2".to_owned(), None)];
        assert_eq!(line, Line { key: bytes("k1"), value: None, headers });
    }

    #[test]
    fn a_missing_mark_is_named_with_its_line_or_ignored() {
        let mut strict = reader(&[("parse.key", "true"), ("key.separator", ":")]).expect("right");
        assert!(strict.read("a:1").is_ok());
        assert_eq!(
            strict.read("nokey"),
            Err("No key separator found on line number 2: 'nokey'".to_owned())
        );
        let lenient = [("parse.key", "true"), ("ignore.error", "true")];
        let line = read(&lenient, "nokey").expect("reads");
        assert_eq!(line, Line { key: None, value: bytes("nokey"), headers: vec![] });
    }

    #[test]
    fn marks_that_cannot_be_told_apart_are_refused() {
        assert_eq!(
            reader(&[("headers.separator", ":")]).unwrap_err(),
            "headers.separator and headers.key.separator may not be equal"
        );
        assert_eq!(
            reader(&[("null.marker", ",")]).unwrap_err(),
            "null.marker and headers.separator may not be equal"
        );
        assert!(reader(&[("parse.keys", "true")]).unwrap_err().contains("parse.keys"));
    }
}

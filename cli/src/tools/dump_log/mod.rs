//! kafka-dump-log: what the files of a partition's folder hold.

mod batch;
mod batches;
mod decoders;
mod findings;
mod indexes;
mod legacy;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use futures::FutureExt;

use self::decoders::Decoder;
use self::findings::Findings;
use super::Tool;
use super::options::{Parsed, Spec, UsageError, begin, flag, maybe_value, refuse, value};
use crate::output::Output;

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-dump-log",
    about: "Print what is in the files of a partition",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments, &mut Output::lock(), &mut io::stderr()) }.boxed(),
};

const SPEC: Spec = Spec {
    tool: "kafka-dump-log",
    about: "This tool helps to parse a log file and dump its contents to the console, useful for \
            debugging a seemingly corrupt log segment.",
    options: &[
        value("files", "REQUIRED: The comma separated list of data and index log files."),
        flag("print-data-log", "Print the records too. Any decoder option sets it."),
        flag("deep-iteration", "Look at each record. Printing the records sets it."),
        flag("verify-index-only", "Check the indexes against the log, and print nothing else."),
        flag("index-sanity-check", "Make the check of an index that a broker makes at its start."),
        value("max-message-size", "Size of the largest batch. (default: 5242880)"),
        value("max-bytes", "Read no more of a .log file than this. (default: 2147483647)"),
        maybe_value(
            "key-decoder-class",
            "How keys are read: the class String-, Integer- or \
                    LongDecoder of org.apache.kafka.tools.api, or DefaultDecoder, which shows the \
                    bytes in hex. (default: StringDecoder)",
        ),
        maybe_value("value-decoder-class", "The same of values. (default: StringDecoder)"),
        flag("offsets-decoder", "The records are those of __consumer_offsets."),
        flag("transaction-log-decoder", "The records are those of __transaction_state."),
        flag("share-group-state-decoder", "The records are those of __share_group_state."),
        flag("cluster-metadata-decoder", "The records are those of the cluster's metadata."),
        flag("remote-log-metadata-decoder", "The records are those of __remote_log_metadata."),
        flag("skip-record-metadata", "Print no more of a record than key and value."),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

/// Why the tool stopped: a line for standard error.
#[derive(Debug)]
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What to do with each file.
struct Options {
    verify_only: bool,
    sanity_only: bool,
    deep: bool,
    print_records: bool,
    skip_metadata: bool,
    /// How far the batch that an index points to is looked for.
    max_message_size: u64,
    max_bytes: u64,
    decoder: Decoder,
}

/// Runs the tool; answers its exit status.
fn run(arguments: &[String], out: &mut dyn Write, err: &mut dyn Write) -> i32 {
    let parsed = match begin(&SPEC, arguments) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    let (files, options) = match read_options(&parsed) {
        Ok(read) => read,
        Err(error) => return refuse(&SPEC, &error),
    };
    let mut out = io::BufWriter::new(out);
    let mut findings = Findings::default();
    let dumped =
        files.iter().try_for_each(|file| dump(file, &options, &mut findings, &mut out, err));
    let printed = out.flush();
    let done = dumped.and_then(|()| Ok(printed?)).and_then(|()| Ok(findings.print(err)?));
    match done {
        Ok(()) => 0,
        Err(failure) => {
            // Whoever reads standard error may be gone, and then there is nobody to tell.
            let _ = writeln!(err, "{failure}");
            1
        }
    }
}

fn read_options(parsed: &Parsed) -> Result<(Vec<String>, Options), UsageError> {
    parsed.require(&["files"])?;
    let files = parsed.get("files").unwrap_or_default();
    let files = files.split(',').map(str::to_owned).collect();
    let max_message_size: i32 = parsed.parse("max-message-size")?.unwrap_or(5 * 1024 * 1024);
    let max_bytes: i32 = parsed.parse("max-bytes")?.unwrap_or(i32::MAX);
    let print_records = parsed.has("print-data-log") || decoders::is_chosen(parsed);
    let options = Options {
        verify_only: parsed.has("verify-index-only"),
        sanity_only: parsed.has("index-sanity-check"),
        deep: parsed.has("deep-iteration") || print_records,
        print_records,
        skip_metadata: parsed.has("skip-record-metadata"),
        max_message_size: max_message_size.try_into().unwrap_or(0),
        max_bytes: max_bytes.try_into().unwrap_or(0),
        decoder: Decoder::choose(parsed)?,
    };
    Ok((files, options))
}

/// A file that is being dumped.
struct Source<'a> {
    /// As typed.
    path: &'a Path,
    /// What is in front of the first dot, and the name.
    stem: &'a str,
    name: &'a str,
}

impl Source<'_> {
    /// The absolute path, under which findings are reported.
    fn absolute(&self) -> String {
        let absolute = std::path::absolute(self.path);
        absolute.as_deref().unwrap_or(self.path).display().to_string()
    }

    /// The first offset of a segment, which is its name.
    fn base_offset(&self) -> Result<i64, Failure> {
        self.stem.parse().map_err(|_| {
            Failure(format!(
                "{}: the name of a segment's file is its first offset in digits, not {:?}",
                self.path.display(),
                self.stem
            ))
        })
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        fs::read(path).map_err(|error| Failure(format!("{}: {error}", path.display())))
    }

    /// Another file of the same segment.
    fn sibling(&self, suffix: &str) -> std::path::PathBuf {
        self.path.with_file_name(format!("{}{suffix}", self.stem))
    }
}

fn dump(
    file: &str,
    options: &Options,
    findings: &mut Findings,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    writeln!(out, "Dumping {file}")?;
    let path = Path::new(file);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    let source = Source { path, stem, name };
    match name.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("log" | "checkpoint") => batches::dump(&source, options, findings, out),
        Some("index") => indexes::dump_offsets(&source, options, findings, out),
        Some("timeindex") => indexes::dump_times(&source, options, findings, out),
        Some("txnindex") => indexes::dump_transactions(&source, out, err),
        Some("snapshot") => indexes::dump_producers(&source, out, err),
        _ => {
            out.flush()?;
            Ok(writeln!(err, "Ignoring unknown file {file}")?)
        }
    }
}

#[cfg(test)]
mod tests;

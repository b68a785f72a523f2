//! All tools over input that cannot be: each says once what is wrong, and ends with the status that
//! Kafka's tool ends with.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::broker::{Broker, YEOUL, printed};

/// Where the words are printed, when standard output and standard error are two places.
#[derive(Clone, Copy, PartialEq)]
enum On {
    Output,
    Errors,
    /// As Kafka's tool, which prints a failure to one and its stack trace to the other.
    Both,
}

use On::{Both, Errors, Output as Out};

/// A line, its exit status, where it tells what is wrong, and the words. `{B}` is a broker that has
/// the topic `made`, and `{D}` a folder with some wrong files.
const LINES: &[(&str, i32, On, &str)] = &[
    ("kafka-broker-api-versions --bootstrap-server nonsense", 1, Errors, "value nonsense for"),
    ("kafka-broker-api-versions", 1, Errors, "Missing required argument \"[bootstrap-server]\""),
    ("kafka-cluster", 1, Errors, "name one command"),
    ("kafka-cluster forget", 1, Errors, "Unknown command forget"),
    ("kafka-cluster unregister --bootstrap-server {B} --id x", 1, Errors, "argument 'x' of option"),
    (
        "kafka-cluster cluster-id --bootstrap-server {B} --config {D}/none",
        1,
        Errors,
        "none: No such file or directory",
    ),
    (
        "kafka-configs --bootstrap-server {B} --describe --entity-type x --entity-name y",
        1,
        Errors,
        "Invalid entity type x",
    ),
    (
        "kafka-configs --bootstrap-server {B} --alter --topic ghost --add-config retention.ms=1",
        1,
        Errors,
        "The topic 'ghost' does not exist.",
    ),
    (
        "kafka-configs --bootstrap-server {B} --alter --topic made --add-config-file {D}/none",
        1,
        Errors,
        "No such file or directory",
    ),
    ("kafka-console-consumer --bootstrap-server {B}", 1, Errors, "Exactly one of the following"),
    (
        "kafka-console-consumer --bootstrap-server {B} --topic a/b --timeout-ms 300",
        0,
        Errors,
        "'a/b' is not the name of a topic",
    ),
    (
        "kafka-console-consumer --bootstrap-server {B} --include ( --timeout-ms 300",
        1,
        Errors,
        "( is an invalid regex.",
    ),
    (
        "kafka-console-consumer --bootstrap-server {B} --topic made --max-messages x",
        1,
        Errors,
        "Cannot parse argument 'x' of option max-messages",
    ),
    (
        "kafka-console-consumer --bootstrap-server {B} --topic made --command-config {D}/wrong",
        1,
        Errors,
        "value soon for configuration request.timeout.ms",
    ),
    (
        "kafka-console-producer --bootstrap-server {B} --topic made --compression-codec x",
        1,
        Errors,
        "Invalid value x for configuration compression.type",
    ),
    (
        "kafka-console-producer --bootstrap-server {B} --topic made --command-property nonsense",
        0,
        Errors,
        "['nonsense'] were supplied but are not used yet",
    ),
    ("kafka-console-producer --bootstrap-server x --topic made", 1, Errors, "invalid value x for"),
    (
        "kafka-consumer-groups --bootstrap-server {B} --reset-offsets --group g --topic made \
         --to-datetime x --dry-run",
        0,
        Both,
        "Error parsing timestamp. It does not contain a 'T'",
    ),
    (
        "kafka-consumer-groups --bootstrap-server {B} --reset-offsets --group g --topic made \
         --by-duration x --dry-run",
        0,
        Both,
        "Invalid duration x",
    ),
    (
        "kafka-consumer-groups --bootstrap-server {B} --reset-offsets --group g --topic made \
         --to-offset x --dry-run",
        0,
        Both,
        "Cannot parse argument 'x' of option to-offset",
    ),
    (
        "kafka-consumer-groups --bootstrap-server {B} --reset-offsets --group g --topic made \
         --shift-by 1 --dry-run",
        1,
        Errors,
        "Cannot shift offset for partition made-0",
    ),
    (
        "kafka-consumer-groups --bootstrap-server {B} --reset-offsets --group g --topic made:7,9 \
         --to-latest --dry-run",
        0,
        Both,
        "The partitions \"made-7,made-9\" do not exist",
    ),
    (
        "kafka-consumer-groups --bootstrap-server {B} --reset-offsets --group g --topic made:x \
         --to-latest --dry-run",
        1,
        Errors,
        "Invalid partition 'x' specified in topic arg",
    ),
    (
        "kafka-consumer-groups --bootstrap-server {B} --reset-offsets --group g --from-file \
         {D}/none --dry-run",
        0,
        Both,
        "No such file or directory",
    ),
    (
        "kafka-consumer-groups --bootstrap-server {B} --list --command-config {D}/none",
        0,
        Both,
        "No such file or directory",
    ),
    ("kafka-consumer-groups --bootstrap-server nonsense --list", 0, Both, "value nonsense for"),
    (
        "kafka-consumer-groups --bootstrap-server {B} --list --timeout x",
        0,
        Both,
        "Cannot parse argument 'x' of option timeout",
    ),
    (
        "kafka-consumer-groups --bootstrap-server {B} --list --state x",
        1,
        Errors,
        "Invalid state list 'x'",
    ),
    (
        "kafka-consumer-groups --bootstrap-server {B} --describe --group ghost",
        0,
        Both,
        "Group ghost not found.",
    ),
    (
        "kafka-delete-records --bootstrap-server {B} --offset-json-file {D}/none",
        1,
        Errors,
        "No such file or directory",
    ),
    (
        "kafka-delete-records --bootstrap-server {B} --offset-json-file {D}/wrong",
        1,
        Errors,
        "The input string is not a valid JSON",
    ),
    ("kafka-dump-log --files {D}/none", 0, Errors, "Ignoring unknown file"),
    ("kafka-dump-log --files {D}/00.log", 1, Errors, "No such file or directory"),
    ("kafka-dump-log --files {D}/00.index", 1, Errors, "No such file or directory"),
    ("kafka-dump-log --files {D}/00.timeindex", 1, Errors, "No such file or directory"),
    ("kafka-dump-log --files {D}/00.snapshot", 1, Errors, "No such file or directory"),
    ("kafka-dump-log --files {D}/00.txnindex", 0, Errors, "is not there: no transaction"),
    ("kafka-dump-log --files {D}/x.log", 1, Errors, "is its first offset in digits"),
    ("kafka-dump-log --files {D}/x.checkpoint", 1, Errors, "is OFFSET-EPOCH.checkpoint"),
    ("kafka-get-offsets --bootstrap-server {B} --topic ghost", 1, Errors, "Could not match any"),
    ("kafka-get-offsets --bootstrap-server {B} --time x", 1, Errors, "Malformed time argument x."),
    ("kafka-groups --bootstrap-server {B}", 1, Errors, "exactly one action: --list."),
    ("kafka-groups --bootstrap-server {B} --list --group-type x", 1, Errors, "a valid group type"),
    ("kafka-log-dirs --bootstrap-server {B} --describe --broker-list 99", 1, Errors, "ERROR: The"),
    ("kafka-log-dirs --bootstrap-server {B}", 1, Errors, "Missing required argument"),
    (
        "kafka-consumer-perf-test --bootstrap-server {B} --topic made --num-records x",
        1,
        Errors,
        "Cannot parse argument 'x' of option num-records",
    ),
    ("kafka-producer-perf-test", 0, Out, "This tool is used to verify the producer performance."),
    (
        "kafka-producer-perf-test --bootstrap-server {B} --topic made --num-records 1 \
         --throughput -1 --payload-file {D}/none",
        1,
        Errors,
        "No such file or directory",
    ),
    ("kafka-server-start", 1, Errors, "USAGE: kafka-server-start"),
    ("kafka-server-start {D}/none", 1, Errors, "No such file or directory"),
    ("kafka-server-stop --signal", 1, Errors, "signal is not a recognized option"),
    ("kafka-storage", 1, Errors, "too few arguments"),
    ("kafka-storage bake", 1, Errors, "bake is no command of it"),
    ("kafka-topics --list", 1, Errors, "--bootstrap-server must be specified"),
    (
        "kafka-topics --bootstrap-server {B} --describe --topic ghost",
        1,
        Out,
        "Topic 'ghost' does not exist as expected",
    ),
    (
        "kafka-topics --bootstrap-server {B} --create --topic a/b",
        1,
        Out,
        "Topic name is invalid: 'a/b' contains",
    ),
    (
        "kafka-topics --bootstrap-server {B} --create --topic new --partitions x",
        1,
        Out,
        "Cannot parse argument 'x' of option partitions",
    ),
];

/// Tools that take anything: there is nothing for them to do.
const IDLE: [&str; 1] = ["zookeeper-server-start"];

fn run(mut command: Command) -> Output {
    command.env_remove("YEOUL_LOG").env_remove("RUST_LOG").stdin(Stdio::null());
    command.output().expect("the tool runs")
}

fn apart(line: &str) -> Output {
    let mut command = Command::new(YEOUL);
    command.args(line.split_whitespace());
    run(command)
}

/// What a terminal would show.
fn together(line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>&1", YEOUL]).args(line.split_whitespace());
    text(&run(command).stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn tools() -> BTreeSet<String> {
    let listed = printed(&apart("tools list"));
    let there = listed.split("Not there").next().unwrap_or_default();
    let names = there.lines().filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| name.starts_with("kafka-") || IDLE.contains(name));
    names.map(str::to_owned).collect()
}

fn check(line: &str, status: i32, on: On, words: &str) {
    let ended = apart(line);
    let (output, errors) = (text(&ended.stdout), text(&ended.stderr));
    let shown = format!("{line}\n-- output\n{output}\n-- errors\n{errors}");
    assert_eq!(ended.status.code(), Some(status), "{shown}");
    assert_eq!(output.matches(words).count(), usize::from(on != Errors), "{shown}");
    assert_eq!(errors.matches(words).count(), usize::from(on != Out), "{shown}");
    assert!(!errors.contains("panicked"), "{shown}");
    let seen = together(line);
    assert_eq!(seen.matches(words).count(), 1, "{line}\n-- on a terminal\n{seen}");
}

fn wrong_files(dir: &Path) {
    std::fs::write(dir.join("wrong"), "request.timeout.ms=soon\n").expect("a file is written");
}

#[test]
fn every_tool_says_once_what_is_wrong_and_ends_as_kafkas_does() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let broker = Broker::start(dir.path());
    let files = tempfile::tempdir().expect("a temporary folder");
    wrong_files(files.path());
    let filled = |line: &str| {
        let line = line.replace("{B}", &broker.address);
        line.replace("{D}", &files.path().display().to_string())
    };
    let create = filled("kafka-topics --bootstrap-server {B} --create --topic made");
    assert_eq!(printed(&apart(&create)), "Created topic made.\n");
    for (line, status, on, words) in LINES {
        check(&filled(line), *status, *on, words);
    }
    let seen: BTreeSet<String> =
        LINES.iter().filter_map(|(line, ..)| line.split(' ').next()).map(str::to_owned).collect();
    let all: BTreeSet<String> =
        tools().into_iter().filter(|name| !IDLE.contains(&name.as_str())).collect();
    assert_eq!(seen, all, "each tool is among the lines");
    broker.stop();
}

#[test]
fn a_command_whose_reader_is_gone_ends_in_silence() {
    for line in [
        "tools list",
        "version",
        "completions bash",
        "kafka-topics --version",
        "kafka-storage random-uuid",
        "kafka-dump-log --files nothing",
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(YEOUL);
        let ended = command.args(line.split(' ')).stdin(Stdio::null()).stdout(writer).output();
        let ended = ended.expect("the command runs");
        let errors = text(&ended.stderr).replace("Ignoring unknown file nothing\n", "");
        assert_eq!((ended.status.code(), errors.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn an_option_that_a_tool_does_not_have_is_named_on_standard_error() {
    for tool in tools().into_iter().filter(|name| !IDLE.contains(&name.as_str())) {
        let ended = apart(&format!("{tool} --nope"));
        let errors = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{tool}: {errors}");
        assert_eq!(text(&ended.stdout), "", "{tool}");
        let named = errors.matches("nope is no").count() == 1;
        assert!(named || errors.starts_with("USAGE: kafka-server-start"), "{tool}: {errors}");
    }
}

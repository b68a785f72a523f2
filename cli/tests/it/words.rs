//! What the binary says where it cannot do what was asked: tools that are not there, brokers that
//! are not there, and how it ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::broker::{Broker, YEOUL, install, printed, tool};

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn yeoul(arguments: &[&str]) -> Output {
    let started = Command::new(YEOUL).args(arguments).stdin(Stdio::null()).output();
    started.expect("the binary runs")
}

/// `host:port` where nobody listens.
fn dead_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

#[test]
fn a_tool_that_is_not_there_is_named_by_its_link_and_as_a_command() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let refusals = [
        tool(&links, "kafka-acls.sh --list --bootstrap-server localhost:9092", ""),
        yeoul(&["kafka-acls", "--list"]),
        yeoul(&["kafka-acls.sh"]),
    ];
    for refused in refusals {
        assert_eq!(refused.status.code(), Some(1));
        let text = errors(&refused);
        assert!(text.starts_with("kafka-acls is not there: the broker has no ACLs yet"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    let listed = printed(&yeoul(&["tools", "list"]));
    assert!(listed.contains("kafka-topics ") && listed.contains("Not there"), "{listed}");
}

#[test]
fn the_version_is_a_command_and_an_option() {
    let long = printed(&yeoul(&["version"]));
    let number = env!("CARGO_PKG_VERSION");
    assert_eq!(long, format!("yeoul {number} (protocol and tools of Apache Kafka 4.3.1)\n"));
    assert_eq!(printed(&yeoul(&["--version"])), format!("yeoul {number}\n"));
}

/// Asks a broker that is not there, with little patience.
fn ask(dir: &Path, address: &str, variables: &[(&str, &str)]) -> Output {
    let config = dir.join("client.properties");
    std::fs::write(&config, "default.api.timeout.ms=2000\nrequest.timeout.ms=1000\n")
        .expect("a file is written");
    let mut command = Command::new(YEOUL);
    command.args(["kafka-topics", "--list", "--bootstrap-server", address, "--command-config"]);
    command.arg(&config).envs(variables.iter().copied()).stdin(Stdio::null());
    command.output().expect("the tool runs")
}

#[test]
fn a_broker_that_cannot_be_reached_is_named_with_the_reason_while_it_is_tried() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dead = dead_address();
    for (address, reason) in [
        (dead.as_str(), "Connection refused"),
        ("no.such.host.invalid:9092", "the name no.such.host.invalid does not resolve"),
    ] {
        let asked = ask(dir.path(), address, &[]);
        assert_eq!(asked.status.code(), Some(1));
        let text = errors(&asked);
        let first = text.lines().next().expect("a line");
        assert!(first.contains(&format!(" WARN No connection to {address}: {reason}")), "{text}");
        let printed = String::from_utf8_lossy(&asked.stdout).into_owned();
        let words = "Timed out waiting for a node assignment. Call: listTopics\n";
        assert_eq!(printed, format!("Error while executing topic command : {words}"));
    }
}

#[test]
fn the_variables_of_the_log_are_followed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let dead = dead_address();
    let logs = |variables: &[(&str, &str)]| errors(&ask(dir.path(), &dead, variables));
    assert!(!logs(&[("RUST_LOG", "off")]).contains("No connection to"));
    assert!(logs(&[("RUST_LOG", "off"), ("YEOUL_LOG", "warn")]).contains("No connection to"));
    let wrong = yeoul(&["--log-level", "sql=loud", "version"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(errors(&wrong).contains("--log-level"), "{}", errors(&wrong));
}

#[test]
fn a_consumer_that_reached_no_broker_says_so_before_it_ends_as_kafkas_does() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let dead = dead_address();
    let line =
        format!("kafka-console-consumer --topic t --timeout-ms 500 --bootstrap-server {dead}");
    let ended = tool(&links, &line, "");
    assert_eq!(ended.status.code(), Some(0), "as Kafka's tool");
    assert_eq!(ended.stdout, b"");
    let text = errors(&ended);
    assert!(text.contains(&format!("No connection to {dead}: Connection refused")), "{text}");
    let last: Vec<&str> = text.lines().rev().take(2).collect();
    assert_eq!(last[0], "Processed a total of 0 messages");
    assert_eq!(
        last[1],
        format!("No broker of {dead} could be reached within 500 ms, so nothing was read.")
    );
}

#[test]
fn a_load_on_a_broker_that_is_not_there_names_it_and_the_reason() {
    let dead = dead_address();
    for load in ["produce", "consume", "latency"] {
        let ended = yeoul(&["bench", load, "--bootstrap-server", &dead]);
        assert_eq!(ended.status.code(), Some(1));
        let text = errors(&ended);
        let last = text.lines().last().expect("a line");
        assert!(last.contains(&dead) && last.contains("Connection refused"), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

#[test]
fn an_http_server_in_place_of_a_broker_is_recognised() {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            // It may have been left meanwhile.
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let dir = tempfile::tempdir().expect("a temporary folder");
    let text = errors(&ask(dir.path(), &address, &[]));
    assert!(text.contains("an HTTP server answers there, no broker"), "{text}");
}

#[test]
fn a_hangup_stops_a_broker_in_order_unless_it_was_started_to_ignore_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // What the tests were started to ignore, their children ignore too.
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells of a process");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a mask");
    if !ignored.trim().ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']) {
        let broker = Broker::start(dir.path());
        let rest = broker.stop_by(rustix::process::Signal::HUP);
        assert!(rest.contains("stopped"), "{rest}");
        assert!(dir.path().join("data/.kafka_cleanshutdown").exists());
    }

    let links = install(dir.path());
    let broker = Broker::start_below_nohup(dir.path());
    broker.send(rustix::process::Signal::HUP);
    let line = format!("kafka-topics --list --bootstrap-server {}", broker.address);
    let topics = printed(&tool(&links, &line, ""));
    assert_eq!(topics.trim(), "", "it still answers");
    broker.stop();
}

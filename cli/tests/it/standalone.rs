//! Registry, connectors and SQL, each alone against a broker that is elsewhere.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use crate::broker::{Broker, YEOUL, install, printed, tool};

/// A part that runs alone; ended with the test.
struct Part(Child);

impl Drop for Part {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Part {
    fn spawn(arguments: &[&str], folder: &Path) -> Self {
        Self::spawn_to(Stdio::piped(), arguments, folder)
    }

    fn spawn_to(output: Stdio, arguments: &[&str], folder: &Path) -> Self {
        let spawned = Command::new(YEOUL)
            .args(arguments)
            .current_dir(folder)
            .env_remove("YEOUL_LOG")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::piped())
            .spawn();
        Self(spawned.expect("it starts"))
    }

    /// Waits until it says that it is ready; where it answers.
    fn address(&mut self) -> String {
        let output = self.0.stdout.take().expect("its output is piped");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("its output is text");
        let (_, rest) = line.split_once("http://").unwrap_or_else(|| {
            let log = self.log();
            panic!("it ended: {line}{log}")
        });
        rest.split([',', ' ']).next().expect("an address").to_owned()
    }

    /// All that it has logged, once it has ended.
    fn log(&mut self) -> String {
        let mut log = String::new();
        let errors = self.0.stderr.as_mut().expect("its log is piped");
        errors.read_to_string(&mut log).expect("its log is text");
        log
    }

    fn stop(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it is there");
        self.0.wait().expect("it ends")
    }
}

/// One request over HTTP, without any of our own code: status and body.
fn http(address: &str, method: &str, path: &str, body: &str) -> (u16, Json) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    write!(
        stream,
        "{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer is text");
    let status = answer.split(' ').nth(1).expect("a status").parse().expect("a number");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    (status, serde_json::from_str(body).unwrap_or(Json::String(body.to_owned())))
}

#[test]
fn registry_connectors_and_sql_run_alone_against_another_cluster() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let broker = Broker::start(dir.path());
    let cluster = ["--bootstrap-server", broker.address.as_str(), "--listen", "127.0.0.1:0"];
    let with = |words: &[&str]| -> Vec<String> {
        let name = &words[..1];
        [name, &cluster, &words[1..]].concat().into_iter().map(str::to_owned).collect()
    };
    let start = |words: &[&str]| {
        let arguments = with(words);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut part = Part::spawn(&arguments, dir.path());
        let address = part.address();
        (part, address)
    };

    let (mut registry, registry_address) = start(&["registry"]);
    let healthy = http(&registry_address, "GET", "/health", "");
    assert_eq!(healthy, (200, json!({"status": "healthy"})));

    std::fs::write(dir.path().join("in.txt"), "one\ntwo\n").expect("a file is written");
    let settings = "name=lines\nconnector.class=FileStreamSource\nfile=in.txt\ntopic=lines\n";
    std::fs::write(dir.path().join("lines.properties"), settings).expect("a file is written");
    let (mut connectors, connect_address) = start(&["connect", "--connector", "lines.properties"]);
    let (status, health) = http(&connect_address, "GET", "/health", "");
    assert_eq!((status, &health["status"]), (200, &json!("healthy")));
    assert_eq!(http(&connect_address, "GET", "/connectors", ""), (200, json!(["lines"])));
    let (_, status) = http(&connect_address, "GET", "/connectors/lines/status", "");
    assert_eq!(status["tasks"][0]["id"], 0, "{status}");

    let url = format!("http://{registry_address}");
    let (mut sql, sql_address) = start(&["sql-server", "--schema-registry", &url]);
    let (_, health) = http(&sql_address, "GET", "/healthcheck", "");
    assert_eq!(health["isHealthy"], true, "{health}");
    let create = "CREATE STREAM a (k INT KEY, v INT) WITH (kafka_topic='a', partitions=1, \
                  replicas=1, value_format='AVRO'); INSERT INTO a VALUES (1, 2);";
    let (status, answer) =
        http(&sql_address, "POST", "/ksql", &json!({"ksql": create}).to_string());
    assert_eq!(status, 200, "{answer}");
    assert_eq!(http(&registry_address, "GET", "/subjects", "").1, json!(["a-value"]));

    for part in [&mut sql, &mut connectors, &mut registry] {
        assert!(part.stop().success());
    }
    broker.stop();
}

#[test]
fn a_cluster_that_is_not_there_is_named_with_the_reason_and_waited_for() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = free.local_addr().expect("bound").to_string();
    drop(free);
    std::fs::write(dir.path().join("c.properties"), "name=c\n").expect("a file is written");
    for words in [&["registry"][..], &["connect", "--connector", "c.properties"], &["sql-server"]] {
        let cluster = ["--bootstrap-server", nobody.as_str(), "--listen", "127.0.0.1:0"];
        let mut part = Part::spawn(&[words, &cluster].concat(), dir.path());
        let log = part.0.stderr.take().expect("its log is piped");
        let mut lines = BufReader::new(log).lines();
        let line = lines.next().expect("it says something").expect("text");
        let expected = format!(
            "the cluster at {nobody} does not answer: {nobody}: Connection refused (os error 111); \
             trying again in 1 s"
        );
        assert!(line.contains(&expected), "{line}");
        let again = lines.next().expect("it goes on").expect("text");
        assert!(again.contains("trying again in 2 s"), "{again}");
        assert!(part.stop().success(), "{words:?}");
    }
}

#[test]
fn something_that_is_no_broker_is_told_from_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let mut part = Part::spawn(
        &["registry", "--bootstrap-server", &address, "--listen", "127.0.0.1:0"],
        dir.path(),
    );
    let log = part.0.stderr.take().expect("its log is piped");
    let mut lines = BufReader::new(log).lines().map(|line| line.expect("text"));
    let said = lines.find(|line| line.contains("does not answer as a Kafka broker does"));
    assert!(said.expect("it says so").contains(&address));
    part.stop();
}

/// A file of one line, and a connector that reads it to its end.
fn one_line(folder: &Path, bytes: usize, more: &str) {
    std::fs::write(folder.join("in.txt"), "x".repeat(bytes)).expect("a file is written");
    let settings = "name=large\nconnector.class=DelimitedFileSource\nfiles=in.txt\ntopic=large\n\
                    format=line\nmode=batch\ntopic.creation.default.max.message.bytes=3000000\n";
    std::fs::write(folder.join("large.properties"), format!("{settings}{more}"))
        .expect("a file is written");
}

fn worker(folder: &Path, more: &str) {
    let settings = "key.converter=StringConverter\nvalue.converter=StringConverter\n\
                    offset.storage.replication.factor=1\n";
    std::fs::write(folder.join("worker.properties"), format!("{settings}{more}"))
        .expect("a file is written");
}

fn connect(broker: &Broker) -> Vec<&str> {
    let mut words = vec!["connect", "--bootstrap-server", &broker.address];
    words.extend(["--listen", "127.0.0.1:0", "--config", "worker.properties"]);
    words.extend(["--connector", "large.properties"]);
    words
}

#[test]
fn the_settings_of_producers_in_a_workers_file_count_and_unknown_ones_are_named_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let broker = Broker::start(dir.path());
    worker(dir.path(), "producer.max.request.size=3000000\nproducer.max.request.sice=1\n");
    one_line(dir.path(), 1_500_000, "producer.override.akcs=1\n");
    let mut part = Part::spawn(&connect(&broker), dir.path());
    let output = part.0.stdout.take().expect("its output is piped");
    let mut lines = BufReader::new(output).lines().map(|line| line.expect("text"));
    let told = lines.find(|line| line.starts_with("connector large "));
    assert_eq!(told.as_deref(), Some("connector large is done: 1 records written"));
    assert!(part.stop().success());
    let log = part.log();
    for key in ["producer.max.request.sice", "producer.override.akcs"] {
        assert_eq!(log.matches(key).count(), 1, "{log}");
    }
    assert!(!log.contains("producer.max.request.size"), "{log}");

    worker(dir.path(), "connector.client.config.override.policy=None\n");
    let mut part = Part::spawn(&connect(&broker), dir.path());
    assert_eq!(part.0.wait().expect("it ends").code(), Some(1));
    let log = part.log();
    assert!(log.contains("The 'None' policy does not allow 'akcs' to be overridden"), "{log}");
    assert!(!log.contains("is not known"), "{log}");
    broker.stop();
}

#[test]
fn a_part_whose_output_nobody_reads_goes_on() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let broker = Broker::start(dir.path());
    let links = install(dir.path());
    worker(dir.path(), "");
    one_line(dir.path(), 3, "");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut part = Part::spawn_to(writer.into(), &connect(&broker), dir.path());
    let read = format!(
        "kafka-console-consumer --topic large --from-beginning --max-messages 1 \
         --bootstrap-server {}",
        broker.address
    );
    assert_eq!(printed(&tool(&links, &read, "")), "xxx\n");
    assert!(part.stop().success(), "{}", part.log());
    broker.stop();
}

//! What was acknowledged is there after the broker was killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::broker::{Broker, YEOUL, install, printed, tool};

/// Lines are confirmed one by one (`--sync`), and the broker is killed while they come.
#[test]
fn a_killed_broker_has_every_acknowledged_record_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let broker = Broker::start(dir.path());
    let line = format!("kafka-topics --create --topic t --bootstrap-server {}", broker.address);
    printed(&tool(&links, &line, ""));
    let perf = format!(
        "kafka-producer-perf-test --topic t --num-records 20000 --throughput -1 --payload-monotonic \
         --reporting-interval 1 --command-property bootstrap.servers={} acks=all linger.ms=0 \
         delivery.timeout.ms=1000 request.timeout.ms=500",
        broker.address
    );
    let mut producer = Command::new(YEOUL)
        .args(perf.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the producer starts");
    // A report says how many records of its interval were confirmed; they were sent in order.
    let mut reports = BufReader::new(producer.stdout.take().expect("piped")).lines();
    let mut acknowledged = 0_usize;
    while acknowledged < 500 {
        let report = reports.next().expect("a report comes").expect("the report is text");
        let count = report.split(' ').next().expect("a first word");
        acknowledged += count.parse::<usize>().expect("a report begins with a number");
    }
    broker.kill();
    producer.kill().expect("the producer is ended");
    producer.wait().expect("the producer is gone");

    let broker = Broker::start(dir.path());
    let end = format!("kafka-get-offsets --bootstrap-server {} --topic t", broker.address);
    let end = printed(&tool(&links, &end, ""));
    let end: usize = end.trim().rsplit(':').next().expect("an offset").parse().expect("a number");
    assert!(end >= acknowledged, "{acknowledged} were acknowledged, {end} are there");
    let read = format!(
        "kafka-console-consumer --bootstrap-server {} --topic t --partition 0 --offset earliest \
         --max-messages {end}",
        broker.address
    );
    let values = printed(&tool(&links, &read, ""));
    let expected: Vec<String> = (0..end).map(|number| number.to_string()).collect();
    assert_eq!(values.lines().collect::<Vec<_>>(), expected);
    broker.stop();
}

#[test]
fn a_torn_tail_is_cut_with_a_line_in_the_log_and_earlier_data_stays() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let broker = Broker::start(dir.path());
    let send = format!("kafka-console-producer --topic t --bootstrap-server {}", broker.address);
    printed(&tool(&links, &format!("{send} --sync"), "one\n"));
    printed(&tool(&links, &format!("{send} --sync"), "two\n"));
    broker.kill();
    let segment = dir.path().join("data/t-0/00000000000000000000.log");
    let whole = std::fs::read(&segment).expect("the segment is there");
    let mut file = std::fs::File::create(&segment).expect("the segment is written");
    file.write_all(&whole[..whole.len() - 3]).expect("the segment is written");
    drop(file);

    let broker = Broker::start(dir.path());
    let is_said =
        |line: &str| line.contains("WARN") && line.contains("t-0/00000000000000000000.log");
    assert!(broker.startup.lines().any(is_said), "{}", broker.startup);
    let read = format!(
        "kafka-console-consumer --bootstrap-server {} --topic t --partition 0 --offset earliest \
         --max-messages 1",
        broker.address
    );
    assert_eq!(printed(&tool(&links, &read, "")), "one\n");
    let end = format!("kafka-get-offsets --bootstrap-server {} --topic t", broker.address);
    assert_eq!(printed(&tool(&links, &end, "")), "t:0:1\n");
    broker.stop();
}

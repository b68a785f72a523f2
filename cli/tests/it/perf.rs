//! The perf tools against a broker: their lines are read by scripts.

use regex::Regex;

use crate::broker::{Broker, install, printed, tool};

#[test]
fn the_perf_tools_print_the_lines_of_kafka() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let broker = Broker::start(dir.path());
    let run = |line: &str| {
        let line = format!("{line} --bootstrap-server {}", broker.address);
        printed(&tool(&links, &line, ""))
    };
    let values = dir.path().join("values");
    std::fs::write(&values, "alpha;beta;gamma;").expect("the values are written");
    let values = values.display().to_string();
    let produced = run(&format!(
        "kafka-producer-perf-test.sh --topic t --num-records 1000 --warmup-records 400 \
         --throughput -1 --payload-file {values} --payload-delimiter ; --command-property acks=all \
         linger.ms=1"
    ));
    let lines: Vec<&str> = produced.lines().collect();
    assert_eq!(
        lines[..3],
        [
            &format!("Reading payloads from: {values}"),
            "Number of records read: 3",
            "Warmup first 400 records. Steady state results will print after the complete test \
             summary.",
        ]
    );
    let rates = concat!(
        r"records sent, \d+\.\d{6} records/sec \(\d+\.\d\d MB/sec\), \d+\.\d\d ms avg latency, ",
        r"\d+\.\d\d ms max latency, \d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99.9th\.$",
    );
    for (line, start) in lines[3..].iter().zip(["1000 ", "600 steady state "]) {
        let pattern = Regex::new(&format!("^{start}{rates}")).expect("a pattern");
        assert!(pattern.is_match(line), "{line}");
    }
    assert_eq!(lines.len(), 5, "{produced}");

    let consumed = run(
        "kafka-consumer-perf-test.sh --topic t --num-records 1000 --date-format yyyy --fetch-size \
         4096 --socket-buffer-size 65536",
    );
    let [header, row] = consumed.lines().collect::<Vec<_>>()[..] else { panic!("{consumed}") };
    assert!(header.starts_with("start.time, end.time, data.consumed.in.MB, "), "{header}");
    let cells: Vec<&str> = row.split(", ").collect();
    assert_eq!((cells.len(), cells[0].len(), cells[4]), (10, 4, "1000"), "{row}");

    let read = run("kafka-console-consumer.sh --topic t --from-beginning --max-messages 1000");
    assert!(read.lines().all(|value| ["alpha", "beta", "gamma"].contains(&value)), "{read}");
    broker.stop();
}

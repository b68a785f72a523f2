//! Commands as Kafka's books print them, by the tools' own names.

use crate::broker::{Broker, install, printed, tool};

#[test]
fn the_commands_of_a_book_run_as_they_are_printed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let broker = Broker::start(dir.path());
    let run = |line: &str, input: &str| {
        tool(&links, &line.replace("localhost:9092", &broker.address), input)
    };
    let create = "kafka-topics.sh --create --topic topic1 --bootstrap-server localhost:9092 \
                  --replication-factor 1 --partitions 1";
    assert_eq!(printed(&run(create, "")), "Created topic topic1.\n");
    let described = printed(&run(
        "kafka-topics.sh --describe --topic topic1 --bootstrap-server localhost:9092",
        "",
    ));
    assert!(described.starts_with("Topic: topic1\tTopicId: "), "{described}");
    assert!(described.contains("\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\t"), "{described}");

    printed(&run(
        "kafka-console-producer.sh --topic topic1 --broker-list localhost:9092",
        "a\nb\n",
    ));
    let read = "kafka-console-consumer.sh --topic topic1 --bootstrap-server localhost:9092 \
                --from-beginning --max-messages 2";
    assert_eq!(printed(&run(read, "")), "a\nb\n");

    let configure = "kafka-configs.sh --bootstrap-server localhost:9092 --topic topic1 --add-config \
                     retention.ms=0 --alter";
    assert_eq!(printed(&run(configure, "")), "Completed updating config for topic topic1.\n");

    let segment = dir.path().join("data/topic1-0/00000000000000000000.log");
    let dump = format!("kafka-dump-log.sh --print-data-log --files {}", segment.display());
    let dumped = printed(&run(&dump, ""));
    assert!(dumped.contains("payload: a\n") && dumped.contains("payload: b\n"), "{dumped}");
    broker.stop();
}

#[test]
fn zookeeper_is_answered_with_the_line_to_type() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let refused = tool(&links, "kafka-topics.sh --list --zookeeper localhost:2181", "");
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("kafka-topics.sh --list --bootstrap-server localhost:9092"), "{text}");
    let nothing = printed(&tool(&links, "zookeeper-server-start.sh zookeeper.properties", ""));
    assert!(nothing.contains("No ZooKeeper is needed"), "{nothing}");
    let nothing = printed(&tool(&links, "kafka-storage.sh format -t x -c server.properties", ""));
    assert!(nothing.contains("Nothing to format"), "{nothing}");
}

#[test]
fn the_cluster_its_folders_apis_and_groups_are_shown() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let links = install(dir.path());
    let broker = Broker::start(dir.path());
    let run = |line: &str, input: &str| {
        let line = format!("{line} --bootstrap-server {}", broker.address);
        printed(&tool(&links, &line, input))
    };
    run("kafka-console-producer.sh --topic t", "a\n");
    run("kafka-console-consumer.sh --topic t --from-beginning --max-messages 1 --group g", "");

    let id = run("kafka-cluster.sh cluster-id", "");
    assert!(id.starts_with("Cluster ID: ") && id.trim().len() == 34, "{id}");
    let port = broker.address.rsplit(':').next().expect("a port");
    let endpoints = run("kafka-cluster.sh list-endpoints", "");
    let row: Vec<&str> = endpoints.lines().nth(1).expect("a broker").split_whitespace().collect();
    assert_eq!(row, ["1", "127.0.0.1", port, "null", "unfenced", "broker"]);

    let groups = run("kafka-groups.sh --list", "");
    let row: Vec<&str> = groups.lines().nth(1).expect("a group").split_whitespace().collect();
    assert_eq!(row, ["g", "Classic", "consumer"]);

    let folders = run("kafka-log-dirs.sh --describe --topic-list t", "");
    let json = folders.lines().last().expect("a line of JSON");
    let partition =
        "{\"brokers\":[{\"broker\":1,\"logDirs\":[{\"partitions\":[{\"partition\":\"t-0\"";
    assert!(json.starts_with(partition), "{json}");

    let apis = run("kafka-broker-api-versions.sh", "");
    assert!(apis.starts_with(&format!("{} (id: 1 rack: null", broker.address)), "{apis}");
    assert!(apis.contains("\tFetch(1): 4 to 18 [usable: 18],\n"), "{apis}");

    // Of four partitions, the last keeps this group: it forms, commits and dissolves.
    let offsets = run(
        "kafka-console-consumer.sh --topic __consumer_offsets --partition 3 --offset earliest \
         --max-messages 4 --formatter org.apache.kafka.tools.consumer.OffsetsMessageFormatter",
        "",
    );
    let key = "{\"key\":{\"type\":1,\"data\":{\"group\":\"g\",\"topic\":\"t\",\"partition\":0}},";
    assert!(offsets.starts_with(key), "{offsets}");
    broker.stop();
}

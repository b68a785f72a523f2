use super::*;

/// The file that Kafka ships for ZooKeeper, as books print it, with a key that nobody knows.
const BOOK: &str = "
broker.id=0
listeners=PLAINTEXT://:9092
advertised.listeners=PLAINTEXT://kafka1:9092
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kafka-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
zookeeper.connect=localhost:2181
zookeeper.connection.timeout.ms=18000
group.initial.rebalance.delay.ms=0
my.own.key=1
";

#[test]
fn a_file_as_books_print_it_is_taken_with_a_word_on_what_does_nothing() {
    let config = BrokerConfig::from_properties(BOOK).unwrap();
    assert_eq!(config.node_id, 0);
    assert_eq!(config.log_dirs, [PathBuf::from("/tmp/kafka-logs")]);
    assert_eq!(
        config.listeners.clients,
        [Listener {
            name: "PLAINTEXT".to_owned(),
            audience: Audience::Clients,
            host: String::new(),
            port: 9092,
            advertised_host: "kafka1".to_owned(),
            advertised_port: Some(9092),
        }]
    );
    assert_eq!(
        config.notes,
        [
            "my.own.key is not a configuration key of a broker; it does nothing",
            "zookeeper.connect, zookeeper.connection.timeout.ms: no ZooKeeper is needed, \
             none is used",
            "brokers that share a zookeeper.connect are no cluster here: broker 0 stands alone and \
             has its own topics, and so has each of the others. To make them one cluster, give \
             each, in place of zookeeper.connect and broker.id, process.roles=broker,controller, a \
             node.id of its own, controller.listener.names=CONTROLLER, listeners with a \
             CONTROLLER://:9093, and the same \
             controller.quorum.voters=1@HOST1:9093,2@HOST2:9093,..",
        ]
    );
}

#[test]
fn each_of_three_brokers_on_one_zookeeper_is_told_that_it_stands_alone() {
    for id in 1..=3 {
        let text = format!(
            "broker.id={id}\nlisteners=PLAINTEXT://localhost:0\n\
             zookeeper.connect=zoo1:2181,zoo2:2181,zoo3:2181/kafka\n"
        );
        let notes = BrokerConfig::from_properties(&text).unwrap().notes;
        let told = format!("broker {id} stands alone");
        assert!(notes.iter().any(|note| note.contains(&told)), "{notes:?}");
    }
    let alone = BrokerConfig::from_properties("broker.id=1\nlisteners=PLAINTEXT://localhost:0\n");
    assert_eq!(alone.unwrap().notes, [""; 0]);
}

#[test]
fn a_log_dir_that_would_be_made_below_the_present_folder_by_mistake_is_refused() {
    for (dir, problem) in [
        ("C:/dev/kafka-logs", "a path of Windows"),
        ("C\\:\\\\dev\\\\kafka-logs", "a path of Windows"),
        ("c:logs", "a path of Windows"),
        ("/data/a,D:/b", "log.dirs holds D:/b"),
        ("~/kafka-logs", "write the whole path"),
        ("file:///data", "write the path alone"),
    ] {
        let error = BrokerConfig::from_properties(&format!("log.dirs={dir}\n")).unwrap_err();
        assert!(error.to_string().contains(problem), "{dir}: {error}");
    }
    for dir in ["/tmp/kafka-logs", "logs", "./c:d", "/c:/d", "data~1"] {
        assert!(BrokerConfig::from_properties(&format!("log.dirs={dir}\n")).is_ok(), "{dir}");
    }
}

#[test]
fn a_file_of_a_combined_node_has_a_socket_for_controllers_too() {
    let config = BrokerConfig::from_properties(
        "process.roles=broker,controller\nnode.id=3\ncontroller.quorum.voters=3@localhost:9093\n\
         listeners=PLAINTEXT://localhost:9092,CONTROLLER://:9093\n\
         inter.broker.listener.name=PLAINTEXT\nadvertised.listeners=PLAINTEXT://localhost:9092\n\
         controller.listener.names=CONTROLLER\nlog.dirs=/tmp/kraft-combined-logs\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
    )
    .unwrap();
    let names = |listeners: &[Listener]| -> Vec<String> {
        listeners.iter().map(|listener| listener.name.clone()).collect()
    };
    assert_eq!(names(&config.listeners.clients), ["PLAINTEXT"]);
    assert_eq!(names(&config.listeners.controllers), ["CONTROLLER"]);
    assert_eq!(config.listeners.inter_broker, "PLAINTEXT");
    assert_eq!(config.listeners.controller.as_deref(), Some("CONTROLLER"));
    let voter = Voter { id: 3, host: "localhost".to_owned(), port: 9093 };
    assert_eq!(config.quorum, Quorum::Voters(vec![voter]));
    assert_eq!(config.roles, Roles { broker: true, controller: true });
    assert_eq!(config.notes, [""; 0]);
}

/// The file that Kafka 4 ships, with more threads than it has.
const SHIPPED: &str = "
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL
num.network.threads=6
num.io.threads=16
log.dirs=/tmp/kraft-combined-logs
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
replica.lag.time.max.ms=10000
transaction.state.log.num.partitions=3
";

#[test]
fn settings_that_change_nothing_are_named_once_all_together() {
    let config = BrokerConfig::from_properties(SHIPPED).unwrap();
    assert_eq!(
        config.notes,
        [
            "transaction.state.log.num.partitions=3 has no effect yet; the default holds",
            "these settings size Kafka's thread pools and buffers; they change nothing here: \
             num.io.threads, num.network.threads",
        ]
    );
}

#[test]
fn what_can_not_be_is_refused_in_words() {
    let refused = |line: &str| BrokerConfig::from_properties(line).unwrap_err().to_string();
    for (line, words) in [
        ("listeners=SSL://:9093", "only PLAINTEXT is there"),
        ("listeners=EXTERNAL://:9093", "listener.security.protocol.map"),
        ("listeners=9092", "NAME://HOST:PORT"),
        ("listeners=PLAINTEXT://:99999", "NAME://HOST:PORT"),
        ("listeners=PLAINTEXT://:1,PLAINTEXT://:2", "twice"),
        ("advertised.listeners=PLAINTEXT://0.0.0.0:9092", "wildcard"),
        ("advertised.listeners=OTHER://a:9092", "OTHER"),
        ("inter.broker.listener.name=OTHER", "OTHER"),
        ("num.partitions=many", "num.partitions"),
        ("process.roles=controller", "add broker to process.roles"),
        ("process.roles=broker", "controller.quorum.bootstrap.servers"),
        ("controller.quorum.voters=1@a:1,2@b:1", "controller.listener.names"),
        ("controller.quorum.voters=1@a:1,1@b:1", "names node 1 twice"),
        ("controller.quorum.voters=2@a:1,3@b:1", "controller with id 1"),
        ("process.roles=broker\ncontroller.quorum.voters=1@a:1", "is no controller"),
        ("controller.quorum.voters=a:1", "ID@HOST:PORT"),
        ("controller.quorum.bootstrap.servers=a", "HOST:PORT"),
        ("process.roles=broker\ncontroller.quorum.bootstrap.servers=a:1", "controller.listener"),
        ("broker.session.timeout.ms=100", "broker.heartbeat.interval.ms"),
        ("replica.lag.time.max.ms=100", "replica.fetch.wait.max.ms"),
        ("log.cleaner.dedupe.buffer.size=1000", "at least 1 MiB per cleaner thread"),
    ] {
        let text = refused(line);
        assert!(text.contains(words), "{line}: {text}");
    }
}

#[test]
fn a_listener_on_all_addresses_never_tells_clients_a_wildcard() {
    let config = BrokerConfig::from_properties("listeners=PLAINTEXT://0.0.0.0:0").unwrap();
    let host = &config.listeners.clients[0].advertised_host;
    assert!(!host.is_empty() && host != "0.0.0.0", "{host}");
}

//! Kafka's tools that are not there, and those of its neighbours that books start: who calls one
//! by its name is told so, and what to do instead.

/// A tool that this binary does not answer to.
#[derive(Debug)]
pub(crate) struct AbsentTool {
    /// The name of the script, without `.sh`.
    pub(crate) name: &'static str,
    /// What is missing, and what there is instead: what follows `NAME is not there:`.
    why: &'static str,
}

impl AbsentTool {
    /// One line that says so.
    pub(crate) fn text(&self) -> String {
        format!("{} is not there: {}", self.name, self.why)
    }
}

const TRANSACTIONS: &str = "the broker serves no transactions yet; use a producer without a \
                            transactional.id";
const SHARE_GROUPS: &str = "the broker serves no share groups yet; use a consumer group and \
                            kafka-consumer-groups";
const NOT_YET: &str = "the brokers answer it, and this binary does not ask yet: use the script of a \
                       Kafka installation with --bootstrap-server";
const VERIFIABLE: &str = "it is for Kafka's own system tests; use kafka-console-producer, \
                          kafka-console-consumer or `yeoul bench`";
const NO_ZOOKEEPER: &str = "there is no ZooKeeper; the broker keeps the metadata itself, ask it \
                            with kafka-topics, kafka-configs and kafka-cluster";
const NO_CONNECT_WORKER: &str = "connectors run in the server: yeoul server --connector FILE, a \
                                 file for each connector";
const RETIRED: &str = "Kafka itself has it no more";

const fn absent(name: &'static str, why: &'static str) -> AbsentTool {
    AbsentTool { name, why }
}

const ABSENT: &[AbsentTool] = &[
    absent("connect-distributed", NO_CONNECT_WORKER),
    absent("connect-mirror-maker", "mirroring between clusters is not served yet"),
    absent("connect-plugin-path", "Java plug-ins can't be loaded; the connectors are built in"),
    absent("connect-standalone", NO_CONNECT_WORKER),
    absent("kafka-acls", "the broker has no ACLs yet: everybody may do everything"),
    absent("kafka-client-metrics", "the broker takes no metrics from clients yet"),
    absent("kafka-console-share-consumer", SHARE_GROUPS),
    absent("kafka-delegation-tokens", "the broker has no logins and no delegation tokens yet"),
    absent(
        "kafka-e2e-latency",
        "use `yeoul bench latency`, which measures from the producer to the consumer",
    ),
    absent(
        "kafka-features",
        "the levels of features are fixed; kafka-broker-api-versions shows \
            what a broker serves",
    ),
    absent("kafka-jmx", "there is no JVM and no JMX"),
    absent("kafka-leader-election", NOT_YET),
    absent("kafka-metadata-quorum", NOT_YET),
    absent(
        "kafka-metadata-shell",
        "use kafka-dump-log --cluster-metadata-decoder on __cluster_metadata-0",
    ),
    absent("kafka-mirror-maker", "mirroring between clusters is not served yet"),
    absent("kafka-preferred-replica-election", NOT_YET),
    absent("kafka-reassign-partitions", NOT_YET),
    absent("kafka-replay-log-producer", RETIRED),
    absent("kafka-replica-verification", NOT_YET),
    absent("kafka-run-class", "Java classes can't be run; `yeoul tools list` names the tools"),
    absent("kafka-share-consumer-perf-test", SHARE_GROUPS),
    absent("kafka-share-groups", SHARE_GROUPS),
    absent("kafka-simple-consumer-shell", RETIRED),
    absent(
        "kafka-streams-application-reset",
        "it is for Java's Kafka Streams; move offsets with kafka-consumer-groups --reset-offsets \
         and delete the application's internal topics with kafka-topics",
    ),
    absent("kafka-streams-groups", "the broker serves no streams groups yet"),
    absent("kafka-transactions", TRANSACTIONS),
    absent("kafka-verifiable-consumer", VERIFIABLE),
    absent("kafka-verifiable-producer", VERIFIABLE),
    absent("kafka-verifiable-share-consumer", SHARE_GROUPS),
    absent("trogdor", "it is for Kafka's own system tests; use `yeoul bench`"),
    absent("zookeeper-security-migration", NO_ZOOKEEPER),
    absent("zookeeper-server-stop", NO_ZOOKEEPER),
    absent("zookeeper-shell", NO_ZOOKEEPER),
    // Confluent's, which books on Kafka start beside it.
    absent("ksql", "use `yeoul sql`"),
    absent("ksql-server-start", "the SQL engine is part of `yeoul server`"),
    absent("schema-registry-start", "the schema registry is part of `yeoul server`"),
    absent("schema-registry-stop", "the schema registry stops with `yeoul server`"),
];

/// The tool of this name, with or without `.sh`, if it is one that is not there.
pub(crate) fn find(name: &str) -> Option<&'static AbsentTool> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    ABSENT.iter().find(|tool| tool.name == name)
}

/// All of them, by name within Kafka's and its neighbours'.
pub(crate) fn all() -> impl Iterator<Item = &'static AbsentTool> {
    ABSENT.iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scripts of Kafka 4.3's `bin`, without those of Windows.
    const KAFKAS: &str = "connect-distributed connect-mirror-maker connect-plugin-path \
        connect-standalone kafka-acls kafka-broker-api-versions kafka-client-metrics kafka-cluster \
        kafka-configs kafka-console-consumer kafka-console-producer kafka-console-share-consumer \
        kafka-consumer-groups kafka-consumer-perf-test kafka-delegation-tokens \
        kafka-delete-records kafka-dump-log kafka-e2e-latency kafka-features kafka-get-offsets \
        kafka-groups kafka-jmx kafka-leader-election kafka-log-dirs kafka-metadata-quorum \
        kafka-metadata-shell kafka-producer-perf-test kafka-reassign-partitions \
        kafka-replica-verification kafka-run-class kafka-server-start kafka-server-stop \
        kafka-share-consumer-perf-test kafka-share-groups kafka-storage \
        kafka-streams-application-reset kafka-streams-groups kafka-transactions \
        kafka-verifiable-consumer kafka-verifiable-producer kafka-verifiable-share-consumer \
        trogdor";

    #[test]
    fn each_of_kafkas_scripts_is_either_there_or_said_not_to_be() {
        for name in KAFKAS.split_whitespace() {
            let there = super::super::find(name).is_some();
            assert_ne!(there, find(name).is_some(), "{name}");
            assert_eq!(find(&format!("{name}.sh")).is_some(), !there, "{name}.sh");
        }
    }

    #[test]
    fn the_page_on_the_command_line_names_each() {
        let page = std::fs::read_to_string("../docs/tools.md").expect("the page is there");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).collect();
        let named = |name: &str| {
            let is_name = |word: &str| word.trim_matches(['|', ' ', ',']) == name;
            rows.iter().any(|row| row.split(' ').any(is_name))
        };
        let missing: Vec<&str> = all().map(|tool| tool.name).filter(|name| !named(name)).collect();
        assert_eq!(missing, [""; 0]);
    }

    #[test]
    fn no_tool_is_both_there_and_not_there() {
        for tool in all() {
            assert!(super::super::find(tool.name).is_none(), "{}", tool.name);
            assert!(tool.text().starts_with(&format!("{} is not there: ", tool.name)));
        }
    }
}

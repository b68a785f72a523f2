use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn layer(pairs: &[(&str, &str)]) -> Layer {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn set(name: &str, value: &str) -> (String, Change) {
    (name.to_owned(), Change::Set(value.to_owned()))
}

fn change_topic(before: &Layer, name: &str, change_: Change) -> Result<Layer, String> {
    change(topic_table(), "topic", before, &[(name.to_owned(), change_)])
        .map_err(|error| error.to_string())
}

#[test]
fn the_tables_hold_every_key_of_kafka_once_and_with_a_default_that_is_valid() {
    let tables = [(topic_table(), 33), (broker_table(), 343), (group_table(), 17)];
    for (table, count) in tables {
        assert_eq!(table.keys().count(), count);
        assert_eq!(table.keys().map(|key| key.name).collect::<BTreeSet<_>>().len(), count);
        for key in table.keys() {
            if let Some(text) = key.default.filter(|text| !text.is_empty()) {
                let value = key.parse(text).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(value.to_text(), text, "{}", key.name);
            }
            if let Some(name) = key.broker_key {
                let broker = broker_table().get(name).unwrap_or_else(|| panic!("{name}"));
                assert_eq!(broker.kind, key.kind, "{name}");
            }
            assert!(key.doc.ends_with('.'), "{}", key.name);
        }
    }
}

#[test]
fn wrong_values_are_refused_in_the_words_of_kafka() {
    let cases = [
        (
            "retention.ms",
            "abc",
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (
            "cleanup.policy",
            "shred",
            "Invalid value shred for configuration cleanup.policy: String must be one of: \
             compact, delete",
        ),
        (
            "retention.ms",
            "-2",
            "Invalid value -2 for configuration retention.ms: Value must be at least -1",
        ),
        (
            "preallocate",
            "yes",
            "Invalid value yes for configuration preallocate: Expected value to be either true or \
             false",
        ),
        (
            "segment.bytes",
            "3000000000",
            "Invalid value 3000000000 for configuration segment.bytes: Not a number of type INT",
        ),
        (
            "min.cleanable.dirty.ratio",
            "1.5",
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more \
             than 1",
        ),
        ("no.such.key", "1", "Unknown topic config name: no.such.key"),
        (
            "remote.storage.enable",
            "true",
            "remote.storage.enable has no effect in this broker yet, so it can't be set to true. \
             Leave it at its default, false.",
        ),
    ];
    for (name, value, expected) in cases {
        let got = change_topic(&Layer::new(), name, Change::Set(value.to_owned()));
        assert_eq!(got, Err(expected.to_owned()));
    }
}

#[test]
fn a_key_without_effect_is_taken_at_its_default() {
    let set = Change::Set("false".to_owned());
    let got = change_topic(&Layer::new(), "remote.storage.enable", set);
    assert_eq!(got, Ok(layer(&[("remote.storage.enable", "false")])));
}

#[test]
fn append_and_subtract_work_on_lists_only_and_start_from_the_default() {
    let append = || Change::Append("compact".to_owned());
    let both = change_topic(&Layer::new(), "cleanup.policy", append()).unwrap();
    assert_eq!(both, layer(&[("cleanup.policy", "delete,compact")]));
    assert_eq!(change_topic(&both, "cleanup.policy", append()), Ok(both.clone()));
    let less = change_topic(&both, "cleanup.policy", Change::Subtract("compact".to_owned()));
    assert_eq!(less, Ok(layer(&[("cleanup.policy", "delete")])));
    assert_eq!(
        change_topic(&both, "retention.ms", Change::Append("1".to_owned())),
        Err("Can't APPEND to key retention.ms because its type is not LIST.".to_owned())
    );
    assert_eq!(change_topic(&both, "cleanup.policy", Change::Delete), Ok(Layer::new()));
    assert_eq!(change_topic(&both, "retention.ms", Change::Delete), Ok(both.clone()));
}

#[test]
fn read_only_keys_and_keys_of_one_broker_are_named() {
    let refuse = |names: &[&str], one| {
        check_dynamic(broker_table(), names.iter().copied(), one).unwrap_err().to_string()
    };
    assert_eq!(
        refuse(&["log.dirs", "node.id", "log.retention.ms"], true),
        "Cannot update these configs dynamically: [log.dirs, node.id]"
    );
    assert_eq!(
        refuse(&["listeners"], false),
        "Cannot update these configs at default cluster level: [listeners]"
    );
    assert_eq!(check_dynamic(broker_table(), ["listeners"].into_iter(), true), Ok(()));
}

#[test]
fn a_topic_falls_back_to_the_broker_and_finer_units_win() {
    let file = layer(&[("log.retention.hours", "2"), ("log.roll.hours", "1")]);
    let (none, topic) = (Layer::new(), Layer::new());
    let resolve = |cluster: &Layer, topic: &Layer| {
        let layers = BrokerLayers { broker: &none, cluster, file: &file };
        TopicConfig::resolve(topic, layers).unwrap()
    };
    assert_eq!(resolve(&none, &topic).retention.ms, 7_200_000);
    assert_eq!(resolve(&none, &topic).segment.ms, 3_600_000);
    let minutes = layer(&[("log.retention.minutes", "3")]);
    assert_eq!(resolve(&minutes, &topic).retention.ms, 180_000);
    let ms = layer(&[("log.retention.ms", "-1"), ("log.retention.minutes", "3")]);
    assert_eq!(resolve(&ms, &topic).retention.ms, -1);
    assert_eq!(resolve(&ms, &layer(&[("retention.ms", "5")])).retention.ms, 5);
}

#[test]
fn defaults_of_a_topic_are_those_of_kafka() {
    let none = Layer::new();
    let layers = BrokerLayers { broker: &none, cluster: &none, file: &none };
    let config = TopicConfig::resolve(&none, layers).unwrap();
    assert_eq!(
        config.retention,
        RetentionConfig {
            delete: true,
            compact: false,
            ms: 604_800_000,
            bytes: -1,
            file_delete_delay_ms: 60_000,
        }
    );
    assert_eq!(config.flush, FlushConfig { messages: i64::MAX, ms: i64::MAX });
    assert_eq!(config.max_message_bytes, 1_048_588);
    assert_eq!(config.segment.bytes, 1 << 30);
}

#[test]
fn a_conflict_between_keys_is_a_sentence() {
    let none = Layer::new();
    let layers = BrokerLayers { broker: &none, cluster: &none, file: &none };
    let topic = layer(&[("min.compaction.lag.ms", "9"), ("max.compaction.lag.ms", "5")]);
    assert_eq!(
        TopicConfig::resolve(&topic, layers).unwrap().validate(),
        Err("conflict topic config setting min.compaction.lag.ms (9) > max.compaction.lag.ms (5)"
            .to_owned())
    );
    let file = layer(&[("group.min.session.timeout.ms", "2000000")]);
    let layers = BrokerLayers { broker: &none, cluster: &none, file: &file };
    assert_eq!(
        BrokerConfig::resolve(layers).unwrap().validate(),
        Err("group.min.session.timeout.ms (2000000) must not be above \
             group.max.session.timeout.ms (1800000)."
            .to_owned())
    );
}

fn shown(entries: &[Entry], name: &str) -> (Option<String>, i8, Vec<String>) {
    let entry = entries.iter().find(|entry| entry.key.name == name).unwrap();
    let show = |synonym: &Synonym| {
        let value = synonym.value.as_deref().unwrap_or("null");
        format!("{}={value}@{}", synonym.name, synonym.source.code())
    };
    (entry.value.clone(), entry.source.code(), entry.synonyms.iter().map(show).collect())
}

#[test]
fn a_description_shows_where_a_value_comes_from_as_kafka_does() {
    let none = Layer::new();
    let cluster = layer(&[("log.retention.ms", "3600000")]);
    let file = layer(&[("message.max.bytes", "9000"), ("ssl.key.password", "secret")]);
    let plain = BrokerLayers { broker: &none, cluster: &none, file: &file };
    let topic = layer(&[("retention.ms", "5"), ("max.message.bytes", "2000")]);
    let of_topic = describe_topic(&topic, &plain);
    assert_eq!(
        shown(&of_topic, "retention.ms"),
        (Some("5".into()), 1, vec!["retention.ms=5@1".into()])
    );
    let expected =
        ["max.message.bytes=2000@1", "message.max.bytes=9000@4", "message.max.bytes=1048588@5"];
    assert_eq!(
        shown(&of_topic, "max.message.bytes"),
        (Some("2000".into()), 1, expected.map(String::from).to_vec())
    );
    let unset = describe_topic(&none, &plain);
    assert_eq!(shown(&unset, "retention.ms"), (Some("604800000".into()), 5, vec![]));
    let of_broker = describe_broker(&plain);
    assert_eq!(
        shown(&of_broker, "ssl.key.password"),
        (None, 4, vec!["ssl.key.password=null@4".into()])
    );
    let dynamic = BrokerLayers { broker: &none, cluster: &cluster, file: &file };
    assert_eq!(
        shown(&describe_cluster_default(&dynamic), "log.retention.ms"),
        (Some("3600000".into()), 3, vec!["log.retention.ms=3600000@3".into()])
    );
    let inherited = describe_topic(&none, &dynamic);
    assert_eq!(
        shown(&inherited, "retention.ms"),
        (
            Some("3600000".into()),
            3,
            vec!["log.retention.ms=3600000@3".into(), "log.retention.hours=168@5".into()]
        )
    );
    let group = describe_group(&none, &plain);
    assert_eq!(
        shown(&group, "consumer.session.timeout.ms"),
        (Some("45000".into()), 5, vec!["group.consumer.session.timeout.ms=45000@5".into()])
    );
}

#[test]
fn a_file_is_looked_through_for_what_will_not_work() {
    let file = layer(&[
        ("zookeeper.connect", "localhost:2181"),
        ("nonsense", "1"),
        ("num.partitions", "none"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("port", "9092"),
        ("num.io.threads", "16"),
        ("num.network.threads", "3"),
        ("transaction.state.log.min.isr", "1"),
        ("transaction.state.log.replication.factor", "2"),
    ]);
    let found = examine(&file);
    assert_eq!(
        found,
        [
            Finding::Unknown { name: "nonsense".into() },
            Finding::Hint { name: "num.io.threads" },
            Finding::Invalid(ValueError::Invalid {
                name: "num.partitions",
                value: "none".into(),
                reason: "Not a number of type INT".into(),
            }),
            Finding::Outdated { name: "port", instead: "use listeners" },
            Finding::NoEffect { name: "sasl.enabled.mechanisms", value: "PLAIN".into() },
            Finding::NoEffect {
                name: "transaction.state.log.replication.factor",
                value: "2".into(),
            },
            Finding::Zookeeper { name: "zookeeper.connect".into() },
        ]
    );
}

#[test]
fn a_hint_is_told_of_only_where_it_differs_from_the_default() {
    let set = [
        ("num.io.threads", "8"),
        ("background.threads", "20"),
        ("log.cleaner.threads", "2"),
        ("no.such", "1"),
        ("num.network.threads", "many"),
    ];
    assert_eq!(hints(broker_table(), set), ["background.threads"]);
}

#[test]
fn the_cleaners_memory_is_that_of_all_its_threads() {
    let none = Layer::new();
    let resolve = |file: &Layer| {
        let layers = BrokerLayers { broker: &none, cluster: &none, file };
        CleanerConfig::resolve(layers).unwrap()
    };
    let config = resolve(&none);
    assert_eq!((config.threads, config.buffer_bytes_per_thread()), (1, 128 << 20));
    assert_eq!(config.validate(), Ok(()));
    let more = layer(&[("log.cleaner.threads", "4")]);
    assert_eq!(resolve(&more).buffer_bytes_per_thread(), 32 << 20);
    for (key, value, words) in [
        ("log.cleaner.threads", "200", "at least 1 MiB per cleaner thread"),
        ("log.cleaner.threads", "0", "at least 1"),
        ("log.cleaner.io.buffer.load.factor", "1", "between 0 and 1"),
        ("log.cleaner.io.max.bytes.per.second", "-1", "above 0"),
    ] {
        let text = resolve(&layer(&[(key, value)])).validate().unwrap_err();
        assert!(text.contains(words), "{text}");
        let off = layer(&[(key, value), ("log.cleaner.enable", "false")]);
        assert_eq!(resolve(&off).validate(), Ok(()), "{key} is not needed");
    }
}

#[test]
fn a_changed_layer_keeps_what_was_not_named() {
    let before = layer(&[("retention.ms", "1")]);
    let changes = [set("segment.bytes", "2000000"), set("flush.messages", "1")];
    assert_eq!(
        change(topic_table(), "topic", &before, &changes),
        Ok(layer(&[("flush.messages", "1"), ("retention.ms", "1"), ("segment.bytes", "2000000")]))
    );
}

#[test]
fn offset_resets_of_share_groups_are_durations_without_a_sign() {
    let key = group_table().get("share.auto.offset.reset").unwrap();
    for good in ["earliest", "by_duration:PT1H30M", "by_duration:P2DT0.5S", "by_duration:P1D"] {
        assert!(key.parse(good).is_ok(), "{good}");
    }
    for bad in ["", "by_duration:P", "by_duration:PT", "by_duration:-PT1H", "by_duration:PT1X"] {
        assert!(key.parse(bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn whatever_a_change_takes_can_be_resolved_and_shown(
        place in 0..33usize,
        text in prop_oneof!["[-+]?[0-9]{1,20}", "[a-zA-Z,. ]{0,12}", "true|false|delete|compact"],
    ) {
        let none = Layer::new();
        let layers = BrokerLayers { broker: &none, cluster: &none, file: &none };
        let key = topic_table().keys().nth(place).expect("a topic has 33 keys");
        if let Ok(after) = change(topic_table(), "topic", &none, &[set(key.name, &text)]) {
            prop_assert!(TopicConfig::resolve(&after, layers).is_ok());
            let entries = describe_topic(&after, &layers);
            let value = shown(&entries, key.name).0.expect("a topic's settings are not secret");
            prop_assert_eq!(key.normalise(&value), value);
        }
    }

    #[test]
    fn properties_files_never_panic(text in "\\PC*") {
        if let Ok(layer) = parse_properties(&text) {
            prop_assert!(examine(&layer).len() <= text.lines().count());
        }
    }

    #[test]
    fn a_written_pair_is_read_back(key in "[a-z.]{1,20}", value in "[!-~]([ -~]{0,30}[!-~])?") {
        let written = format!("{key} = {}", value.replace('\\', "\\\\"));
        prop_assert_eq!(parse_properties(&written), Ok(layer(&[(key.as_str(), value.as_str())])));
    }
}

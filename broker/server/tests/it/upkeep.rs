//! Work beside requests, with a clock that the test sets, on files in memory.

use std::path::Path;
use std::sync::Arc;

use broker_log::MemoryStore;
use broker_server::{Broker, ManualClock};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::{InitProducerIdRequest, ListOffsetsRequest};
use protocol::record::{BatchBuilder, BatchOptions};

use crate::support::{Wire, batch, config_in, records_of};

const BEGIN: i64 = 1_700_000_000_000;
const DAY: i64 = 24 * 60 * 60 * 1000;

async fn start(store: &MemoryStore, clock: &Arc<ManualClock>, more: &[(&str, &str)]) -> Broker {
    let mut config = config_in(Path::new("/data"), more);
    config.environment.store = Arc::new(store.clone());
    config.environment.clock = clock.clone();
    Broker::start(config).await.unwrap()
}

async fn connect(broker: &Broker) -> Wire {
    Wire::new(tokio::net::TcpStream::connect(broker.address()).await.unwrap())
}

async fn first_offset(wire: &mut Wire) -> i64 {
    let partition = ListOffsetsPartition { timestamp: -2, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".to_owned(), partitions: vec![partition] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    wire.call(7, &request).await.topics[0].partitions[0].offset
}

#[tokio::test]
async fn records_of_a_quiet_topic_go_when_their_time_is_over() {
    let (store, clock) = (MemoryStore::default(), Arc::new(ManualClock::at(BEGIN)));
    let often = [("log.retention.check.interval.ms", "1")];
    let broker = start(&store, &clock, &often).await;
    let mut wire = connect(&broker).await;
    wire.create_topic("t", 1, &[("retention.ms", &(2 * DAY).to_string())]).await;
    wire.produce("t", 0, batch(&["a", "b"])).await;
    clock.set(BEGIN + DAY);
    assert_eq!(first_offset(&mut wire).await, 0);
    clock.set(BEGIN + 3 * DAY);
    // The round comes by itself; each question gives it time.
    while first_offset(&mut wire).await == 0 {}
    assert_eq!(first_offset(&mut wire).await, 2);
    assert_eq!(wire.produce("t", 0, batch(&["c"])).await.base_offset, 2);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn settings_that_change_hold_for_the_logs_that_are_open() {
    use protocol::messages::IncrementalAlterConfigsRequest;
    use protocol::messages::incremental_alter_configs_request::{
        AlterConfigsResource, AlterableConfig,
    };
    let (store, clock) = (MemoryStore::default(), Arc::new(ManualClock::at(BEGIN)));
    let broker = start(&store, &clock, &[("log.retention.check.interval.ms", "1")]).await;
    let mut wire = connect(&broker).await;
    wire.create_topic("t", 1, &[]).await;
    wire.produce("t", 0, batch(&["a"])).await;
    clock.set(BEGIN + DAY);
    let set = |name: &str, value: &str| IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 2,
            resource_name: "t".to_owned(),
            configs: vec![AlterableConfig {
                name: name.to_owned(),
                config_operation: 0,
                value: Some(value.to_owned()),
            }],
        }],
        validate_only: false,
    };
    wire.call(1, &set("retention.ms", "1000")).await;
    while first_offset(&mut wire).await == 0 {}
    wire.call(1, &set("max.message.bytes", "100")).await;
    let refused = wire.produce("t", 0, batch(&["x".repeat(100).as_str()])).await;
    assert_eq!(refused.error_code, protocol::ErrorCode::MessageTooLarge);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_broker_lives_on_files_in_memory_and_forgets_idle_producers_by_its_clock() {
    let (store, clock) = (MemoryStore::default(), Arc::new(ManualClock::at(BEGIN)));
    let broker = start(&store, &clock, &[]).await;
    let mut wire = connect(&broker).await;
    wire.create_topic("t", 1, &[]).await;
    let request = InitProducerIdRequest {
        transactional_id: None,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let producer_id = wire.call(4, &request).await.producer_id;
    let sequenced = |base_sequence, value: &str| {
        let options = BatchOptions {
            producer_id,
            producer_epoch: 0,
            base_sequence,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        builder.append(BEGIN, None, Some(value.as_bytes()), &[]);
        builder.finish()
    };
    assert_eq!(wire.produce("t", 0, sequenced(0, "a")).await.base_offset, 0);
    broker.shutdown().await.unwrap();

    let broker = start(&store, &clock, &[]).await;
    let mut wire = connect(&broker).await;
    let again = wire.produce("t", 0, sequenced(0, "a")).await;
    assert_eq!(again.base_offset, 0, "a repeated batch is told its first place");
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), [(0, "a".to_owned())]);
    broker.shutdown().await.unwrap();

    clock.set(BEGIN + 2 * DAY);
    let broker = start(&store, &clock, &[]).await;
    let mut wire = connect(&broker).await;
    let forgotten = wire.produce("t", 0, sequenced(7, "h")).await;
    assert_eq!(forgotten.base_offset, 1, "an unknown producer may begin anywhere");
    broker.shutdown().await.unwrap();
}

#!/usr/bin/env python3
"""confluent-kafka (librdkafka) against a broker: confluent.py BOOTSTRAP. Prints a line for each check; exit status 1 when one fails."""
import sys, time, uuid

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition, OFFSET_BEGINNING
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec,
                                   ResourceType)

BOOTSTRAP = sys.argv[1]
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


def topic(partitions=1, **config):
    name = f"py-{uuid.uuid4().hex[:8]}"
    for future in ADMIN.create_topics([NewTopic(name, partitions, 1, config={k.replace("_", "."): v for k, v in config.items()})]).values():
        future.result(20)
    return name


def produce(name, records, **config):
    errors = []
    producer = Producer({"bootstrap.servers": BOOTSTRAP, **{k.replace("_", "."): v for k, v in config.items()}})
    for record in records:
        producer.produce(name, on_delivery=lambda error, _: errors.append(error) if error else None, **record)
    assert producer.flush(30) == 0, "not all records were delivered"
    assert not errors, errors


def consume(name, count, group=None, seconds=30, **config):
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group or uuid.uuid4().hex, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, **{k.replace("_", "."): v for k, v in config.items()}})
    consumer.subscribe([name])
    found, end = [], time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        message = consumer.poll(0.2)
        if message is not None:
            assert message.error() is None, message.error()
            found.append(message)
    assert len(found) == count, f"{len(found)} of {count} records came"
    return consumer, found


@check
def every_compression_is_produced_and_consumed():
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        name = topic()
        values = [f"{codec} {n} ".encode() * 20 for n in range(500)]
        produce(name, [{"value": value} for value in values], compression_type=codec, linger_ms=50)
        consumer, found = consume(name, len(values))
        consumer.close()
        assert [message.value() for message in found] == values, codec


@check
def keys_headers_and_timestamps_come_back_as_sent():
    name = topic()
    sent = [{"key": b"k1", "value": b"v1", "headers": [("h", b"1"), ("h", b"2"), ("empty", None)], "timestamp": 1_700_000_000_123},
            {"key": None, "value": None, "timestamp": 1_700_000_000_124}, {"key": b"", "value": b""}]
    produce(name, sent)
    consumer, found = consume(name, len(sent))
    consumer.close()
    assert (found[0].key(), found[0].value()) == (b"k1", b"v1")
    assert found[0].headers() == [("h", b"1"), ("h", b"2"), ("empty", None)], found[0].headers()
    assert found[0].timestamp() == (1, 1_700_000_000_123), found[0].timestamp()
    assert (found[1].key(), found[1].value()) == (None, None)
    assert (found[2].key(), found[2].value()) == (b"", b"")


@check
def an_idempotent_producer_writes_each_record_once_in_order():
    name = topic()
    produce(name, [{"value": str(n).encode()} for n in range(20_000)], enable_idempotence=True, linger_ms=1)
    consumer, found = consume(name, 20_000)
    consumer.close()
    assert [int(message.value()) for message in found] == list(range(20_000))
    assert [message.offset() for message in found] == list(range(20_000))


@check
def two_consumers_share_a_group_and_take_over():
    name, group = topic(4), uuid.uuid4().hex
    for strategy in ("range", "roundrobin", "cooperative-sticky"):
        config = {"bootstrap.servers": BOOTSTRAP, "group.id": group + strategy, "auto.offset.reset": "earliest", "session.timeout.ms": 6000,
                  "partition.assignment.strategy": strategy}
        first, second = Consumer(config), Consumer(config)
        first.subscribe([name]); second.subscribe([name])
        await_true(lambda: (first.poll(0.05), second.poll(0.05), len(first.assignment()) == 2 and len(second.assignment()) == 2)[-1], strategy)
        parts = {p.partition for p in first.assignment()} | {p.partition for p in second.assignment()}
        assert parts == {0, 1, 2, 3}, parts
        second.close()
        await_true(lambda: (first.poll(0.05), len(first.assignment()) == 4)[-1], f"{strategy}: takes over")
        first.close()


def await_true(condition, what, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
    raise AssertionError(f"not within {seconds} s: {what}")


@check
def a_group_resumes_where_it_committed():
    name, group = topic(), uuid.uuid4().hex
    produce(name, [{"value": str(n).encode()} for n in range(10)])
    consumer, found = consume(name, 4, group)
    consumer.commit(message=found[-1], asynchronous=False)
    consumer.close()
    consumer, found = consume(name, 6, group)
    assert [int(message.value()) for message in found] == [4, 5, 6, 7, 8, 9]
    committed = consumer.committed([TopicPartition(name, 0)], timeout=10)
    assert committed[0].offset == 4, committed
    consumer.close()
    groups = ADMIN.list_consumer_groups(request_timeout=10).result()
    assert group in {g.group_id for g in groups.valid}
    described = ADMIN.describe_consumer_groups([group])[group].result(10)
    assert described.group_id == group
    ADMIN.delete_consumer_groups([group])[group].result(10)
    assert group not in {g.group_id for g in ADMIN.list_consumer_groups(request_timeout=10).result().valid}


@check
def a_static_member_keeps_its_partitions():
    name, group = topic(2), uuid.uuid4().hex
    config = {"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest", "group.instance.id": "one", "session.timeout.ms": 10000}
    for _ in range(2):
        consumer = Consumer(config)
        consumer.subscribe([name])
        await_true(lambda: (consumer.poll(0.05), len(consumer.assignment()) == 2)[-1], "static member")
        consumer.close()


@check
def configurations_are_described_and_altered():
    name = topic(retention_ms="3600000")
    resource = ConfigResource(ResourceType.TOPIC, name)
    entries = ADMIN.describe_configs([resource])[resource].result(10)
    assert entries["retention.ms"].value == "3600000" and not entries["retention.ms"].is_default
    assert entries["segment.bytes"].is_default
    change = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("retention.ms", "7200000", incremental_operation=AlterConfigOpType.SET)])
    ADMIN.incremental_alter_configs([change])[change].result(10)
    assert ADMIN.describe_configs([resource])[resource].result(10)["retention.ms"].value == "7200000"
    bad = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("no.such.key", "1", incremental_operation=AlterConfigOpType.SET)])
    try:
        ADMIN.incremental_alter_configs([bad])[bad].result(10)
        raise AssertionError("an unknown key was accepted")
    except KafkaException as error:
        assert "no.such.key" in str(error), error
    broker = ConfigResource(ResourceType.BROKER, "1")
    assert "log.retention.hours" in ADMIN.describe_configs([broker])[broker].result(10)


@check
def topics_are_made_grown_listed_and_deleted():
    name = topic(2)
    ADMIN.create_partitions([NewPartitions(name, 5)])[name].result(10)
    await_true(lambda: len(ADMIN.list_topics(timeout=10).topics[name].partitions) == 5, "five partitions")
    described = ADMIN.describe_cluster(request_timeout=10).result()
    assert len(described.nodes) == 1
    ADMIN.delete_topics([name])[name].result(10)
    await_true(lambda: name not in ADMIN.list_topics(timeout=10).topics, "the topic is gone")


@check
def offsets_are_found_by_time_and_records_are_deleted():
    name = topic()
    produce(name, [{"value": str(n).encode(), "timestamp": 1_700_000_000_000 + n * 1000} for n in range(10)])
    part = TopicPartition(name, 0)
    for spec, offset in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 10), (OffsetSpec.max_timestamp(), 9),
                         (OffsetSpec.for_timestamp(1_700_000_004_500), 5)):
        found = ADMIN.list_offsets({part: spec})[part].result(10).offset
        assert found == offset, (spec, found)
    ADMIN.delete_records([TopicPartition(name, 0, 3)])[part].result(10)
    assert ADMIN.list_offsets({part: OffsetSpec.earliest()})[part].result(10).offset == 3
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "x"})
    consumer.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    message = None
    await_true(lambda: (message := consumer.poll(0.2)) is not None and message.offset() == 3, "reads from the new start")
    consumer.close()


def main():
    failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok   {name}")
        except Exception as error:
            failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

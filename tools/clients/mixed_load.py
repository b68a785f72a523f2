"""Idempotent writers with acks=all, and then a reader that wants each acknowledged record once, and those of a key in order.

  mixed_load.py BOOTSTRAP STOP        writes until the file STOP is there, then reads
  mixed_load.py --settled BOOTSTRAP   waits until every partition has all its replicas in sync
"""
import collections
import os
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

TOPIC, PARTITIONS, KEYS = "mixed", 6, 12


def create(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topic = NewTopic(TOPIC, PARTITIONS, 3, config={"min.insync.replicas": "2"})
    while True:
        try:
            admin.create_topics([topic])[TOPIC].result(30)
            return
        except KafkaException as problem:
            if "EXISTS" in str(problem):
                return
            time.sleep(0.5)


def settled(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for _ in range(600):
        topic = admin.list_topics(timeout=30).topics.get(TOPIC)
        partitions = topic.partitions.values() if topic else []
        if len(partitions) == PARTITIONS and all(len(p.isrs) == 3 and p.leader > 0 for p in partitions):
            return
        time.sleep(0.2)
    sys.exit("not all replicas came into sync")


def write(bootstrap, stop):
    acked, times, errors = collections.defaultdict(list), [], collections.Counter()
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5,
                         "message.timeout.ms": 120000})

    def done(key, number, begun):
        def told(problem, _):
            if problem:
                errors[str(problem)] += 1
            else:
                acked[key].append(number)
                times.append(time.time() - begun)
        return told

    number = 0
    while not os.path.exists(stop):
        for key in range(KEYS):
            try:
                producer.produce(TOPIC, key=str(key), value=str(number), on_delivery=done(key, number, time.time()))
            except BufferError:
                producer.poll(0.1)
        number += 1
        producer.poll(0)
        time.sleep(0.01)
    producer.flush(120)
    return acked, sorted(times), errors


def read(bootstrap, count):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"check-{time.time()}",
                         "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([TOPIC])
    seen, idle = collections.defaultdict(list), time.time()
    while sum(map(len, seen.values())) < count and time.time() - idle < 60:
        message = consumer.poll(1)
        if message is None or message.error():
            continue
        idle = time.time()
        seen[int(message.key())].append(int(message.value()))
    consumer.close()
    return seen


def main():
    if sys.argv[1] == "--settled":
        return settled(sys.argv[2])
    bootstrap, stop = sys.argv[1:]
    create(bootstrap)
    acked, times, errors = write(bootstrap, stop)
    count = sum(map(len, acked.values()))
    seen = read(bootstrap, count)
    wrong = 0
    for key, numbers in acked.items():
        found = seen[key]
        lost, twice = set(numbers) - set(found), len(found) - len(set(found))
        if lost or twice or found != sorted(found):
            wrong += 1
            print(f"key {key}: {len(lost)} lost, {twice} twice, in order: {found == sorted(found)}")
    p99 = times[int(len(times) * 0.99)] if times else 0
    print(f"{count} records acknowledged, {sum(errors.values())} refused, acknowledged after {p99:.2f} s (p99) and"
          f" {times[-1] if times else 0:.2f} s at most")
    sys.exit(1 if wrong or not count else 0)


main()

#!/usr/bin/env python3
"""confluent-kafka (librdkafka) asks for what the broker does not serve: confluent.py BOOTSTRAP. Each must fail by itself, and soon."""
import sys, uuid

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import (AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType,
                                   ResourceType, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion)
from outcome import SECONDS, feature, main

BOOTSTRAP = sys.argv[1]
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP, "log_level": 0})
TOPIC = f"refusals-{uuid.uuid4().hex[:8]}"
ADMIN.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(20)


def first_error(**config):
    """The first error that a consumer tells: by poll, or by its callback."""
    errors = []
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": uuid.uuid4().hex, "error_cb": errors.append, "log_level": 0,
                         **{key.replace("_", "."): value for key, value in config.items()}})
    consumer.subscribe([TOPIC])
    for _ in range(SECONDS * 10):
        message = consumer.poll(0.1)
        if message is not None and message.error():
            errors.append(message.error())
        if errors:
            raise KafkaException(errors[0])


@feature("transactions")
def _():
    Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": "pay", "log_level": 0}).init_transactions(SECONDS)


@feature("consumer groups of the new protocol")
def _():
    first_error(group_protocol="consumer")


@feature("ACLs: describe")
def _():
    ADMIN.describe_acls(AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY,
                                         AclPermissionType.ANY)).result(SECONDS)


@feature("ACLs: create")
def _():
    acl = AclBinding(ResourceType.TOPIC, TOPIC, ResourcePatternType.LITERAL, "User:ann", "*", AclOperation.READ, AclPermissionType.ALLOW)
    ADMIN.create_acls([acl])[acl].result(SECONDS)


@feature("SASL on a plaintext listener")
def _():
    first_error(security_protocol="SASL_PLAINTEXT", sasl_mechanisms="PLAIN", sasl_username="ann", sasl_password="secret")


@feature("TLS on a plaintext listener")
def _():
    first_error(security_protocol="SSL")


@feature("SCRAM credentials")
def _():
    change = UserScramCredentialUpsertion("ann", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), b"secret")
    ADMIN.alter_user_scram_credentials([change])["ann"].result(SECONDS)


@feature("leader election")
def _():
    from confluent_kafka import ElectionType, TopicPartition
    partition = TopicPartition(TOPIC, 0)
    results = ADMIN.elect_leaders(ElectionType.PREFERRED, [partition]).result(SECONDS)
    if results[partition] is not None:
        raise KafkaException(results[partition])


@feature("three replicas")
def _():
    ADMIN.create_topics([NewTopic(TOPIC + "-3", 1, 3)])[TOPIC + "-3"].result(SECONDS)


sys.exit(main("confluent-kafka"))

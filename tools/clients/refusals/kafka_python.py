#!/usr/bin/env python3
"""kafka-python asks for what the broker does not serve: kafka_python.py BOOTSTRAP. Each must fail by itself, and soon."""
import sys, uuid

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, NewTopic, ResourcePattern, ResourcePatternFilter, ResourceType
from outcome import SECONDS, feature, main

BOOTSTRAP = sys.argv[1]
ADMIN = KafkaAdminClient(bootstrap_servers=BOOTSTRAP, request_timeout_ms=SECONDS * 1000)


@feature("transactions")
def _():
    KafkaProducer(bootstrap_servers=BOOTSTRAP, transactional_id="pay", max_block_ms=SECONDS * 1000).init_transactions()


@feature("ACLs: describe")
def _():
    acls, error = ADMIN.describe_acls(ACLFilter(None, "*", ACLOperation.ANY, ACLPermissionType.ANY, ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)))
    raise error() if isinstance(error, type) else error


@feature("ACLs: create")
def _():
    ADMIN.create_acls([ACL("User:ann", "*", ACLOperation.READ, ACLPermissionType.ALLOW, ResourcePattern(ResourceType.TOPIC, "t"))])


@feature("SASL on a plaintext listener")
def _():
    KafkaConsumer(bootstrap_servers=BOOTSTRAP, security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_plain_username="ann",
                  sasl_plain_password="secret", bootstrap_timeout_ms=SECONDS * 1000)


@feature("three replicas")
def _():
    ADMIN.create_topics([NewTopic(f"refusals-{uuid.uuid4().hex[:8]}", 1, 3)])


@feature("reassignments")
def _():
    ADMIN.list_partition_reassignments()


sys.exit(main("kafka-python"))

"""Client settings from ours: librdkafka's names, aiokafka's names, and which of them carry the security settings."""

from __future__ import annotations

import logging
import ssl
from typing import Any

from faust.auth import SASLCredentials, SSLCredentials
from faust.types.auth import SASLMechanism

from config.settings import Settings


def rdkafka(settings: Settings, bootstrap: str) -> dict[str, Any]:
    """Settings that every confluent-kafka client shares (librdkafka's CONFIGURATION.md)."""
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "client.id": "auto_com_center",
        "security.protocol": settings.kafka_security_protocol,
        "logger": logging.getLogger("librdkafka"),
    }
    if settings.kafka_sasl_username and settings.kafka_sasl_password:
        config["sasl.mechanism"] = settings.kafka_sasl_mechanism
        config["sasl.username"] = settings.kafka_sasl_username
        config["sasl.password"] = settings.kafka_sasl_password.get_secret_value()
    if settings.kafka_ssl_ca_file is not None:
        config["ssl.ca.location"] = str(settings.kafka_ssl_ca_file)
    return config


def producer(settings: Settings, bootstrap: str, *, max_bytes: int) -> dict[str, Any]:
    """An idempotent producer that waits for all replicas; ``max_bytes`` is the largest record, uncompressed."""
    return {
        **rdkafka(settings, bootstrap),
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 5,
        # How long a missing topic is looked for before the record fails; the default of 30 s hides it from us.
        "topic.metadata.propagation.max.ms": 5000,
        "delivery.timeout.ms": int(settings.publish_timeout * 1000),
        "message.max.bytes": max_bytes,
        # The bound that counts is ours, in records in flight; the library's must not be met first.
        "queue.buffering.max.messages": settings.publish_max_in_flight * 20,
        # Java's partitioner, so that every producer of ours and Faust's agree on where a key lives.
        "partitioner": "murmur2_random",
    }


def ledger_producer(settings: Settings, bootstrap: str, *, identity: str, max_bytes: int) -> dict[str, Any]:
    """A transactional producer. ``identity`` is the same for whoever owns the partition, so that the next fences it."""
    return {
        **producer(settings, bootstrap, max_bytes=max_bytes),
        "transactional.id": identity,
        "transaction.timeout.ms": int(settings.ledger_timeout * 1000),
        "delivery.timeout.ms": int(settings.ledger_timeout * 1000),
        "linger.ms": 0,
    }


def dispatch_consumer(settings: Settings, bootstrap: str, *, group: str) -> dict[str, Any]:
    """The dispatcher's consumer: commits are ours alone, and only what is committed by a producer is read."""
    return {
        **rdkafka(settings, bootstrap),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "range",
        "session.timeout.ms": int(settings.kafka_session_timeout * 1000),
        "heartbeat.interval.ms": int(settings.kafka_heartbeat_interval * 1000),
        "max.poll.interval.ms": int(settings.dispatch_max_poll_interval * 1000),
    }


def aiokafka_consumer(settings: Settings, bootstrap: str, *, group: str) -> dict[str, Any]:
    """The agents' consumer, by aiokafka's names."""
    return {
        "bootstrap_servers": bootstrap.split(","),
        "client_id": "auto_com_center",
        "group_id": group,
        "session_timeout_ms": int(settings.kafka_session_timeout * 1000),
        "heartbeat_interval_ms": int(settings.kafka_heartbeat_interval * 1000),
        "rebalance_timeout_ms": int(settings.kafka_rebalance_timeout * 1000),
        "max_poll_interval_ms": int(settings.ingest_max_poll_interval * 1000),
        "max_poll_records": 200,
        "fetch_max_wait_ms": 500,
        # What one partition may have fetched ahead: the client hands out one partition's records before the next's, so
        # this is how long a backlog in one topic keeps the others waiting.
        "max_partition_fetch_bytes": 1024 * 1024,
        "metadata_max_age_ms": 60_000,
        **aiokafka_security(settings),
    }


def aiokafka_security(settings: Settings) -> dict[str, Any]:
    """TLS and SASL, by aiokafka's names."""
    security: dict[str, Any] = {"security_protocol": settings.kafka_security_protocol}
    if settings.kafka_security_protocol.endswith("SSL"):
        ca = settings.kafka_ssl_ca_file
        security["ssl_context"] = ssl.create_default_context(cafile=str(ca) if ca else None)
    if settings.kafka_sasl_username and settings.kafka_sasl_password:
        security["sasl_mechanism"] = settings.kafka_sasl_mechanism
        security["sasl_plain_username"] = settings.kafka_sasl_username
        security["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return security


def faust_credentials(settings: Settings) -> SASLCredentials | SSLCredentials | None:
    """The same for Faust's own producer, which we don't publish with but which Faust connects."""
    security = aiokafka_security(settings)
    context = security.get("ssl_context")
    if "sasl_mechanism" in security:
        return SASLCredentials(
            username=security["sasl_plain_username"],
            password=security["sasl_plain_password"],
            ssl_context=context,
            mechanism=SASLMechanism(security["sasl_mechanism"]),
        )
    return SSLCredentials(context) if context is not None else None

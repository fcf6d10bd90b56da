"""Every topic in one table: name, key, partitions, retention, cleanup, timestamp type, size limit.

Pure data. `adapters.kafka_admin` makes a broker look like this table; `comcenter topics check` says where it doesn't.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from streams.core.retry import TIERS

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
FOREVER: Final = -1
MIB: Final = 1024 * 1024

INBOUND_MAX_BYTES: Final = 1 * MIB
"""What a producer may append to an inbound topic: a token is at most 256 KiB, the rest is room for headers."""
OURS_MAX_BYTES: Final = 4 * MIB
"""What our own topics take: a dead letter carries the original and its headers, a dispatch record a whole page."""

HEADROOM_BYTES: Final = 64 * 1024
"""What a record of ours leaves free below the limit, for added headers and the record's framing."""

INBOUND_PREFIX: Final = "events."
REDRIVE: Final = "comms.redrive"
REDRIVES: Final = "comms.redrives"
RENDER: Final = "comms.render"
DISPATCH_TRANSACTIONAL: Final = "comms.dispatch.transactional"
DISPATCH_PROMOTIONAL: Final = "comms.dispatch.promotional"
DEAD_LETTER: Final = "comms.dead-letter"
RECEIPTS: Final = "comms.receipts"
BREAKERS: Final = "comms.breakers"
KEYS: Final = "comms.keys"
WORKERS: Final = "comms.workers"
CONTROL: Final = "comms.control"
MODES: Final = "comms.modes"
INCIDENTS: Final = "comms.incidents"

DISPATCH: Final = {"transactional": DISPATCH_TRANSACTIONAL, "promotional": DISPATCH_PROMOTIONAL}
LEDGER: Final = {"transactional": "comms.ledger.transactional", "promotional": "comms.ledger.promotional"}
HELD: Final = {"transactional": "comms.held.transactional", "promotional": "comms.held.promotional"}
RETRY: Final = {category: {tier.name: f"comms.retry.{category}.{tier.name}" for tier in TIERS} for category in DISPATCH}


class Key(StrEnum):
    """What a topic's records are keyed by."""

    RECIPIENT = "recipient id"
    EVENT = "event id"
    ORIGINAL = "original key"
    TOPIC = "inbound topic"
    ISSUER_KEY = "issuer and kid"
    WORKER = "worker"
    DISPATCH = "dispatch id"
    SCOPE = "scope"
    MODE = "`mode`"
    INCIDENT = "incident id"
    LETTER = "place of a dead letter, or `job`"


OF_EVENTS: Final = frozenset({Key.RECIPIENT, Key.EVENT, Key.ORIGINAL})
"""The keys of topics whose records are about one event each."""


class Clock(StrEnum):
    """Whose time a record carries (Kafka's ``message.timestamp.type``)."""

    BROKER = "LogAppendTime"
    PRODUCER = "CreateTime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row. ``partitions`` is fixed at creation where ``fixed`` says so: a changed count would part keys."""

    name: str
    key: Key
    partitions: int
    retention_ms: int
    clock: Clock = Clock.PRODUCER
    cleanup: str = "delete"
    max_bytes: int = OURS_MAX_BYTES
    segment_ms: int | None = None
    compaction_lag_ms: int | None = None
    fixed: bool = False

    def config(self) -> dict[str, str]:
        """The topic's settings as Kafka names them (https://kafka.apache.org/documentation/#topicconfigs)."""
        config = {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "message.timestamp.type": self.clock.value,
            "max.message.bytes": str(self.max_bytes),
        }
        if self.segment_ms is not None:
            config["segment.ms"] = str(self.segment_ms)
        if self.compaction_lag_ms is not None:
            config["min.compaction.lag.ms"] = str(self.compaction_lag_ms)
        return config


RETRIES: Final = tuple(name for tiers in RETRY.values() for name in tiers.values())

DISPATCH_PARTITIONS: Final = {"transactional": 3, "promotional": 1}
"""Fixed at creation, for dispatch, retry, held and ledger topics alike: a changed count would part a message from its
ledger entry, and its recipient's other messages."""


def _of_dispatch(category: str) -> tuple[Topic, ...]:
    """The co-partitioned topics of one category."""
    partitions, names = DISPATCH_PARTITIONS[category], (DISPATCH[category], HELD[category], *RETRY[category].values())
    carried = tuple(
        Topic(
            name=name,
            key=Key.RECIPIENT,
            partitions=partitions,
            retention_ms=7 * DAY_MS,
            clock=Clock.BROKER,
            fixed=True,
        )
        for name in names
    )
    ledger = Topic(
        name=LEDGER[category],
        key=Key.DISPATCH,
        partitions=partitions,
        retention_ms=30 * DAY_MS,
        clock=Clock.BROKER,
        cleanup="compact,delete",
        compaction_lag_ms=HOUR_MS,
        fixed=True,
    )
    return (*carried, ledger)


OWN: Final = (
    Topic(name=REDRIVE, key=Key.RECIPIENT, partitions=3, retention_ms=7 * DAY_MS, clock=Clock.BROKER),
    Topic(name=RENDER, key=Key.RECIPIENT, partitions=3, retention_ms=7 * DAY_MS),
    *_of_dispatch("transactional"),
    *_of_dispatch("promotional"),
    # Segments of an hour, since Kafka deletes closed segments only; the broker's time, since a dead letter's age
    # counts from when it became one, not from when the event happened.
    Topic(
        name=DEAD_LETTER,
        key=Key.ORIGINAL,
        partitions=3,
        retention_ms=72 * HOUR_MS,
        clock=Clock.BROKER,
        segment_ms=HOUR_MS,
    ),
    # The broker's time, since a release is in force for what opened before it.
    Topic(
        name=BREAKERS,
        key=Key.TOPIC,
        partitions=1,
        retention_ms=FOREVER,
        clock=Clock.BROKER,
        cleanup="compact",
        segment_ms=24 * HOUR_MS,
    ),
    # What was redriven is remembered for longer than a dead letter stands.
    Topic(
        name=REDRIVES,
        key=Key.LETTER,
        partitions=1,
        retention_ms=7 * DAY_MS,
        clock=Clock.BROKER,
        cleanup="compact,delete",
        segment_ms=24 * HOUR_MS,
    ),
    Topic(name=RECEIPTS, key=Key.EVENT, partitions=3, retention_ms=30 * DAY_MS),
    # Read by every worker from the beginning, so they stay small: the last record of each key is all that counts.
    Topic(
        name=KEYS, key=Key.ISSUER_KEY, partitions=1, retention_ms=FOREVER, cleanup="compact", segment_ms=24 * HOUR_MS
    ),
    # Every order that was ever given, in order: never compacted, since the order of events is the audit trail.
    Topic(
        name=CONTROL, key=Key.SCOPE, partitions=1, retention_ms=FOREVER, clock=Clock.BROKER, max_bytes=MIB, fixed=True
    ),
    # Every change of the mode, for as long as an event may be judged by it; a few records in a deployment's life.
    Topic(name=MODES, key=Key.MODE, partitions=1, retention_ms=FOREVER, clock=Clock.BROKER, fixed=True),
    # The broker's time, so that a worker whose clock is off isn't taken for one that fell silent.
    Topic(
        name=WORKERS,
        key=Key.WORKER,
        partitions=1,
        retention_ms=FOREVER,
        clock=Clock.BROKER,
        cleanup="compact",
        segment_ms=HOUR_MS,
    ),
    # What somebody must look at: read by people and by those who would tell of the same thing again.
    Topic(name=INCIDENTS, key=Key.INCIDENT, partitions=1, retention_ms=90 * DAY_MS, clock=Clock.BROKER),
)


def inbound(service: str) -> Topic:
    """The inbound topic of one upstream service."""
    return Topic(
        name=INBOUND_PREFIX + service,
        key=Key.RECIPIENT,
        partitions=3,
        retention_ms=7 * DAY_MS,
        clock=Clock.BROKER,
        max_bytes=INBOUND_MAX_BYTES,
    )


def table(services: Iterable[str]) -> tuple[Topic, ...]:
    """All topics of a deployment whose upstream services are ``services``."""
    return (*(inbound(service) for service in sorted(set(services))), *OWN)


def inbound_of(rows: Iterable[Topic]) -> tuple[str, ...]:
    """The names of those that upstream services produce to."""
    return tuple(row.name for row in rows if row.name.startswith(INBOUND_PREFIX))

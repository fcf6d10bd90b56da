"""Builds what dispatches: per category a desk, a consumer, and an owner for each partition that comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from typing import Final

from confluent_kafka import Consumer, Producer

from adapters import kafka_config, partition_log
from config.settings import Settings
from streams import topics
from streams.backlog import Backlog, Look, Watch
from streams.core.cap import Window
from streams.core.control import ControlState
from streams.core.dispatch import Conditions
from streams.core.messages import Category
from streams.core.ports import Sender
from streams.core.templates import Templates
from streams.desk import Desk, DispatchObserver
from streams.dispatcher import Dispatcher, Reading
from streams.holds import Holds
from streams.leaving import SETTLE_S
from streams.ledger import Ledger
from streams.owner import Limits, Owner
from streams.wiring.kafka import group_of

END_S: Final = 2.5
"""Of a worker's time to end, what it needs after its calls: to settle, to leave its groups, to say goodbye."""
POLL_SHARE: Final = 2 / 3
"""Of the time between two polls, what a revoke may take; beyond all of it the group believes that we are gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchParts:
    """What the dispatchers decide and send with, and what a composition may exchange."""

    senders: Mapping[str, Sender]
    conditions: Callable[[Category], Conditions]
    units: Callable[[Category, int], int]
    templates: Templates
    observer: DispatchObserver
    look: Callable[[], None]
    owner: type[Owner] = Owner
    ledger: type[Ledger] = Ledger


def new_dispatchers(settings: Settings, bootstrap: str, parts: DispatchParts) -> tuple[Dispatcher, ...]:
    """One per category."""
    return tuple(new_dispatcher(settings, bootstrap, category, parts) for category in Category)


def new_dispatcher(settings: Settings, bootstrap: str, category: Category, parts: DispatchParts) -> Dispatcher:
    """One category's, with a group of its own."""
    group = dispatch_group(settings, category)
    config = kafka_config.dispatch_consumer(settings, bootstrap, group=group)
    desk = Desk(
        category=category,
        senders=parts.senders,
        conditions=partial(parts.conditions, category),
        units=partial(parts.units, category),
        templates=parts.templates.by_name,
        observer=parts.observer,
        random=SystemRandom(),
        scale=settings.retry_scale,
    )
    reading = Reading(
        topics=read_topics(category),
        prefix=settings.topic_prefix,
        at_revoke=at_revoke(settings),
        at_stop=at_stop(settings),
        fenced_for=settings.kafka_session_timeout * 2,
        look=parts.look,
    )
    owner = partial(new_owner, settings, bootstrap, desk, parts)
    return Dispatcher(lambda: Consumer(config), owner, reading, name=category.value)


def new_backlog(
    settings: Settings,
    dispatchers: Sequence[Dispatcher],
    admin: Look,
    holds: Holds,
    control: Callable[[], ControlState],
) -> Backlog:
    """What counts what waits for them."""
    watch = Watch(
        groups={category: dispatch_group(settings, category) for category in Category},
        prefix=settings.topic_prefix,
        every=settings.backlog_look_every,
        span_s=span_s(settings),
        stopped=lambda category: holds.holds(topics.DISPATCH[category]),
        aside_flows=lambda: not control().sets_aside(int(time.time() * 1000)),
    )
    return Backlog(dispatchers, admin, watch)


def dispatch_group(settings: Settings, category: Category) -> str:
    """The group that reads a category."""
    return group_of(settings, f"dispatch.{category}")


def span_s(settings: Settings) -> float:
    """The cap's window, with the time that a call may take to begin."""
    return settings.rate_window + settings.dispatch_begin_within


def at_revoke(settings: Settings) -> float:
    """Seconds for calls in flight when partitions are taken away: until their own deadline, since nothing presses."""
    return min(settings.slowest_call + SETTLE_S, settings.dispatch_max_poll_interval * POLL_SHARE)


def at_stop(settings: Settings) -> float:
    """The same when the worker ends: as long as it may take to end."""
    return max(settings.shutdown_timeout - END_S, 0.0)


def read_topics(category: Category) -> tuple[str, ...]:
    """In the order in which an owner looks at them: what has waited longest first."""
    return (*topics.RETRY[category].values(), topics.HELD[category], topics.DISPATCH[category])


def new_owner(settings: Settings, bootstrap: str, desk: Desk, parts: DispatchParts, partition: int) -> Owner:
    """The owner of one partition, with a ledger of its own."""
    return parts.owner(
        desk,
        new_ledger(settings, bootstrap, desk.category, partition, parts.ledger),
        Window(span_ms=int(span_s(settings) * 1000)),
        Limits(calls=settings.dispatch_concurrency, begin_within=settings.dispatch_begin_within),
        topics=read_topics(desk.category),
        partition=partition,
    )


def new_ledger(settings: Settings, bootstrap: str, category: Category, partition: int, kind: type[Ledger]) -> Ledger:
    """One partition's ledger, under a transactional id of its own."""
    topic = settings.topic_prefix + topics.LEDGER[category]
    identity = kind.identity(topic, partition)
    producer = kafka_config.ledger_producer(settings, bootstrap, identity=identity, max_bytes=topics.OURS_MAX_BYTES)
    read = partial(partition_log.read_all, kafka_config.rdkafka(settings, bootstrap), topic, partition)
    return kind(
        lambda: Producer(producer),
        read,
        prefix=settings.topic_prefix,
        timeout=settings.ledger_timeout,
    )

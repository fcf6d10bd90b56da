"""Builds what reads the waiting records, and the watch over how long they are still kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from typing import Final

from adapters import kafka_config
from adapters.kafka_admin import BrokerUnavailableError, TopicAdmin
from adapters.kafka_log import TopicWriter
from adapters.kafka_reader import TopicReader
from config.settings import Settings
from streams import topics
from streams.core.incidents import Limits
from streams.core.messages import Category
from streams.dispatcher import Dispatcher
from streams.holds import Holds
from streams.retention_watch import Duty, RetentionWatch
from streams.waiting import Groups, Waiting
from streams.wiring.dispatch import read_topics
from streams.wiring.kafka import group_of, topic_admin

INCIDENTS_S: Final = 20.0


def open_waiting(
    settings: Settings, bootstrap: str, inbound: Iterable[str], admin: TopicAdmin | None = None
) -> Waiting:
    """``inbound``: the topics of producers."""
    return Waiting(
        client=kafka_config.rdkafka(settings, bootstrap),
        # A look under way holds up the end of the process.
        admin=replace(admin or topic_admin(settings, bootstrap), timeout=settings.kafka_probe_timeout),
        groups=groups(settings, inbound),
        prefix=settings.topic_prefix,
        timeout=settings.kafka_probe_timeout,
    )


def groups(settings: Settings, inbound: Iterable[str]) -> Groups:
    """Which group has its turns with which topics."""
    of_ingest = (*sorted(set(inbound)), topics.REDRIVE, topics.RENDER)
    of_dispatch = {group_of(settings, f"dispatch.{category}"): read_topics(category) for category in Category}
    return {group_of(settings, "ingest"): of_ingest, **of_dispatch}


def retention_watch(
    settings: Settings,
    waiting: Waiting,
    writer: TopicWriter,
    holds: Holds,
    *,
    on_duty: Callable[[], bool],
    worker: str,
) -> RetentionWatch:
    """``on_duty``: whether this worker is the one that tells of incidents."""
    topic = settings.topic_prefix + topics.INCIDENTS
    return RetentionWatch(
        waiting.oldest,
        Duty(
            ours=on_duty,
            told=partial(read_incidents, waiting, topic),
            tell=partial(writer.put, topic),
            holds=lambda name: holds.of(held_as(name)),
            limits=Limits(warn_at=settings.held_warn_at),
            worker=worker,
        ),
        every=settings.held_look_every,
    )


def on_duty(dispatchers: Iterable[Dispatcher]) -> bool:
    """Whether this worker has partition 0 of the transactional messages."""
    mine = next((each for each in dispatchers if each.name == Category.TRANSACTIONAL), None)
    owner = None if mine is None else mine.owners.get(0)
    return owner is not None and owner.ready


def held_as(name: str) -> str:
    """The topic whose holds count for this one: all that dispatch reads is held by those of its dispatch topic."""
    return next((topics.DISPATCH[category] for category in Category if name in read_topics(category)), name)


def read_beside(held: Collection[str]) -> frozenset[str]:
    """What is held with these topics: all that dispatch reads beside a dispatch topic."""
    beside = (read_topics(category) for category in Category if topics.DISPATCH[category] in held)
    return frozenset(held).union(*beside)


def seconds_left(waiting: Waiting, held: Collection[str], now_ms: int) -> dict[str, int]:
    """By held topic, how long what waits under its holds is still kept; nothing where nothing waits.

    Raises:
        BrokerUnavailableError: no answer.
    """
    found: dict[str, int] = {}
    for one in waiting.oldest(read_beside(held)) if held else ():
        left = one.seconds_left(now_ms)
        if left is not None:
            name = one.topic if one.topic in held else held_as(one.topic)
            found[name] = min(left, found.get(name, left))
    return found


def read_incidents(waiting: Waiting, topic: str) -> list[bytes | None]:
    """All that was told on ``comms.incidents``.

    Raises:
        BrokerUnavailableError: no answer, or not all could be read in time.
    """
    reader = TopicReader(waiting.client, timeout=waiting.timeout)
    try:
        values = [message.value() for message in reader.scan([topic], since_ms=0, seconds=INCIDENTS_S)]
    finally:
        reader.close()
    if not reader.complete:
        raise BrokerUnavailableError(f"{topic} was not read to its end in {INCIDENTS_S:g} s")
    return [value.encode() if isinstance(value, str) else value for value in values]

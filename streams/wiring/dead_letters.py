"""Builds what watches over the dead letters: the breakers with their memory, and the look at the oldest one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial

from adapters import kafka_config
from adapters.kafka_admin import TopicAdmin
from adapters.kafka_log import Entry, TopicFollower, TopicWriter
from adapters.kafka_oldest import OldestRecord
from adapters.kafka_reader import TopicReader
from config.settings import Settings
from streams import topics
from streams.breakers import Breakers
from streams.core.breaker import Limits
from streams.holds import Holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaking:
    """``memory`` reads which breakers are open."""

    breakers: Breakers
    memory: TopicFollower


def new_breaking(
    settings: Settings, bootstrap: str, inbound: Iterable[str], writer: TopicWriter, holds: Holds, kind: type[Breakers]
) -> Breaking:
    """A breaker per inbound topic."""
    topic = settings.topic_prefix + topics.BREAKERS
    breakers = kind(inbound, breaker_limits(settings), holds, partial(writer.put, topic))
    memory = TopicFollower(kafka_config.rdkafka(settings, bootstrap), topic, partial(_told, breakers))
    return Breaking(breakers=breakers, memory=memory)


def _told(breakers: Breakers, entry: Entry) -> None:
    breakers.read(entry.key, entry.value, entry.timestamp_ms)


def breaker_limits(settings: Settings) -> Limits:
    """When a breaker opens."""
    return Limits(
        run=settings.breaker_run,
        ratio=settings.breaker_ratio,
        window=settings.breaker_window,
        min_sample=settings.breaker_min_sample,
        min_failures=settings.breaker_min_failures,
    )


def oldest_dead_letter(settings: Settings, bootstrap: str, admin: TopicAdmin) -> OldestRecord:
    """The look at the oldest dead letter; it fetches little, since nothing but the first records is wanted."""
    config = {**kafka_config.rdkafka(settings, bootstrap), "fetch.message.max.bytes": 65_536, "queued.min.messages": 1}
    timeout = settings.kafka_probe_timeout
    return OldestRecord(
        partial(TopicReader, config, timeout=timeout),
        replace(admin, timeout=timeout),  # a look under way holds up the end of the process
        topics.DEAD_LETTER,
        every=settings.dead_letter_look_every,
        timeout=timeout,
    )

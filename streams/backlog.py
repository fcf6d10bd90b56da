"""What waits in this worker's partitions of dispatch: counted from time to time, for metrics and heartbeat.

A paused partition is not fetched, so only the broker knows where it ends; an owner knows what it has at hand.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from confluent_kafka import KafkaException

from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_lag import Lag
from adapters.kafka_reader import Place
from streams import topics
from streams.core.backlog import Part, seconds_left
from streams.core.messages import Category
from streams.dispatcher import Dispatcher
from streams.owner import Owner

log = structlog.get_logger(__name__)

ASIDE: Final = frozenset(topics.HELD.values())


class Look(Protocol):
    """`adapters.kafka_lag.GroupLag`."""

    def look(self, groups: Mapping[str, Sequence[str]]) -> tuple[Lag, ...]:
        """How far each group has come in its topics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How it is counted, and what holds it up. ``groups``: by category the group that reads it; ``every``: seconds.

    ``stopped``: all of a category is held. ``aside_flows``: no order sets messages aside now.
    """

    groups: Mapping[str, str]
    prefix: str
    every: float
    span_s: float
    stopped: Callable[[Category], bool]
    aside_flows: Callable[[], bool]


class Backlog:
    """Of the partitions that this worker owns."""

    def __init__(self, dispatchers: Sequence[Dispatcher], admin: Look, watch: Watch) -> None:
        self._dispatchers = {Category(each.name): each for each in dispatchers}
        self._admin = admin
        self._watch = watch
        self._lags: dict[Place, Lag] = {}

    async def run(self) -> None:
        """Look until cancelled. While no broker answers, what was counted last stands."""
        while True:
            try:
                self._note(await asyncio.to_thread(self._admin.look, self._wanted()))
            except (BrokerUnavailableError, KafkaException) as error:
                log.warning("backlog_unknown", error=type(error).__name__, why=str(error))
            await asyncio.sleep(self._watch.every)

    def _wanted(self) -> dict[str, list[str]]:
        return {
            self._watch.groups[category]: [self._watch.prefix + topic for topic in dispatcher.topics]
            for category, dispatcher in self._dispatchers.items()
        }

    def _note(self, lags: Sequence[Lag]) -> None:
        self._lags = {(each.topic.removeprefix(self._watch.prefix), each.partition): each for each in lags}

    def waiting(self) -> Mapping[str, int]:
        """Records that have not had their turn, by topic; those set aside and those that wait for a retry as well."""
        found: Counter[str] = Counter()
        for dispatcher in self._dispatchers.values():
            for topic in dispatcher.topics:
                found[topic] += sum(self._in_lane(dispatcher, owner, topic) for owner in dispatcher.owners.values())
        return found

    def parts(self, category: Category) -> list[Part]:
        """This worker's partitions of a category, by number."""
        dispatcher = self._dispatchers[category]
        return [self._part(dispatcher, owner) for _, owner in sorted(dispatcher.owners.items())]

    def seconds_left(self, category: Category) -> float:
        """Until what waits here has begun; infinity while it is held."""
        return seconds_left(
            self.parts(category),
            span_s=self._watch.span_s,
            stopped=self._watch.stopped(category),
            aside_flows=self._watch.aside_flows(),
        )

    def _part(self, dispatcher: Dispatcher, owner: Owner) -> Part:
        counts = {topic: self._in_lane(dispatcher, owner, topic) for topic in dispatcher.topics}
        return Part(
            partition=owner.partition,
            ready=owner.ready,
            waiting=sum(counts.values()),
            aside=sum(count for topic, count in counts.items() if topic in ASIDE),
            room=owner.room() if owner.ready else 0,  # until then its window is in the hands of the ledger's thread
            units=owner.units(),
        )

    def _in_lane(self, dispatcher: Dispatcher, owner: Owner, topic: str) -> int:
        """What was fetched and waits, and what stands behind that."""
        place = (topic, owner.partition)
        lag = self._lags.get(place)
        behind = 0 if lag is None else max(lag.end - dispatcher.reached.get(place, lag.committed), 0)
        return behind + len(owner.lanes[topic])

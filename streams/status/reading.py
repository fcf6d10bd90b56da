"""Reads from Kafka what the status is made of. No group, nothing committed; it needs no worker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from adapters import kafka_config
from adapters.kafka_confirmed import CLIENT
from adapters.kafka_lag import GroupLag
from adapters.kafka_reader import TopicReader
from config.settings import Settings
from streams import heartbeat, topics
from streams.core.breaker import Open, read_opening
from streams.core.control_token import History, Operators, Said, history
from streams.core.letter_choice import Filter
from streams.core.messages import Category
from streams.heartbeat import LastBeat, WorkerState
from streams.letterbox import Letterbox, NotReadError
from streams.status.facts import Facts, Letters, OpenBreaker, Orders, Workers
from streams.waiting import Waiting
from streams.wiring.dead_letters import oldest_dead_letter
from streams.wiring.dispatch import dispatch_group, read_topics, span_s
from streams.wiring.kafka import group_of, topic_admin
from streams.wiring.waiting import open_waiting, seconds_left

READ_S: Final = 30.0
TIMEOUT_S: Final = 5.0
MOST_LETTERS: Final = 10_000
LETTERS_EVERY_S: Final = 30.0
DAY_MS: Final = 24 * 3600 * 1000


def bytes_of(part: str | bytes | None) -> bytes | None:
    """The library's type for keys and values has text in it."""
    return part.encode() if isinstance(part, str) else part


def read_workers(reader: TopicReader, settings: Settings, now_ms: int) -> Workers:
    """Who was heard on ``comms.workers``, and who fell silent.

    Raises:
        BrokerUnavailableError: no answer, or the topic is missing.
        NotReadError: it took too long.
    """
    forgotten_ms = int(settings.heartbeat_forgotten_after * 1000)
    gone_ms = int(settings.heartbeat_gone_after * 1000)
    topic = settings.topic_prefix + topics.WORKERS
    since_ms = now_ms - max(forgotten_ms, gone_ms)
    last = {bytes_of(one.key()) or b"": _beat(one) for one in _all(reader, topic, since_ms=since_ms)}
    fleet = heartbeat.fleet(last, now_ms=now_ms, gone_after_ms=gone_ms, forgotten_after_ms=forgotten_ms)
    return Workers(fleet=fleet, heard_ms={one.worker: _heard_ms(one, last) for one in fleet.workers})


def _all(reader: TopicReader, topic: str, *, since_ms: int = 0) -> Iterator[Message]:
    yield from reader.scan([topic], since_ms=since_ms, seconds=READ_S)
    if not reader.complete:
        raise NotReadError(f"{topic} could not be read to its end within {READ_S:g} s")


def _beat(record: Message) -> LastBeat:
    kind, at_ms = record.timestamp()
    value = bytes_of(record.value())
    return LastBeat(value=value, appended_ms=at_ms if kind == TIMESTAMP_LOG_APPEND_TIME else None)


def _heard_ms(state: WorkerState, last: Mapping[bytes, LastBeat]) -> int:
    beat = last.get(state.worker.encode())
    return state.at_ms if beat is None or beat.appended_ms is None else beat.appended_ms


@dataclass(slots=True)
class _Counted:
    """The dead letters as last counted: reading them all is dear."""

    at_s: float
    letters: Letters


@dataclass(slots=True)
class StatusReader:
    """``issuers``: who produces to which inbound topic. ``waiting``: of held topics."""

    settings: Settings
    bootstrap: str
    operators: Operators
    issuers: Mapping[str, str]
    lag: GroupLag
    committed: TopicReader
    at_once: TopicReader
    waiting: Waiting
    _counted: _Counted | None = field(default=None, init=False)

    def read(self) -> Facts:
        """All of it, as it is now.

        Raises:
            BrokerUnavailableError: no answer, or topics are missing; the message says what to do.
            NotReadError: it took too long.
        """
        lags = self.lag.look(self._groups())  # first: it says best what is wrong with a broker
        past = self._history()
        at_ms = int(time.time() * 1000)
        workers = read_workers(self.committed, self.settings, at_ms)
        held = frozenset[str]().union(*(state.holds for state in workers.states))
        return Facts(
            at_ms=at_ms,
            bootstrap=self.bootstrap,
            prefix=self.settings.topic_prefix,
            workers=workers,
            orders=self._orders(past, at_ms),
            lags=lags,
            breakers=tuple(self._breakers(past)),
            letters=self._letters(at_ms),
            span_s=span_s(self.settings),
            left_s=seconds_left(self.waiting, held, at_ms),
        )

    def _groups(self) -> dict[str, list[str]]:
        found = {group_of(self.settings, "ingest"): [*sorted(self.issuers), topics.REDRIVE, topics.RENDER]}
        found |= {dispatch_group(self.settings, category): [*read_topics(category)] for category in Category}
        return {group: [self.settings.topic_prefix + name for name in names] for group, names in found.items()}

    def _history(self) -> History:
        topic = self.settings.topic_prefix + topics.CONTROL
        return history([_said(one) for one in _all(self.at_once, topic)], self.operators)

    def _orders(self, past: History, at_ms: int) -> Orders:
        return Orders(
            standing=past.state.snapshot(at_ms),
            end=past.end,
            obeyed=past.obeyed,
            listed=bool(self.operators),
            sets_aside=past.state.sets_aside(at_ms),
        )

    def _breakers(self, past: History) -> Iterator[OpenBreaker]:
        """Those that opened last, and were let go neither by a record without a value nor by an operator."""
        found: dict[str, OpenBreaker | None] = {}
        for one in _all(self.committed, self.settings.topic_prefix + topics.BREAKERS):
            found[(bytes_of(one.key()) or b"").decode("utf-8", "replace")] = _breaker(one)
        for topic, breaker in sorted(found.items()):
            if breaker is not None and past.state.breaker_released(topic, breaker.since_ms) is None:
                yield breaker

    def _letters(self, at_ms: int) -> Letters:
        """Counted anew after a while only; their time runs on all the same."""
        counted = self._counted
        if counted is None or at_ms / 1000 - counted.at_s > LETTERS_EVERY_S:
            counted = self._counted = _Counted(at_ms / 1000, self._count(at_ms))
        return counted.letters

    def _count(self, at_ms: int) -> Letters:
        box = Letterbox(self.committed, self.issuers, prefix=self.settings.topic_prefix, seconds=READ_S)
        found = [(letter.at_ms, letter.reason) for letter, _ in islice(box.find(Filter()), MOST_LETTERS + 1)]
        more = len(found) > MOST_LETTERS
        last_day = Counter(reason for letter_ms, reason in found if letter_ms >= at_ms - DAY_MS)
        admin = topic_admin(self.settings, self.bootstrap)
        gone_at = oldest_dead_letter(self.settings, self.bootstrap, admin).look()
        return Letters(
            count=min(len(found), MOST_LETTERS),
            more=more,
            last_day={} if more else dict(last_day.most_common()),
            seconds_left=int(max(min(gone_at) - at_ms / 1000, 0.0)) if gone_at else None,
        )


@contextmanager
def status_reader(
    settings: Settings, bootstrap: str, operators: Operators, issuers: Mapping[str, str]
) -> Iterator[StatusReader]:
    """Open while it is used."""
    config = kafka_config.rdkafka(settings, bootstrap)
    # Orders are read as the workers read them: what somebody else left open must not hide one.
    soon = {**config, "fetch.wait.max.ms": CLIENT["fetch.wait.max.ms"]}  # the end of a topic is told after this long
    at_once = TopicReader({**soon, "isolation.level": CLIENT["isolation.level"]}, timeout=TIMEOUT_S)
    committed = TopicReader(soon, timeout=TIMEOUT_S)
    lag = GroupLag(config, bootstrap, timeout=TIMEOUT_S)
    try:
        waiting = open_waiting(settings, bootstrap, issuers)
        yield StatusReader(settings, bootstrap, operators, issuers, lag, committed, at_once, waiting)
    finally:
        lag.close()
        at_once.close()
        committed.close()


def _said(message: Message) -> Said:
    return Said(value=bytes_of(message.value()), offset=message.offset() or 0, appended_ms=message.timestamp()[1])


def _breaker(message: Message) -> OpenBreaker | None:
    key, value = bytes_of(message.key()), bytes_of(message.value())
    told = None if value is None else read_opening(key, value)
    if not isinstance(told, Open):
        return None
    topic = (key or b"").decode("utf-8", "replace")
    return OpenBreaker(topic=topic, since_ms=message.timestamp()[1], why=told.why, run=told.run, ratio=told.ratio)

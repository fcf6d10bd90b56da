"""What waits in this worker's partitions: what stands behind what was fetched, and what stands in the lanes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from adapters.kafka_admin import BrokerUnavailableError
from adapters.kafka_lag import Lag
from adapters.telemetry import Metrics
from streams import topics
from streams.backlog import Backlog, Watch
from streams.core.backlog import Part
from streams.core.cap import UNCAPPED
from streams.core.messages import Category
from streams.dispatcher import Dispatcher
from streams.wiring.dispatch import read_topics
from streams.wiring.gauges import expose_backlog
from tests.topology.test_publisher import turns

ONE = Category.TRANSACTIONAL
DISPATCH, HELD, TIER = topics.DISPATCH[ONE], topics.HELD[ONE], topics.RETRY[ONE]["30s"]


@dataclass(slots=True)
class Holding:
    """An owner with so much in its lanes. Its window is nobody's business before it is ready."""

    partition: int
    lanes: dict[str, range] = field(default_factory=lambda: dict.fromkeys(read_topics(ONE), range(0)))
    ready: bool = True
    share: int = 3

    def room(self) -> int:
        assert self.ready, "the ledger's thread has the window"
        return self.share - 1

    def units(self) -> int:
        return self.share


@dataclass(slots=True)
class Reading:
    """A dispatcher that has fetched so far."""

    name: str = ONE
    topics: Sequence[str] = read_topics(ONE)
    owners: dict[int, Holding] = field(default_factory=dict)
    reached: dict[tuple[str, int], int] = field(default_factory=dict)


@dataclass(slots=True)
class Broker:
    """Answers with these lags, or not at all."""

    lags: tuple[Lag, ...] = ()
    away: bool = False
    asked: list[Mapping[str, Sequence[str]]] = field(default_factory=list)

    looked: asyncio.Event = field(default_factory=asyncio.Event)
    home: asyncio.AbstractEventLoop = field(init=False)

    def look(self, groups: Mapping[str, Sequence[str]]) -> tuple[Lag, ...]:
        self.asked.append(groups)
        self.home.call_soon_threadsafe(self.looked.set)
        if self.away:
            raise BrokerUnavailableError("no broker answers")
        return self.lags


def lag(topic: str, partition: int, committed: int, end: int) -> Lag:
    return Lag(group="blue.g", topic="blue." + topic, partition=partition, committed=committed, end=end)


def backlog(reading: Reading, broker: Broker, **changes: Any) -> Backlog:
    made: dict[str, Any] = {
        "groups": {ONE: "blue.g"},
        "prefix": "blue.",
        "every": 0.001,
        "span_s": 62.0,
        "stopped": lambda _category: False,
        "aside_flows": lambda: True,
    } | changes
    return Backlog([cast("Dispatcher", reading)], broker, Watch(**made))


async def looks(broker: Broker, count: int) -> None:
    """Until it has been asked so many times more."""
    for _ in range(count):
        broker.looked.clear()
        await asyncio.wait_for(broker.looked.wait(), 5)


def counted(reading: Reading, broker: Broker, **changes: Any) -> Backlog:
    """After it has looked."""
    made = backlog(reading, broker, **changes)
    asyncio.run(counting(made, broker))
    return made


async def counting(made: Backlog, broker: Broker) -> None:
    broker.home, broker.looked = asyncio.get_running_loop(), asyncio.Event()
    task = asyncio.ensure_future(made.run())
    await looks(broker, 3)
    broker.away = True
    await looks(broker, 3)
    assert not task.done(), "it goes on, whatever the broker says"
    task.cancel()
    await turns()


def owners(*made: Holding) -> dict[int, Holding]:
    return {one.partition: one for one in made}


def test_what_waits_is_what_stands_behind_what_was_fetched_and_what_is_at_hand() -> None:
    """Of our partitions only; what another worker owns is its to tell."""
    here = Holding(0)
    here.lanes[DISPATCH] = range(4)
    broker = Broker((lag(DISPATCH, 0, 10, 100), lag(TIER, 0, 5, 7), lag(HELD, 0, 0, 3), lag(DISPATCH, 1, 0, 50)))
    reading = Reading(owners=owners(here), reached={(DISPATCH, 0): 40, (TIER, 0): 7})
    found = counted(reading, broker).waiting()
    assert {topic: count for topic, count in found.items() if count} == {DISPATCH: 64, HELD: 3}
    assert set(found) == set(read_topics(ONE)), "a topic where nothing waits is told as 0"
    assert broker.asked[0] == {"blue.g": ["blue." + topic for topic in read_topics(ONE)]}


def test_before_anything_is_fetched_the_committed_offset_counts() -> None:
    reading = Reading(owners=owners(Holding(0, ready=False)))
    (part,) = counted(reading, Broker((lag(DISPATCH, 0, 10, 100),))).parts(ONE)
    assert part == Part(partition=0, ready=False, waiting=90, aside=0, room=0, units=3)


def test_what_was_fetched_after_the_last_look_is_never_less_than_nothing() -> None:
    reading = Reading(owners=owners(Holding(0)), reached={(DISPATCH, 0): 120})
    assert counted(reading, Broker((lag(DISPATCH, 0, 10, 100),))).waiting()[DISPATCH] == 0


def test_while_no_broker_answers_the_last_count_stands() -> None:
    """It is away at the end of each of these tests."""
    broker = Broker((lag(DISPATCH, 0, 0, 9),))
    made = counted(Reading(owners=owners(Holding(0))), broker)
    assert broker.away
    assert made.waiting()[DISPATCH] == 9


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 4 * 62.0),
        ({"stopped": lambda category: category is ONE}, math.inf),
        ({"aside_flows": lambda: False}, 3 * 62.0),
    ],
)
def test_the_time_left_looks_at_holds_and_at_what_stays_aside(changes: dict[str, Any], seconds: float) -> None:
    reading = Reading(owners=owners(Holding(0), Holding(1)))
    broker = Broker((lag(DISPATCH, 0, 0, 11), lag(HELD, 0, 0, 2), lag(DISPATCH, 1, 0, 2)))
    assert counted(reading, broker, **changes).seconds_left(ONE) == seconds


def exposed(made: Backlog) -> list[str]:
    metrics = Metrics()
    expose_backlog(metrics, made)
    lines = metrics.exposition().decode().splitlines()
    metrics.close()
    return [line for line in lines if line.startswith("comcenter_")]


def both(first: Reading, broker: Broker) -> Backlog:
    second = Reading(name=Category.PROMOTIONAL, topics=read_topics(Category.PROMOTIONAL))
    watch = Watch(
        groups={category: f"g.{category}" for category in Category},
        prefix="blue.",
        every=1.0,
        span_s=62.0,
        stopped=lambda _category: False,
        aside_flows=lambda: True,
    )
    made = Backlog([cast("Dispatcher", each) for each in (first, second)], broker, watch)
    made._note(broker.lags)
    return made


def test_metrics_tell_room_share_and_time_left_by_category() -> None:
    found = exposed(both(Reading(owners=owners(Holding(0), Holding(1))), Broker((lag(DISPATCH, 1, 0, 5),))))
    assert f'comcenter_waiting{{topic="{DISPATCH}"}} 5.0' in found
    assert 'comcenter_rate_tokens{category="transactional"} 4.0' in found
    assert 'comcenter_rate_units{category="transactional"} 6.0' in found
    assert 'comcenter_backlog_eta_seconds{category="transactional"} 62.0' in found
    assert 'comcenter_rate_units{category="promotional"} 0.0' in found


def test_where_no_number_is_true_none_is_shown() -> None:
    """No room or share without a cap, no end of a backlog without a share; and nothing is logged at each scrape."""
    free = exposed(both(Reading(owners=owners(Holding(0, share=UNCAPPED))), Broker()))
    assert not [line for line in free if line.startswith("comcenter_rate") and "transactional" in line]
    assert 'comcenter_backlog_eta_seconds{category="transactional"} 0.0' in free
    stuck = exposed(both(Reading(owners=owners(Holding(0, share=0, ready=False))), Broker((lag(DISPATCH, 0, 0, 1),))))
    assert 'comcenter_rate_units{category="transactional"} 0.0' in stuck
    assert not [line for line in stuck if "eta" in line and "transactional" in line]

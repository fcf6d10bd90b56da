"""Openings that are told and orders that let go: whatever comes in which order, the last of them decides."""

from __future__ import annotations

import pytest
import structlog

from streams.breakers import BREAKER, Breakers
from streams.core.breaker import opening_record
from streams.holds import Holds
from tests.builders import TOPIC
from tests.topology.test_breakers import LIMITS, NOW_MS, OPENING, OTHER


def told(at_ms: int, topic: str = TOPIC) -> tuple[bytes, bytes, int]:
    """An opening as it stands on comms.breakers."""
    return (*opening_record(topic, OPENING), at_ms)


def breakers(holds: Holds) -> Breakers:
    return Breakers((TOPIC, OTHER), LIMITS, holds, lambda _key, _value: None, now=lambda: NOW_MS / 1000)


ORDERS: list[tuple[str, list[tuple[str, int]], bool]] = [
    # name, what comes in which order (o: an opening is read, t: a tombstone is read, r: an order; and when), held?
    ("another worker opened", [("o", 5)], True),
    ("and it was let go", [("o", 5), ("r", 6)], False),
    ("by a record without a value", [("o", 5), ("t", 6)], False),
    ("an order from before it opened", [("o", 5), ("r", 4)], True),
    ("the order is read first, at a start", [("r", 6), ("o", 5)], False),
    ("an old order is read first", [("r", 4), ("o", 5)], True),
    ("it opened again", [("o", 5), ("r", 6), ("o", 7)], True),
    ("the old order comes again", [("o", 5), ("r", 6), ("o", 7), ("r", 6)], True),
    ("a late record of an old opening", [("r", 6), ("o", 7), ("o", 5), ("r", 8)], False),
    ("an older order after a newer one", [("r", 8), ("r", 6), ("o", 7)], False),
    ("an order for nothing", [("r", 6)], False),
]


@pytest.mark.parametrize(("story", "held"), [row[1:] for row in ORDERS], ids=[row[0] for row in ORDERS])
def test_what_opened_last_and_what_was_let_go_last_decide(story: list[tuple[str, int]], held: bool) -> None:  # noqa: FBT001 - a column
    """Whatever is read first, and however often."""
    holds = Holds()
    judge = breakers(holds)
    judge.on_release = judge.lift
    for kind, at_ms in story:
        match kind:
            case "o":
                judge.read(*told(at_ms))
            case "t":
                judge.read(TOPIC.encode(), None, at_ms)
            case _:
                judge.release(TOPIC, at_ms=at_ms)
    assert judge.stops(TOPIC) is held
    assert holds.reasons() == ({TOPIC: {BREAKER}} if held else {})


def test_the_brokers_time_replaces_the_workers_when_an_opening_is_read_back() -> None:
    """A worker whose clock is ahead would otherwise not obey an order of now."""
    judge = breakers(Holds())
    for _ in range(3):
        judge.judge(TOPIC, refused=True)
    judge.read(*told(NOW_MS - 300_000))
    judge.release(TOPIC, at_ms=NOW_MS - 299_999)
    assert not judge.stops(TOPIC)


@pytest.mark.parametrize(
    ("key", "value"), [(b"events.gone", told(5, "events.gone")[1]), (TOPIC.encode(), b"x"), (None, told(5)[1])]
)
def test_a_record_that_is_of_no_topic_of_ours_or_no_opening_holds_nothing(key: bytes | None, value: bytes) -> None:
    holds = Holds()
    breakers(holds).read(key, value, 5)
    assert holds.reasons() == {}


def test_an_opening_is_logged_once_as_a_warning_where_it_was_seen() -> None:
    with structlog.testing.capture_logs() as logs:
        judge = breakers(Holds())
        for _ in range(3):
            judge.judge(TOPIC, refused=True)
        judge.read(*told(NOW_MS))
        breakers(Holds()).read(*told(NOW_MS))
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("breaker_open", "warning"),
        ("breaker_told", "info"),
    ]
    assert (logs[0]["topic"], logs[0]["run"], logs[0]["ratio"], logs[0]["why"]) == (TOPIC, 3, 1.0, "run")

"""How long what waits is kept, and when that becomes an incident: once, and once more when it is over."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas import registry
from streams import topics
from streams.core.incidents import CLEARED_BELOW, Incident, Kind, Limits, Phase, open_ones, to_tell
from streams.core.retention import FOREVER, Oldest, by_topic
from tests.builders import NOW_S

NOW_MS = NOW_S * 1000
HOUR_MS = 3_600_000
WEEK_MS = 168 * HOUR_MS
HELD = topics.HELD["transactional"]
LIMITS = Limits(warn_at=0.8)


def oldest(hours: float = 0, **changes: Any) -> Oldest:
    """It has waited so many hours of its 168."""
    made: dict[str, Any] = {
        "topic": HELD,
        "partition": 1,
        "offset": 7,
        "at_ms": NOW_MS - int(hours * HOUR_MS),
        "records": 3,
        "retention_ms": WEEK_MS,
    }
    return Oldest(**(made | changes))


def told(*waiting: Oldest, known: list[Incident] | None = None, worker: str = "w1") -> list[Incident]:
    return to_tell(
        waiting,
        {one.topic: one for one in known or []},
        LIMITS,
        holds=lambda _topic: {"kill_switch", "gate_red"},
        now_ms=NOW_MS,
        worker=worker,
    )


TIMES: list[tuple[str, Oldest, int | None, float]] = [
    # name, record, seconds left, share used
    ("just appended", oldest(0), 168 * 3600, 0.0),
    ("half of it over", oldest(84), 84 * 3600, 0.5),
    ("on the last second", oldest(168, at_ms=NOW_MS - WEEK_MS + 999), 0, 1.0),
    ("beyond its time, in a segment that still stands", oldest(200), 0, 1.0),
    ("appended by a clock that is ahead", oldest(-1), 169 * 3600, 0.0),
    ("kept for ever", oldest(900, retention_ms=FOREVER), None, 0.0),
]


@pytest.mark.parametrize(("record", "left", "used"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_what_waits_has_so_long_to_live(record: Oldest, left: int | None, used: float) -> None:
    assert record.seconds_left(NOW_MS) == left
    assert record.used(NOW_MS) == pytest.approx(used, abs=1e-5)


def test_the_oldest_of_all_partitions_speaks_for_its_topic_and_all_records_count() -> None:
    first = oldest(3, partition=0, records=2)
    found = by_topic([first, oldest(9, records=5), oldest(1, topic=topics.RENDER, records=1)])
    assert [(one.topic, one.place, one.records) for one in found] == [(HELD, "1@7", 7), (topics.RENDER, "1@7", 1)]
    assert by_topic([]) == ()


@pytest.mark.parametrize(("hours", "tells"), [(0, False), (134.3, False), (134.5, True), (168, True), (900, True)])
def test_at_four_fifths_of_the_time_it_is_an_incident(hours: float, tells: bool) -> None:  # noqa: FBT001 - a column
    assert bool(told(oldest(hours))) is tells


def test_what_is_kept_for_ever_never_is() -> None:
    assert told(oldest(900, retention_ms=FOREVER)) == []


def test_an_incident_says_what_waits_since_when_why_and_until_when() -> None:
    (one,) = told(oldest(140))
    assert (one.kind, one.phase, one.topic, one.oldest) == (Kind.HELD_RETENTION, Phase.OPEN, HELD, "1@7")
    assert (one.waits_since_ms, one.gone_at_ms) == (NOW_MS - 140 * HOUR_MS, NOW_MS + 28 * HOUR_MS)
    assert (one.holds, one.worker, one.at_ms) == (("gate_red", "kill_switch"), "w1", NOW_MS)
    assert one.summary == f"83% of the time for which {HELD} keeps what waits there is over"


def test_two_workers_that_tell_of_it_tell_of_one_incident() -> None:
    (first,), (second,) = told(oldest(140), worker="w1"), told(oldest(140), worker="w2")
    assert first.incident == second.incident
    assert told(oldest(140, offset=8))[0].incident != first.incident


def test_what_was_told_is_not_told_again_while_it_lasts() -> None:
    (one,) = told(oldest(140))
    assert told(oldest(150), known=[one]) == []
    assert told(oldest(140, offset=9), known=[one]) == [], "a drain that is slow is still the same incident"


ENDS: list[tuple[str, list[Oldest], bool]] = [
    ("nothing waits any more", [], True),
    ("only another topic waits", [oldest(0, topic=topics.RENDER)], True),
    ("what waits now is young", [oldest(10)], True),
    ("what waits now is a little younger", [oldest(168 * 0.8 * CLEARED_BELOW + 0.1)], False),
    ("it still waits", [oldest(150)], False),
]


@pytest.mark.parametrize(("waiting", "over"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_it_is_told_once_more_when_it_is_over(waiting: list[Oldest], over: bool) -> None:  # noqa: FBT001 - a column
    """Under the same id; and not while it only comes and goes at the limit."""
    (one,) = told(oldest(140))
    found = told(*waiting, known=[one])
    assert [(each.incident, each.phase) for each in found] == ([(one.incident, Phase.CLEARED)] if over else [])


def test_what_stands_on_the_topic_is_read_back_and_what_is_no_such_record_is_passed_over() -> None:
    (one,) = told(oldest(140))
    (cleared,) = told(known=[one])
    other = told(oldest(140, topic=topics.RENDER))[0]
    garbage = [None, b"", b"{}", b'{"kind":"build_green"}']
    assert open_ones([*garbage, one.encode(), other.encode()]) == {HELD: one, topics.RENDER: other}
    assert open_ones([one.encode(), other.encode(), cleared.encode()]) == {topics.RENDER: other}


@pytest.mark.parametrize("known", [[], [told(oldest(140))[0]]], ids=["open", "cleared"])
def test_an_incident_is_as_its_schema_says(known: list[Incident]) -> None:
    (one,) = told(known=known) if known else told(oldest(140))
    body = orjson.loads(one.encode())
    schema = registry.load().records["incident"]
    assert list(schema.violations(body)) == []
    assert set(body) == set(schema.document["properties"])

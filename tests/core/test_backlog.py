"""How long a backlog takes under the cap: never later than told, and not much sooner."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.backlog import Part, seconds_left
from streams.core.cap import UNCAPPED, Window

SPAN_S = 62.0
SPAN_MS = 62_000


def part(**changes: Any) -> Part:
    made: dict[str, Any] = {"partition": 0, "ready": True, "waiting": 0, "aside": 0, "room": 0, "units": 3} | changes
    return Part(**made)


def left(*parts: Part, stopped: bool = False, aside_flows: bool = True) -> float:
    return seconds_left(parts, span_s=SPAN_S, stopped=stopped, aside_flows=aside_flows)


ROWS: dict[str, tuple[Part, float]] = {
    "nothing waits": (part(), 0.0),
    "all of it has room": (part(waiting=3, room=3), 0.0),
    "one window more": (part(waiting=4, room=3), SPAN_S),
    "no room now": (part(waiting=3), SPAN_S),
    "two windows": (part(waiting=4), 2 * SPAN_S),
    "no cap": (part(waiting=10**6, room=UNCAPPED, units=UNCAPPED), 0.0),
    "no share": (part(waiting=1, units=0), math.inf),
    "no share and nothing waits": (part(units=0), 0.0),
}


@pytest.mark.parametrize(("one", "seconds"), ROWS.values(), ids=ROWS)
def test_a_partition_takes_as_many_windows_as_its_share_needs(one: Part, seconds: float) -> None:
    assert left(one) == seconds


def test_the_slowest_partition_decides() -> None:
    assert left(part(waiting=3, room=3), part(waiting=30, units=3), part(waiting=30, units=10)) == 10 * SPAN_S
    assert left(part(waiting=30), part(waiting=1, units=0)) == math.inf


def test_without_a_partition_nothing_waits() -> None:
    assert left() == 0.0
    assert left(stopped=True) == 0.0


def test_while_all_is_held_it_never_ends_unless_nothing_waits() -> None:
    assert left(part(waiting=1, room=3), stopped=True) == math.inf
    assert left(part(room=3), stopped=True) == 0.0


def test_what_an_order_has_set_aside_waits_for_that_and_not_for_the_cap() -> None:
    """Once no order sets aside any more it is let go, and takes its time as all else does."""
    one = part(waiting=9, aside=9)
    assert left(one, aside_flows=False) == 0.0
    assert left(one, stopped=True, aside_flows=False) == 0.0
    assert left(one, aside_flows=True) == 3 * SPAN_S


@settings(deadline=None, database=None, max_examples=200)
@given(
    units=st.integers(1, 12),
    waiting=st.integers(0, 60),
    spent=st.lists(st.integers(1, SPAN_MS - 1), max_size=12),
)
def test_it_is_an_upper_bound_by_less_than_a_window(units: int, waiting: int, spent: list[int]) -> None:
    """Held against the window itself, however much of it was spent, and when."""
    window, now_ms = Window(SPAN_MS), 10 * SPAN_MS
    for index, ago_ms in enumerate(sorted(spent, reverse=True)[:units]):
        window.spend(f"before {index}", now_ms - ago_ms)
    told_s = left(part(waiting=waiting, room=window.room(units, now_ms), units=units))
    at_ms, last_ms, rest = now_ms, now_ms, waiting
    while rest:
        for _ in range(min(window.room(units, at_ms), rest)):
            window.spend(f"{rest}", at_ms)
            rest, last_ms = rest - 1, at_ms
        at_ms += 250
    took_s = (last_ms - now_ms) / 1000
    assert took_s - 0.25 <= told_s
    assert told_s < took_s + SPAN_S

"""The clock that receipts and fetches are compared by, and the warning that it is far from the brokers'."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from streams import inbound, steady
from streams.core.keyring import SKEW_MS, KeyRing, NoKey
from streams.core.keys import parse
from streams.core.records import Record
from streams.steady import SAY_EVERY_S, ClockWatch, Steady
from streams.topics import DAY_MS
from tests.builders import jwks, private_key, record
from tests.fakes import SteppedClock

SET = parse(jwks({"a": private_key("ES256")}))


def test_a_step_of_the_machines_clock_moves_it_in_neither_direction() -> None:
    wall, passed = SteppedClock(1_800_000_000.0), SteppedClock(50.0)
    clock = Steady(wall, passed)
    seen = []
    for step in (0.0, 300.0, -900.0):
        wall.now += step
        passed.now += 1
        seen.append(clock())
    assert seen == [1_800_000_001.0, 1_800_000_002.0, 1_800_000_003.0]


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_step_between_receipt_and_fetch_calls_no_key_unknown(step_s: float) -> None:
    """Nor does a fetch before the receipt count as later because the clock was set back in between."""
    wall, passed = SteppedClock(1_800_000_000.0), SteppedClock(50.0)
    clock = Steady(wall, passed)
    ring = KeyRing().after_fetch(SET, as_of_ms=int(clock() * 1000), max_age_ms=DAY_MS)
    wall.now += step_s
    passed.now += 1
    came = replace(record(b""), received_ms=int(clock() * 1000))
    assert ring.find("new", came) is NoKey.NOT_YET
    passed.now += 1
    later = ring.after_fetch(SET, as_of_ms=int(clock() * 1000), max_age_ms=DAY_MS)
    assert later.find("new", came) is NoKey.UNKNOWN


def test_a_worker_whose_clock_is_ahead_refuses_nothing_for_it() -> None:
    """Five minutes ahead, and a fetch that began ten seconds before the append: that is no later one."""
    appended_ms, off_ms = 1_800_000_000_000, 300_000
    ring = KeyRing().after_fetch(SET, as_of_ms=appended_ms + off_ms - 10_000, max_age_ms=DAY_MS)
    came = replace(record(b""), appended_ms=appended_ms, received_ms=appended_ms + off_ms + 50)
    assert ring.find("new", came) is NoKey.NOT_YET


def test_records_are_received_by_the_clock_of_the_process() -> None:
    """The default of both readers; key sets are given the same one."""
    for read in (inbound.from_faust, inbound.from_kafka):
        assert (read.__kwdefaults__ or {})["now"] is steady.now


def appended_ahead(ms: int) -> Record:
    at = record(b"")
    return replace(at, appended_ms=at.received_ms + ms)


def test_a_clock_that_is_behind_the_brokers_is_said_at_most_once_a_minute() -> None:
    clock = SteppedClock()
    watch = ClockWatch(clock)
    with capture_logs() as logged:
        for _ in range(5):
            watch.look(appended_ahead(SKEW_MS + 30_000))
            clock.now += SAY_EVERY_S / 2
    assert [(entry["event"], entry["log_level"], entry["behind_s"]) for entry in logged] == [
        ("clock_off", "warning", 90)
    ] * 3


@pytest.mark.parametrize("ahead_ms", [SKEW_MS, 0, -SKEW_MS, -DAY_MS])
def test_within_the_skew_and_for_a_backlog_nothing_is_said(ahead_ms: int) -> None:
    with capture_logs() as logged:
        ClockWatch(SteppedClock()).look(appended_ahead(ahead_ms))
    assert logged == []

"""What workers say of themselves, what that comes to for the fleet, and what `comcenter gate` makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import registry
from streams import topics
from streams.cli.gate_command import as_json, lines
from streams.gate import GATE_RED
from streams.heartbeat import Fleet, LastBeat, WorkerState, beat, decode, fleet, worker_name
from tests.builders import NOW_S

NOW_MS = NOW_S * 1000
SINCE = "2026-09-21T14:13:20Z"
GONE_AFTER_MS = 10_000
FORGOTTEN_MS = 3_600_000
LONG_AGO_MS = NOW_MS - 2 * GONE_AFTER_MS
SCHEMA = registry.load().records["worker"]


def state(worker: str = "one", **changes: Any) -> WorkerState:
    made: dict[str, Any] = {
        "worker": worker,
        "at_ms": NOW_MS,
        "started_ms": NOW_MS - 60_000,
        "build_id": "b1",
        "mode": "dry_run",
        "mode_why": "MODE=dry_run",
        "gate1_green": True,
        "gate1_why": "",
        "gate1_since_ms": NOW_MS - 50_000,
        "holds": {},
    } | changes
    return WorkerState(**made)


def heard(*states: WorkerState, **others: bytes | None) -> Fleet:
    """The fleet of which these are the last heartbeats; others: values by key, as they stand."""
    last = {each.worker.encode(): LastBeat(value=each.encode()) for each in states}
    last |= {name.encode(): LastBeat(value=value) for name, value in others.items()}
    return fleet_of(last)


def fleet_of(last: Mapping[bytes, LastBeat]) -> Fleet:
    return fleet(last, now_ms=NOW_MS, gone_after_ms=GONE_AFTER_MS, forgotten_after_ms=FORGOTTEN_MS)


def test_what_a_worker_says_is_read_again_and_is_what_the_schema_says() -> None:
    said = state(holds={topics.REDRIVE: [GATE_RED, "paused"]})
    assert decode(said.encode()) == said
    assert not list(SCHEMA.violations(orjson.loads(said.encode())))


@pytest.mark.parametrize("value", [b"", b"null", b"[]", b"{}", b"{", b"\xff", b"1", b'"text"'])
def test_what_is_no_heartbeat_is_none(value: bytes) -> None:
    assert decode(value) is None
    assert heard(state(), garbage=value).workers == (state(),)


@pytest.mark.parametrize("member", sorted(orjson.loads(state().encode())))
def test_what_the_schema_refuses_at_a_member_the_reader_refuses(member: str) -> None:
    """A missing one as well; what a newer build adds is left aside."""
    wrongly_read = []
    others: tuple[Any, ...] = (..., None, True, 1.5, 1, "x", "yes", "7", [], {}, {"t": "x"}, {"t": [1]})
    for value in others:
        body = orjson.loads(state().encode()) | {member: value, "added": 1}
        document = {name: each for name, each in body.items() if each is not ...}
        if any(SCHEMA.violations(document)) and decode(orjson.dumps(document)) is not None:
            wrongly_read.append(value)
    words = [value for value in wrongly_read if member in ("mode", "flags_from")]
    assert wrongly_read == words, "a newer build may know another mode, or another who sets flags"


@settings(deadline=None, database=None, max_examples=100)
@given(st.binary(max_size=60))
def test_no_bytes_raise(value: bytes) -> None:
    assert decode(value) is None


@pytest.mark.parametrize(("silent_ms", "gone"), [(0, False), (GONE_AFTER_MS, False), (GONE_AFTER_MS + 1, True)])
def test_a_worker_that_is_silent_for_too_long_is_gone_by_name(silent_ms: int, gone: bool) -> None:  # noqa: FBT001 - a column
    found = heard(state("one"), state("two", at_ms=NOW_MS - silent_ms))
    assert [each.worker for each in found.workers] == (["one"] if gone else ["one", "two"])
    assert found.silent == (("two",) if gone else ())


def test_who_said_goodbye_is_neither_there_nor_silent() -> None:
    assert heard(state("one"), two=None) == Fleet(workers=(state("one"),), silent=())


def test_the_fleet_is_listed_by_name() -> None:
    found = heard(*(state(name) for name in "cab"), *(state(name, at_ms=LONG_AGO_MS) for name in "zx"))
    assert [each.worker for each in found.workers] == ["a", "b", "c"]
    assert found.silent == ("x", "z")


FLEETS: dict[str, tuple[Fleet, bool]] = {
    "nobody": (heard(), False),
    "all green": (heard(state("one"), state("two")), True),
    "one of them red": (heard(state("one"), state("two", gate1_green=False)), False),
    "all red": (heard(state("one", gate1_green=False)), False),
    "green, and one fell silent while red": (
        heard(state("one"), state("two", gate1_green=False, at_ms=LONG_AGO_MS)),
        True,
    ),
    "only silent ones": (heard(state("one", at_ms=LONG_AGO_MS)), False),
}


@pytest.mark.parametrize(("found", "green"), FLEETS.values(), ids=FLEETS)
def test_the_fleet_is_red_if_any_worker_is_and_if_there_is_none(found: Fleet, green: bool) -> None:  # noqa: FBT001 - a column
    assert found.gate1_green is green
    assert lines(found)[0].split()[2] == ("GREEN" if green else "RED")
    assert as_json(found)["gate1"] == ("GREEN" if green else "RED")


def test_without_a_worker_gate_says_so() -> None:
    assert lines(heard()) == ["gate 1  RED  no worker is running"]


def test_gate_shows_state_reason_and_since_when_by_worker() -> None:
    red = state(
        "two",
        gate1_green=False,
        gate1_why="token: blocked, pending gate 1: answered 401",
        gate1_since_ms=NOW_MS - 5_000,
        holds={
            "events.a": [f"{GATE_RED}: no usable key of a (TimeoutError), since {SINCE}", f"paused, since {SINCE}"],
            "comms.redrive": [GATE_RED],
        },
    )
    printed = "\n".join(lines(heard(state("one"), red, state("three", at_ms=LONG_AGO_MS))))
    assert printed.splitlines() == [
        "gate 1  RED  since 2026-09-21T14:13:15Z",
        "  one  GREEN  since 2026-09-21T14:12:30Z",
        "  two  RED    token: blocked, pending gate 1: answered 401  since 2026-09-21T14:13:15Z",
        "      held: comms.redrive  gate_red",
        f"      held: events.a  gate_red: no usable key of a (TimeoutError), since {SINCE}; paused, since {SINCE}",
        "  three  silent: it ended without saying so, or can't reach Kafka",
    ]


@pytest.mark.parametrize(
    ("sinces", "since"),
    [
        # seconds ago, by worker: green ones positive, red ones negative
        ((50, 20), 20),  # green since the last of them became so
        ((50, -20), 20),
        ((-50, -20), 50),  # red since the first of them became so
        ((5, -50, -20), 50),
    ],
)
def test_the_fleet_is_red_since_the_first_and_green_since_the_last(sinces: tuple[int, ...], since: int) -> None:
    states = [
        state(f"w{index}", gate1_green=ago > 0, gate1_since_ms=NOW_MS - abs(ago) * 1000)
        for index, ago in enumerate(sinces)
    ]
    alone = state(gate1_since_ms=NOW_MS - since * 1000)
    assert lines(heard(*states))[0].rpartition("since ")[2] == lines(heard(alone))[0].rpartition("since ")[2]


def test_the_json_holds_what_each_worker_said() -> None:
    found = as_json(heard(state("one", holds={"t": ["paused"]}), state("two", at_ms=LONG_AGO_MS)))
    assert json.loads(json.dumps(found)) == {
        "gate1": "GREEN",
        "workers": [orjson.loads(state("one", holds={"t": ["paused"]}).encode())],
        "silent": ["two"],
        "clock_off_s": {},
    }


def test_it_beats_again_and_again() -> None:
    said: list[bytes | None] = []

    async def scenario() -> None:
        three = asyncio.Event()

        def write(_key: bytes, value: bytes | None) -> None:
            said.append(value)
            if len(said) == 3:
                three.set()

        moments = iter(range(99))
        task = asyncio.create_task(beat("one", write, lambda: state(at_ms=next(moments)), every=0.001))
        await asyncio.wait_for(three.wait(), 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert [decode(value or b"") for value in said[:3]] == [state(at_ms=at) for at in range(3)]
    assert said[-1] is None
    assert None not in said[:-1]


def test_no_two_workers_have_one_name() -> None:
    """Two on one host, two in one process: else they'd overwrite each other."""
    names = {worker_name() for _ in range(50)}
    assert len(names) == 50
    assert all(len(name) < 80 for name in names)


def test_who_has_been_silent_for_an_hour_is_no_longer_spoken_of() -> None:
    """Every start has a name of its own; and a clock that is ahead makes nobody heard for ever."""
    found = heard(state("one"), state("old", at_ms=NOW_MS - FORGOTTEN_MS - 1), state("ahead", at_ms=NOW_MS + 60_000))
    assert [each.worker for each in found.workers] == ["one"]
    assert found.silent == ("ahead",)


@pytest.mark.parametrize(
    ("off_s", "says"),
    [
        (300, "clock is 300 s off, ahead of the broker's"),
        (-11, "clock is 11 s off, behind the broker's"),
        (-7200, "clock is 7200 s off, behind the broker's"),
        (10, ""),
        (-10, ""),
    ],
)
def test_a_worker_whose_clock_is_off_is_there_and_says_so(off_s: int, says: str) -> None:
    """By the broker's time it was heard just now; it counts, and is neither silent nor forgotten."""
    made = state("one", at_ms=NOW_MS - 500 + off_s * 1000)
    found = fleet_of({b"one": LastBeat(value=made.encode(), appended_ms=NOW_MS - 500)})
    assert (found.workers, found.silent) == ((made,), ())
    assert found.clock_off_s == ({"one": off_s} if says else {})
    assert ("clock is" in "\n".join(lines(found))) is bool(says)
    assert says in "\n".join(lines(found))
    assert as_json(found)["clock_off_s"] == found.clock_off_s


def test_who_was_not_heard_by_the_broker_is_silent_whatever_its_clock_says() -> None:
    late = LastBeat(value=state("one").encode(), appended_ms=NOW_MS - GONE_AFTER_MS - 1)
    old = LastBeat(value=state("two").encode(), appended_ms=NOW_MS - FORGOTTEN_MS - 1)
    assert fleet_of({b"one": late, b"two": old}) == Fleet(workers=(), silent=("one",))

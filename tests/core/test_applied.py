"""Who counts as having applied an order, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from streams.applied import Answer, Written, answer
from streams.heartbeat import WorkerState
from tests.builders import NOW_S

NOW_MS = NOW_S * 1000
WRITTEN = Written(offset=7, end=8, obeyed=5)


def worker(name: str, **changes: Any) -> WorkerState:
    """One that was heard just now, and has applied it."""
    state = WorkerState(
        worker=name,
        at_ms=NOW_MS,
        started_ms=0,
        build_id="b",
        mode="dry_run",
        mode_why="",
        gate1_green=True,
        gate1_why="",
        gate1_since_ms=0,
        holds={},
        control_offset=8,
        control_obeyed=5,
    )
    return replace(state, **changes)


def asked(*states: WorkerState, heard: frozenset[str] = frozenset()) -> Answer:
    return answer({state.worker: state for state in states}, heard, WRITTEN, now_ms=NOW_MS, gone_after_ms=10_000)


def test_all_have_applied_it() -> None:
    found = asked(worker("w1"), worker("w2"), worker("w3"))
    assert (found.complete, found.sentence()) == (True, "3 of 3 workers applied")


def test_those_that_have_not_are_named_with_what_is_known_of_them() -> None:
    late = {"control_offset": 7, "control_obeyed": 4}
    found = asked(
        worker("w1"),
        worker("w2", **late),
        worker("w3", **late),
        worker("w4", control_obeyed=0),
        heard=frozenset({"w3"}),
    )
    assert (found.complete, found.settled) == (False, False)
    assert found.sentence() == (
        "1 of 4; w2 silent; w3 has not applied it yet; w4 obeys other operators (OPERATORS_FILE)"
    )


def test_nobody_there_is_not_all() -> None:
    assert (asked().complete, asked().settled) == (False, False)
    assert asked().sentence() == "written, but no worker is running"


def test_there_is_no_use_in_waiting_for_one_that_obeys_others() -> None:
    found = asked(worker("w1"), worker("w2", control_obeyed=0))
    assert (found.complete, found.settled) == (False, True)


@pytest.mark.parametrize(("silent_ms", "counts"), [(0, 1), (10_000, 1), (10_001, 0), (-60_000, 1)])
def test_a_worker_that_is_gone_does_not_count(silent_ms: int, counts: int) -> None:
    """It reads all orders before it dispatches again."""
    assert asked(worker("w1", at_ms=NOW_MS - silent_ms, control_offset=0)).workers == counts


def test_a_worker_that_was_just_heard_counts_whatever_its_clock_says() -> None:
    late = worker("w1", at_ms=NOW_MS - 300_000)
    assert asked(late, heard=frozenset({"w1"})).applied == ("w1",)
    assert asked(late).workers == 0


def test_a_worker_that_has_read_further_is_not_compared() -> None:
    """Somebody else has ordered since: how much it obeys is no longer known here."""
    assert asked(worker("w1", control_offset=9, control_obeyed=6)).complete


def test_a_worker_of_an_earlier_release_has_applied_nothing() -> None:
    """Its heartbeat doesn't say how far it has read."""
    old = worker("w1", control_offset=0, control_obeyed=0)
    assert asked(old, heard=frozenset({"w1"})).sentence() == "0 of 1; w1 has not applied it yet"

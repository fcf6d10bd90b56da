"""What notices that the flow stopped, and what says that it may: the watchdog, the holds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import pytest

from streams.gate import GATE_RED
from streams.holds import Holds
from streams.samples import dispatcher_samples
from streams.watchdog import Sample, Watchdog, Watchdogs


def test_a_topic_flows_again_when_its_last_reason_is_lifted() -> None:
    holds = Holds()
    for reason in ("paused", GATE_RED, GATE_RED):
        holds.hold("t", reason)
    holds.hold("other", GATE_RED)
    assert holds.reasons()["t"] == {"paused", GATE_RED}
    assert holds.count() == {"paused": 1, GATE_RED: 2}
    holds.release("t", GATE_RED)
    assert holds.holds("t")
    holds.release("t", "paused")
    assert not holds.holds("t")
    assert holds.holds("other")
    assert set(holds.reasons()) == {"other"}


def test_lifting_what_does_not_stand_is_no_error() -> None:
    holds = Holds()
    holds.release("t", "paused")
    holds.hold("t", "paused")
    holds.release("t", "another")
    assert holds.holds("t")


def seen(progress: int, waiting: int, *, broker_answers: bool = True) -> Sample:
    return Sample(progress, waiting, broker_answers)


WATCHDOG: list[tuple[str, list[tuple[float, Sample, bool]]]] = [
    # name, and per look: at which second, what is seen, whether that is a fault. The patience is 60 s
    ("nothing waits", [(0, seen(3, 0), False), (61, seen(3, 0), False), (500, seen(3, 0), False)]),
    ("work is done", [(0, seen(1, 5), False), (61, seen(2, 5), False), (500, seen(3, 5), False)]),
    (
        "records wait and nothing moves",
        [(0, seen(3, 5), False), (59.9, seen(3, 5), False), (60, seen(3, 6), True), (61, seen(3, 5), True)],
    ),
    ("the broker is away", [(n * 100, seen(3, 5, broker_answers=False), False) for n in range(4)]),
    (
        "the time begins anew when the broker is back",
        [
            (0, seen(3, 5), False),
            (50, seen(3, 5, broker_answers=False), False),
            (109.9, seen(3, 5), False),
            (110, seen(3, 5), True),
        ],
    ),
    (
        "the time begins anew with each step",
        [(0, seen(3, 5), False), (59, seen(4, 5), False), (118.9, seen(4, 5), False), (119, seen(4, 5), True)],
    ),
    (
        "the time begins when records begin to wait",
        [(0, seen(3, 0), False), (100, seen(3, 0), False), (159.9, seen(3, 1), False), (160, seen(3, 1), True)],
    ),
    ("a count that went back is a change", [(0, seen(9, 5), False), (60, seen(0, 5), False), (120, seen(0, 5), True)]),
    (
        "it recovers",
        [(0, seen(3, 5), False), (60, seen(3, 5), True), (61, seen(4, 5), False), (62, seen(4, 0), False)],
    ),
]


@pytest.mark.parametrize("looks", [row[1] for row in WATCHDOG], ids=[row[0] for row in WATCHDOG])
def test_the_watchdog_speaks_when_records_wait_and_nothing_explains_why(
    looks: list[tuple[float, Sample, bool]],
) -> None:
    samples = iter([sample for _, sample, _ in looks])
    watchdog = Watchdog(lambda: next(samples), patience=60.0)
    for at, _, fault in looks:
        assert bool(watchdog.look(at)) is fault, f"at {at} s"


def test_the_watchdog_says_how_many_wait_and_for_how_long() -> None:
    watchdog = Watchdog(lambda: seen(3, 7), patience=60.0)
    watchdog.look(0.0)
    assert watchdog.look(75.0) == "7 records wait and nothing has moved for 75 s"


def test_a_partition_that_is_stuck_does_not_hide_behind_others_that_work() -> None:
    """And one that is taken away is forgotten."""
    moving = itertools.count()
    stuck = {"events.a[0]": Sample(progress=7, waiting=3, broker_answers=True)}

    def samples() -> dict[str, Sample]:
        return {"events.b[0]": Sample(progress=next(moving), waiting=9, broker_answers=True)} | stuck

    watchdogs = Watchdogs(samples, patience=60.0)
    assert watchdogs.look(0.0) == ""
    assert watchdogs.look(59.0) == ""
    assert "events.a[0]" in watchdogs.look(61.0)
    stuck.clear()
    assert watchdogs.look(62.0) == ""


@dataclass(slots=True)
class Loop:
    """A dispatcher or an owner, as far as its watchdog sees it."""

    name: str = "transactional"
    turns: int = 0
    ready: bool = True
    over: bool = False
    owners: dict[int, Loop] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Probe:
    reachable: bool


OWNERS: list[tuple[str, Loop, bool, bool]] = [
    # name, the owner, whether its loop turns, whether that is a fault
    ("it works", Loop(), True, False),
    ("its call never comes back", Loop(), False, True),
    ("it still reads its ledger", Loop(ready=False), False, False),
    ("it was fenced, and its partition is still ours", Loop(ready=False, over=True), False, True),
]


@pytest.mark.parametrize(("owner", "turns", "fault"), [row[1:] for row in OWNERS], ids=[row[0] for row in OWNERS])
def test_an_owner_whose_loop_stands_still_is_seen(owner: Loop, turns: bool, fault: bool) -> None:  # noqa: FBT001 - columns
    """Beside a dispatcher that goes on; and only while brokers answer."""
    dispatcher = Loop(owners={2: owner})
    looks = {
        answers: partial(dispatcher_samples, cast("Any", [dispatcher]), Probe(answers)) for answers in (True, False)
    }
    dogs = {answers: Watchdogs(look, patience=60.0) for answers, look in looks.items()}
    for at in (0.0, 30.0, 61.0):
        dispatcher.turns += 1
        owner.turns += turns
        found = {answers: dog.look(at) for answers, dog in dogs.items()}
    assert ("owner transactional[2]" in found[True]) is fault
    assert "dispatcher transactional:" not in found[True]
    assert found[False] == ""

"""What stops the flow and what notices that it stopped: gate 1, the holds, the watchdog."""

from __future__ import annotations

import itertools

import pytest

from streams import topics
from streams.core.token import Producer
from streams.gate import GATE_RED, Gate1
from streams.holds import Holds
from streams.watchdog import Sample, Watchdog, Watchdogs
from tests.fakes import FakeKeyState

AUTH, AGENT = "scholar_auth", "scholarship_agent"
DISPATCH = set(topics.DISPATCH.values())


def producer(issuer: str, service: str | None = None) -> Producer:
    name = service or issuer
    return Producer(issuer=issuer, service=name, topic=f"events.{name}", types=frozenset({"new_match"}))


def gate(keys: FakeKeyState, holds: Holds, *producers: Producer, service: str = AUTH, fresh_for: float = 60.0) -> Gate1:
    bound = producers or (producer(AUTH), producer(AGENT))
    return Gate1(bound, keys, holds, service=service, fresh_for=fresh_for)


def all_well(*issuers: str) -> FakeKeyState:
    names = issuers or (AUTH, AGENT)
    return FakeKeyState(keys=set(names), ages=dict.fromkeys(names, 1.0))


def held(holds: Holds) -> set[str]:
    return set(holds.reasons())


def test_with_fresh_keys_gate_1_is_green_and_nothing_is_held() -> None:
    holds = Holds()
    gate_1 = gate(all_well(), holds)
    gate_1.apply()
    assert gate_1.state().green
    assert gate_1.state().why == ""
    assert held(holds) == set()


@pytest.mark.parametrize(("age", "green"), [(None, False), (0.0, True), (60.0, True), (60.1, False), (9e9, False)])
def test_gate_1_is_green_for_a_while_after_its_keys_were_fetched(age: float | None, green: bool) -> None:  # noqa: FBT001 - a column
    keys = all_well()
    keys.ages = {AGENT: 0.0} if age is None else {AGENT: 0.0, AUTH: age}
    assert gate(keys, Holds()).state().green is green


def test_red_with_keys_at_hand_holds_dispatch_and_events_still_flow() -> None:
    """They are verified with the keys that we have, and wait as messages."""
    keys, holds = all_well(), Holds()
    keys.ages[AUTH] = 61.0
    gate(keys, holds).apply()
    assert held(holds) == DISPATCH
    assert set(holds.reasons().values()) == {frozenset({GATE_RED})}


def test_holds_come_and_go_with_the_gate() -> None:
    """Green, red, red, green: set once, lifted once, and nothing else is touched."""
    keys, holds = all_well(), Holds()
    gate_1 = gate(keys, holds)
    holds.hold(topics.RENDER, "paused")
    found = []
    for age in (1.0, 61.0, 70.0, 2.0):
        keys.ages[AUTH] = age
        gate_1.apply()
        found.append(held(holds))
    still = {topics.RENDER}
    assert found == [still, DISPATCH | still, DISPATCH | still, still]


def test_a_hold_for_another_reason_outlives_the_gate() -> None:
    keys, holds = all_well(), Holds()
    holds.hold(topics.DISPATCH_TRANSACTIONAL, "paused")
    keys.ages[AUTH] = 61.0
    gate_1 = gate(keys, holds)
    gate_1.apply()
    keys.ages[AUTH] = 0.0
    gate_1.apply()
    assert holds.reasons() == {topics.DISPATCH_TRANSACTIONAL: frozenset({"paused"})}


def test_an_issuer_without_keys_has_its_own_topic_held_and_no_other() -> None:
    """So that nothing of it is refused for want of a key; gate 1 is about another service and stays green."""
    keys, holds = all_well(AUTH), Holds()
    gate_1 = gate(keys, holds)
    gate_1.apply()
    assert held(holds) == {f"events.{AGENT}"}
    assert gate_1.state().green
    keys.keys.add(AGENT)
    gate_1.apply()
    assert held(holds) == set()


def test_before_the_first_fetch_everything_waits() -> None:
    holds = Holds()
    gate(FakeKeyState(), holds).apply()
    assert held(holds) == {f"events.{AUTH}", f"events.{AGENT}"} | DISPATCH


def test_a_topic_of_two_issuers_flows_when_both_have_keys() -> None:
    holds = Holds()
    gate(all_well("a", "b"), holds, producer("a", AUTH), producer("b", AUTH)).apply()
    assert held(holds) == set()


@pytest.mark.parametrize("lacking", ["a", "b"])
def test_a_topic_of_two_issuers_is_held_while_either_lacks_keys(lacking: str) -> None:
    """`token_unknown_key` is never said for want of a fetch: the other one's events wait along with it."""
    keys, holds = all_well("a", "b"), Holds()
    keys.keys.remove(lacking)
    gate(keys, holds, producer("a", AUTH), producer("b", AUTH)).apply()
    assert held(holds) == {f"events.{AUTH}"}


def test_one_fresh_issuer_of_the_service_is_enough_for_green() -> None:
    keys = all_well("a", "b")
    keys.ages = {"a": 500.0, "b": 1.0}
    assert gate(keys, Holds(), producer("a", AUTH), producer("b", AUTH)).state().green


def test_red_says_why() -> None:
    keys = FakeKeyState(faults={AUTH: "ClientConnectorError: refused"})
    assert gate(keys, Holds()).state().why == "ClientConnectorError: refused"
    assert "fetched lately" in gate(FakeKeyState(), Holds()).state().why
    alone = gate(all_well(), Holds(), producer(AGENT)).state()
    assert not alone.green
    assert AUTH in alone.why


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

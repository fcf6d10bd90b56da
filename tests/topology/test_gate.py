"""Gate 1: what it is GREEN by, what it says when it is RED, and what it holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from streams import topics
from streams.core.token import Producer
from streams.gate import GATE_RED, Auth, Fresh, Gate1, GateState
from streams.holds import Holds
from tests.fakes import FakeKeyState, SteppedClock

AUTH, AGENT, PILOT = "oauth:https://auth.example", "scholarship_agent", "student_pilot"
INBOUND = {f"events.{AGENT}", f"events.{PILOT}"}
DISPATCH = set(topics.DISPATCH.values())
FRESH_FOR_S = 60.0
WELL = Fresh(1.0, "")


def producer(issuer: str, service: str | None = None) -> Producer:
    name = service or issuer
    return Producer(issuer=issuer, service=name, topic=f"events.{name}", types=frozenset({"new_match"}))


def all_well(*issuers: str) -> FakeKeyState:
    names = issuers or (AUTH, AGENT, PILOT)
    return FakeKeyState(keys=set(names), ages=dict.fromkeys(names, 1.0))


@dataclass(slots=True)
class World:
    """A gate over keys and a probe that are as set; ``waiting`` are the topics of which a record waits for a key."""

    keys: FakeKeyState = field(default_factory=all_well)
    probe: Fresh = WELL
    producers: Iterable[Producer] = (producer(AGENT), producer(PILOT))
    configured: bool = True
    waiting: set[str] = field(default_factory=set)
    clock: SteppedClock = field(default_factory=SteppedClock)
    holds: Holds = field(init=False)
    gate: Gate1 = field(init=False)

    def __post_init__(self) -> None:
        self.holds = Holds(now=self.clock)
        auth = Auth(keys_of=AUTH, probe=lambda: self.probe, fresh_for=FRESH_FOR_S) if self.configured else None
        self.gate = Gate1(self.producers, self.keys, auth, self.holds, waits=self.waiting.__contains__, now=self.clock)

    def held(self) -> set[str]:
        """What is held after a look."""
        self.gate.apply()
        return set(self.holds.reasons())

    def state(self) -> GateState:
        return self.gate.state()


def test_with_fresh_keys_and_a_token_gate_1_is_green_and_nothing_is_held() -> None:
    world = World()
    assert world.held() == set()
    assert world.state() == GateState(green=True, why="", since_ms=1_000_000)


AGES = [(None, False), (0.0, True), (FRESH_FOR_S, True), (FRESH_FOR_S + 0.1, False), (9e9, False)]


@pytest.mark.parametrize(("age", "green"), AGES)
def test_it_is_green_for_a_while_after_the_key_set_was_fetched(age: float | None, green: bool) -> None:  # noqa: FBT001 - a column
    world = World()
    del world.keys.ages[AUTH]
    if age is not None:
        world.keys.ages[AUTH] = age
    assert world.state().green is green


@pytest.mark.parametrize(("age", "green"), AGES)
def test_it_is_green_for_a_while_after_a_token_was_got(age: float | None, green: bool) -> None:  # noqa: FBT001 - a column
    assert World(probe=Fresh(age, "the token endpoint answered 503")).state().green is green


REASONS: dict[str, tuple[World, str]] = {
    "nothing is configured": (World(configured=False), "no auth service is configured: set OAUTH_ISSUER"),
    "the key set was never fetched": (World(keys=FakeKeyState(faults={AUTH: "refused"})), "key set: refused"),
    "it was fetched, and not lately": (World(keys=FakeKeyState(ages={AUTH: 61.0})), "key set: did not work lately"),
    "no token, and why": (
        World(probe=Fresh(None, "blocked, pending gate 1: no")),
        "token: blocked, pending gate 1: no",
    ),
    "no token lately": (World(probe=Fresh(61.0, "")), "token: did not work lately"),
    "neither": (World(keys=FakeKeyState(faults={AUTH: "refused"}), probe=Fresh(None, "no")), "key set: refused"),
}


@pytest.mark.parametrize(("world", "why"), REASONS.values(), ids=REASONS)
def test_red_says_why(world: World, why: str) -> None:
    state = world.state()
    assert not state.green
    assert state.why.startswith(why)


def test_another_issuers_keys_are_no_matter_of_gate_1() -> None:
    """Neither their absence nor their age."""
    world = World(keys=all_well(AUTH))
    world.keys.faults[AGENT] = "refused"
    assert world.state().green


def test_since_when_changes_with_the_colour_and_not_with_the_reason() -> None:
    world, seen = World(probe=Fresh(None, "not asked yet")), []
    for second, probe in enumerate(
        [world.probe, Fresh(None, "no"), WELL, WELL, Fresh(61.0, "no"), Fresh(70.0, "gone")]
    ):
        world.clock.now, world.probe = 2000.0 + second, probe
        state = world.state()
        seen.append((state.green, state.why, state.since_ms))
    assert seen == [
        (False, "token: not asked yet", 1_000_000),  # since it was built
        (False, "token: no", 1_000_000),
        (True, "", 2_002_000),
        (True, "", 2_002_000),
        (False, "token: no", 2_004_000),
        (False, "token: gone", 2_004_000),
    ]


@pytest.mark.parametrize("probe", [WELL, Fresh(61.0, "no"), Fresh(None, "no")])
@pytest.mark.parametrize("age", [None, 61.0])
def test_red_with_keys_at_hand_holds_dispatch_and_events_still_flow(probe: Fresh, age: float | None) -> None:
    """They are verified with the keys that we have (remembered ones, too), and wait as messages."""
    world = World(probe=probe)
    world.keys.ages = {} if age is None else {AUTH: age}
    assert world.held() == DISPATCH
    assert set(world.holds.reasons().values()) == {frozenset({GATE_RED})}


def test_red_without_usable_keys_holds_ingest_too() -> None:
    """And what is tried again; Kafka keeps what arrives. Rendering goes on."""
    world = World(keys=all_well(AGENT, PILOT))
    assert world.held() == DISPATCH | INBOUND | {topics.REDRIVE}


def test_keys_that_are_too_old_while_the_gate_is_green_hold_nothing() -> None:
    """It can't be: keys fetched within the last minute are usable. If it were, gate 1 would not shut what is well."""
    world = World(keys=all_well(AGENT, PILOT))
    world.keys.ages[AUTH] = 1.0
    assert world.held() == set()


def test_without_an_auth_service_everything_waits() -> None:
    assert World(configured=False).held() == DISPATCH | INBOUND | {topics.REDRIVE}


def test_before_the_first_fetch_everything_waits() -> None:
    assert World(keys=FakeKeyState(), probe=Fresh(None, "not asked yet")).held() == DISPATCH | INBOUND | {
        topics.REDRIVE
    }


def test_an_issuer_without_keys_has_its_own_topic_held_and_no_other() -> None:
    """So that nothing of it is refused for want of a key; gate 1 is about another service and stays green."""
    world = World(keys=all_well(AUTH, PILOT))
    assert world.held() == {f"events.{AGENT}"}
    assert world.state().green
    world.keys.keys.add(AGENT)
    assert world.held() == set()


@pytest.mark.parametrize("lacking", ["a", "b"])
def test_a_topic_of_two_issuers_is_held_while_either_lacks_keys(lacking: str) -> None:
    """`token_unknown_key` is never said for want of a fetch: the other one's events wait along with it."""
    world = World(keys=all_well(AUTH, "a", "b"), producers=(producer("a", "both"), producer("b", "both")))
    assert world.held() == set()
    world.keys.keys.remove(lacking)
    assert world.held() == {"events.both"}


def test_a_topic_of_which_a_record_waits_for_a_key_is_held_alone() -> None:
    """No more comes in behind it; what is tried again likewise."""
    world = World()
    for topic in (f"events.{PILOT}", topics.REDRIVE):
        world.waiting.add(topic)
        assert world.held() == {topic}
        world.waiting.clear()
        assert world.held() == set()


def test_what_is_tried_again_waits_record_by_record() -> None:
    """It may be anyone's: one issuer's missing keys don't hold the others'."""
    assert topics.REDRIVE not in World(keys=all_well(AUTH)).held()


def test_render_is_never_held_by_the_gate() -> None:
    world = World(keys=FakeKeyState(), probe=Fresh(None, ""), configured=False)
    assert topics.RENDER not in world.held()


def test_holds_come_and_go_with_the_gate() -> None:
    """Green, red, red, green: set once, lifted once, and nothing else is touched."""
    world = World()
    world.holds.hold(topics.RENDER, "paused")
    found = []
    for age in (1.0, 61.0, 70.0, 2.0):
        world.keys.ages[AUTH] = age
        found.append(world.held())
    still = {topics.RENDER}
    assert found == [still, DISPATCH | still, DISPATCH | still, still]


def test_a_hold_for_another_reason_outlives_the_gate() -> None:
    world = World(probe=Fresh(None, "no"))
    world.holds.hold(topics.DISPATCH_TRANSACTIONAL, "paused")
    world.gate.apply()
    world.probe = WELL
    world.gate.apply()
    assert world.holds.reasons() == {topics.DISPATCH_TRANSACTIONAL: frozenset({"paused"})}

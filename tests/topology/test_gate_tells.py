"""What gate 1 says of itself: why a topic is held and since when, and what reaches the log."""

from __future__ import annotations

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from streams import topics
from streams.gate import GATE_RED, SAID_FOR_S, Fresh
from tests.fakes import FakeKeyState
from tests.topology.test_gate import AGENT, AUTH, DISPATCH, INBOUND, PILOT, WELL, World, all_well

WHY_HELD: dict[str, tuple[World, dict[str, str]]] = {
    "gate 1 is red": (
        World(probe=Fresh(None, "no")),
        dict.fromkeys(DISPATCH, "gate 1 is RED"),
    ),
    "and has no keys": (
        World(keys=all_well(AGENT, PILOT), probe=Fresh(None, "no")),
        dict.fromkeys(DISPATCH, "gate 1 is RED")
        | dict.fromkeys(INBOUND | {topics.REDRIVE}, "gate 1 is RED without keys"),
    ),
    "no usable key, and why": (
        World(keys=FakeKeyState(keys={AUTH, PILOT}, ages={AUTH: 1.0}, faults={AGENT: "TimeoutError"})),
        {f"events.{AGENT}": f"no usable key of {AGENT} (TimeoutError)"},
    ),
    "keys that are too old": (
        World(keys=all_well(AUTH, PILOT)),
        {f"events.{AGENT}": f"no usable key of {AGENT} (the last sight is too old)"},
    ),
    "a record waits": (World(waiting={f"events.{AGENT}"}), {f"events.{AGENT}": "a record waits for a key"}),
    "and the memory of keys can't be read": (
        World(keys=replace(all_well(), read=False), waiting={f"events.{AGENT}"}),
        {f"events.{AGENT}": "a record waits for a key, keys not recalled"},
    ),
    "several things at once": (
        World(
            keys=replace(all_well(PILOT), faults={AGENT: "500"}), probe=Fresh(None, "no"), waiting={f"events.{AGENT}"}
        ),
        dict.fromkeys(DISPATCH, "gate 1 is RED")
        | {
            f"events.{AGENT}": f"gate 1 is RED without keys; no usable key of {AGENT} (500); a record waits for a key",
            f"events.{PILOT}": "gate 1 is RED without keys",
            topics.REDRIVE: "gate 1 is RED without keys",
        },
    ),
}


@pytest.mark.parametrize(("world", "why"), WHY_HELD.values(), ids=WHY_HELD)
def test_of_each_topic_it_is_said_why_it_is_held_and_since_when(world: World, why: dict[str, str]) -> None:
    """The reason is one of a closed set; what stands behind it is for people."""
    world.held()
    assert world.holds.texts() == {
        topic: [f"{GATE_RED}: {text}, since 1970-01-01T00:16:40Z"] for topic, text in why.items()
    }
    assert set(world.holds.count()) == {GATE_RED}


def test_a_hold_began_when_it_began_whatever_becomes_of_its_cause() -> None:
    world = World(keys=all_well(AUTH, PILOT))
    world.held()
    world.clock.now += 60
    world.keys.keys.add(AGENT)
    world.waiting.add(f"events.{AGENT}")
    world.held()
    (text,) = world.holds.texts()[f"events.{AGENT}"]
    assert text == f"{GATE_RED}: a record waits for a key, since 1970-01-01T00:16:40Z"
    world.waiting.clear()
    world.held()
    world.waiting.add(f"events.{AGENT}")
    world.held()
    (text,) = world.holds.texts()[f"events.{AGENT}"]
    assert text.endswith("since 1970-01-01T00:17:40Z"), "a new one"


Step = tuple[Fresh, float | None, bool]
"""The probe, the age of the auth service's keys, and whether they are usable."""


def logged_by(world: World, *steps: Step, every_s: float = 0.0) -> list[tuple[bool, str, bool]]:
    """What is logged on the way: colour, reason, and whether ingest is held."""
    with capture_logs() as logged:
        for probe, age, usable in steps:
            world.probe = probe
            world.keys.ages = {} if age is None else {AUTH: age}
            world.keys.keys = {AUTH, AGENT, PILOT} if usable else {AGENT, PILOT}
            world.clock.now += every_s
            world.state()
            world.gate.apply()
            world.gate.apply()
    assert {entry["event"] for entry in logged} <= {"gate1"}
    return [(entry["green"], entry["why"], entry["ingest_held"]) for entry in logged]


def test_each_change_of_colour_is_logged_once_whoever_looks_first() -> None:
    """Heartbeat, metrics and /canary ask for the state as well."""
    no, over = Fresh(None, "no"), Fresh(61.0, "no")
    steps = [(probe, 1.0, True) for probe in (no, WELL, WELL, over, WELL)]
    assert logged_by(World(), *steps) == [
        (False, "token: no", False),
        (True, "", False),
        (False, "token: no", False),
        (True, "", False),
    ]


def test_while_it_is_red_another_reason_is_logged_and_so_is_that_ingest_is_held() -> None:
    """A start with a secret that is refused, and then an outage of the key set: each is to be seen in the log."""
    blocked = Fresh(None, "blocked, pending gate 1: the token endpoint answered 401 (invalid_client)")
    assert logged_by(
        World(),
        (Fresh(None, "not asked yet"), None, False),
        (Fresh(None, "not asked yet"), 1.0, True),
        (blocked, 1.0, True),
        (blocked, 90.0, True),
        (blocked, 90.0, False),
    ) == [
        (False, "key set: did not work lately", True),
        (False, "token: not asked yet", False),
        (False, f"token: {blocked.fault}", False),
        (False, "key set: did not work lately", False),
        (False, "key set: did not work lately", True),
    ]


def test_a_detail_of_a_reason_that_was_logged_is_not_logged_again() -> None:
    steps = [(Fresh(None, f"can't be reached: {name}"), 1.0, True) for name in "abc"]
    assert logged_by(World(), *steps) == [(False, "token: can't be reached: a", False)]


def test_reasons_that_take_turns_do_not_flood_the_log() -> None:
    """Each is said again when a minute has gone by."""
    steps = [(Fresh(None, f"the token endpoint answered {503 - index % 2}"), 1.0, True) for index in range(60)]
    assert len(logged_by(World(), *steps, every_s=5.0)) <= 2 * (1 + 60 * 5 / SAID_FOR_S)
    assert len(logged_by(World(), *steps, every_s=5.0)) >= 4

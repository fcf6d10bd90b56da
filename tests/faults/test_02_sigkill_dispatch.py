"""Fault 2, to the provider: SIGKILL a worker in mid-stream, twenty times. None twice, none lost, few parked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from tests.faults.fates import Fates, assert_fates
from tests.faults.provider import Call
from tests.faults.scene import CONCURRENCY, ONE_KILL, PARTITIONS, Scene
from tests.faults.test_02_sigkill import FASTER
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.fault(2), pytest.mark.timeout(900)]
EVENTS = 2600
KILLS = 20
LATENCY_S = 0.8
"""So that a worker nearly always has calls running, and the messages last for all the kills."""
ENOUGH = 300
SCALED = {**FASTER, "SMTP_TIMEOUT": "2", "DRAIN_TIMEOUT": "2"}


def begun(calls: Sequence[Call], mark: int) -> bool:
    return len(calls) >= mark


def play(scene: Scene, composition: str, kills: int, events: int) -> Fates:
    """Two workers. The one that called last is killed, and replaced, when so many calls were begun."""
    scene.centre.extra.update(SCALED)
    messages = scene.fill(events)
    scene.provider.latency_s = LATENCY_S
    least, most = events // 10, events * 8 // 10
    marks = [least + (most - least) * n // kills + scene.rng.randrange((most - least) // kills) for n in range(kills)]
    for worker in [scene.worker(composition) for _ in range(2)]:
        worker.wait_ready()
    calls, places = scene.provider.calls, []
    for mark in marks:
        eventually(partial(begun, calls, mark), seconds=120, every=0.02, what=f"{mark} calls")
        scene.with_pid(calls[-1].pid).kill()
        places.append(round(100 * len(calls) / events))
        scene.worker(composition).wait_ready()
    scene.provider.latency_s = 0.05
    found = scene.all_ended(messages, 180)
    print(
        f"fault 2 ({composition}): {kills} kills at {places} % of the calls, {found.line()}; parked {found.parked} "
        f"of at most {kills * ONE_KILL} ({CONCURRENCY} calls x {PARTITIONS} partitions x {kills} kills)"
    )
    assert_fates(scene.centre, found, may_park=kills * ONE_KILL)
    assert found.calls.total() >= ENOUGH, "too few calls to mean anything"
    return found


def test_twenty_kills_send_nothing_twice_and_lose_nothing(scene: Scene) -> None:
    found = play(scene, "watched", KILLS, EVENTS)
    assert found.count("sent") + found.parked == EVENTS


def test_planted_an_unknown_outcome_that_is_sent_again_is_caught_by_the_oracle(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="handed to the provider twice") as caught:
        play(scene, "planted-resends-unknown", 2, 400)
    print(f"fault 2 (planted): red, {str(caught.value).splitlines()[0]}")

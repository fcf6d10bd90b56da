"""Fault 8, to the provider: a worker comes and goes in good order, again and again. Nothing twice, nothing parked."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from tests.faults.fates import assert_fates
from tests.faults.scene import Scene
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.fault(8), pytest.mark.timeout(600)]
EVENTS = 1600
TURNS = 4
STAY_S = 5.0
LATENCY_S = 0.5
ENOUGH = 300


def test_workers_that_come_and_go_hand_over_without_a_parked_message(scene: Scene) -> None:
    """Who gives a partition up waits for its calls, so the next owner finds no INTENT without an outcome."""
    events = scene.fill(EVENTS)
    scene.provider.latency_s = LATENCY_S
    stayer = scene.worker().wait_ready()
    eventually(lambda: len(scene.provider.calls) >= EVENTS // 10, seconds=60, every=0.02, what="a tenth")
    places = []
    for _ in range(TURNS):
        guest = scene.worker().wait_ready()
        places.append(round(100 * len(scene.provider.calls) / EVENTS))
        time.sleep(STAY_S + scene.rng.random() * 2)
        guest.terminate()
        assert guest.exit_code(20) == 0
        places.append(round(100 * len(scene.provider.calls) / EVENTS))
        time.sleep(STAY_S / 2 + scene.rng.random())
    scene.provider.latency_s = 0.02
    found = scene.all_ended(events)
    at = sorted(call.at for call in scene.provider.calls)
    stall = max(later - sooner for sooner, later in pairwise(at))
    print(f"fault 8 (dispatch): {TURNS} joins and leaves at {places} %, {found.line()}, longest stall {stall:.1f} s")
    assert_fates(scene.centre, found, may_park=0)
    assert found.calls.total() >= ENOUGH, "too few calls to mean anything"
    assert found.count("sent") == EVENTS
    assert stayer.process.running

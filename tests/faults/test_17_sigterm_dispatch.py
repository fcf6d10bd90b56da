"""Fault 17, in dispatch: SIGTERM while waiting to retry, and while held. Out in time, nothing lost."""

from __future__ import annotations

import time

import pytest

from tests.faults.fates import Fates, assert_accounted, assert_fates, assert_lawful
from tests.faults.provider import TAKEN, Answer
from tests.faults.scene import Scene
from tests.waiting import eventually
from tests.world import WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.fault(17), pytest.mark.timeout(240)]
EVENTS = 60
TIERS = {"RETRY_SCALE": "0.2"}
"""6 s, 60 s and 360 s."""
BOUND_S = 10.0


def leave(worker: WorkerProcess) -> float:
    """SIGTERM; how long it took to end in good order."""
    begun = time.monotonic()
    worker.terminate()
    assert worker.exit_code(15) == 0
    took = time.monotonic() - begun
    assert took < BOUND_S
    return took


def told(how: str, took: float, found: Fates) -> None:
    print(f"fault 17 ({how}): out after {took:.1f} s; {found.line()}")


def test_one_that_waits_to_retry_leaves_in_time_and_the_next_one_retries_when_due(scene: Scene) -> None:
    events = scene.fill(EVENTS)
    scene.provider.answer = lambda _call, nth: Answer(status=503) if nth == 1 else TAKEN
    worker = scene.worker(**TIERS).wait_ready()
    eventually(lambda: len({call.event_id for call in scene.provider.calls}) == EVENTS, what="each to have failed once")
    time.sleep(scene.rng.random())

    took = leave(worker)
    scene.worker(**TIERS)
    found = scene.all_ended(events)

    told("waiting to retry", took, found)
    assert_accounted(found)
    assert_lawful(scene.centre)
    assert found.count("sent") == EVENTS
    assert set(found.calls.values()) == {2}, "one call that failed, one that did not"


def test_one_that_is_held_leaves_in_time_and_nothing_is_begun(scene: Scene) -> None:
    events = scene.fill(EVENTS)
    worker = scene.worker("dispatch-held").wait_ready()
    time.sleep(1 + scene.rng.random())

    took = leave(worker)
    assert scene.provider.calls == []
    assert scene.centre.committed("dispatch.transactional") == {}, "something held was committed"
    scene.worker()
    found = scene.all_ended(events)

    told("held", took, found)
    assert_fates(scene.centre, found, may_park=0)

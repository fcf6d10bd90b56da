"""Fault 13: the kill switch is thrown with full buffers. A second later nobody calls, whoever restarts or joins."""

from __future__ import annotations

import time
from typing import Final

import pytest

from tests.faults.fates import assert_fates
from tests.faults.scene import Scene
from tests.faults.switch import LOOK_S, Operator, Throw, all_dispatch, assert_stopped, delays, throw, told
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.fault(13), pytest.mark.timeout(300)]
EVENTS: Final = 2000
THROWS: Final = 5
RUN_S: Final = 0.5
LATENCY_S: Final = 0.03
WORKERS: Final = ("a", "b", "c")
PATIENT: Final = {"DISPATCH_BEGIN_WITHIN": "20"}
"""So that not the time between INTENT and call is what stops it."""


def play(scene: Scene, composition: str) -> list[Throw]:
    """Throw and lift, again and again, with three workers that all dispatch."""
    scene.provider.latency_s = LATENCY_S
    for worker in [scene.worker(composition, name) for name in WORKERS]:
        worker.wait_ready()
    operator = Operator.of(scene.centre)
    throws = [throw(scene, operator, run_s=RUN_S) for _ in range(THROWS)]
    found = delays(scene.centre, list(scene.provider.calls), throws)
    print(f"fault 13 ({composition}): {told(found, throws)}")
    assert_stopped(found)
    return throws


def test_a_second_after_a_throw_nobody_calls_whoever_restarts_or_joins(scene: Scene) -> None:
    events = scene.fill(EVENTS)
    play(scene, "watched")
    all_dispatch(scene)
    operator, calls = Operator.of(scene.centre), scene.provider.calls
    operator.switch(on=True)
    time.sleep(LOOK_S)

    begun = len(calls)
    killed, ended, _ = (worker for worker in scene.centre.workers if worker.process.running)
    killed.kill()
    scene.worker(name=WORKERS[0]).wait_ready()
    ended.terminate()
    assert ended.exit_code(10) == 0
    scene.worker(name=WORKERS[1]).wait_ready()
    scene.worker(name="d").wait_ready()
    time.sleep(2 * LOOK_S)
    while_held = len(calls) - begun
    operator.switch(on=False)
    took = eventually(lambda: len(calls) > begun, every=0.01, what="a call after the release")
    found = scene.all_ended(events)

    print(
        f"fault 13: through a SIGKILL, a SIGTERM and a join {while_held} calls; the first {took:.2f} s after the "
        f"release, at {round(100 * begun / EVENTS)} %; {found.line()}"
    )
    assert begun < EVENTS, "nothing was left to hold"
    assert while_held == 0
    assert_fates(scene.centre, found, may_park=0)
    assert found.count("sent") == EVENTS


def test_planted_orders_that_are_read_seldom_are_caught_by_the_oracle(scene: Scene) -> None:
    scene.fill(EVENTS)
    with pytest.raises(AssertionError, match="calls went on") as caught:
        play(scene, "planted-reads-seldom")
    print(f"fault 13 (planted): red, {str(caught.value).splitlines()[0]}")


def claimed(scene: Scene, composition: str) -> None:
    """The switch comes when a batch is claimed and not begun, and is a second old when the batch goes on."""
    events = scene.fill(EVENTS // 10)
    scene.provider.latency_s = LATENCY_S
    point = scene.provider.checkpoint("claimed", scene.rng.randrange(4, 12))
    scene.worker(composition, **PATIENT).wait_ready()
    point.wait(60)
    operator = Operator.of(scene.centre)
    offset = operator.switch(on=True)
    time.sleep(LOOK_S)
    point.go.set()
    time.sleep(LOOK_S)
    thrown = Throw(offset=offset, until=time.monotonic(), rate=0)
    begun = sum(call.dispatch_id in point.ids for call in scene.provider.calls)
    operator.switch(on=False)
    found = scene.all_ended(events)

    print(f"fault 13 ({composition}): {len(point.ids)} claimed, {begun} begun while it was thrown; {found.line()}")
    assert_stopped(delays(scene.centre, list(scene.provider.calls), [thrown]))
    assert begun == 0
    assert_fates(scene.centre, found, may_park=0)


def test_what_was_claimed_before_the_throw_is_not_begun_after_it(scene: Scene) -> None:
    """The gate is asked again, right before the call; what surely did not begin is released, and sent later."""
    claimed(scene, "tells-of-claim")


def test_planted_a_gate_that_is_asked_once_is_caught_by_the_oracle(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="calls went on") as caught:
        claimed(scene, "planted-looks-once")
    print(f"fault 13 (planted): red, {str(caught.value).splitlines()[0]}")

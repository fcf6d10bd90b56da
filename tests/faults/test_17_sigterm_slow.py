"""Fault 17, where it takes time: calls that last, calls that never end, a worker that only begins, no broker."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Final

import pytest

from tests.faults.fates import Fates, assert_fates
from tests.faults.provider import TAKEN, Answer, Call
from tests.faults.proxy import BlackHoleProxy
from tests.faults.scene import ONE_KILL, Scene
from tests.waiting import eventually
from tests.world import WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.fault(17), pytest.mark.timeout(300)]
BOUND_S: Final = 10.0
LASTS_S: Final = 5.0
"""Longer than DRAIN_TIMEOUT, and within what SHUTDOWN_TIMEOUT leaves for calls."""
AT_ONCE_S: Final = 0.5
"""From SIGTERM until nothing is begun any more."""
EVENTS: Final = 90


def leave(worker: WorkerProcess) -> tuple[float, float]:
    """SIGTERM; when it was sent (monotonic), and how long the end took, which is in good order."""
    begun = time.monotonic()
    worker.terminate()
    code = worker.exit_code(20)
    took = time.monotonic() - begun
    assert code == 0, f"exit code {code} after {took:.1f} s: {worker.log.read_text('utf-8')[-600:]}"
    assert took < BOUND_S
    return begun, took


def assert_begins_nothing(calls: list[Call], told_at: float) -> float:
    """No call begins once it was told to end. Returns how long after that the last one began, in seconds."""
    late = max((call.begun - told_at for call in calls), default=0.0)
    assert late < AT_ONCE_S, f"a call began {late:.1f} s after SIGTERM"
    return max(late, 0.0)


def told(how: str, took: float, late: float, found: Fates) -> None:
    print(f"fault 17 ({how}): out after {took:.1f} s, last call begun {late:.2f} s after SIGTERM; {found.line()}")


def said_something(worker: WorkerProcess) -> bool:
    """Its first line: from then on it obeys the signal."""
    return worker.log.exists() and worker.log.stat().st_size > 0


def play_slow(scene: Scene, composition: str) -> None:
    events = scene.fill(EVENTS)
    scene.provider.latency_s = LASTS_S
    worker = scene.worker(composition).wait_ready()
    eventually(lambda: len(scene.provider.calls) >= ONE_KILL, every=0.02, what="calls that run in all partitions")
    time.sleep(scene.rng.random() * 0.5)

    told_at, took = leave(worker)
    calls = list(scene.provider.calls)
    late = assert_begins_nothing(calls, told_at)
    assert scene.fates(events).count("sent") == len(calls), "calls had begun that it did not wait for"
    scene.provider.latency_s = 0.05
    scene.worker()
    found = scene.all_ended(events)

    told(f"calls of {LASTS_S:g} s", took, late, found)
    assert_fates(scene.centre, found, may_park=0)
    assert found.count("sent") == EVENTS


def test_calls_that_last_are_waited_for_and_nothing_is_parked(scene: Scene) -> None:
    play_slow(scene, "watched")


def test_planted_a_worker_that_goes_on_when_it_is_told_to_end_is_caught_by_the_oracle(scene: Scene) -> None:
    with pytest.raises(AssertionError, match=r"after SIGTERM|exit code") as caught:
        play_slow(scene, "planted-goes-on")
    print(f"fault 17 (planted, goes on): red, {str(caught.value).splitlines()[0]}")


def test_of_calls_that_never_end_no_other_message_is_parked(scene: Scene) -> None:
    """The others of the same batch have their answers, and are settled by them before the worker is out."""
    events, forever = scene.fill(EVENTS), threading.Event()
    stuck = {event.event_id for event in scene.rng.sample(events, EVENTS // 9)}

    def answer(call: Call, _nth: int) -> Answer:
        if call.event_id in stuck:
            forever.wait(BOUND_S * 3)
        return TAKEN

    scene.provider.answer = answer
    worker = scene.worker().wait_ready()
    eventually(lambda: any(call.event_id in stuck for call in scene.provider.calls), every=0.02, what="one that hangs")
    time.sleep(1 + scene.rng.random())

    told_at, took = leave(worker)
    calls = list(scene.provider.calls)
    late, hung = assert_begins_nothing(calls, told_at), sum(call.event_id in stuck for call in calls)
    so_far = scene.fates(events)
    forever.set()
    scene.provider.answer = lambda _call, _nth: TAKEN
    scene.worker()
    found = scene.all_ended(events)

    told(f"{hung} of {len(calls)} calls never end", took, late, found)
    assert so_far.count("sent") == len(calls) - hung, "answers that were there were not settled"
    assert_fates(scene.centre, found, may_park=hung)
    assert found.parked == hung


def test_workers_that_are_told_to_end_while_they_begin_leave_in_time_and_park_nothing(scene: Scene) -> None:
    """At any moment from the first line on, each time with a rebalance for the one that works."""
    events = scene.fill(EVENTS * 4)
    scene.provider.latency_s = 0.5
    scene.worker().wait_ready()
    eventually(lambda: bool(scene.provider.calls), every=0.02, what="a first call")
    ends = []
    for turn in range(8):
        guest = scene.worker()
        guest.process.wait_until(partial(said_something, guest), 30)
        after = turn * 0.25 + scene.rng.random() * 0.25
        time.sleep(after)
        ends.append((after, leave(guest)[1]))
    scene.provider.latency_s = 0.02
    found = scene.all_ended(events)

    print(
        f"fault 17 (while they begin): out after at most {max(took for _, took in ends):.1f} s, told "
        f"{', '.join(f'{after:.1f}' for after, _ in ends)} s after the first line; {found.line()}"
    )
    assert_fates(scene.centre, found, may_park=0)


def test_calls_that_last_outlive_a_rebalance(scene: Scene) -> None:
    """Nothing presses whoever gives a partition up: a call may take its time, which is SMTP_TIMEOUT."""
    slow = {"SMTP_TIMEOUT": "8", "DISPATCH_MAX_POLL_INTERVAL": "20"}
    events = scene.fill(EVENTS // 2)
    scene.provider.latency_s = LASTS_S
    scene.worker(**slow).wait_ready()
    eventually(lambda: len(scene.provider.calls) >= ONE_KILL, every=0.02, what="calls that run in all partitions")
    guest = scene.worker(**slow)
    eventually(lambda: len({call.pid for call in scene.provider.calls}) == 2, seconds=60, what="a call of the second")
    _, took = leave(guest)
    scene.provider.latency_s = 0.05
    found = scene.all_ended(events)

    print(f"fault 17 (calls of {LASTS_S:g} s, one joins and leaves after {took:.1f} s): {found.line()}")
    assert_fates(scene.centre, found, may_park=0)


def test_without_a_broker_a_worker_still_leaves_in_time(proxy: BlackHoleProxy, scene: Scene) -> None:
    """What could not be written is as after a crash: calls that ran may be parked, and nothing is lost."""
    events = scene.fill(EVENTS)
    scene.provider.latency_s = 0.3
    worker, early = scene.worker().wait_ready(), scene.worker()
    eventually(lambda: len(scene.provider.calls) > EVENTS // 5, every=0.02, what="some calls")
    proxy.black_hole()
    time.sleep(scene.rng.random() * 2)
    ends = []
    for each in (worker, early):
        begun = time.monotonic()
        each.terminate()
        code = each.exit_code(20)
        ends.append((code, round(time.monotonic() - begun, 1)))
    proxy.heal()
    scene.worker()
    found = scene.all_ended(events)

    print(f"fault 17 (no broker): exit codes and seconds {ends}; {found.line()}")
    assert all(code in (0, 1) and took < BOUND_S for code, took in ends)
    assert_fates(scene.centre, found, may_park=ONE_KILL)

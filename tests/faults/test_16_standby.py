"""Fault 16: a standby idles for longer than its poll interval; then the active one is killed. It takes over."""

from __future__ import annotations

import time

import pytest

from tests.faults.fates import assert_fates
from tests.faults.scene import ONE_KILL, PARTITIONS, Scene
from tests.waiting import eventually
from tests.world import SHORT, WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.fault(16), pytest.mark.timeout(300)]
EVENTS = 300
INTERVAL_S = float(SHORT["DISPATCH_MAX_POLL_INTERVAL"])
SESSION_S = float(SHORT["KAFKA_SESSION_TIMEOUT"])
IDLE_S = 20.0


def idle(worker: WorkerProcess) -> bool:
    """Whether its last assignment of this category was none."""
    given = [line for line in worker.log.read_text("utf-8").splitlines() if "dispatch_assigned" in line]
    return '"partitions": []' in next(line for line in reversed(given) if '"transactional"' in line)


def test_a_standby_that_was_idle_for_long_takes_over(scene: Scene) -> None:
    """One worker more than there are partitions, so one has none."""
    for worker in [scene.worker() for _ in range(PARTITIONS + 1)]:
        worker.wait_ready()
    workers = scene.centre.workers
    eventually(lambda: sum(idle(worker) for worker in workers) == 1, what="one without a partition")
    time.sleep(IDLE_S + scene.rng.random())
    (standby,) = [worker for worker in workers if idle(worker)]
    active = [worker for worker in workers if worker is not standby]
    scene.provider.latency_s = 0.3
    events = scene.centre.events_to_many(EVENTS)
    scene.centre.produce(events)
    calls = scene.provider.calls
    eventually(lambda: len(calls) > EVENTS // 5, every=0.01, what="the active ones to be at work")
    place = round(100 * len(calls) / EVENTS)
    assert not any(call.pid == standby.process.pid for call in calls), "the standby was not idle"
    for worker in active:
        worker.kill()

    took = eventually(lambda: calls[-1].pid == standby.process.pid, seconds=60, what="a call of the standby")
    found = scene.all_ended(events)
    print(
        f"fault 16: idle for {IDLE_S:g} s (poll interval {INTERVAL_S:g} s), {len(active)} active killed at {place} %, "
        f"the standby calls {took:.1f} s later (session timeout {SESSION_S:g} s); {found.line()}"
    )
    assert_fates(scene.centre, found, may_park=ONE_KILL)
    assert found.count("sent") + found.parked == EVENTS

"""Fault 15: dispatch held for longer than its poll interval, and a call that takes longer. Membership is kept."""

from __future__ import annotations

import signal
import time

import pytest
from confluent_kafka.admin import AdminClient

from tests.faults.fates import assert_fates
from tests.faults.scene import Scene
from tests.waiting import eventually
from tests.world import SHORT, WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.fault(15), pytest.mark.timeout(300)]
EVENTS = 400
INTERVAL_S = float(SHORT["DISPATCH_MAX_POLL_INTERVAL"])
HELD_S = 20.0


def members(scene: Scene) -> set[str]:
    """The members of the dispatchers' group."""
    group = f"{scene.centre.prefix}comcenter.dispatch.transactional"
    admin = AdminClient({"bootstrap.servers": scene.centre.bootstrap})
    return {str(member.member_id) for member in admin.describe_consumer_groups([group])[group].result(20).members}


def assignments(worker: WorkerProcess) -> int:
    """How often this worker was given partitions."""
    return worker.log.read_text("utf-8").count("dispatch_assigned")


def test_held_dispatch_keeps_its_membership_and_drains_when_let_go(scene: Scene) -> None:
    events = scene.fill(EVENTS)
    worker = scene.worker("dispatch-held").wait_ready()
    before, given = members(scene), assignments(worker)
    time.sleep(HELD_S + scene.rng.random())
    assert scene.provider.calls == []
    assert worker.get("/readyz")[0] == 200, "held is ready"
    kept = members(scene) == before and assignments(worker) == given
    worker.process.send(signal.SIGUSR1)
    first = eventually(lambda: bool(scene.provider.calls), every=0.02, what="a first call")

    found = scene.all_ended(events)
    print(
        f"fault 15 (held): {HELD_S:g} s held, poll interval {INTERVAL_S:g} s, membership {'kept' if kept else 'lost'}, "
        f"first call {first:.2f} s after; {found.line()}"
    )
    assert len(before) == 1
    assert kept
    assert_fates(scene.centre, found, may_park=0)


def test_a_call_that_outlasts_the_poll_interval_costs_no_membership(scene: Scene) -> None:
    """The provider keeps its answers back; the dispatcher polls all the while."""
    events = scene.fill(EVENTS)
    worker = scene.worker().wait_ready()
    eventually(lambda: len(scene.provider.calls) > EVENTS // 5, every=0.01, what="some calls")
    before, given = members(scene), assignments(worker)
    scene.provider.hold()
    eventually(lambda: bool(scene.provider.held), every=0.01, what="a call whose answer is kept back")
    time.sleep(INTERVAL_S * 2 + scene.rng.random())
    kept = members(scene) == before and assignments(worker) == given
    scene.provider.let_go()

    found = scene.all_ended(events)
    print(f"fault 15 (slow answer): {INTERVAL_S * 2:g} s, membership {'kept' if kept else 'lost'}; {found.line()}")
    assert kept
    assert_fates(scene.centre, found, may_park=0)

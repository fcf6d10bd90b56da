"""Fault 13 under load: three workers, the cap off, a backlog in front of every stage, fifty throws."""

from __future__ import annotations

import time
from typing import Final

import pytest

from streams import topics
from tests.faults.fates import assert_fates
from tests.faults.scene import Scene
from tests.faults.switch import LOOK_S, Operator, assert_stopped, delays, throw, told
from tests.integration.test_end_to_end import comcenter
from tests.waiting import eventually
from tests.world import INBOUND

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.fault(13), pytest.mark.timeout(1500)]
BACKLOG: Final = 10_000
"""Messages that wait for dispatch, at every throw."""
WAITING: Final = 20_000
"""Those that wait at the beginning: some are sent between the throws."""
INBOUND_EVENTS: Final = 60_000
"""More than three workers ingest while the switch is thrown fifty times."""
THROWS: Final = 50
RUN_S: Final = 0.4
LEAST_RATE: Final = 50
LATENCY_S: Final = 0.02


def behind(scene: Scene) -> tuple[int, int]:
    """Records that wait for ingest, and messages that wait for dispatch."""
    centre = scene.centre
    ingested, dispatched = centre.committed(), centre.committed("dispatch.transactional")
    waiting = [
        sum(centre.ends(topic).values()) - sum(offset for (name, _), offset in done.items() if name == topic)
        for topic, done in ((INBOUND, ingested), (topics.DISPATCH_TRANSACTIONAL, dispatched))
    ]
    return waiting[0], waiting[1]


def test_fifty_throws_under_load_each_stop_every_call_within_a_second(scene: Scene) -> None:
    """In the end the switch is thrown once more, who is there restarts, and what is left is dropped."""
    centre, calls = scene.centre, scene.provider.calls
    scene.provider.latency_s = LATENCY_S
    arriving = centre.events_to_many(INBOUND_EVENTS)
    events = [*scene.fill(WAITING), *arriving]
    workers = [scene.worker(name=name) for name in ("a", "b", "c")]
    for worker in workers:
        worker.wait_ready()
    centre.produce(arriving)
    operator = Operator.of(centre)

    throws, backlogs = [], []
    for number in range(THROWS):
        if number % 10 == 0:
            backlogs.append(behind(scene))
        throws.append(throw(scene, operator, run_s=RUN_S))
    backlogs.append(behind(scene))
    found = delays(centre, list(calls), throws)
    by_worker = {worker.process.pid: sum(call.pid == worker.process.pid for call in calls) for worker in workers}
    print(f"fault 13 (load): {told(found, throws)}; calls by worker {sorted(by_worker.values())}")
    print(f"fault 13 (load): waiting for ingest and for dispatch, every ten throws: {backlogs}")

    operator.switch(on=True)
    time.sleep(LOOK_S)
    begun = len(calls)
    workers[0].kill()
    for worker in (scene.worker(name="a"), scene.worker(name="d")):
        worker.wait_ready()
    eventually(lambda: behind(scene)[0] == 0, seconds=300, every=5, what="all to be ingested")
    eventually(lambda: scene.waiting() >= len(events), seconds=300, every=5, what="all to be rendered")
    while_held = len(calls) - begun
    dropped = comcenter(centre, "release", "all", "--drop", "--yes", "--reason", "the end of a fault")
    ended = scene.all_ended(events, seconds=400)

    print(f"fault 13 (load): {while_held} calls through a SIGKILL and two that join; {ended.line()}")
    assert_stopped(found)
    assert min(wait for wait, _ in backlogs) > 0, "ingest had nothing to do"
    assert min(wait for _, wait in backlogs) >= BACKLOG
    assert min(one.rate for one in throws) >= LEAST_RATE
    assert while_held == 0
    assert dropped.returncode == 0, dropped.stdout
    assert_fates(centre, ended, may_park=0)
    assert ended.count("sent") == begun

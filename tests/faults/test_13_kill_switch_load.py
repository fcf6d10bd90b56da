"""Fault 13 under load: three workers, the cap off, a backlog in front of every stage, fifty throws."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pytest

from streams import topics
from tests.faults.fates import assert_fates
from tests.faults.scene import Scene
from tests.faults.switch import LOOK_S, Operator, assert_stopped, delays, throw, told
from tests.integration.test_end_to_end import comcenter
from tests.waiting import eventually
from tests.world import INBOUND, Centre, Outgoing

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.fault(13), pytest.mark.timeout(1500)]
BACKLOG: Final = 10_000
"""Messages that wait for dispatch, at every throw."""
WAITING: Final = 20_000
"""Those that wait at the beginning: some are sent between the throws."""
ARRIVE: Final = 60_000
"""Events that come in while the switch is thrown."""
AGAIN: Final = 30_000
"""So many of them come again, signed anew, whenever fewer than `ENOUGH` wait."""
ENOUGH: Final = 40_000
THROWS: Final = 50
LOOK_EVERY: Final = 5
RUN_S: Final = 2.0
LEAST_RATE: Final = 50
LATENCY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Behind:
    """Records that wait for each stage, copies among them."""

    ingest: int
    render: int
    dispatch: int


def behind(centre: Centre) -> Behind:
    """As the groups have committed."""
    done = {**centre.committed("dispatch.transactional"), **centre.committed()}
    return Behind(
        *(
            sum(centre.ends(topic).values()) - sum(offset for (name, _), offset in done.items() if name == topic)
            for topic in (INBOUND, topics.RENDER, topics.DISPATCH_TRANSACTIONAL)
        )
    )


def arrive(centre: Centre, names: Iterable[int]) -> list[Outgoing]:
    """Events by number, signed now; the same number is the same event."""
    events = [centre.to(f"arriving-{name}", f"arriving-{name}") for name in names]
    centre.produce(events)
    return events


def keep_busy(centre: Centre) -> Behind:
    """How far behind each stage is; and have more come, if ingest is about to have nothing to do."""
    found = behind(centre)
    if found.ingest < ENOUGH:
        arrive(centre, range(AGAIN))
    return found


def test_fifty_throws_under_load_each_stop_every_call_within_a_second(scene: Scene) -> None:
    """In the end the switch is thrown once more, who is there restarts, and what is left is dropped."""
    centre, calls = scene.centre, scene.provider.calls
    scene.provider.latency_s = LATENCY_S
    events = scene.fill(WAITING)
    workers = [scene.worker(name=name) for name in ("a", "b", "c")]
    for worker in workers:
        worker.wait_ready()
    events += arrive(centre, range(ARRIVE))
    operator = Operator.of(centre)

    throws, backlogs = [], []
    for number in range(THROWS):
        if number % LOOK_EVERY == 0:
            backlogs.append(keep_busy(centre))
        throws.append(throw(scene, operator, run_s=RUN_S))
    backlogs.append(behind(centre))
    found = delays(centre, list(calls), throws)
    by_worker = {worker.process.pid: sum(call.pid == worker.process.pid for call in calls) for worker in workers}
    print(f"fault 13 (load): {told(found, throws)}; calls by worker {sorted(by_worker.values())}")
    print(
        f"fault 13 (load): every {LOOK_EVERY} throws waited, for ingest {[one.ingest for one in backlogs]}, "
        f"for dispatch {[one.dispatch for one in backlogs]}"
    )

    operator.switch(on=True)
    time.sleep(LOOK_S)
    begun = len(calls)
    workers[0].kill()
    for worker in (scene.worker(name="a"), scene.worker(name="d")):
        worker.wait_ready()
    eventually(
        lambda: (now := behind(centre)).ingest == now.render == 0, seconds=400, every=5, what="all to be rendered"
    )
    while_held = len(calls) - begun
    dropped = comcenter(centre, "release", "all", "--drop", "--yes", "--reason", "the end of a fault")
    ended = scene.all_ended(events, seconds=400)

    print(f"fault 13 (load): {while_held} calls through a SIGKILL and two that join; {ended.line()}")
    assert_stopped(found)
    assert min(one.ingest for one in backlogs) > 0, "ingest had nothing to do"
    assert min(one.dispatch for one in backlogs) >= BACKLOG
    assert min(one.rate for one in throws) >= LEAST_RATE
    assert while_held == 0
    assert dropped.returncode == 0, dropped.stdout
    assert_fates(centre, ended, may_park=0)
    assert ended.count("sent") == begun

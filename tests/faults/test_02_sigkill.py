"""Fault 2: SIGKILL a worker in mid-stream, twenty times. Every event is accounted for, to the render topic."""

from __future__ import annotations

import random
import re
import time

import pytest

from tests.faults.oracle import Account, account, assert_commit_rule, assert_no_loss
from tests.waiting import eventually
from tests.world import Centre, WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.fault(2), pytest.mark.timeout(600)]
BURST = 300
KILLS = 20
FASTER = {
    "KAFKA_SESSION_TIMEOUT": "3",
    "KAFKA_HEARTBEAT_INTERVAL": "0.8",
    "KAFKA_REBALANCE_TIMEOUT": "3",
    "DISPATCH_MAX_POLL_INTERVAL": "3",
}


def processed(worker: WorkerProcess) -> float:
    """Events that this worker has taken, by its own metric."""
    found = re.findall(rb"^comcenter_events_total\{[^}]*\} ([0-9.e+]+)$", worker.get("/metrics")[2], re.MULTILINE)
    return sum(float(value) for value in found)


def play(centre: Centre, rng: random.Random, composition: str, kills: int) -> Account:
    centre.extra = FASTER
    bursts = [centre.events(BURST) for _ in range(kills + 6)]
    ids = [event.event_id for burst in bursts for event in burst]
    workers = [centre.worker(composition).wait_ready() for _ in range(2)]
    centre.produce(bursts.pop())
    centre.produce(bursts.pop())
    fed, places = 2 * BURST, []
    for _ in range(kills):
        victim = rng.choice(workers)
        trickle = rng.random() * 0.4
        centre.produce(bursts.pop())
        fed += BURST
        eventually(lambda victim=victim: processed(victim) > 0, seconds=40, what="the victim to be at work")  # type: ignore[misc]
        time.sleep(trickle)
        victim.kill()
        places.append(round(100 * fed / len(ids)))
        assert_commit_rule(centre)
        workers[workers.index(victim)] = centre.worker(composition)
        centre.workers[-1].wait_ready()
    while bursts:
        centre.produce(bursts.pop())
    quiet = time.monotonic() + 90
    found = account(centre, ids)
    while found.missing and time.monotonic() < quiet:
        time.sleep(1)
        found = account(centre, ids)
    print(f"fault 2 ({composition}): {kills} kills at {places} % of the run, {found.line()}")
    assert_no_loss(found)
    print(f"fault 2 ({composition}): {assert_commit_rule(centre)} records below the commit, none unresolved")
    return found


def test_twenty_kills_lose_nothing(centre: Centre, rng: random.Random) -> None:
    found = play(centre, rng, "", KILLS)
    assert found.rendered == found.produced == (KILLS + 6) * BURST
    assert found.dead_letters == 0


def test_planted_acks_before_confirmation_are_caught_by_the_oracle(centre: Centre, rng: random.Random) -> None:
    """The commit runs ahead of outputs that die with the process."""
    with pytest.raises(AssertionError, match=r"commit passed|lost") as caught:
        play(centre, rng, "planted-acks-first", 4)
    print(f"fault 2 (planted): red, {str(caught.value).splitlines()[0]}")

"""Fault 9: the broker goes away and comes back. `/readyz` says so meanwhile, and the worker recovers by itself."""

from __future__ import annotations

import random
import time

import pytest

from tests.brokers.kafka import KafkaBroker
from tests.faults.oracle import account, assert_commit_rule, assert_no_loss
from tests.waiting import eventually
from tests.world import Centre

pytestmark = [pytest.mark.faults, pytest.mark.fault(9), pytest.mark.timeout(300)]
AWAY_S = 20.0
"""A third of the minute that an outage is expected to last; PUBLISH_TIMEOUT stays at its 120 s."""


def test_a_worker_outlives_a_broker_that_goes_away_and_comes_back(
    centre: Centre, kafka_process: KafkaBroker, rng: random.Random
) -> None:
    events = centre.events(2000)
    ids = [event.event_id for event in events]
    worker = centre.worker("slow").wait_ready()
    centre.produce(events)
    time.sleep(1 + rng.random())

    kafka_process.kill()
    unready = eventually(lambda: worker.get("/readyz")[0] == 503, seconds=15, what="/readyz to fail")
    time.sleep(AWAY_S)
    assert worker.process.running, "the worker gave up within its patience"
    kafka_process.restart()

    ready = eventually(lambda: worker.get("/readyz")[0] == 200, seconds=60, what="/readyz to recover")
    eventually(lambda: not account(centre, ids).missing, seconds=90, every=1, what="the rest to be done")
    found = account(centre, ids)
    print(f"fault 9: /readyz failed after {unready:.1f} s, back {ready:.1f} s after the broker; {found.line()}")
    assert_no_loss(found)
    assert_commit_rule(centre)
    assert worker.process.running

"""Fault 9, in dispatch: the broker goes away in mid-transaction, and comes back. Nothing twice, nothing lost."""

from __future__ import annotations

import time

import pytest

from tests.brokers.kafka import KafkaBroker
from tests.faults.fates import assert_fates
from tests.faults.scene import ONE_KILL, Scene
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.fault(9), pytest.mark.timeout(400)]
EVENTS = 400
FACTOR = 3
AWAY_S = 60 / FACTOR
SCALED = {"PUBLISH_TIMEOUT": str(120 / FACTOR), "LEDGER_TIMEOUT": str(20 / FACTOR)}


def test_an_owner_outlives_a_broker_that_goes_away_and_comes_back(scene: Scene, kafka_process: KafkaBroker) -> None:
    """All durations are a third; the outage is longer than the broker's time for one step of a transaction."""
    events = scene.fill(EVENTS)
    scene.provider.latency_s = 0.3
    worker = scene.worker(**SCALED).wait_ready()
    begun = scene.rng.randrange(EVENTS // 10, EVENTS // 2)
    eventually(lambda: len(scene.provider.calls) >= begun, seconds=60, every=0.01, what="some calls")

    kafka_process.kill()
    time.sleep(2)
    place = len(scene.provider.calls)
    unready = eventually(lambda: worker.get("/readyz")[0] == 503, seconds=15, what="/readyz to fail")
    time.sleep(AWAY_S - 2)
    assert worker.process.running, "the worker gave up within its patience"
    blind = len(scene.provider.calls) - place
    kafka_process.restart()

    ready = eventually(lambda: worker.get("/readyz")[0] == 200, seconds=60, what="/readyz to recover")
    found = scene.all_ended(events)
    print(
        f"fault 9 (dispatch, durations / {FACTOR}): {AWAY_S:g} s away at {round(100 * place / EVENTS)} %, /readyz "
        f"failed after {unready:.1f} s and is back {ready:.1f} s after the broker; calls begun without it {blind}; "
        f"{found.line()}"
    )
    assert blind == 0, "calls were begun whose INTENT nobody could write"
    assert_fates(scene.centre, found, may_park=ONE_KILL)
    assert worker.process.running

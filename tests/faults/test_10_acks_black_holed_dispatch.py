"""Fault 10, in dispatch: the ledger's acknowledgements are black-holed. No blind call; a bounded wait; exit 1."""

from __future__ import annotations

import time

import pytest

from tests.faults.fates import assert_fates
from tests.faults.proxy import PRODUCE, BlackHoleProxy
from tests.faults.scene import ONE_KILL, Scene
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.fault(10), pytest.mark.timeout(300)]
EVENTS = 300
LEDGER_S = 2.0
"""A tenth of LEDGER_TIMEOUT."""
BOUND_S = 40.0
"""A few attempts, each with its end."""


def test_without_the_ledgers_acknowledgements_nothing_is_begun_and_the_process_ends(
    scene: Scene, proxy: BlackHoleProxy
) -> None:
    events = scene.fill(EVENTS)
    scene.provider.latency_s = 0.2
    worker = scene.worker(LEDGER_TIMEOUT=str(LEDGER_S)).wait_ready()
    begun = scene.rng.randrange(EVENTS // 10, EVENTS // 2)
    eventually(lambda: len(scene.provider.calls) >= begun, seconds=60, every=0.01, what="some calls")

    proxy.drop_responses({PRODUCE})
    hole = time.monotonic()
    code = worker.exit_code(90)
    took = time.monotonic() - hole
    blind = sum(call.at > hole + 1 for call in scene.provider.calls)
    place = round(100 * len(scene.provider.calls) / EVENTS)
    proxy.heal()
    scene.worker()
    found = scene.all_ended(events)
    print(
        f"fault 10 (dispatch): at {place} %, exit {code} after {took:.1f} s (LEDGER_TIMEOUT {LEDGER_S:g} s), calls "
        f"begun blindly {blind}; afterwards {found.line()}"
    )
    assert code == 1, f"exit code {code}"
    assert took < BOUND_S
    assert blind == 0, "calls were begun whose INTENT nobody confirmed"
    assert_fates(scene.centre, found, may_park=ONE_KILL)

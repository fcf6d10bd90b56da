"""Fault 7, unscaled: one worker under a cap of 60 a minute, for five minutes by the clock."""

from __future__ import annotations

import time
from typing import Final

import pytest

from tests.faults.rate import WINDOW_S, Pace, assert_cap, used
from tests.faults.scene import Scene
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.fault(7), pytest.mark.timeout(900)]
PACE: Final = Pace(factor=1, cap=60)
MINUTES: Final = 5
EVENTS: Final = 500
LEAST_USED: Final = 0.9


def test_sixty_a_minute_are_used_and_never_exceeded(scene: Scene) -> None:
    """Nothing is divided."""
    scene.centre.extra.update(PACE.environment())
    scene.fill(EVENTS)
    scene.worker().wait_ready()
    eventually(lambda: bool(scene.provider.calls), every=0.01, what="a first call")
    begun = time.monotonic()
    time.sleep(MINUTES * WINDOW_S + 2 * MINUTES)

    calls = list(scene.provider.calls)
    most, use = assert_cap(calls, PACE), used(calls, [(begun, time.monotonic())], PACE)
    print(
        f"fault 7 (unscaled): {len(calls)} calls in {time.monotonic() - begun:.0f} s, at most {most} in any "
        f"{WINDOW_S:g} s (cap {PACE.cap}), used {use.calls} of {use.units} ({use.share:.1%} of cap x 60/62)"
    )
    assert use.spans == MINUTES
    assert use.share >= LEAST_USED

"""Fault 3: SIGKILL after INTENT, before the call. Parked, or proven unsent; never sent blindly."""

from __future__ import annotations

import pytest

from tests.faults.fates import PARKED, assert_fates
from tests.faults.scene import ONE_KILL, Scene

pytestmark = [pytest.mark.faults, pytest.mark.fault(3), pytest.mark.timeout(300)]
EVENTS = 240
KILLS = 3


def play(scene: Scene, composition: str, kills: int) -> None:
    events, places = scene.fill(EVENTS), []
    stopped: set[str] = set()
    for _ in range(kills):
        point = scene.provider.checkpoint("intent", scene.rng.randrange(6, 14))
        victim = scene.worker(composition)
        point.wait(60)
        uncalled = set(point.ids) - {call.dispatch_id for call in scene.provider.calls}
        assert uncalled == set(point.ids), "the calls were begun already"
        victim.kill()
        stopped |= uncalled
        places.append(round(100 * len(scene.provider.calls) / EVENTS))
    scene.worker()
    found = scene.all_ended(events)
    called = stopped & {call.dispatch_id for call in scene.provider.calls}
    print(
        f"fault 3 ({composition}): {kills} kills between INTENT and call at {places} %, {found.line()}; "
        f"of {len(stopped)} stopped there {len(called)} were called; {PARKED} {found.parked} of at most "
        f"{kills * ONE_KILL}"
    )
    assert_fates(scene.centre, found, may_park=kills * ONE_KILL)
    assert not called, f"{len(called)} were sent blindly"
    assert found.parked >= len(stopped), "what was stopped there is not parked"
    assert found.count("sent") + found.parked == EVENTS


def test_what_was_claimed_and_not_called_is_parked_and_never_sent(scene: Scene) -> None:
    play(scene, "tells-of-intent", KILLS)


def test_planted_a_message_settled_before_its_call_is_caught_by_the_oracle(scene: Scene) -> None:
    """Its receipt says sent, and nobody ever called the provider."""
    with pytest.raises(AssertionError, match="say sent where the provider was never called") as caught:
        play(scene, "planted-settles-first", 1)
    print(f"fault 3 (planted): red, {str(caught.value).splitlines()[0]}")

"""Fault 4: SIGKILL after the provider's OK, before SENT. One delivery: proven sent, or parked."""

from __future__ import annotations

import pytest

from tests.faults.fates import PARKED, assert_fates
from tests.faults.scene import ONE_KILL, Scene
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.fault(4), pytest.mark.timeout(300)]
EVENTS = 240
KILLS = 2


def killed_with_the_answer(scene: Scene, events: int) -> set[str]:
    """The worker has the OK. Returns the messages whose OK nobody wrote down."""
    point = scene.provider.checkpoint("answer", scene.rng.randrange(events // 10, events // 3))
    victim = scene.worker("tells-of-answer")
    point.wait(60)
    victim.kill()
    return set(point.ids)


def killed_before_the_answer(scene: Scene, events: int) -> set[str]:
    """The provider took the call, and its OK never arrived."""
    begun, more = len(scene.provider.calls), scene.rng.randrange(events // 10, events // 3)
    victim = scene.worker()
    eventually(lambda: len(scene.provider.calls) >= begun + more, seconds=60, every=0.01, what="some calls")
    scene.provider.hold()
    eventually(lambda: bool(scene.provider.held), seconds=20, every=0.01, what="a call whose answer is held")
    victim.kill()
    taken = {call.dispatch_id for call in scene.provider.held}
    scene.provider.let_go()
    return taken


def play(scene: Scene, composition: str) -> None:
    events, places = scene.fill(EVENTS), []
    taken: set[str] = set()
    for kill in (killed_with_the_answer, killed_before_the_answer):
        taken |= kill(scene, EVENTS)
        places.append(round(100 * len(scene.provider.calls) / EVENTS))
    scene.worker(composition)
    found = scene.all_ended(events)
    print(
        f"fault 4 ({composition}): kills between OK and SENT at {places} %, {found.line()}; {len(taken)} had their OK "
        f"or were about to; {PARKED} {found.parked} of at most {KILLS * ONE_KILL}"
    )
    assert_fates(scene.centre, found, may_park=KILLS * ONE_KILL)
    assert found.parked >= len(taken), "what the provider took is not parked"
    assert found.count("sent") + found.parked == EVENTS


def test_what_the_provider_took_and_nobody_wrote_down_is_parked(scene: Scene) -> None:
    play(scene, "watched")


def test_planted_an_unknown_outcome_that_is_sent_again_is_caught_by_the_oracle(scene: Scene) -> None:
    with pytest.raises(AssertionError, match="handed to the provider twice") as caught:
        play(scene, "planted-resends-unknown")
    print(f"fault 4 (planted): red, {str(caught.value).splitlines()[0]}")

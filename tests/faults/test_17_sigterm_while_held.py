"""Fault 17: SIGTERM while a topic is held. It exits within ten seconds, and nothing is lost."""

from __future__ import annotations

import random
import signal
import time

import pytest

from streams import topics
from tests.faults.oracle import account, assert_no_loss
from tests.waiting import eventually
from tests.world import INBOUND, Centre

pytestmark = [pytest.mark.faults, pytest.mark.fault(17), pytest.mark.timeout(180)]


def play(centre: Centre, rng: random.Random, composition: str) -> None:
    events = centre.events(rng.randrange(200, 400))
    ids = [event.event_id for event in events]
    worker = centre.worker(composition).wait_ready()
    centre.produce(events)
    time.sleep(rng.random() * 2 + 1)
    assert centre.ids(topics.RENDER) == [], "a held topic was read"
    assert worker.get("/readyz")[0] == 200, "held is ready"

    begun = time.monotonic()
    worker.terminate()
    code = worker.exit_code(15)
    took = time.monotonic() - begun

    print(f"fault 17 ({composition}): exit {code} after {took:.1f} s")
    assert code == 0, f"exit code {code}"
    assert took < 10
    assert not [place for place in centre.committed() if place[0] == INBOUND], "something held was committed"
    second = centre.worker("held").wait_ready()
    second.process.send(signal.SIGUSR1)
    eventually(lambda: not account(centre, ids).missing, seconds=40, every=0.5, what="the backlog to drain")
    found = account(centre, ids)
    print(f"fault 17 ({composition}): released, {found.line()}")
    assert_no_loss(found)
    assert found.copies == 0


def test_a_held_worker_ends_in_time_and_loses_nothing(centre: Centre, rng: random.Random) -> None:
    play(centre, rng, "held")


def test_planted_an_end_that_waits_for_ever_is_caught_by_the_oracle(centre: Centre, rng: random.Random) -> None:
    with pytest.raises(AssertionError, match="exit code") as caught:
        play(centre, rng, "planted-endless-drain-held")
    print(f"fault 17 (planted): red, {str(caught.value).splitlines()[0]}")

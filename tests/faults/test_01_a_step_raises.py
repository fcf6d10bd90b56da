"""Fault 1: a step raises on record k. It is dead-lettered once as internal_error; the others go on; the agent lives."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from streams import topics
from tests.faults.oracle import Account, account, assert_commit_rule, assert_no_loss
from tests.faults.worker import FAULTY
from tests.waiting import eventually
from tests.world import Centre

pytestmark = [pytest.mark.faults, pytest.mark.fault(1), pytest.mark.timeout(180)]
EVENTS = 300


def play(centre: Centre, rng: random.Random, composition: str) -> Account:
    k = rng.randrange(EVENTS // 10, EVENTS * 9 // 10)
    worker = centre.worker(composition, WATCHDOG_AFTER="6").wait_ready()
    events = centre.events(EVENTS)
    events[k] = replace(events[k], headers=((FAULTY, b"1"),))

    centre.produce(events)

    ids = [event.event_id for event in events]
    eventually(
        lambda: not worker.process.running or not account(centre, ids).missing, seconds=40, every=0.5, what="an end"
    )
    found = account(centre, ids)
    print(f"fault 1 ({composition}): k = {k}, {found.line()}")
    assert_no_loss(found)
    assert worker.process.running, "the worker ended"
    letters = [letter for letter in centre.read(topics.DEAD_LETTER) if (FAULTY, b"1") in letter.headers]
    assert [dict(letter.headers)["dlq.reason"] for letter in letters] == [b"internal_error"]
    assert found.dead_letters == 1
    after = centre.events(3)
    centre.produce(after)
    eventually(lambda: not account(centre, [event.event_id for event in after]).missing, what="the agent to go on")
    return found


def test_a_step_that_raises_costs_one_dead_letter(centre: Centre, rng: random.Random) -> None:
    play(centre, rng, "raises")


def test_planted_an_exception_that_leaves_the_agent_is_caught_by_the_oracle(centre: Centre, rng: random.Random) -> None:
    """Faust would restart the agent behind record k; instead the worker ends, with nothing acked beyond it."""
    with pytest.raises(AssertionError, match=r"lost|ended") as caught:
        play(centre, rng, "planted-uncaught")
    print(f"fault 1 (planted): red, {str(caught.value).splitlines()[0]}")
    assert centre.workers[0].exit_code(20) == 1
    assert_commit_rule(centre)


def test_planted_a_worker_that_no_longer_reads_is_ended_by_the_watchdog(centre: Centre, rng: random.Random) -> None:
    """Heartbeats go on, records wait, nothing moves: exit 1, so that others get the partitions."""
    worker = centre.worker("planted-deaf", WATCHDOG_AFTER="3").wait_ready()
    centre.produce(centre.events(rng.randrange(10, 50)))
    code = worker.exit_code(30)
    print(f"watchdog: exit {code}")
    assert code == 1
    assert "nothing has moved" in worker.log.read_text()

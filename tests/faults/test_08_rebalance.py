"""Fault 8: a worker joins and leaves again and again, in the middle of full batches. No record is skipped."""

from __future__ import annotations

import random
import time

import pytest

from streams import topics
from tests.faults.oracle import Account, account, assert_commit_rule, assert_no_loss, longest_stall
from tests.waiting import eventually
from tests.world import INBOUND, SHORT, Centre

pytestmark = [pytest.mark.faults, pytest.mark.fault(8), pytest.mark.timeout(600)]
EVENTS = 16_000
STAY_S = 5.0
TURNS = 4
REBALANCE_S = float(SHORT["KAFKA_REBALANCE_TIMEOUT"])


def play(centre: Centre, rng: random.Random, composition: str, turns: int) -> Account:
    events = centre.events(EVENTS)
    ids = [event.event_id for event in events]
    centre.produce(events)  # the whole backlog at once: batches are full whenever a worker comes or goes
    stayer = centre.worker(composition).wait_ready()
    places = []
    for _ in range(turns):
        guest = centre.worker(composition).wait_ready()
        time.sleep(STAY_S + rng.random() * 2)
        places.append(round(100 * sum(o for (t, _), o in centre.committed().items() if t == INBOUND) / EVENTS))
        guest.terminate()
        assert guest.exit_code(15) == 0
        time.sleep(STAY_S / 2 + rng.random())
    try:
        eventually(lambda: all_committed(centre), seconds=120, every=1, what="everything to be committed")
    except AssertionError:
        print(f"fault 8 ({composition}): stuck; {account(centre, ids).line()}")
    found = account(centre, ids)
    stall = longest_stall(centre.read(topics.RENDER))
    print(
        f"fault 8 ({composition}): {turns} joins and leaves at {places} %, {found.line()}, longest stall {stall:.1f} s "
        f"(rebalance timeout {REBALANCE_S:g} s)"
    )
    assert_no_loss(found)
    assert_commit_rule(centre)
    assert stall <= REBALANCE_S + 2, f"stalled for {stall:.1f} s"
    assert stayer.process.running
    return found


def all_committed(centre: Centre) -> bool:
    """Whether the group has committed as much as there is."""
    committed = centre.committed()
    inbound = centre.ends(INBOUND)
    return all(committed.get((INBOUND, p), 0) >= end for p, end in inbound.items())


def test_workers_that_come_and_go_skip_no_record(centre: Centre, rng: random.Random) -> None:
    found = play(centre, rng, "slow", TURNS)
    assert found.rendered == EVENTS


def test_planted_a_naive_drain_loop_is_caught_by_the_oracle(centre: Centre, rng: random.Random) -> None:
    """It moves the read offset back over the re-seek; the commit or the count gives it away."""
    with pytest.raises(AssertionError, match=r"lost|commit passed") as caught:
        play(centre, rng, "planted-naive-loop", TURNS)
    print(f"fault 8 (planted): red, {str(caught.value).splitlines()[0]}")

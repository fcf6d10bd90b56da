"""Fault 10: acknowledgements are black-holed. The source is not committed, the wait is bounded, the end non-zero."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.oracle import account, assert_no_loss
from tests.faults.proxy import BlackHoleProxy
from tests.waiting import eventually
from tests.world import INBOUND, Centre

pytestmark = [pytest.mark.faults, pytest.mark.fault(10), pytest.mark.timeout(240)]
PRODUCE = 0
TIMEOUT_S = 6.0


def play(centre: Centre, proxy: BlackHoleProxy, rng: random.Random, composition: str) -> None:
    before, after = centre.events(rng.randrange(50, 150)), centre.events(rng.randrange(150, 300))
    settings = {"PUBLISH_TIMEOUT": str(TIMEOUT_S), "PUBLISH_STALL_AFTER": "1"}
    worker = centre.worker(composition, **settings).wait_ready()
    centre.produce(before)
    everything = len(before)
    eventually(lambda: sum(o for (t, _), o in centre.committed().items() if t == INBOUND) == everything, what="a start")
    safe = {place: offset for place, offset in centre.committed().items() if place[0] == INBOUND}

    proxy.drop_responses({PRODUCE})
    hole = time.monotonic()
    centre.produce(after)

    unready = eventually(lambda: worker.get("/readyz")[0] in (503, 0), seconds=20, what="/readyz to fail")
    code = worker.exit_code(TIMEOUT_S * 2 + 12)
    took = time.monotonic() - hole
    committed = {place: offset for place, offset in centre.committed().items() if place[0] == INBOUND}
    print(
        f"fault 10 ({composition}): /readyz failed after {unready:.1f} s, exit {code} after {took:.1f} s "
        f"(limit {TIMEOUT_S:g} s for a confirmation), committed {sum(committed.values())} of {everything + len(after)}"
    )
    assert code == 1, f"exit code {code}"
    assert committed == safe, f"committed {committed} although nothing was confirmed beyond {safe}"
    proxy.heal()
    centre.worker().wait_ready()
    ids = [event.event_id for event in (*before, *after)]
    eventually(lambda: not account(centre, ids).missing, seconds=60, every=1, what="the next worker to do all of it")
    found = account(centre, ids)
    print(f"fault 10 ({composition}): afterwards {found.line()}")
    assert_no_loss(found)


def test_without_acknowledgements_nothing_is_committed_and_the_process_ends(
    centre: Centre, proxy: BlackHoleProxy, rng: random.Random
) -> None:
    play(centre, proxy, rng, "plain")


def test_planted_acks_before_confirmation_are_caught_by_the_oracle(
    centre: Centre, proxy: BlackHoleProxy, rng: random.Random
) -> None:
    """The source is committed although no output was confirmed."""
    with pytest.raises(AssertionError, match="although nothing was confirmed") as caught:
        play(centre, proxy, rng, "planted-acks-first")
    print(f"fault 10 (planted): red, {str(caught.value).splitlines()[0][:120]}")

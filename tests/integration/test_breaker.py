"""A breaker through real processes: held, told in every worker, let go; and how long dead letters have to live."""

from __future__ import annotations

import re

import pytest

from streams import topics
from tests.integration.test_end_to_end import receipts
from tests.waiting import eventually
from tests.world import INBOUND, ISSUER, Centre, Outgoing, WorkerProcess

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(120)]
RUN = 5
SCALED = {"BREAKER_RUN": str(RUN), "DEAD_LETTER_LOOK_EVERY": "0.5"}


def breakers_open(worker: WorkerProcess) -> bool:
    return b'comcenter_held{reason="breaker"} 1.0' in worker.get("/metrics")[2]


def letters(centre: Centre) -> int:
    return len(centre.read(topics.DEAD_LETTER))


def test_a_run_of_refusals_holds_the_topic_in_every_worker_until_it_is_let_go(centre: Centre) -> None:
    """A good event behind the bad ones waits in its topic, also for a worker that starts later, and goes on then."""
    first = centre.worker(**SCALED).wait_ready()
    bad, behind = Outgoing(value=b"not a token"), centre.event("behind")
    assert bad.key == behind.key, "one partition"
    centre.produce([bad] * (RUN + 3) + [behind])

    eventually(lambda: breakers_open(first), what="the breaker")

    assert letters(centre) == RUN
    assert "breaker_open" in first.log.read_text()
    second = centre.worker(**SCALED).wait_ready()
    assert breakers_open(second), "known before it reads anything"
    assert first.get("/readyz")[0] == 200
    shown = re.search(rb"^comcenter_dead_letter_oldest_seconds (\S+)$", first.get("/metrics")[2], re.MULTILINE)
    assert shown is not None
    assert 0 <= topics.HOUR_MS * 72 / 1000 - float(shown[1]) < 120
    assert f"{ISSUER}/behind" not in receipts(centre)
    release = Outgoing(value=None, key=INBOUND.encode())
    centre.produce([release], topic=topics.BREAKERS)
    eventually(lambda: letters(centre) == RUN + 3 and f"{ISSUER}/behind" in receipts(centre), what="what waited")
    eventually(lambda: not breakers_open(first) and not breakers_open(second), what="both to flow")

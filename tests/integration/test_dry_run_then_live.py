"""A dry run with a backlog in front of every stage, then `live`: what was appended in the dry run is never sent."""

from __future__ import annotations

import pytest

from streams import topics
from streams.demo.sink import MailSink
from tests.integration.test_control import WHY
from tests.integration.test_end_to_end import comcenter, receipts
from tests.waiting import eventually
from tests.world import INBOUND, Centre, Outgoing, WorkerProcess

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(170)]
CAP = {"RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_PER_MINUTE": "3"}
"""A dry run spends the cap, too: so most of what is rendered waits for dispatch."""
EVENTS = 12


def ordered(centre: Centre, *arguments: str) -> None:
    done = comcenter(centre, *arguments, *WHY)
    assert done.returncode == 0, done.stdout + done.stderr


def backlog(centre: Centre) -> tuple[list[Outgoing], WorkerProcess]:
    """Events of a dry run that wait for dispatch, for rendering and for ingest, and the worker that ran it."""
    worker = centre.worker(**CAP).wait_ready()
    waves = [[centre.to(f"student-{n}", f"{wave}-{n}") for n in range(EVENTS)] for wave in ("cap", "render", "ingest")]
    centre.produce(waves[0])
    eventually(lambda: len(centre.read(topics.DISPATCH_TRANSACTIONAL)) == EVENTS, what="a backlog of dispatch")
    ordered(centre, "pause", "render")
    centre.produce(waves[1])
    eventually(lambda: len(centre.read(topics.RENDER)) == 2 * EVENTS, what="a backlog of rendering")
    ordered(centre, "pause", "ingest")
    centre.produce(waves[2])
    return [event for wave in waves for event in wave], worker


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_nothing_that_was_appended_in_a_dry_run_is_sent_when_it_ends(centre: Centre) -> None:
    """Wherever it waited; what comes after the change is sent."""
    old, dry = backlog(centre)
    dry.terminate()
    assert dry.exit_code(10) == 0
    so_far = len(receipts(centre))
    outbox = centre.folder / "outbox"
    outbox.mkdir()
    with MailSink(outbox) as sink:
        centre.worker(MODE="live", DISABLE_SEND="false", SMTP_URL=sink.url).wait_ready()
        new = [centre.to(f"student-{n}", f"new-{n}") for n in range(EVENTS)]
        centre.produce(new)
        ordered(centre, "resume", "ingest")
        ordered(centre, "resume", "render")

        eventually(lambda: len(receipts(centre)) == len(old) + len(new), seconds=60, what="a receipt for each")

        states = {event_id: receipt["state"] for event_id, receipt in receipts(centre).items()}
        assert {states[event.event_id] for event in old} == {"simulated"}
        assert {states[event.event_id] for event in new} == {"sent"}
        assert sink.received == len(new)
    assert so_far < EVENTS, "nothing waited for dispatch when the dry run ended"
    assert len(centre.read(INBOUND)) == len(old) + len(new)

"""Dead letters of messages that may go out: what was sent stays sent, and what is unknown an operator settles."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from streams.core.reasons import Reason, Rejected, Stage
from streams.demo.sink import MailSink
from tests.integration.test_dead_letters import WHY, put_letters, told
from tests.integration.test_end_to_end import comcenter, header, receipts
from tests.waiting import eventually
from tests.world import ISSUER, Centre

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(170)]


class Cutting(MailSink):
    """A mail server that may break off when the whole mail is there, so that nobody knows how it ended."""

    cuts = True

    async def handle_DATA(self, server: Any, session: object, envelope: Any) -> str:  # noqa: N802
        answer = await super().handle_DATA(server, session, envelope)
        if self.cuts:
            server.transport.close()
        return answer


def live(centre: Centre, sink: MailSink) -> None:
    centre.worker(MODE="live", DISABLE_SEND="false", SMTP_URL=sink.url).wait_ready()


def test_what_was_sent_stays_sent(centre: Centre, tmp_path: Path) -> None:
    """A dead letter of it goes through the same claim as everything."""
    with MailSink(tmp_path) as sink:
        live(centre, sink)
        centre.produce([centre.event("mail")])
        eventually(lambda: f"{ISSUER}/mail" in receipts(centre), what="a receipt")
        (sent,) = centre.read(topics.DISPATCH_TRANSACTIONAL)
        put_letters(centre, [sent], Rejected(Reason.PROVIDER_GAVE_UP, "transient failure: 450"), Stage.DISPATCH)

        done = told(centre, "redrive", "--go", *WHY, "--stage", "dispatch", "--template", "new_match@1.0")

        assert done["job"]["done"] == 1
        eventually(lambda: len(centre.read(topics.DISPATCH_TRANSACTIONAL)) == 2, what="the redriven one")
        again = next(one for one in centre.read(topics.DISPATCH_TRANSACTIONAL) if one.offset != sent.offset)
        assert (again.partition, again.key, again.value) == (sent.partition, sent.key, sent.value)
        assert header(again, "dlq.redrive-count") == "1"
        centre.produce([centre.event("behind")])
        eventually(lambda: f"{ISSUER}/behind" in receipts(centre), what="what stands behind it in its partition")
        assert {one.partition for one in centre.read(topics.DISPATCH_TRANSACTIONAL)} == {sent.partition}
        assert sink.received == 2
    assert Counter(centre.ids(topics.RECEIPTS)) == {f"{ISSUER}/mail": 1, f"{ISSUER}/behind": 1}
    assert "redriven (time 1)" in comcenter(centre, "explain", f"{ISSUER}/mail").stdout
    assert told(centre, "stats")["total"] == 1


def test_an_outcome_that_nobody_knows_is_resolved_by_an_operator(centre: Centre, tmp_path: Path) -> None:
    """`redrive` leaves it; `--sent` ends it with a receipt and no call, `--resend` with one call more."""
    with Cutting(tmp_path) as sink:
        live(centre, sink)
        centre.produce([centre.event("came"), centre.event("lost")])
        eventually(lambda: told(centre, "ls", "--reason", "outcome_unknown")["total"] == 2, what="both parked")
        ids = {one["event_id"]: one["dispatch_id"] for one in told(centre, "ls")["letters"]}
        assert sink.received == 2
        sink.cuts = False
        refused = told(centre, "redrive", "--go", *WHY, code=100)
        assert (refused["total"], refused["left"]) == (0, {"outcome_unknown": 2})

        told(centre, "resolve", ids[f"{ISSUER}/came"], "--sent", "--because", "seen in the provider's log")
        told(centre, "resolve", ids[f"{ISSUER}/lost"], "--resend", "--because", "not in the provider's log")

        eventually(lambda: len(receipts(centre)) == 2, what="both settled")
        found = receipts(centre)
        assert {event: one["state"] for event, one in found.items()} == dict.fromkeys(found, "sent")
        assert {event: one["provider"] for event, one in found.items()} == {
            f"{ISSUER}/came": "operator",
            f"{ISSUER}/lost": "smtp",
        }
        assert found[f"{ISSUER}/lost"]["attempt"] == 2
        assert sink.received == 3
        done = comcenter(centre, "dlq", "resolve", ids[f"{ISSUER}/came"], "--resend", "--because", "again")
        assert done.returncode == 100
        assert "was resolved before" in done.stderr
    told_of = comcenter(centre, "explain", f"{ISSUER}/came").stdout
    assert "as sent" in told_of

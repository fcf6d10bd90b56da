"""Dead letters from the command line: looked at, redriven, cancelled, resolved; on real brokers, by real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from streams.core import signing
from streams.core.dead_letter import dead_letter
from streams.core.keyring import SKEW_S
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.records import Record
from tests.builders import message, record, route
from tests.integration.test_end_to_end import comcenter, receipts
from tests.waiting import eventually
from tests.world import INBOUND, ISSUER, KID, Centre, Outgoing

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(170)]

GONE_AFTER = "2"
"""Seconds: who redrives and is silent for so long counts as gone."""
WHY = ("--because", "the schema came")


def told(centre: Centre, *arguments: str, code: int = 0) -> dict[str, Any]:
    """What `dlq` says as JSON."""
    done = comcenter(centre, "dlq", *arguments, "--json")
    assert done.returncode == code, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def running(centre: Centre, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`dlq` that goes on while the test looks."""
    command = [sys.executable, "-m", "streams.cli.main", "dlq", *arguments]
    environment = {**os.environ, **centre.environ()}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            yield process
        finally:
            process.kill()


def put_letters(centre: Centre, originals: list[Record], why: Rejected, stage: Stage) -> None:
    """What a worker would have written of these."""
    with centre.producer() as producer:
        for original in originals:
            letter = dead_letter(original, why, stage, failed_at_ms=int(time.time() * 1000))
            producer.produce(
                centre.prefix + letter.topic, key=letter.key, value=letter.value, headers=list(letter.headers)
            )


def originals(count: int) -> list[Record]:
    """Records of the inbound topic; no worker has to take them."""
    return [record(f"original-{index}".encode(), topic=INBOUND, offset=index) for index in range(count)]


def without_type(centre: Centre, event_type: str) -> str:
    """Take a type from the issuer's row; returns what the file was."""
    file = centre.folder / "producers.toml"
    whole = file.read_text("utf-8")
    file.write_text(whole.replace(f"'{event_type}', ", ""), "utf-8")
    assert event_type not in file.read_text("utf-8")
    return whole


def old_event(centre: Centre, jti: str) -> tuple[Outgoing, float]:
    """A signed event with little time left, and when that is over, seconds since the epoch."""
    issued = int(time.time()) - SKEW_S + 20
    body = json.loads(comcenter(centre, "event", "new", "new_match").stdout)
    claims = signing.claims(body, issuer=ISSUER, service=ISSUER, jti=jti, now_s=issued, lifetime_s=1)
    token = signing.sign(claims, centre.key, kid=KID).encode()
    return Outgoing(value=token, event_id=f"{ISSUER}/{jti}"), issued + 1 + SKEW_S


def test_an_event_of_a_type_that_came_later_is_redriven_long_after_its_token_expired(centre: Centre) -> None:
    """A dry run changes nothing; then it ends simulated, once, and a second redrive finds nothing to do."""
    whole = without_type(centre, "new_match")
    first = centre.worker().wait_ready()
    event, over_s = old_event(centre, "early")
    centre.produce([event])
    eventually(lambda: told(centre, "ls")["total"] == 1, what="the refusal")
    (letter,) = told(centre, "ls", "--reason", "event_type_unknown", "--issuer", ISSUER)["letters"]
    assert (letter["stage"], letter["event_id"], letter["event_type"]) == ("ingest", event.event_id, "new_match")
    assert (letter["redriven"], letter["redrives"]) == (False, 0)
    assert 71 * 3600 < letter["seconds_left"] <= 72 * 3600
    first.terminate()
    assert first.exit_code(10) == 0
    (centre.folder / "producers.toml").write_text(whole, "utf-8")
    centre.worker().wait_ready()
    eventually(lambda: time.time() > over_s, what="the end of the token's time")

    dry = told(centre, "redrive", "--reason", "event_type_unknown")

    assert dry["dry_run"] is True
    assert (dry["total"], dry["job"], dry["counts"]["reason"]) == (1, None, {"event_type_unknown": 1})
    assert centre.read(topics.REDRIVE, topics.REDRIVES) == []
    done = told(centre, "redrive", "--reason", "event_type_unknown", "--go", *WHY)
    assert (done["job"]["state"], done["job"]["done"], done["job"]["because"]) == ("finished", 1, "the schema came")
    eventually(lambda: event.event_id in receipts(centre), what="a receipt")
    assert receipts(centre)[event.event_id]["state"] == "simulated"
    assert told(centre, "ls", "--reason", "token_expired")["total"] == 0
    assert told(centre, "ls")["letters"][0]["redriven"] is True
    again = told(centre, "redrive", "--go", *WHY, code=100)
    assert (again["total"], again["left"], again["job"]) == (0, {"already redriven": 1}, None)
    assert len(centre.read(topics.REDRIVE)) == 1


def test_what_is_printed_holds_no_token_no_address_and_no_body(centre: Centre, tmp_path: Path) -> None:
    """A file may have it, on request: byte for byte, readable by its owner alone, and never over another file."""
    event = centre.event("seen")
    assert event.value is not None
    secret = (("authorization", b"Bearer hidden"), ("traceparent", b"00-1"))
    put_letters(
        centre,
        [record(event.value, topic=INBOUND, key=b"ana@example.org", headers=secret)],
        Rejected(Reason.SCHEMA_VIOLATION, "/data: required"),
        Stage.INGEST,
    )
    raw = tmp_path / "raw"

    shown = comcenter(centre, "dlq", "show", event.event_id, "--raw", str(raw))
    listed = [comcenter(centre, "dlq", *words) for words in (["ls"], ["stats"], ["redrive"])]

    assert shown.returncode == 0, shown.stderr
    assert "/data: required" in shown.stdout
    assert "traceparent: 00-1" in shown.stdout
    for done in (shown, *listed):
        assert done.returncode == 0
        assert event.value.decode() not in done.stdout
        assert "@example.org" not in done.stdout
        assert "hidden" not in done.stdout
    assert raw.read_bytes() == event.value
    assert raw.stat().st_mode & 0o777 == 0o600
    assert comcenter(centre, "dlq", "show", event.event_id, "--raw", str(raw)).returncode == 2
    assert comcenter(centre, "dlq", "show", f"{ISSUER}/never").returncode == 100


def test_a_cancel_in_the_middle_loses_nothing(centre: Centre) -> None:
    """While it runs a second one is refused; what it had not done is still listed, and the next one does just that."""
    centre.extra["HEARTBEAT_GONE_AFTER"] = "10"
    put_letters(centre, originals(60), Rejected(Reason.INTERNAL_ERROR, "a bug"), Stage.INGEST)
    with running(centre, "redrive", "--go", *WHY, "--rate", "1"):  # three commands run beside it
        eventually(lambda: bool(centre.read(topics.REDRIVE)), what="the first ones")

        second = comcenter(centre, "dlq", "redrive", "--go", *WHY)
        status = told(centre, "status")
        cancelled = told(centre, "cancel")["job"]

    assert second.returncode == 100
    assert "a redrive runs already" in second.stderr
    assert status["running"] is True
    assert (status["job"]["total"], status["job"]["filter"]) == (60, "all")
    assert cancelled["state"] == "cancelled"
    assert 0 < cancelled["done"] < 60
    assert len(centre.read(topics.REDRIVE)) == cancelled["done"]
    letters = told(centre, "ls")["letters"]
    assert Counter(letter["redriven"] for letter in letters) == {True: cancelled["done"], False: 60 - cancelled["done"]}
    rest = told(centre, "redrive", "--go", *WHY, "--rate", "1000")
    assert rest["job"]["done"] == 60 - cancelled["done"]
    assert Counter(one.value for one in centre.read(topics.REDRIVE)) == Counter(one.value for one in originals(60))
    assert [job["state"] for job in told(centre, "status")["earlier"]] == ["cancelled"]


def test_a_redrive_that_is_killed_and_begun_again_doubles_nothing(
    centre: Centre, request: pytest.FixtureRequest
) -> None:
    """Each event has one receipt; on Apache Kafka each stands once on the redrive topic, too."""
    centre.extra["HEARTBEAT_GONE_AFTER"] = GONE_AFTER
    centre.extra |= {
        "BREAKER_RUN": "1000",
        "BREAKER_MIN_SAMPLE": "100",
        "BREAKER_WINDOW": "100",
    }  # so many refusals are what is wanted here
    whole = without_type(centre, "new_match")
    first = centre.worker().wait_ready()
    events = centre.events(40)
    centre.produce(events)
    eventually(lambda: told(centre, "stats")["total"] == 40, what="the refusals")
    first.terminate()
    (centre.folder / "producers.toml").write_text(whole, "utf-8")
    with running(centre, "redrive", "--go", *WHY, "--rate", "8") as killed:
        eventually(lambda: len(centre.read(topics.REDRIVE)) >= 8, every=0.05, what="the first ones")
        killed.kill()
        killed.wait()
    eventually(lambda: told(centre, "status")["running"] is False, what="its heartbeat is old")
    assert told(centre, "status")["job"]["state"] == "running", "it did not say how it ended"
    done = len(centre.read(topics.REDRIVE))
    assert done < 40

    finished = told(centre, "redrive", "--go", *WHY, "--rate", "100")

    assert finished["job"]["state"] == "finished"
    centre.worker().wait_ready()
    wanted = {event.event_id for event in events}
    eventually(lambda: set(receipts(centre)) == wanted, seconds=60, what="every receipt")
    assert Counter(centre.ids(topics.RECEIPTS)) == Counter(wanted)
    if "kafka" in request.node.name:  # the embedded broker shows what was aborted, too
        assert Counter(one.value for one in centre.read(topics.REDRIVE)) == Counter(one.value for one in events)
        assert finished["job"]["done"] + done == 40


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_cut_original_and_one_from_nowhere_are_left_where_they_are(centre: Centre) -> None:
    """And said so; what is about a message of an unknown template is still found by its ids."""
    mail = message(route=route(event_id=f"{ISSUER}/big"))
    put_letters(
        centre,
        [record(b"x" * (4 * topics.MIB), topic=INBOUND), record(mail.encode(), topic="comms.elsewhere")],
        Rejected(Reason.INTERNAL_ERROR, "a bug"),
        Stage.DISPATCH,
    )

    dry = told(centre, "redrive")

    assert dry["total"] == 0
    assert dry["left"] == {"truncated": 1, "nowhere to go": 1}
    assert told(centre, "ls", "--id", mail.route.dispatch_id)["total"] == 1
    assert told(centre, "ls", "--id", f"{ISSUER}/big", "--until", "1h")["total"] == 0


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
@pytest.mark.parametrize(
    "arguments",
    [
        ["redrive", "--go"],
        ["redrive", "--go", "--because", " "],
        ["ls", "--since", "yesterday"],
        ["ls", "--reason", "unknown_reason"],
        ["resolve", "0" * 32, "--because", "so"],
        ["resolve", "0" * 32, "--because", "so", "--sent", "--resend"],
    ],
)
def test_a_command_that_is_not_understood_does_nothing(centre: Centre, arguments: list[str]) -> None:
    """Exit code 2, a sentence on standard error, nothing on standard output."""
    done = comcenter(centre, "dlq", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert centre.read(topics.REDRIVES) == []

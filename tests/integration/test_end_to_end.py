"""One event, end to end, through real processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import orjson
import pytest

from streams import topics
from streams.core.records import Record
from streams.core.signing import read_key
from streams.demo.sink import MailSink
from tests.waiting import eventually
from tests.world import INBOUND, ISSUER, KID, Centre, Outgoing

pytestmark = pytest.mark.timeout(120)


def comcenter(centre: Centre, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as a user would."""
    command = [sys.executable, "-m", "streams.cli.main", *arguments]
    environment = {"PATH": "/usr/bin:/bin", **centre.environ()}
    return subprocess.run(  # noqa: S603 - our own command
        command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
    )


def receipts(centre: Centre) -> dict[str, dict[str, object]]:
    """Receipts by event id."""
    bodies = [orjson.loads(record.value or b"") for record in centre.read(topics.RECEIPTS)]
    return {body["route"]["event_id"]: body for body in bodies}


def reasons(centre: Centre) -> dict[bytes | None, str]:
    """Why each dead letter is one, by its value."""
    return {letter.value: header(letter, "dlq.reason") for letter in centre.read(topics.DEAD_LETTER)}


def header(record: Record, name: str) -> str:
    return [value for each, value in record.headers if each == name and value is not None][-1].decode()


def test_good_events_end_simulated_and_bad_ones_in_the_dead_letters(centre: Centre) -> None:
    """In dry run, the default; bad input is kept whole, and nothing else comes of it."""
    worker = centre.worker().wait_ready()
    good = [centre.event("good-1"), centre.event("good-2", "deadline_soon")]
    bad = [
        Outgoing(value=None, key=None),
        Outgoing(value=b"\xff\xfe not a token", headers=(("x", b"1"), ("x", b"2"))),
        centre.event("bad-1", version="9.9"),
    ]

    centre.produce([good[0], *bad, good[1]])

    eventually(lambda: len(receipts(centre)) == 2 and len(reasons(centre)) == 3, what="receipts and dead letters")
    found = receipts(centre)
    assert set(found) == {event.event_id for event in good}
    assert {receipt["state"] for receipt in found.values()} == {"simulated"}
    assert reasons(centre) == {
        None: "token_missing",
        bad[1].value: "token_malformed",
        bad[2].value: "schema_version_unknown",
    }
    letter = next(one for one in centre.read(topics.DEAD_LETTER) if one.value == bad[1].value)
    assert letter.headers[:2] == (("x", b"1"), ("x", b"2"))
    assert (letter.key, header(letter, "dlq.original.topic")) == (b"student-7", INBOUND)
    expected = len(centre.read(INBOUND))
    eventually(
        lambda: sum(offset for (topic, _), offset in centre.committed().items() if topic == INBOUND) == expected,
        what="all of the inbound topic committed",
    )
    _, _, metrics = worker.get("/metrics")
    assert b'comcenter_events_total{outcome="accepted",' in metrics
    assert b"comcenter_dead_letters_total{" in metrics
    assert b"comcenter_mode{" in metrics


def test_a_worker_that_is_told_to_end_does_so_with_zero_and_the_next_goes_on(centre: Centre) -> None:
    """SIGTERM, within ten seconds; what comes meanwhile waits in Kafka."""
    first = centre.worker().wait_ready()
    centre.produce([centre.event("one")])
    eventually(lambda: f"{ISSUER}/one" in receipts(centre))

    first.terminate()

    assert first.exit_code(10) == 0
    centre.produce([centre.event("two")])
    centre.worker().wait_ready()
    eventually(lambda: f"{ISSUER}/two" in receipts(centre))
    assert centre.ids(topics.RECEIPTS).count(f"{ISSUER}/one") == 1


def test_in_live_a_mail_reaches_the_server_and_the_receipt_says_sent(centre: Centre) -> None:
    """Development only; the other channel has no sender and says so."""
    outbox = centre.folder / "outbox"
    outbox.mkdir()
    with MailSink(outbox) as sink:
        centre.worker(MODE="live", DISABLE_SEND="false", SMTP_URL=sink.url).wait_ready()
        centre.produce([centre.event("mail")])
        eventually(lambda: receipts(centre).get(f"{ISSUER}/mail", {}).get("state") == "sent")
    mail = (outbox / "1.eml").read_text("utf-8")
    assert "Subject: New match (92 %): Coastal Engineering Award" in mail
    assert receipts(centre)[f"{ISSUER}/mail"]["provider"] == "smtp"


def test_the_backlog_of_a_dry_run_never_goes_out(centre: Centre) -> None:
    """Appended before the live worker began: simulated, although the worker is live."""
    centre.produce([centre.event("backlog")])
    outbox = centre.folder / "outbox"
    outbox.mkdir()
    with MailSink(outbox) as sink:
        centre.worker(MODE="live", DISABLE_SEND="false", SMTP_URL=sink.url).wait_ready()
        eventually(lambda: f"{ISSUER}/backlog" in receipts(centre))
        state = receipts(centre)[f"{ISSUER}/backlog"]["state"]
        brokers_clock = all(record.timestamp_ms == record.appended_ms for record in centre.read(INBOUND))
        assert state == ("simulated" if brokers_clock else "sent"), "only a broker's append time can tell"
        assert sink.received == (0 if brokers_clock else 1)


def test_an_event_can_be_made_checked_signed_sent_and_explained_from_the_command_line(centre: Centre) -> None:
    """As `make run` prints it."""
    centre.worker().wait_ready()
    pem = centre.folder / "key.pem"
    pem.write_bytes(_pem(centre))
    event = comcenter(centre, "event", "new", "deadline_soon").stdout
    assert comcenter(centre, "event", "validate", stdin=event).returncode == 0
    signing = ("--issuer", ISSUER, "--kid", KID, "--key", str(pem), "--jti", "cli-1")
    token = comcenter(centre, "event", "sign", *signing, stdin=event).stdout

    sent = comcenter(centre, "event", "send", stdin=token)

    assert sent.returncode == 0, sent.stderr
    assert sent.stdout.startswith(f"{ISSUER}/cli-1 queued at ")
    eventually(lambda: f"{ISSUER}/cli-1" in receipts(centre))
    told = json.loads(comcenter(centre, "explain", f"{ISSUER}/cli-1", "--json").stdout)
    assert told["complete"] is True
    assert [step["place"].partition("[")[0] for step in told["steps"]] == [
        INBOUND,
        topics.RENDER,
        topics.DISPATCH_TRANSACTIONAL,
        topics.RECEIPTS,
    ]
    assert told["steps"][-1]["what"].startswith("simulated on email")
    unknown = comcenter(centre, "explain", f"{ISSUER}/never", "--limit", "10")
    assert (unknown.returncode, "no trace" in unknown.stdout) == (100, True)


def _pem(centre: Centre) -> bytes:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - for this one helper
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    pem = centre.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert read_key(pem)
    return pem


def test_a_key_set_server_that_goes_away_turns_gate_1_red_and_dispatch_waits(centre: Centre) -> None:
    """The canary degrades, the worker stays ready, ingest goes on with the keys at hand, and nothing is dispatched."""
    centre.with_keys_from_auth()
    worker = centre.worker().wait_ready()
    centre.produce([centre.event("green")])
    eventually(lambda: f"{ISSUER}/green" in receipts(centre))
    assert json.loads(worker.get("/canary")[2])["dependencies_ok"] is True

    centre.stop_auth()

    took = eventually(lambda: json.loads(worker.get("/canary")[2])["dependencies_ok"] is False, seconds=10)

    assert took <= 10
    assert json.loads(worker.get("/canary")[2])["status"] == "degraded"
    assert worker.get("/readyz")[0] == 200
    centre.produce([centre.event("red")])
    eventually(lambda: f"{ISSUER}/red" in centre.ids(topics.DISPATCH_TRANSACTIONAL))
    assert f"{ISSUER}/red" not in centre.ids(topics.RECEIPTS)


def test_a_worker_that_begins_while_gate_1_is_red_dispatches_nothing(centre: Centre) -> None:
    """Not even with its first fetch: the hold stands from the moment of the assignment, on every partition."""
    centre.with_keys_from_auth()
    first = centre.worker().wait_ready()
    centre.stop_auth()
    eventually(lambda: json.loads(first.get("/canary")[2])["dependencies_ok"] is False, seconds=15)
    events = centre.events(30)
    centre.produce(events)
    eventually(lambda: len(centre.ids(topics.DISPATCH_TRANSACTIONAL)) == len(events), what="all of it rendered")
    first.terminate()
    assert first.exit_code(10) == 0

    centre.worker().wait_ready()

    time.sleep(3)  # an absence can only be waited for
    assert centre.ids(topics.RECEIPTS) == []


def test_a_worker_that_is_told_to_end_while_it_begins_does_so(centre: Centre) -> None:
    """Before its first assignment; a group may take long to give one."""
    worker = centre.worker()
    eventually(lambda: worker.get("/healthz")[0] == 200, seconds=40, every=0.05)
    worker.terminate()
    assert worker.exit_code(10) == 0


def test_the_canary_has_eight_fields_and_every_response_six_headers(centre: Centre) -> None:
    """Also a path that isn't there, and a method that isn't allowed."""
    worker = centre.worker().wait_ready()
    status, headers, body = worker.get("/canary")
    assert status == 200
    assert list(json.loads(body)) == [
        "app",
        "app_base_url",
        "version",
        "status",
        "p95_ms",
        "security_headers",
        "dependencies_ok",
        "timestamp",
    ]
    six = json.loads(body)["security_headers"]["present"]
    assert len(six) == 6
    for path in ("/canary", "/nowhere", "/readyz", "/metrics"):
        _, headers, _ = worker.get(path)
        assert set(six) <= set(headers), path


def test_a_worker_without_its_topics_says_so_and_ends_with_102(centre: Centre) -> None:
    """Rather than wait for ever."""
    worker = centre.worker(TOPIC_PREFIX="nothing-here.")
    assert worker.exit_code(40) == 102
    assert "comcenter topics apply" in worker.log.read_text()

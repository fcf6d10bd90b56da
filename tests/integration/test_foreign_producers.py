"""Producers that share no code with us: what they sign and send, our worker takes to its end."""

from __future__ import annotations

import json
import shutil
import zlib

import pytest

from tests.conftest import SessionBrokers
from tests.integration.test_end_to_end import comcenter, reasons, receipts
from tests.producers.workplace import LANGUAGES, fitted
from tests.waiting import eventually
from tests.world import INBOUND, ISSUER, Centre, Outgoing

pytestmark = pytest.mark.timeout(180)
APART, MURMUR2_OF_APART = "student-3", 2
"""A recipient whom CRC-32, librdkafka's default, would put into another partition of three than murmur2 does."""
EVENT_ID = f"{ISSUER}/match-203-student-7"


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_event_that_another_language_signs_and_sends_ends_simulated(
    centre: Centre, language: str, tmp_path_factory: pytest.TempPathFactory, brokers: SessionBrokers
) -> None:
    """confluent-kafka with PyJWT, kafkajs with jose, kafka-clients with Nimbus: the snippets of docs/producers.md."""
    workplace = fitted(language, tmp_path_factory.mktemp(language), brokers)
    for step in ("make-key.sh", "publish.sh", "example.sh"):
        workplace.sh(step)
    shutil.copy(workplace.folder / "jwks.json", centre.folder / f"{ISSUER}.json")
    centre.worker().wait_ready()

    place = workplace.sh(f"send-{language}.sh", KAFKA_BOOTSTRAP=centre.bootstrap, TOPIC=centre.prefix + INBOUND)

    eventually(lambda: EVENT_ID in receipts(centre), what="a receipt")
    assert receipts(centre)[EVENT_ID]["state"] == "simulated"
    assert reasons(centre) == {}
    (queued,) = centre.read(INBOUND)
    assert queued.key == b"student-7"
    assert place.strip().splitlines()[-1] == f"{centre.prefix}{INBOUND}[{queued.partition}]@{queued.offset}"


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_all_languages_put_one_recipient_into_one_partition(
    centre: Centre, tmp_path_factory: pytest.TempPathFactory, brokers: SessionBrokers
) -> None:
    """As the page promises: else one recipient's events would overtake each other. librdkafka's default would fail."""
    assert zlib.crc32(APART.encode()) % 3 != MURMUR2_OF_APART
    for language in LANGUAGES:
        workplace = fitted(language, tmp_path_factory.mktemp(language), brokers)
        workplace.sh("make-key.sh")
        workplace.sh("example.sh")
        workplace.rewrite("event.json", "student-7", APART)
        workplace.sh(f"send-{language}.sh", KAFKA_BOOTSTRAP=centre.bootstrap, TOPIC=centre.prefix + INBOUND)
    sent = centre.read(INBOUND)
    assert len(sent) == len(LANGUAGES)
    assert {record.partition for record in sent} == {MURMUR2_OF_APART}


def test_a_producer_sees_its_story_and_its_refusals(
    centre: Centre, tmp_path_factory: pytest.TempPathFactory, brokers: SessionBrokers
) -> None:
    """The rest of the page: the token sent from the command line, what became of it, and what was refused."""
    workplace = fitted("python", tmp_path_factory.mktemp("python"), brokers)
    for step in ("make-key.sh", "publish.sh", "example.sh", "sign-python.sh"):
        workplace.sh(step)
    shutil.copy(workplace.folder / "jwks.json", centre.folder / f"{ISSUER}.json")
    workplace.environ |= centre.environ()
    centre.worker().wait_ready()
    centre.produce([Outgoing(value=b"\xff\xfe not a token"), centre.event("by-an-unknown-key")])

    assert workplace.sh("send-token.sh").startswith(f"{EVENT_ID} queued at ")

    eventually(lambda: EVENT_ID in receipts(centre) and len(reasons(centre)) == 2, what="a receipt and two refusals")
    told = workplace.sh("look.sh")
    assert "simulated on email" in told
    assert "token_malformed  without a readable id" in told
    assert f"token_unknown_key  {ISSUER}/by-an-unknown-key" in told
    assert "not a token" not in told
    listed = json.loads(comcenter(centre, "event", "refused", "--issuer", ISSUER, "--limit", "1", "--json").stdout)
    assert (listed["issuer"], listed["complete"], listed["total"]) == (ISSUER, True, 2)
    (newest,) = listed["refusals"]
    assert newest["topic"] == INBOUND
    assert set(newest) == {"failed_at", "topic", "partition", "offset", "reason", "detail", "event_id"}


@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_producer_who_cannot_reach_kafka_is_told_so(centre: Centre) -> None:
    """Exit code 102, and nothing on standard output that a script might take for a list."""
    centre.extra["KAFKA_BOOTSTRAP"] = "127.0.0.1:1"
    done = comcenter(centre, "event", "refused", "--issuer", ISSUER, "--json")
    assert (done.returncode, done.stdout) == (102, "")
    assert done.stderr.startswith("comcenter: ")


def test_an_issuer_without_refusals_is_told_so(centre: Centre) -> None:
    done = comcenter(centre, "event", "refused", "--issuer", ISSUER)
    assert (done.returncode, done.stdout) == (0, f"nothing of {ISSUER} was refused in the last 24h\n")

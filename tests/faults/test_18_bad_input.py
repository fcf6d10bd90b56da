"""Fault 18: input that no decent producer sends. A dead letter each, kept whole or cut as said; the worker lives."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping

import pytest
from confluent_kafka import Producer

from streams import topics
from streams.core.records import Record
from tests.faults.oracle import account, assert_commit_rule
from tests.waiting import eventually
from tests.world import INBOUND, Centre, Outgoing

pytestmark = [pytest.mark.faults, pytest.mark.fault(18), pytest.mark.timeout(240)]
ZEROS = 64 * 1024 * 1024
LIMIT = topics.INBOUND_MAX_BYTES - 512
"""A record of just below the topic's limit: framing and headers count, too."""
LARGE, SMALL = ("gzip", "zstd"), ("lz4", "snappy")
ALL_OF_IT = {"BREAKER_MIN_SAMPLE": "100"}
"""Half of what is sent here is bad: the breaker, which is fault 12's, must not stop it."""
REPEATED = (("x", b"1"), ("x", b"2"), ("x", None), ("\u00e9", b"\xff\xfe"))


def nasty(rng: random.Random) -> dict[str, Outgoing]:
    """By the reason that is expected."""
    return {
        "null value, null key": Outgoing(value=None, key=None),
        "empty": Outgoing(value=b"", key=b""),
        "at the inbound limit": Outgoing(value=rng.randbytes(LIMIT), key=b"k"),
        "invalid UTF-8": Outgoing(value=b"\xff\xfe\x00" * 50, key=b"\xff"),
        "repeated headers": Outgoing(value=b"a.b.c", headers=REPEATED),
        "deep nesting": Outgoing(value=b"e30." + b"W" * 200_000 + b".e30"),
        "lies about a dead letter": Outgoing(value=b"x", headers=(("dlq.redrive-count", b"9"), ("dlq.reason", b"ok"))),
    }


def play(centre: Centre, rng: random.Random, composition: str) -> None:
    worker = centre.worker(composition, **ALL_OF_IT).wait_ready()
    first, last = centre.events(5), centre.events(5)
    centre.produce(first)
    bad = nasty(rng)
    with centre.producer(**{"message.max.bytes": 2 * 1024 * 1024}) as producer:
        for record in bad.values():
            centre.put(producer, record)
    for codec in LARGE:
        with centre.producer(**{"message.max.bytes": 70_000_000, "compression.type": codec}) as producer:
            centre.put(producer, Outgoing(value=b"\0" * ZEROS, key=codec.encode()))
    for codec in SMALL:
        with centre.producer(**{"compression.type": codec}) as producer:
            centre.put(producer, Outgoing(value=b"not a token", key=codec.encode()))
    aborted = centre.event("aborted")
    abort(centre, aborted)
    centre.produce(last)

    ids = [event.event_id for event in (*first, *last)]
    eventually(
        lambda: not worker.process.running or not account(centre, ids).missing, seconds=60, every=0.5, what="an end"
    )
    found = account(centre, ids)
    assert worker.process.running, "the worker ended"
    assert not found.missing, "events lost behind bad input"
    eventually(
        lambda: len(centre.read(topics.DEAD_LETTER)) >= len(bad) + len(LARGE) + len(SMALL), what="every dead letter"
    )
    letters = centre.read(topics.DEAD_LETTER)
    print(f"fault 18 ({composition}): {len(letters)} dead letters, {found.line()}")
    assert aborted.event_id not in centre.ids(topics.RENDER), "an aborted event became a message"
    assert len(letters) == len(bad) + len(LARGE) + len(SMALL)
    for name, sent in bad.items():
        kept(name, sent, letters)
    zeros_kept(letters)
    assert_commit_rule(centre)


def abort(centre: Centre, event: Outgoing) -> None:
    """Produce an event in a transaction that is then aborted."""
    producer = Producer({"bootstrap.servers": centre.bootstrap, "transactional.id": f"{centre.prefix}aborting"})
    producer.init_transactions(20)
    producer.begin_transaction()
    centre.put(producer, event)
    producer.flush(20)
    producer.abort_transaction(20)


def kept(name: str, sent: Outgoing, letters: list[Record]) -> None:
    """Its dead letter has the original bytes, key and headers."""
    mine = [letter for letter in letters if letter.value == sent.value and letter.key == sent.key]
    assert len(mine) == 1, f"{name}: {len(mine)} dead letters"
    foreign = tuple(h for h in sent.headers if not h[0].startswith("dlq."))
    assert mine[0].headers[: len(foreign)] == foreign, name
    assert headers(mine[0])["dlq.redrive-count"] == b"0", name
    assert headers(mine[0])["dlq.original.topic"] == INBOUND.encode(), name


def zeros_kept(letters: list[Record]) -> None:
    """64 MiB of zeros are cut to 64 KiB, and the letter says so with the digest of the whole."""
    digest = hashlib.sha256(b"\0" * ZEROS).hexdigest()
    cut = [letter for letter in letters if letter.key in (b"gzip", b"zstd")]
    assert len(cut) == 2
    for letter in cut:
        assert letter.value == b"\0" * 65_536
        assert digest.encode() in headers(letter)["dlq.truncated"]


def headers(letter: Record) -> Mapping[str, bytes]:
    """The last of each name."""
    return {name: value or b"" for name, value in letter.headers}


def test_bad_input_costs_a_dead_letter_each_and_nothing_else(centre: Centre, rng: random.Random) -> None:
    play(centre, rng, "plain")


def test_planted_reading_uncommitted_records_is_caught_by_the_oracle(centre: Centre, rng: random.Random) -> None:
    with pytest.raises(AssertionError, match="aborted event became") as caught:
        play(centre, rng, "planted-reads-uncommitted")
    print(f"fault 18 (planted): red, {str(caught.value).splitlines()[0]}")


def test_planted_a_step_that_cannot_bear_null_is_caught_by_the_oracle(centre: Centre, rng: random.Random) -> None:
    with pytest.raises(AssertionError, match=r"ended|lost") as caught:
        play(centre, rng, "planted-uncaught")
    print(f"fault 18 (planted): red, {str(caught.value).splitlines()[0]}")


def test_a_transaction_and_then_silence_is_no_reason_to_end(centre: Centre, rng: random.Random) -> None:
    """The transaction's marker takes an offset that no record ever fills; the watchdog must not wait for it."""
    worker = centre.worker("plain", WATCHDOG_AFTER="2").wait_ready()
    event = centre.event(f"committed-{rng.randrange(1000)}")
    producer = Producer({"bootstrap.servers": centre.bootstrap, "transactional.id": f"{centre.prefix}committing"})
    producer.init_transactions(20)
    producer.begin_transaction()
    centre.put(producer, event)
    producer.commit_transaction(20)
    eventually(lambda: not account(centre, [event.event_id]).missing, what="the event")

    code = worker.exit_code(8)

    print(f"fault 18: a transaction, then silence for four times the watchdog's patience: exit {code}")
    assert code is None, "an idle worker was ended"
    assert_commit_rule(centre)

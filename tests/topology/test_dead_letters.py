"""Dead letters: the original untouched where it fits, cut with a fingerprint where not, and never more than fits."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams import templates, topics
from streams.core.dead_letter import MAX_HEADER_BYTES, MAX_KEY_BYTES, TRUNCATED_BYTES, dead_letter
from streams.core.messages import Message
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.records import Emit, Headers, Record
from streams.core.render import Renderer
from streams.core.settle import Turn
from streams.topology import build_topology
from tests.builders import NOW_S, TOPIC, claims, event, message, order, record, rules, token
from tests.driver import Tally, emitted, header
from tests.shift import Floor

WHY = Rejected(Reason.TOKEN_MALFORMED, "not a compact JWS of three segments")
FITS = topics.OURS_MAX_BYTES - topics.HEADROOM_BYTES
MIB = topics.MIB


def letter(original: Record, why: Rejected = WHY, *, attempts: int = 1) -> Emit:
    return dead_letter(original, why, Stage.INGEST, failed_at_ms=NOW_S * 1000 + 7, attempts=attempts)


def names(emit: Emit) -> list[str]:
    return [name for name, _ in emit.headers]


def varint(number: int) -> int:
    """Bytes of Kafka's zig-zag varint of a length."""
    return max((2 * number).bit_length() + 6, 7) // 7


def wire_size(emit: Emit) -> int:
    """Bytes of one record in a batch of its own (https://kafka.apache.org/documentation/#record)."""
    parts = [len(emit.key or b""), len(emit.value or b"")]
    for name, value in emit.headers:
        parts += [len(name.encode()), len(value or b"")]
    return 61 + 32 + varint(len(emit.headers)) + sum(varint(size) + size for size in parts)


def test_an_original_that_fits_is_untouched() -> None:
    headers: Headers = (("a", b"1"), ("a", None), ("b", b"\xff"))
    emit = letter(record(b"\x00\xff", headers=headers, offset=9), attempts=3)
    assert (emit.topic, emit.key, emit.value, emit.partition) == (topics.DEAD_LETTER, b"student-7", b"\x00\xff", None)
    assert emit.headers[:3] == headers
    assert dict(emit.headers[3:]) == {
        "dlq.reason": b"token_malformed",
        "dlq.stage": b"ingest",
        "dlq.detail": WHY.detail.encode(),
        "dlq.original.topic": TOPIC.encode(),
        "dlq.original.partition": b"0",
        "dlq.original.offset": b"9",
        "dlq.original.timestamp": str(NOW_S * 1000).encode(),
        "dlq.attempts": b"3",
        "dlq.failed-at": str(NOW_S * 1000 + 7).encode(),
        "dlq.redrive-count": b"0",
    }


@pytest.mark.parametrize("key", [None, b""])
@pytest.mark.parametrize("value", [None, b""])
def test_null_and_empty_stay_what_they_were(key: bytes | None, value: bytes | None) -> None:
    emit = letter(record(value, key=key))
    assert (emit.key, emit.value) == (key, value)


def test_64_mib_of_zeros_are_cut_to_64_kib_with_length_and_fingerprint() -> None:
    """They compress to less than an inbound topic takes, so a producer can append them."""
    zeros = bytes(64 * MIB)
    emit = letter(record(zeros))
    assert emit.value == zeros[: 64 * 1024]
    noted = header(emit, "dlq.truncated")
    assert noted == f"kept 65536 of 67108864 bytes; sha256={hashlib.sha256(zeros).hexdigest()}"
    assert emit.key == b"student-7"


def test_an_original_is_cut_only_where_it_would_not_fit() -> None:
    around = len(b"student-7")
    whole, cut = letter(record(bytes(FITS - around))), letter(record(bytes(FITS - around + 1)))
    assert len(whole.value or b"") == FITS - around
    assert "dlq.truncated" not in names(whole)
    assert len(cut.value or b"") == TRUNCATED_BYTES
    assert "dlq.truncated" in names(cut)


def test_huge_headers_are_dropped_and_said_to_be() -> None:
    headers: Headers = tuple(("x", bytes(MIB)) for _ in range(5))
    emit = letter(record(b"value", headers=headers))
    assert "x" not in names(emit)
    assert header(emit, "dlq.truncated").endswith("; 5 headers dropped")
    assert emit.value == b"value"


def test_headers_that_fit_are_kept_when_the_value_is_cut() -> None:
    emit = letter(record(bytes(5 * MIB), headers=(("x", bytes(MAX_HEADER_BYTES - 1024)),)))
    assert names(emit)[0] == "x"
    assert "headers dropped" not in header(emit, "dlq.truncated")


def test_a_huge_key_is_cut_with_a_fingerprint_of_its_own() -> None:
    key = b"k" * (5 * MIB)
    emit = letter(record(b"value", key=key))
    assert emit.key == key[:MAX_KEY_BYTES]
    assert emit.value == b"value"
    digest = hashlib.sha256(key).hexdigest()
    assert header(emit, "dlq.truncated").endswith(f"; key cut from {len(key)} bytes, sha256={digest}")


def test_what_a_producer_writes_as_dlq_headers_is_not_kept() -> None:
    """Else it could say why, where and how often by itself; every name of ours stands there once."""
    spoofed: Headers = (
        ("dlq.reason", b"token_expired"),
        ("dlq.redrive-count", b"0"),
        ("dlq.truncated", b"all of it"),
        ("dlq.invented", b"x"),
        ("dlq.detail", None),
    )
    emit = letter(record(b"x", headers=(*spoofed, ("mine", b"1"))))
    assert header(emit, "dlq.reason") == "token_malformed"
    assert not {"dlq.invented", "dlq.truncated"} & set(names(emit))
    assert len(set(names(emit))) == len(names(emit))
    assert emit.headers[0] == ("mine", b"1")


SIZES = st.sampled_from([0, 1, 9, MAX_KEY_BYTES, MAX_KEY_BYTES + 1, FITS // 2, FITS - 1, FITS, FITS + 1, 6 * MIB])


@settings(deadline=None, database=None, max_examples=60)
@given(SIZES, SIZES, SIZES, st.integers(1, 400))
@example(key=FITS // 2, value=FITS // 2, header_bytes=0, headers=1)
@example(key=0, value=0, header_bytes=FITS, headers=400)
@example(key=MAX_KEY_BYTES, value=FITS, header_bytes=MAX_HEADER_BYTES, headers=400)
def test_whatever_its_original_a_dead_letter_fits_its_topic(
    key: int, value: int, header_bytes: int, headers: int
) -> None:
    """Else the broker would refuse it, and the record behind it could never be acked."""
    made: Headers = tuple(("h", bytes(header_bytes // headers)) for _ in range(headers))
    emit = letter(record(bytes(value), key=bytes(key), headers=made))
    assert wire_size(emit) < topics.OURS_MAX_BYTES
    assert (header(emit, "dlq.truncated") != "") if "dlq.truncated" in names(emit) else emit.value == bytes(value)


@pytest.mark.parametrize(("name", "count"), [("h" * 20, FITS // 20), ("\u00e9" * 500, FITS // 520)])
def test_a_great_many_small_headers_fit_as_well(name: str, count: int) -> None:
    """Each takes framing besides what it holds, a name counts in bytes, and equal ones compress to almost nothing."""
    emit = letter(record(None, key=None, headers=((name, None),) * count))
    assert wire_size(emit) < topics.OURS_MAX_BYTES


LONG = "x" * (FITS - 2048)


def huge_order() -> list[Emit]:
    """A render order that just fits, most of it the name of a template that doesn't exist."""
    shipped = templates.load()
    topology = build_topology(rules(shipped=shipped), Renderer(shipped), Tally())
    body = orjson.loads(order(data={}).encode())
    body["route"]["template"] = LONG
    return emitted(topology.process(record(orjson.dumps(body), topic=topics.RENDER)))


def huge_message() -> list[Emit]:
    """A message that just fits, most of it the name of a channel without a sender."""
    body = orjson.loads(message().encode())
    body["route"]["channel"] = LONG
    at = record(orjson.dumps(body), topic=topics.DISPATCH_TRANSACTIONAL)
    desk, turn = Floor().desk(), Turn(record=at, message=Message.decode(at.value), attempt=1)
    return list(desk.after_call(turn, asyncio.run(desk.send(turn.message))).emits)


@pytest.mark.parametrize("make", [huge_order, huge_message])
def test_a_detail_that_names_something_long_fits_as_well(make: Any) -> None:
    (emit,) = make()
    assert emit.topic == topics.DEAD_LETTER
    assert wire_size(emit) < topics.OURS_MAX_BYTES


def test_the_detail_holds_no_address_even_where_one_stands_in_the_wrong_place() -> None:
    """A producer that turns channel and address round must not write the address into every log and letter."""
    shipped = templates.load()
    topology = build_topology(rules(shipped=shipped), Renderer(shipped), Tally())
    body = claims(event(recipient__contacts={"ana.ruiz@example.org": 5}))
    (emit,) = emitted(topology.process(record(token(body))))
    assert header(emit, "dlq.reason") == Reason.RECIPIENT_INVALID
    assert "ana.ruiz" not in header(emit, "dlq.detail")

"""Records on ``comms.keys``: what was written is read again, and whatever else stands there is left alone."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from schemas import registry
from streams import topics
from streams.core.keyring import At, KeyRing, SeenKey, key_record, key_record_key, read_key_record
from streams.core.keys import parse
from streams.core.signing import public_jwk
from streams.key_memory import KeyMemory
from tests.builders import ISSUER, jwks, private_key

PROPERTY = settings(deadline=None, database=None, max_examples=200)
NOW_MS = 2_000_000
SCHEMA = registry.load().records["key"]
KINDS = ("RS256", "ES256", "EdDSA")


def seen(kind: str = "ES256", *, kid: str = "k", last: int = 5, missed: int | None = None) -> SeenKey:
    (key,) = parse(jwks({kid: private_key(kind)})).keys.values()
    return SeenKey(key=key, first_seen_ms=1, last_seen_ms=last, missed_ms=missed)


def body(**changes: Any) -> dict[str, Any]:
    """The body of a good record; a change of ``...`` removes a member."""
    made: dict[str, Any] = orjson.loads(key_record(ISSUER, seen())[1]) | changes
    return {name: value for name, value in made.items() if value is not ...}


def read(document: Any) -> tuple[str, SeenKey] | str:
    return read_key_record(json.dumps(document).encode(), now_ms=NOW_MS)


def known(**changes: Any) -> SeenKey:
    """What a good record tells."""
    told = read(body(**changes))
    assert isinstance(told, tuple)
    return told[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missed", [None, 6])
def test_what_is_written_is_read_again(kind: str, missed: int | None) -> None:
    """With a key that verifies as before; and it is what the schema says."""
    written = seen(kind, missed=missed)
    _, value = key_record(ISSUER, written)
    assert read_key_record(value, now_ms=NOW_MS) == (ISSUER, written)
    assert not list(SCHEMA.violations(orjson.loads(value)))


def test_only_the_public_key_is_written() -> None:
    jwk = body()["jwk"]
    assert set(jwk) == {"kty", "kid", "alg", "crv", "x", "y"}
    assert jwk.items() <= public_jwk(private_key("ES256"), kid="k").items()


@PROPERTY
@given(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5))
def test_each_key_of_each_issuer_has_a_compaction_key_of_its_own(
    issuer: str, kid: str, another: str, other_kid: str
) -> None:
    """Else compaction would let one key's record take another's place."""
    same = (issuer, kid) == (another, other_kid)
    assert (key_record_key(issuer, kid) == key_record_key(another, other_kid)) is same


def test_the_record_stands_under_the_compaction_key_that_a_tombstone_has() -> None:
    assert key_record(ISSUER, seen(kid="a/b"))[0] == key_record_key(ISSUER, "a/b")


def test_what_lies_in_the_future_counts_as_now() -> None:
    """One worker whose clock is ahead must not keep a key alive, nor usable, beyond its time for all."""
    ahead = NOW_MS + 10**9
    sight, miss = known(last_seen_ms=ahead), known(last_seen_ms=5, missed_ms=ahead)
    both = known(last_seen_ms=ahead, missed_ms=ahead + 1)
    assert (sight.last_seen_ms, sight.missed_ms) == (NOW_MS, None)
    assert (miss.last_seen_ms, miss.missed_ms) == (5, NOW_MS + 1)
    assert (both.last_seen_ms, both.missed_ms) == (NOW_MS, NOW_MS + 1)
    assert KeyRing().recalled(sight).last_seen_ms == NOW_MS
    assert not KeyRing().recalled(miss).seen["k"].verifies(At(ahead))


MALFORMED: dict[str, Any] = {
    "no issuer": body(issuer=...),
    "an issuer that is no text": body(issuer=7),
    "no key": body(jwk=...),
    "a key that is none": body(jwk="x"),
    "a key without kid": body(jwk={"kty": "EC"}),
    "a key that can't be read": body(jwk=body()["jwk"] | {"x": "AA"}),
    "a private key": body(jwk=body()["jwk"] | {"d": "AA"}),
    "a secret": body(jwk={"kty": "oct", "kid": "k", "k": "AA"}),
    "an unknown kind of key": body(jwk=body()["jwk"] | {"kty": "XX"}),
    "no first sight": body(first_seen_ms=...),
    "no last sight": body(last_seen_ms=...),
    "a time that is text": body(last_seen_ms="5"),
    "a time that is true": body(first_seen_ms=True),
    "a time with a fraction": body(last_seen_ms=5.5),
    "a time before the epoch": body(first_seen_ms=-1),
    "a miss that is text": body(missed_ms="6"),
    "a miss before the last sight": body(missed_ms=5),
}


@pytest.mark.parametrize("document", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_record_is_ignored_with_a_reason(document: Any) -> None:
    why = read(document)
    assert isinstance(why, str)
    assert why


@pytest.mark.parametrize(
    "value", [b"", b"null", b"[]", b"{", b"\xff", b"NaN", b'{"a":1,"a":1}', b'{"jwk":' * 99 + b"1" + b"}" * 99]
)
def test_bytes_that_are_no_object_are_ignored_with_a_reason(value: bytes) -> None:
    assert isinstance(read_key_record(value, now_ms=NOW_MS), str)


def test_members_that_this_build_does_not_know_are_left_aside() -> None:
    assert read(body(added=1)) == (ISSUER, seen())


@pytest.mark.parametrize("member", sorted(body()))
def test_what_the_schema_refuses_at_a_member_the_reader_refuses(member: str) -> None:
    wrongly_read = []
    values: tuple[Any, ...] = (None, True, 1, -1, 1.5, "x", "", [], {}, {"kid": "k"}, ...)
    for value in values:
        document = body(**{member: value})
        if any(SCHEMA.violations(document)) and not isinstance(read(document), str):
            wrongly_read.append(value)
    assert wrongly_read == []


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
MEMBERS = ("kty", "kid", "alg", "crv", "x", "y", "n", "e", "use", "key_ops", "d")


@PROPERTY
@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(MEMBERS), JUNK, max_size=3),
    st.dictionaries(st.sampled_from(sorted(body())), JUNK, max_size=2),
)
def test_no_record_however_wrong_raises(kind: str, jwk: dict[str, Any], changes: dict[str, Any]) -> None:
    """It would end the reading of all keys."""
    whole = public_jwk(private_key(kind), kid="k") | jwk
    assert isinstance(read(body(jwk=whole) | changes), str | tuple)


class Pen:
    """A writer that remembers."""

    def __init__(self) -> None:
        self.put_down: list[tuple[str, bytes, bytes | None]] = []

    def put(self, topic: str, key: bytes, value: bytes | None) -> None:
        self.put_down.append((topic, key, value))


class Reader:
    """What the memory told."""

    def __init__(self) -> None:
        self.recalled: list[tuple[str, SeenKey]] = []
        self.gone: list[tuple[str, str]] = []

    def recall(self, issuer: str, seen: SeenKey) -> None:
        self.recalled.append((issuer, seen))

    def let_go(self, issuer: str, kid: str) -> None:
        self.gone.append((issuer, kid))


def test_what_the_memory_writes_it_reads_and_the_rest_it_leaves_alone() -> None:
    """Under the deployment's prefix; a tombstone lets go of its key."""
    pen, reader = Pen(), Reader()
    memory = KeyMemory(pen, prefix="blue.", is_read=lambda: True, now=lambda: NOW_MS / 1000)
    memory.remember(ISSUER, seen())
    memory.forget(ISSUER, "k")
    (topic, key, value), tombstone = pen.put_down
    assert topic == f"blue.{topics.KEYS}"
    assert tombstone == (topic, key, None)
    for each in (value, None, b"garbage"):
        memory.read(key, each, reader)
    with capture_logs() as logged:
        for wrong in (b"garbage", None, key_record_key(ISSUER, "other"), key.replace(b",", b", ")):
            memory.read(wrong, value, reader)
    assert [entry["event"] for entry in logged] == ["key_record_ignored"] * 4, "compaction goes by the record's key"
    memory.read(b"garbage", None, reader)
    assert reader.recalled == [(ISSUER, seen())]
    assert reader.gone == [(ISSUER, "k")]

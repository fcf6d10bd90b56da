"""Strict base64url and strict JSON: one spelling for each value, and nothing but `EncodingError` for the rest."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.encoding import MAX_DEPTH, EncodingError, b64url, json_object

PROPERTY = settings(deadline=None, database=None, max_examples=150)
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9)
)
NAMES = st.text(max_size=4)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)


def encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@PROPERTY
@given(st.binary(max_size=300))
def test_base64url_comes_back_as_it_was(raw: bytes) -> None:
    assert b64url(encoded(raw)) == raw


@PROPERTY
@given(st.binary(min_size=1, max_size=40).filter(lambda raw: len(raw) % 3))
def test_any_other_last_character_that_means_the_same_bytes_is_refused(raw: bytes) -> None:
    """RFC 4648, section 3.5: bits after the last byte. Each segment has exactly one accepted spelling."""
    segment = encoded(raw)
    padding = b"=" * (-len(segment) % 4)
    others = [segment[:-1] + bytes([last]) for last in ALPHABET if last != segment[-1]]
    same = [other for other in others if base64.urlsafe_b64decode(other + padding) == raw]
    assert len(same) == (15 if len(raw) % 3 == 1 else 3)
    for other in same:
        with pytest.raises(EncodingError):
            b64url(other)


@PROPERTY
@given(st.text("AZaz09-_Q", max_size=12), st.text("AZaz09-_Q", max_size=12))
def test_two_accepted_segments_never_mean_the_same_bytes(one: str, other: str) -> None:
    decoded = []
    for segment in {one, other}:
        try:
            decoded.append(b64url(segment.encode()))
        except EncodingError:
            continue
    assert len(set(decoded)) == len(decoded)


@pytest.mark.parametrize("byte", sorted(set(range(256)) - set(ALPHABET)))
def test_no_byte_outside_the_alphabet_is_read(byte: int) -> None:
    """Padding, white space, the other base64 alphabet: at the end, where a lenient reader would stop, and within."""
    for segment in (b"YWJj" + bytes([byte]), b"YW" + bytes([byte]) + b"j"):
        with pytest.raises(EncodingError):
            b64url(segment)


@pytest.mark.parametrize("segment", [b"A", b"YWJjZ"])
def test_an_impossible_length_is_refused(segment: bytes) -> None:
    with pytest.raises(EncodingError):
        b64url(segment)


@PROPERTY
@given(OBJECTS, st.booleans())
def test_an_object_comes_back_as_it_was(value: dict[str, Any], ascii_only: bool) -> None:  # noqa: FBT001 - drawn
    assert json_object(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


WRAPPINGS: list[Callable[[bytes], bytes]] = [
    lambda inner: b'{"in":' + inner + b"}",
    lambda inner: b"[1," + inner + b"]",
]


@PROPERTY
@given(
    st.lists(st.sampled_from(WRAPPINGS), max_size=8),
    st.sampled_from(
        [b'{"a":1,"a":2}', b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'{"":{},"":{}}', b'{"a":1,"b":2,"a":3}']
    ),
)
def test_a_member_that_stands_twice_is_refused_at_any_depth(
    wrappings: list[Callable[[bytes], bytes]], inner: bytes
) -> None:
    """Also when the second one is spelt with an escape."""
    document = inner
    for wrap in wrappings:
        document = wrap(document)
    with pytest.raises(EncodingError, match="twice"):
        json_object(b'{"top":' + document + b"}")


BAD = [
    *[b'{"a":%s}' % number for number in (b"NaN", b"Infinity", b"-Infinity", b"nan", b"1e999", b"-1e999", b"1e400")],
    *[b'{"a":%s}' % number for number in (b"9223372036854775808", b"-9223372036854775809", b"9" * 20, b"9" * 5000)],
    *[b'{"a":%s}' % number for number in (b"01", b"+1", b".5", b"1.", b"0x1", b"1_0", b"--1", "\u0661".encode())],
    *[b'{"a":"\\%s"}' % escape for escape in (b"ud800", b"udfff", b"ude00\\ud83d", b"ud83dx", b"x", b"u12g4", b"u12")],
    b'{"\\ud800":1}',
    b'[{"a":1}]',
    b'"text"',
    b"null",
    b"1",
    b"",
    b"{",
    b"{}{}",
    b"{} x",
    b'{"a":1,}',
    b"{'a':1}",
    b"{a:1}",
    b'{"a":1}//',
    b'{"a":"\n"}',
    b'{"a":"\x00"}',
    b'{"a":"\xff"}',
    b'{"a":"\xed\xa0\x80"}',
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    "{}".encode("utf-32"),
    "\u00a0{}".encode(),
]


@pytest.mark.parametrize("document", BAD, ids=lambda document: repr(document[:24]))
def test_what_only_some_readers_accept_is_refused(document: bytes) -> None:
    with pytest.raises(EncodingError):
        json_object(document)


GOOD = {
    b'{"a":9223372036854775807,"b":-9223372036854775808}': {"a": 2**63 - 1, "b": -(2**63)},
    b'{"a":1.7976931348623157e308,"b":1e-999}': {"a": 1.7976931348623157e308, "b": 0.0},
    b'{"a":"\\ud83d\\ude00","\\u0062":"\\u0000"}': {"a": "\U0001f600", "b": "\0"},
    b' \t\r\n{"a" : [ ] } ': {"a": []},
    b'{"a":{"a":{"a":1}}}': {"a": {"a": {"a": 1}}},
}


@pytest.mark.parametrize("document", GOOD, ids=repr)
def test_what_json_allows_is_read(document: bytes) -> None:
    assert json_object(document) == GOOD[document]


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_read_to_the_bound_and_not_beyond(opening: bytes, closing: bytes) -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"

    assert json_object(nested(MAX_DEPTH))
    with pytest.raises(EncodingError, match="deeply"):
        json_object(nested(MAX_DEPTH + 1))
    with pytest.raises(EncodingError, match="deeply"):
        json_object(nested(20_000))


def test_brackets_side_by_side_or_in_strings_are_not_nesting() -> None:
    many = b'{"a":[' + b",".join([b"[]"] * 500) + b'],"b":"' + b"[{" * 500 + b'","c":"\\"[[' + b"[" * 500 + b'"}'
    assert len(json_object(many)["a"]) == 500


PIECES = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b'\\"',
        b"\\u",
        b"\\ud800",
        b",",
        b":",
        b"1",
        b"-",
        b"e9",
        b"NaN",
        b"\xff",
        b"a",
    ]
)


@PROPERTY
@given(
    st.binary(max_size=2000)
    | st.lists(PIECES, max_size=300).map(b"".join)
    | st.tuples(st.sampled_from([b"[", b'{"a":', b'"\\', b"9", b"-", b'{"a":[', b"]["]), st.integers(1, 10_000)).map(
        lambda drawn: (drawn[0] * drawn[1])[: 64 * 1024]
    )
)
def test_nothing_but_an_encoding_error_is_raised_for_any_bytes(document: bytes) -> None:
    for read in (json_object, b64url):
        with suppress(EncodingError):
            read(document)


ADVERSE = [
    b'"' + b"[" * 65 + b'\\"' * 100_000,
    b"[" * 65 + b'"' * 200_001,
    b"[" * 65 + b'"\\' * 100_000,
    b"[" * 65 + b"\\" * 200_001,
    b'"' + b"[" * 200_000,
    b"[]" * 100_000,
    b'{"a":"' + b"\\u0041[" * 30_000 + b'"}',
]


@pytest.mark.parametrize("document", ADVERSE, ids=lambda document: repr(document[60:75]))
def test_the_scan_for_depth_is_linear(document: bytes) -> None:
    """Milliseconds; a scan that backtracks would take minutes."""
    begun = time.perf_counter()
    with suppress(EncodingError):
        json_object(document)
    assert time.perf_counter() - begun < 2

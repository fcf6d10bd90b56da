"""Properties of trust: one bit is enough, no bytes raise, and what the contract allows is accepted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.reasons import Rejected
from streams.core.token import Claims, verify
from tests import forge
from tests.builders import NOW_S, claims, event, private_key, record, rules, token

KINDS = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}
PROPERTY = settings(deadline=None, database=None, max_examples=200)
RULES = rules().tokens
LIMIT = 64 * 1024


@pytest.mark.parametrize("kid", KINDS)
def test_no_single_bit_of_a_token_can_be_flipped(kid: str) -> None:
    """Every bit there is: about ten thousand per algorithm."""
    good = token(key=private_key(KINDS[kid]), header={"kid": kid})
    assert isinstance(verify(record(good), RULES), Claims)
    value = bytearray(good)
    accepted = []
    for bit in range(len(good) * 8):
        value[bit // 8] ^= 1 << bit % 8
        if not isinstance(verify(record(bytes(value)), RULES), Rejected):
            accepted.append(bit)
        value[bit // 8] ^= 1 << bit % 8
    assert accepted == []


PIECES = st.sampled_from([
    b"{", b"[", b'"', b"\\", b'\\"', b'{"a":', b'{"event":', b"[[", b"]", b"}", b"1", b"-", b"9e9", b"\\ud800", b"nul",
    b"\\u0000", b"\xff", b"\xed\xa0\x80", b"\0", b" ", b".", b"=", b"A", b"NaN,", b"\xef\xbb\xbf", b'"a":1,',
    b",", b":",
])  # fmt: skip
LONG = st.builds(
    lambda before, piece, times, after: (before + piece * times + after)[:LIMIT],
    st.binary(max_size=40) | st.just(b'{"iss":"scholarship_agent","x":'),
    PIECES | st.binary(min_size=1, max_size=8),
    st.integers(0, LIMIT),
    st.binary(max_size=40) | st.just(b"}"),
)


@PROPERTY
@given(LONG | st.binary(max_size=LIMIT))
def test_no_bytes_of_up_to_64_kib_raise(value: bytes) -> None:
    assert isinstance(verify(record(value), RULES), Rejected)


@PROPERTY
@given(st.sampled_from([0, 1, 2]), LONG)
def test_no_bytes_inside_a_segment_raise(place: int, content: bytes) -> None:
    """Well encoded, so that the JSON reader or the signature check meets them; at most 64 KiB in all."""
    parts = [forge.segment(forge.header()), forge.segment(claims()), forge.segment(b"s" * 256)]
    room = LIMIT - sum(map(len, parts)) - 2
    parts[place] = forge.segment(content[: room * 3 // 4])
    value = b".".join(parts)
    assert len(value) <= LIMIT
    assert isinstance(verify(record(value), RULES), Rejected)


@PROPERTY
@given(LONG)
def test_no_payload_raises_even_when_it_is_well_signed(content: bytes) -> None:
    value = forge.sign(forge.header(alg="EdDSA", kid="ed"), content[: LIMIT // 2], private_key("EdDSA"))
    assert isinstance(verify(record(value), RULES), Rejected)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)
OURS = frozenset(claims()) | {"nbf"}
FORBIDDEN = frozenset({"alg", "kid", "typ", "crit", "b64", "jku", "x5u", "x5c", "jwk", "zip"})
EXTRA_CLAIMS = st.dictionaries(st.text(max_size=8).filter(lambda name: name not in OURS), JSON, max_size=3)
EXTRA_HEADERS = st.dictionaries(
    (st.text(max_size=8) | st.sampled_from(["cty", "x5t", "x5t#S256", "iss", "apu"])).filter(
        lambda name: name not in FORBIDDEN
    ),
    JSON,
    max_size=3,
)
AUDIENCES = st.just("auto_com_center") | st.lists(st.text(max_size=6), max_size=3).flatmap(
    lambda others: st.permutations([*others, "auto_com_center"])
)
TIMES = st.tuples(
    st.integers(-800, 60) | st.floats(-800, 60, allow_nan=False), st.integers(1, 900) | st.floats(1, 890)
).filter(lambda drawn: drawn[0] + drawn[1] > -59)
SPACES = st.sampled_from(["", " ", "\n", "\t", "\r\n", "  \n\t "])


@st.composite
def allowed(draw: st.DrawFn) -> bytes:
    """A token that the contract allows: of any algorithm, in any order, with any white space and any extras."""
    kid = draw(st.sampled_from(sorted(KINDS)))
    since, life = draw(TIMES)
    times: dict[str, Any] = {"iat": NOW_S + since, "exp": NOW_S + since + life}
    roles = draw(st.permutations(["SystemService", "Other"]))
    body = claims(aud=draw(AUDIENCES), roles=roles, **times) | draw(EXTRA_CLAIMS)
    head = forge.header(alg=KINDS[kid], kid=kid) | draw(EXTRA_HEADERS)
    return forge.sign(spelt(draw, head), spelt(draw, body), private_key(KINDS[kid]))


def spelt(draw: st.DrawFn, members: dict[str, Any]) -> bytes:
    """One of the ways to write an object: order, white space and escapes."""
    ordered = dict(draw(st.permutations(list(members.items()))))
    separators = (draw(SPACES) + "," + draw(SPACES), draw(SPACES) + ":" + draw(SPACES))
    text = json.dumps(ordered, separators=separators, ensure_ascii=draw(st.booleans()))
    return (draw(SPACES) + text + draw(SPACES)).encode()


@settings(PROPERTY, max_examples=400)
@given(allowed())
def test_what_the_contract_allows_is_accepted(value: bytes) -> None:
    """Member order, white space, extra claims, extra header members, several audiences, times as floats."""
    outcome = verify(record(value), RULES)
    assert isinstance(outcome, Claims), outcome
    assert outcome.event == event()

"""Layer one and two of trust under arbitrary input: no bit may differ, and no bytes raise."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.jws import MAX_TOKEN_BYTES, Unverified, read, verify_bytes
from streams.core.keys import NO_KEYS
from streams.core.reasons import Reason, Rejected
from streams.core.token import EVENT_TYPE, Claims, Producer, TokenRules, verify
from tests.builders import ISSUER, NOW_S, TOPIC, claims, default_keys, private_key, producers, record, token

PROPERTY = settings(deadline=None, database=None, max_examples=300)
KINDS = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}
VALID = {kid: token(key=private_key(kind), header={"kid": kid}) for kid, kind in KINDS.items()}


def rules(keys: Any = None) -> TokenRules:
    return TokenRules(producers(), keys or default_keys())


def flipped(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("kid", KINDS)
def test_a_good_token_tells_who_said_what(kid: str) -> None:
    verified = verify(record(VALID[kid]), rules())
    assert isinstance(verified, Claims)
    assert (verified.event_id, verified.jti) == (f"{ISSUER}/event-1", "event-1")
    assert verified.event == claims()["event"]
    assert verified.producer == producers()[ISSUER]


@PROPERTY
@given(st.sampled_from(sorted(KINDS)), st.floats(0, 1, exclude_max=True))
def test_a_token_with_any_one_bit_flipped_is_refused(kid: str, place: float) -> None:
    """Header, dot, payload and signature alike: also the bits of a last character that decode to nothing."""
    value = VALID[kid]
    outcome = verify(record(flipped(value, int(place * len(value) * 8))), rules())
    assert isinstance(outcome, Rejected)


@pytest.mark.parametrize("kid", KINDS)
def test_no_bit_of_the_last_characters_can_be_flipped(kid: str) -> None:
    """Where base64 leaves bits over: of every segment."""
    value = VALID[kid]
    ends = [place - 1 for place, byte in enumerate(value) if byte == ord(".")] + [len(value) - 1]
    for bit in [end * 8 + n for end in ends for n in range(8)]:
        assert isinstance(verify(record(flipped(value, bit)), rules()), Rejected), bit


SEGMENTS = st.binary(max_size=80).map(lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"="))
CUT = st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 900), st.binary(max_size=6), st.integers(0, 60)).map(
    lambda drawn: VALID[drawn[0]][: drawn[1]] + drawn[2] + VALID[drawn[0]][drawn[1] + drawn[3] :]
)


@PROPERTY
@given(st.binary(max_size=400) | st.lists(SEGMENTS, min_size=2, max_size=4).map(b".".join) | CUT)
def test_no_bytes_raise(value: bytes) -> None:
    outcome = verify(record(value), rules())
    assert isinstance(outcome, Rejected) or value in VALID.values()


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
CLAIMS = st.sampled_from(["aud", "sub", "roles", "iat", "exp", "nbf", "jti", "event", "iss", "x"])


@settings(PROPERTY, max_examples=120)
@given(st.dictionaries(CLAIMS, JUNK, min_size=1, max_size=3))
def test_no_claim_however_wrong_raises(changes: dict[str, Any]) -> None:
    """Signed by the issuer itself: a value of any kind at any place is a refusal or harmless."""
    body = json.dumps({**claims(), **changes}).encode()
    headers = {"kid": "ed", "typ": EVENT_TYPE}
    value = jwt.PyJWS().encode(body, private_key("EdDSA"), algorithm="EdDSA", headers=headers)
    outcome = verify(record(value.encode()), rules())
    assert isinstance(outcome, Rejected | Claims)


@settings(PROPERTY, max_examples=60)
@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "cty", "crit", "x"]), JUNK, min_size=1, max_size=2))
def test_no_header_however_wrong_raises(changes: dict[str, Any]) -> None:
    header = {"alg": "RS256", "kid": "rsa", "typ": EVENT_TYPE, **changes}
    _, payload, signature = VALID["rsa"].split(b".")
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
    value = b".".join([encoded, payload, signature])
    outcome = verify(record(value), rules())
    assert isinstance(outcome, Rejected) or value == VALID["rsa"]


def test_a_token_of_exactly_the_limit_is_read() -> None:
    """256 KiB are accepted, one byte more is too large."""
    parts = VALID["rsa"].split(b".")
    for size, reason in ((MAX_TOKEN_BYTES, Reason.TOKEN_MALFORMED), (MAX_TOKEN_BYTES + 1, Reason.TOKEN_TOO_LARGE)):
        filler = b"A" * (size - len(parts[0]) - len(parts[2]) - 2)
        outcome = read(b".".join([parts[0], filler, parts[2]]), token_type=EVENT_TYPE)
        assert isinstance(outcome, Rejected)
        assert outcome.reason is reason


def test_with_no_keys_at_hand_the_key_is_unknown() -> None:
    unverified = read(VALID["ed"], token_type=EVENT_TYPE)
    assert isinstance(unverified, Unverified)
    outcome = verify_bytes(unverified, NO_KEYS)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.TOKEN_UNKNOWN_KEY


def test_the_algorithm_is_the_keys_and_not_the_headers() -> None:
    """A token that is well signed by one key of the issuer under the name of another is refused."""
    outcome = verify(record(token(key=private_key("EdDSA"), header={"kid": "ec"})), rules())
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.TOKEN_ALG


@pytest.mark.parametrize(
    ("appended_s", "reason"),
    [
        (NOW_S - 61, Reason.TOKEN_NOT_YET_VALID),
        (NOW_S - 60, None),
        (NOW_S + 300 + 59.999, None),
        (NOW_S + 300 + 60, Reason.TOKEN_EXPIRED),
    ],
)
def test_the_skew_is_one_minute_either_way(appended_s: float, reason: Reason | None) -> None:
    outcome = verify(record(VALID["rsa"], appended_s=appended_s), rules())
    assert (outcome.reason if isinstance(outcome, Rejected) else None) is reason


@pytest.mark.parametrize("changes", [{"exp": NOW_S + 900}, {"jti": "j" * 128}, {"jti": "j"}, {"nbf": NOW_S + 60}])
def test_the_limits_themselves_are_accepted(changes: dict[str, Any]) -> None:
    assert isinstance(verify(record(token(claims(**changes))), rules()), Claims)


def test_an_issuer_is_bound_to_its_topic_whatever_its_token_says() -> None:
    """Moving the issuer to another topic turns the same token bad."""
    moved = {ISSUER: Producer(issuer=ISSUER, service=ISSUER, topic="events.elsewhere", types=frozenset())}
    outcome = verify(record(VALID["rsa"], topic=TOPIC), TokenRules(moved, default_keys()))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.TOKEN_TOPIC


def test_no_detail_quotes_the_token() -> None:
    """A dead letter's detail may be read by people who may not read the event."""
    secret = "ana.ruiz@example.org"
    for changes in ({"sub": secret}, {"jti": secret * 20}, {"aud": secret}, {"roles": [secret]}, {"event": secret}):
        outcome = verify(record(token(claims(**changes))), rules())
        assert isinstance(outcome, Rejected)
        assert secret not in outcome.detail

"""Access tokens: who may act as a service of the platform now, from real RS256 tokens, and every way to be refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.access import MAX_SUBJECT, Access, verify_access
from streams.core.keyring import Arrival, NoKey
from streams.core.keys import Key, parse
from streams.core.reasons import Reason, Rejected
from streams.core.token import Claims, Producer, TokenRules, verify
from tests.access import AUTH, KEYS, KEYS_OF, access_claims, access_rules, access_token
from tests.builders import NOW_S, TOPIC, FixedKeys, jwks, private_key, producers, record, token

PROPERTY = settings(deadline=None, database=None, max_examples=150)


def judged(value: bytes, *, now_s: float = NOW_S, keys: Any = KEYS) -> Reason | None:
    """Why it is refused; None if it isn't."""
    outcome = verify_access(value, access_rules(keys), now_s=now_s)
    return outcome.reason if isinstance(outcome, Rejected) else None


def test_a_good_token_tells_who_calls_and_what_they_may_do() -> None:
    assert verify_access(access_token(), access_rules(), now_s=NOW_S) == Access(
        subject="service:portal",
        roles=frozenset({"SystemService"}),
        scopes=frozenset({"notify:send", "notify:read"}),
    )


ACCEPTED: dict[str, bytes] = {
    "the long type": access_token(header={"typ": "application/at+jwt"}),
    "the old type": access_token(header={"typ": "JWT"}),
    "no type": access_token(header={"typ": None}),
    "several audiences": access_token(access_claims(aud=["other", "auto_com_center"])),
    "several roles": access_token(access_claims(roles=["Reader", "SystemService", 7])),
    "no scope": access_token(access_claims(scope=...)),
    "an empty scope": access_token(access_claims(scope="")),
    "no iat": access_token(access_claims(iat=...)),
    "times with a fraction": access_token(access_claims(iat=NOW_S - 0.5, exp=NOW_S + 0.5)),
    "nbf within the skew": access_token(access_claims(nbf=NOW_S + 60)),
    "iat within the skew": access_token(access_claims(iat=NOW_S + 60)),
    "exp within the skew": access_token(access_claims(exp=NOW_S - 59.9)),
    "a long life": access_token(access_claims(exp=NOW_S + 86_400)),
    "the longest subject": access_token(access_claims(sub="s" * MAX_SUBJECT)),
    "claims that we don't know": access_token(access_claims(tenant={"id": 1})),
}


@pytest.mark.parametrize("value", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_contract_leaves_open_is_accepted(value: bytes) -> None:
    assert judged(value) is None


REFUSED: dict[str, tuple[Reason, bytes]] = {
    "nothing": (Reason.TOKEN_MISSING, b""),
    "no token": (Reason.TOKEN_MALFORMED, b"Bearer x"),
    "two segments": (Reason.TOKEN_MALFORMED, b"e30.e30"),
    "too large": (Reason.TOKEN_TOO_LARGE, b"a" * (256 * 1024 + 1)),
    "an order's type": (Reason.TOKEN_TYPE, access_token(header={"typ": "control+jwt"})),
    "an operator's type": (Reason.TOKEN_TYPE, access_token(header={"typ": "operator+jwt"})),
    "an event's type": (Reason.TOKEN_TYPE, access_token(header={"typ": "event+jwt"})),
    "no kid": (Reason.TOKEN_MALFORMED, access_token(header={"kid": ""})),
    "a key of its own": (Reason.TOKEN_MALFORMED, access_token(header={"jwk": {"kty": "RSA"}})),
    "a key-set address of its own": (Reason.TOKEN_MALFORMED, access_token(header={"jku": "https://evil.example"})),
    "another algorithm with its own key": (
        Reason.TOKEN_ALG,
        access_token(key=private_key("ES256"), header={"kid": "ec"}),
    ),
    "RS256 under another algorithm's key": (Reason.TOKEN_ALG, access_token(header={"kid": "ec"})),
    "an unknown key": (Reason.TOKEN_UNKNOWN_KEY, access_token(header={"kid": "other"})),
    "another key under the kid": (Reason.TOKEN_SIGNATURE, access_token(key=private_key("RS256", "other"))),
    "another issuer": (Reason.TOKEN_ISSUER, access_token(access_claims(iss="https://evil.example"))),
    "almost the issuer": (Reason.TOKEN_ISSUER, access_token(access_claims(iss=AUTH + "/"))),
    "no issuer": (Reason.TOKEN_ISSUER, access_token(access_claims(iss=...))),
    "another audience": (Reason.TOKEN_AUDIENCE, access_token(access_claims(aud="scholarship_api"))),
    "a longer audience": (Reason.TOKEN_AUDIENCE, access_token(access_claims(aud="auto_com_center2"))),
    "no audience": (Reason.TOKEN_AUDIENCE, access_token(access_claims(aud=...))),
    "an empty list of audiences": (Reason.TOKEN_AUDIENCE, access_token(access_claims(aud=[]))),
    "another role": (Reason.TOKEN_ROLE, access_token(access_claims(roles=["Student"]))),
    "no role": (Reason.TOKEN_ROLE, access_token(access_claims(roles=...))),
    "roles as one text": (Reason.TOKEN_ROLE, access_token(access_claims(roles="SystemService"))),
    "no exp": (Reason.TOKEN_CLAIMS, access_token(access_claims(exp=...))),
    "exp as true": (Reason.TOKEN_CLAIMS, access_token(access_claims(exp=True))),
    "over": (Reason.TOKEN_EXPIRED, access_token(access_claims(iat=NOW_S - 900, exp=NOW_S - 60))),
    "issued ahead": (Reason.TOKEN_NOT_YET_VALID, access_token(access_claims(iat=NOW_S + 61))),
    "not before then": (Reason.TOKEN_NOT_YET_VALID, access_token(access_claims(nbf=NOW_S + 61))),
    "nbf as true": (Reason.TOKEN_CLAIMS, access_token(access_claims(nbf=True))),
    "iat as null": (Reason.TOKEN_CLAIMS, access_token(access_claims(iat=None))),
    "no subject": (Reason.TOKEN_CLAIMS, access_token(access_claims(sub=...))),
    "an empty subject": (Reason.TOKEN_CLAIMS, access_token(access_claims(sub=""))),
    "a subject that is too long": (Reason.TOKEN_CLAIMS, access_token(access_claims(sub="s" * (MAX_SUBJECT + 1)))),
    "scopes as a list": (Reason.TOKEN_CLAIMS, access_token(access_claims(scope=["notify:send"]))),
}


@pytest.mark.parametrize(("reason", "value"), REFUSED.values(), ids=REFUSED)
def test_each_fault_is_refused_with_its_own_reason(reason: Reason, value: bytes) -> None:
    assert judged(value) is reason


@pytest.mark.parametrize("member", ["crit", "b64", "jku", "x5u", "x5c", "jwk", "zip"])
def test_a_header_that_would_choose_its_own_key_or_meaning_is_refused(member: str) -> None:
    header, payload, signature = access_token().split(b".")
    members = json.loads(base64.urlsafe_b64decode(header + b"==")) | {member: ["x"]}
    changed = base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=")
    assert judged(b".".join([changed, payload, signature])) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("name", ["none", "HS256", "RS512", "PS256"])
def test_an_algorithm_beyond_the_one_is_refused(name: str) -> None:
    header = base64.urlsafe_b64encode(json.dumps({"alg": name, "kid": "auth", "typ": "at+jwt"}).encode()).rstrip(b"=")
    _, payload, signature = access_token().split(b".")
    assert judged(b".".join([header, payload, signature])) is Reason.TOKEN_ALG
    assert judged(b".".join([header, payload, b""])) is Reason.TOKEN_ALG


@pytest.mark.parametrize(
    ("now_s", "reason"),
    [
        (NOW_S - 60.001, Reason.TOKEN_NOT_YET_VALID),
        (NOW_S - 60, None),
        (NOW_S + 359.999, None),
        (NOW_S + 360, Reason.TOKEN_EXPIRED),
    ],
)
def test_it_is_judged_at_this_moment_with_the_skew_either_way(now_s: float, reason: Reason | None) -> None:
    assert judged(access_token(), now_s=now_s) is reason


class NoKeysYet:
    """Keys before the first fetch."""

    def find(self, _issuer: str, _kid: str, _arrival: Arrival) -> Key | NoKey:
        return NoKey.NOT_YET


def test_without_keys_at_hand_nobody_is_let_in() -> None:
    """A door can't wait: it refuses, and doesn't say that the key is unknown when only a fetch could tell."""
    early = verify_access(access_token(), access_rules(NoKeysYet()), now_s=NOW_S)
    known = verify_access(access_token(header={"kid": "other"}), access_rules(), now_s=NOW_S)
    assert isinstance(early, Rejected)
    assert isinstance(known, Rejected)
    assert early.reason is known.reason is Reason.TOKEN_UNKNOWN_KEY
    assert early.detail != known.detail


def test_the_key_is_looked_for_at_this_moment_and_under_the_auth_services_name() -> None:
    """A withdrawn key vouches for what was appended before, not for who comes now."""
    asked: list[tuple[str, str, int, int]] = []

    class Asked:
        def find(self, issuer: str, kid: str, arrival: Arrival) -> Key | NoKey:
            asked.append((issuer, kid, arrival.appended_ms, arrival.received_ms))
            return NoKey.UNKNOWN

    verify_access(access_token(), access_rules(Asked()), now_s=NOW_S + 0.5)
    now_ms = NOW_S * 1000 + 500
    assert asked == [(KEYS_OF, "auth", now_ms, now_ms)]


def events_of(issuer: str) -> TokenRules:
    """Rules under which ``issuer`` may produce events, with the very keys of the auth service."""
    producer = Producer(issuer=issuer, service="portal", topic=TOPIC, types=frozenset({"new_match"}))
    return TokenRules(producers() | {issuer: producer}, FixedKeys({issuer: parse(jwks({"auth": private_key()}))}))


@pytest.mark.parametrize("kind", ["at+jwt", "application/at+jwt", "JWT", None])
def test_an_access_token_is_never_an_event(kind: str | None) -> None:
    """Though it has all that an event has, signed with a key that may sign events."""
    both = access_claims(event={"type": "new_match"})
    outcome = verify(record(access_token(both, header={"typ": kind})), events_of(AUTH))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.TOKEN_TYPE
    same_as_an_event = verify(record(access_token(both, header={"typ": "event+jwt"})), events_of(AUTH))
    assert isinstance(same_as_an_event, Claims), "only its type tells it apart"


def test_an_event_is_never_an_access_token() -> None:
    """The same claims and key under another type would pass."""
    event = access_token(access_claims(event={"type": "new_match"}), header={"typ": "event+jwt"})
    assert judged(event) is Reason.TOKEN_TYPE
    assert judged(access_token(access_claims(event={"type": "new_match"}))) is None
    assert judged(token()) is Reason.TOKEN_TYPE


@PROPERTY
@given(st.floats(0, 1, exclude_max=True))
def test_a_token_with_any_one_bit_flipped_is_refused(place: float) -> None:
    value = bytearray(access_token())
    bit = int(place * len(value) * 8)
    value[bit // 8] ^= 1 << bit % 8
    assert judged(bytes(value)) is not None


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@PROPERTY
@given(st.dictionaries(st.sampled_from(sorted(access_claims())), JUNK, min_size=1, max_size=3))
def test_no_claim_however_wrong_raises(changes: dict[str, Any]) -> None:
    assert isinstance(
        verify_access(access_token(access_claims(**changes)), access_rules(), now_s=NOW_S), Access | Rejected
    )


def test_no_detail_quotes_the_token() -> None:
    secret = "ana.ruiz@example.org"
    for changes in ({"iss": secret}, {"sub": secret * 9}, {"aud": secret}, {"roles": [secret]}, {"scope": [secret]}):
        outcome = verify_access(access_token(access_claims(**changes)), access_rules(), now_s=NOW_S)
        assert isinstance(outcome, Rejected)
        assert secret not in outcome.detail

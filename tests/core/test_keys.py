"""Which keys of a JWK set may verify a token (RFC 7517, RFC 8725): bad ones are dropped one by one and reported."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa, x25519
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.keys import MAX_KEYS, NO_KEYS, KeySetError, parse
from streams.core.signing import public_jwk
from tests.builders import jwks, private_key

Jwk = dict[str, Any]


def good(kind: str = "RS256", **changes: Any) -> Jwk:
    """A usable member; None removes one."""
    made = public_jwk(private_key(kind), kid=kind) | changes
    return {name: value for name, value in made.items() if value is not None}


def document(*members: object) -> bytes:
    return json.dumps({"keys": members}).encode()


@cache
def small_rsa() -> Jwk:
    return public_jwk(rsa.generate_private_key(65537, 1024), kid="bad")  # noqa: S505 - the point


def private_rsa() -> Jwk:
    key = private_key()
    assert isinstance(key, rsa.RSAPrivateKey)
    made: Jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key))
    return made | {"kid": "bad"}


def on_curve(curve: ec.EllipticCurve) -> Jwk:
    made: Jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(curve).public_key()))
    return made | {"kid": "bad"}


def okp(curve: str, raw: bytes) -> Jwk:
    return {"kty": "OKP", "crv": curve, "x": base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), "kid": "bad"}


@pytest.mark.parametrize("kind", ["RS256", "ES256", "EdDSA"])
def test_each_kind_of_the_contract_is_usable_for_its_own_algorithm_alone(kind: str) -> None:
    for member in (
        good(kind),
        good(kind, use=None, alg=None, key_ops=None),
        good(kind, x="1") if kind == "RS256" else good(kind),
    ):
        keys = parse(document(member))
        assert keys.keys[kind].algorithm == kind
        assert keys.dropped == ()


def test_a_set_keeps_every_good_key() -> None:
    keys = parse(jwks({kind: private_key(kind) for kind in ("RS256", "ES256", "EdDSA")}))
    assert set(keys.keys) == {"RS256", "ES256", "EdDSA"}
    assert keys


def modulus(bits: int) -> str:
    """An odd number of so many bits: nobody checks whether it has two factors."""
    return base64.urlsafe_b64encode((2 ** (bits - 1) + 12_345).to_bytes((bits + 7) // 8, "big")).rstrip(b"=").decode()


def test_rsa_of_just_the_largest_size_is_kept() -> None:
    assert set(parse(document(good(kid="large", n=modulus(16_384)))).keys) == {"large"}


@pytest.mark.parametrize(("length", "kept"), [(256, True), (257, False), (190_000, False)])
def test_a_key_of_too_long_a_kid_is_dropped(length: int, kept: bool) -> None:  # noqa: FBT001 - a column
    """It stands in memory and in a record's key; no token may name it."""
    keys = parse(document(good(kid="é" * length)))
    assert bool(keys) is kept
    assert keys.dropped == (() if kept else (f"{'é' * 64!r}: the kid is longer than 256 characters",))


SECRET = "secret or private"
DROPPED: list[tuple[str, Callable[[], object], str]] = [
    ("a shared secret", lambda: {"kty": "oct", "k": "c2VjcmV0", "kid": "bad"}, SECRET),
    ("a shared secret without its member", lambda: {"kty": "oct", "kid": "bad"}, SECRET),
    ("a private key", private_rsa, SECRET),
    *[
        (f"the private member {name}", lambda name=name: good(kid="bad", **{name: "AQ"}), SECRET)
        for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
    ],
    ("use enc", lambda: good(kid="bad", use="enc"), "`use`"),
    ("use is a list", lambda: good(kid="bad", use=["sig"]), "`use`"),
    ("key_ops without verify", lambda: good(kid="bad", key_ops=["sign"]), "`key_ops`"),
    ("empty key_ops", lambda: good(kid="bad", key_ops=[]), "`key_ops`"),
    ("key_ops is text", lambda: good(kid="bad", key_ops="verify"), "`key_ops`"),
    ("alg RS512", lambda: good(kid="bad", alg="RS512"), "only RS256"),
    ("alg PS256", lambda: good(kid="bad", alg="PS256"), "only RS256"),
    ("alg HS256 on an RSA key", lambda: good(kid="bad", alg="HS256"), "only RS256"),
    ("alg of another kind", lambda: good("ES256", kid="bad", alg="EdDSA"), "only RS256"),
    ("alg is null", lambda: {**good(kid="bad"), "alg": None}, "only RS256"),
    ("an unknown kty", lambda: good(kid="bad", kty="AKP"), "only RS256"),
    ("no kty", lambda: good(kid="bad", kty=None), "only RS256"),
    ("kty is a list", lambda: good(kid="bad", kty=["RSA"]), "only RS256"),
    ("RSA of 1024 bits", small_rsa, "RSA below 2048 bits"),
    ("RSA of more than 16384 bits", lambda: good(kid="bad", n=modulus(16_385)), "RSA above 16384 bits"),
    ("RSA of 100000 bits", lambda: good(kid="bad", n=modulus(100_000)), "RSA above 16384 bits"),
    ("P-384", lambda: on_curve(ec.SECP384R1()), ""),
    ("P-521", lambda: on_curve(ec.SECP521R1()), ""),
    ("secp256k1", lambda: on_curve(ec.SECP256K1()), ""),
    ("Ed448", lambda: okp("Ed448", ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw()), ""),
    ("X25519", lambda: okp("X25519", x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()), ""),
    ("a short Ed25519 key", lambda: okp("Ed25519", b"short"), "can't be read"),
    ("no modulus", lambda: good(kid="bad", n=None), "can't be read"),
    ("a modulus that isn't base64url", lambda: good(kid="bad", n="?"), ""),
    ("a modulus that is a number", lambda: good(kid="bad", n=5), "can't be read"),
    ("an exponent of zero", lambda: good(kid="bad", e="AA"), ""),
    ("a point off the curve", lambda: good("ES256", kid="bad", y="AAAA"), "can't be read"),
]


@pytest.mark.parametrize(("make", "why"), [case[1:] for case in DROPPED], ids=[case[0] for case in DROPPED])
def test_a_bad_key_is_dropped_and_reported_and_the_good_one_beside_it_stays(
    make: Callable[[], object], why: str
) -> None:
    keys = parse(document(make(), good()))
    assert set(keys.keys) == {"RS256"}
    assert len(keys.dropped) == 1
    assert keys.dropped[0].startswith("'bad': ")
    assert why in keys.dropped[0]


@pytest.mark.parametrize("member", [{}, {"kid": ""}, {"kid": 7}, {"kid": None}, "key", 1, None, []])
def test_a_member_without_a_kid_is_dropped_and_reported(member: object) -> None:
    whole = good() | member if isinstance(member, dict) and "kid" in member else member
    keys = parse(document(whole, good("ES256")))
    assert set(keys.keys) == {"ES256"}
    assert keys.dropped == ("a key without a kid",)


def test_keys_that_share_a_kid_are_all_dropped() -> None:
    """Whichever came first would be a guess."""
    keys = parse(document(good(kid="same"), good("ES256", kid="same"), good("EdDSA")))
    assert set(keys.keys) == {"EdDSA"}
    assert keys.dropped == ("'same': the kid stands more than once",)


def test_a_report_is_short_and_holds_no_key() -> None:
    keys = parse(document(private_rsa() | {"kid": "k" * 5000}))
    assert len(keys.dropped[0]) < 200
    assert private_rsa()["d"] not in keys.dropped[0]


def test_a_set_of_a_hundred_keys_is_read_and_a_larger_one_is_not() -> None:
    members = [{"kid": str(n), "kty": "oct"} for n in range(MAX_KEYS + 1)]
    assert len(parse(document(*members[:MAX_KEYS])).dropped) == MAX_KEYS
    with pytest.raises(KeySetError, match="100"):
        parse(document(*members))


def test_an_empty_set_is_a_set_without_keys() -> None:
    assert not parse(document())
    assert not NO_KEYS


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"<html>", b"{}", b'{"keys":{}}', b'{"keys":null}', b'{"keys":[],"keys":[]}', b"\xff"],
)
def test_what_is_no_key_set_is_an_error_of_its_own(body: bytes) -> None:
    with pytest.raises(KeySetError):
        parse(body)


JUNK: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-9, 2**40) | st.text(max_size=8) | st.just([]) | st.just({})
)
MEMBERS = st.sampled_from(["kty", "kid", "use", "key_ops", "alg", "n", "e", "crv", "x", "y", "x5c"])


@settings(deadline=None, database=None, max_examples=200)
@given(st.sampled_from(["RS256", "ES256", "EdDSA"]), st.dictionaries(MEMBERS, JUNK, max_size=4))
def test_no_member_of_a_key_however_wrong_breaks_the_set(kind: str, changes: dict[str, Any]) -> None:
    """The key is usable or dropped; its neighbour stays in any case."""
    keys = parse(document({**good(kind), **changes}, good(kid="neighbour")))
    assert "neighbour" in keys.keys
    assert len(keys.keys) + len(keys.dropped) == 2

"""The producer's side: claims of an event JWT, and its signature. What `core.token` accepts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streams.core.keys import MIN_RSA_BITS, KeySet
from streams.core.token import AUDIENCE, EVENT_TYPE, MAX_LIFETIME_S, ROLE

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

DEFAULT_LIFETIME_S: Final = 300
_PUBLIC_MEMBERS: Final = ("kty", "crv", "x", "y", "n", "e")


class SigningError(ValueError):
    """The key or the times can't make a token that would be accepted; the message says why."""


def claims(
    event: Mapping[str, Any], *, issuer: str, service: str, jti: str, now_s: int, lifetime_s: int = DEFAULT_LIFETIME_S
) -> dict[str, Any]:
    """The claims of the contract around ``event``. Times in seconds; ``lifetime_s`` at most 900."""
    if not 0 < lifetime_s <= MAX_LIFETIME_S:
        raise SigningError(f"a lifetime is 1 to {MAX_LIFETIME_S} s")
    return {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": f"service:{service}",
        "roles": [ROLE],
        "iat": now_s,
        "exp": now_s + lifetime_s,
        "jti": jti,
        "event": event,
    }


def sign(body: Mapping[str, Any], key: PrivateKey, *, kid: str, token_type: str = EVENT_TYPE) -> str:
    """The compact JWS of ``body``; the algorithm follows from the key."""
    return jwt.encode(dict(body), key, algorithm=algorithm(key), headers={"kid": kid, "typ": token_type})


def algorithm(key: PrivateKey) -> str:
    """The one algorithm that the contract allows for a key."""
    match key:
        case RSAPrivateKey():
            return "RS256"
        case EllipticCurvePrivateKey():
            return "ES256"
        case Ed25519PrivateKey():
            return "EdDSA"


def read_key(pem: bytes) -> PrivateKey:
    """A private key from unencrypted PEM.

    Raises:
        SigningError: not a PEM key, encrypted, or of a kind that the contract doesn't allow.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise SigningError("not an unencrypted private key in PEM") from None
    if not isinstance(key, PrivateKey):
        raise SigningError("only RSA, P-256 and Ed25519 keys may sign events")
    if isinstance(key, EllipticCurvePrivateKey) and not isinstance(key.curve, SECP256R1):
        raise SigningError("of the elliptic curves only P-256 may sign events")
    if isinstance(key, RSAPrivateKey) and key.key_size < MIN_RSA_BITS:
        raise SigningError(f"an RSA key that signs events has at least {MIN_RSA_BITS} bits")
    return key


def kid_in(keys: KeySet, key: PrivateKey) -> str | None:
    """Under which name a key set has the public half of ``key``; None if it hasn't."""
    members = public_jwk(key, kid="")
    public = {name: members[name] for name in _PUBLIC_MEMBERS if name in members}
    return next((kid for kid, one in keys.keys.items() if public.items() <= one.document.items()), None)


def public_jwk(key: PrivateKey, *, kid: str) -> dict[str, Any]:
    """The public half as a member of a JWK set (RFC 7517)."""
    public = key.public_key()
    name = algorithm(key)
    jwk: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(name).to_jwk(public))
    return {**jwk, "kid": kid, "use": "sig", "alg": name, "key_ops": ["verify"]}

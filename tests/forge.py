"""Tokens that no library would make: any header over any payload, well signed by a real key or signed by a forger."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt

from streams.core.signing import PrivateKey, algorithm
from tests.builders import claims, private_key

Part = Mapping[str, Any] | list[Any] | bytes
"""What becomes a segment: JSON, or bytes as they are."""


def segment(part: Part) -> bytes:
    """Canonical base64url of a part."""
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def header(**changes: Any) -> dict[str, Any]:
    """A good header for the first issuer's RSA key; None removes a member."""
    made = {"alg": "RS256", "kid": "rsa", "typ": "event+jwt"} | changes
    return {name: value for name, value in made.items() if value is not None}


def sign(head: Part, payload: Part | None = None, key: PrivateKey | None = None) -> bytes:
    """A JWS over exactly these parts (the default claims if none), whatever the header says of the algorithm."""
    return over(segment(head) + b"." + segment(claims() if payload is None else payload), key)


def over(signing_input: bytes, key: PrivateKey | None = None) -> bytes:
    """The same over segments that are encoded already, well or badly."""
    return signing_input + b"." + segment(signature(signing_input, key))


def signature(message: bytes, key: PrivateKey | None = None) -> bytes:
    """The signature of a message by the key's own algorithm; by the first issuer's RSA key if none is given."""
    signer: Any = key or private_key()
    signed: bytes = jwt.get_algorithm_by_name(algorithm(signer)).sign(message, signer)
    return signed


def hmac(signing_input: bytes, secret: bytes, *, bits: int = 256) -> bytes:
    """A token whose signature is an HMAC: what algorithm confusion needs (RFC 8725, section 2.1)."""
    hashed = getattr(jwt.algorithms.HMACAlgorithm, f"SHA{bits}")
    mac = jwt.algorithms.HMACAlgorithm(hashed).sign(signing_input, secret)
    return signing_input + b"." + segment(mac)

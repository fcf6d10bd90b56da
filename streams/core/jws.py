"""Layer one of trust: a compact JWS (RFC 7515) under a key that policy allows. Knows nothing of claims."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from streams.core.encoding import EncodingError, b64url, json_object
from streams.core.keys import ALGORITHMS, MAX_KID, Key, KeySet
from streams.core.reasons import Reason, Rejected

MAX_TOKEN_BYTES: Final = 256 * 1024
_SEGMENTS: Final = 3
_FORBIDDEN: Final = ("crit", "b64", "jku", "x5u", "x5c", "jwk", "zip")
"""Header members that would let a token choose its own key or meaning (RFC 8725, sections 3.9 and 3.10)."""

_JWS: Final = jwt.PyJWS(algorithms=list(ALGORITHMS))


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token whose form is right and whose signature was not checked. Only ``iss`` may be believed, to find keys."""

    token: bytes
    header: Mapping[str, Any]
    payload: Mapping[str, Any]

    @property
    def kid(self) -> str:
        """The name of the key that it claims to be signed with."""
        return str(self.header["kid"])


def read(value: bytes | None, *, token_type: str) -> Unverified | Rejected:
    """Take a compact JWS of ours apart: three canonical segments, strict JSON, a header that the contract allows."""
    return read_any(value, token_types=(token_type,))


def read_any(value: bytes | None, *, token_types: Collection[str | None]) -> Unverified | Rejected:
    """The same for tokens of others, whose header may say one of several types; None: or none at all."""
    if not value:
        return Rejected(Reason.TOKEN_MISSING, "the record has no value")
    if len(value) > MAX_TOKEN_BYTES:
        return Rejected(Reason.TOKEN_TOO_LARGE, f"{len(value)} bytes, at most {MAX_TOKEN_BYTES} are accepted")
    segments = value.split(b".")
    if len(segments) != _SEGMENTS:
        return Rejected(Reason.TOKEN_MALFORMED, "not a compact JWS of three segments")
    try:
        header, payload = json_object(b64url(segments[0])), json_object(b64url(segments[1]))
        b64url(segments[2])
    except EncodingError as error:
        return Rejected(Reason.TOKEN_MALFORMED, str(error))
    refusal = _header_fault(header, token_types)
    return Unverified(value, header, payload) if refusal is None else refusal


def _header_fault(header: Mapping[str, Any], token_types: Collection[str | None]) -> Rejected | None:
    for name in _FORBIDDEN:
        if name in header:
            return Rejected(Reason.TOKEN_MALFORMED, f"header member `{name}` is refused")
    if not _is_one_of(header.get("typ"), token_types):
        allowed = ("none at all" if name is None else f"`{name}`" for name in token_types)
        return Rejected(Reason.TOKEN_TYPE, f"header `typ` must be {' or '.join(allowed)}")
    if header.get("alg") not in ALGORITHMS:
        return Rejected(Reason.TOKEN_ALG, f"header `alg` must be one of {', '.join(ALGORITHMS)}")
    if not isinstance(header.get("kid"), str) or not header["kid"]:
        return Rejected(Reason.TOKEN_MALFORMED, "header `kid` is required, a string")
    if len(header["kid"]) > MAX_KID:
        return Rejected(Reason.TOKEN_MALFORMED, f"header `kid` must have at most {MAX_KID} characters")
    return None


def _is_one_of(value: object, allowed: Collection[str | None]) -> bool:
    return (value is None or isinstance(value, str)) and value in allowed


def verify_bytes(token: Unverified, keys: KeySet) -> bytes | Rejected:
    """The payload's bytes, if the signature is good under the one key of ``keys`` that the header names."""
    key = keys.keys.get(token.kid)
    if key is None:
        return Rejected(Reason.TOKEN_UNKNOWN_KEY, "`kid` is not in the issuer's key set")
    return verify_under(token, key)


def verify_under(token: Unverified, key: Key) -> bytes | Rejected:
    """The payload's bytes, if the signature is good under this key and the header names the key's algorithm."""
    if key.algorithm != token.header["alg"]:
        return Rejected(Reason.TOKEN_ALG, f"the key is for {key.algorithm}, the header says otherwise")
    try:
        verified = _JWS.decode_complete(token.token, key.jwk, algorithms=[key.algorithm])
    except jwt.InvalidSignatureError:
        return Rejected(Reason.TOKEN_SIGNATURE, "the signature does not match")
    except jwt.PyJWTError as error:
        return Rejected(Reason.TOKEN_MALFORMED, f"refused by the JWS library: {type(error).__name__}")
    payload: bytes = verified["payload"]
    return payload

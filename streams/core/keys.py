"""Key sets: which public keys may verify a token, and why the others may not (RFC 7517, RFC 8725).

Pure: bytes in, keys out. Fetching them is `adapters.keysets`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from streams.core.encoding import EncodingError, json_object

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16_384
"""OpenSSL verifies under no larger one (OPENSSL_RSA_MAX_MODULUS_BITS, include/openssl/rsa.h)."""
MAX_KID: Final = 256
"""Characters. Kids that aren't known are kept in memory, and known ones are keys of records."""
MAX_KEYS: Final = 100
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
_KEPT_MEMBERS: Final = ("kty", "kid", "alg", "crv", "x", "y", "n", "e")
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class Key:
    """One usable public key. ``algorithm`` is the only one that a token under it may name; ``document`` is its JWK."""

    kid: str
    algorithm: str
    jwk: jwt.PyJWK = field(compare=False)
    document: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer by ``kid``, and a line for each key that was dropped."""

    keys: Mapping[str, Key] = field(default_factory=lambda: MappingProxyType({}))
    dropped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys)


NO_KEYS: Final = KeySet()


class KeySetError(ValueError):
    """The document is not a JWK set; single bad keys don't raise, they are dropped and reported."""


def parse(document: bytes) -> KeySet:
    """Read a JWK set (RFC 7517, section 5). Bad keys are dropped one by one.

    Raises:
        KeySetError: not a JSON object with a list ``keys`` of at most 100 members.
    """
    try:
        body = json_object(document)
    except EncodingError as error:
        raise KeySetError(f"the key set is unreadable: {error}") from None
    members = body.get("keys")
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise KeySetError(f"the key set has no list `keys` of at most {MAX_KEYS} members")
    read = [key_of(member) for member in members]
    kids = Counter(
        member["kid"] for member in members if isinstance(member, dict) and isinstance(member.get("kid"), str)
    )
    twice = {kid for kid, n in kids.items() if n > 1}
    keys = {key.kid: key for key in read if isinstance(key, Key) and key.kid not in twice}
    dropped = [key for key in read if isinstance(key, str)]
    dropped += [f"{kid[:64]!r}: the kid stands more than once" for kid in sorted(twice)]
    return KeySet(MappingProxyType(keys), tuple(dropped))


def key_of(member: object) -> Key | str:
    """A usable key from one member of a set (RFC 7517, section 4), or the reason why it is dropped."""
    if not isinstance(member, dict) or not isinstance(member.get("kid"), str) or not member["kid"]:
        return "a key without a kid"
    kid: str = member["kid"]
    fault = f"the kid is longer than {MAX_KID} characters" if len(kid) > MAX_KID else _policy(member)
    if fault is not None:
        return f"{kid[:64]!r}: {fault}"
    algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}.get(str(member.get("kty")))
    if algorithm is None or member.get("alg", algorithm) != algorithm:
        return f"{kid[:64]!r}: only {', '.join(ALGORITHMS)} are accepted"
    try:
        jwk = jwt.PyJWK(member, algorithm)
    except (jwt.exceptions.PyJWTError, ValueError, TypeError):
        return f"{kid[:64]!r}: the key can't be read"
    weakness = _weakness(jwk.key)
    if weakness is not None:
        return f"{kid[:64]!r}: {weakness}"
    return Key(kid, algorithm, jwk, {name: str(member[name]) for name in _KEPT_MEMBERS if name in member})


def _policy(member: Mapping[str, Any]) -> str | None:
    if member.get("kty") == "oct" or _PRIVATE_MEMBERS & member.keys():
        return "secret or private key material in a public key set"
    if member.get("use", "sig") != "sig":
        return "`use` is not `sig`"
    operations = member.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return "`key_ops` lacks `verify`"
    return None


def _weakness(key: object) -> str | None:
    match key:
        case RSAPublicKey():
            return _size_fault(key.key_size)
        case EllipticCurvePublicKey():
            return None if isinstance(key.curve, SECP256R1) else "the curve is not P-256"
        case Ed25519PublicKey():
            return None
        case _:
            return "the curve is not Ed25519"


def _size_fault(bits: int) -> str | None:
    if bits < MIN_RSA_BITS:
        return f"RSA below {MIN_RSA_BITS} bits"
    return f"RSA above {MAX_RSA_BITS} bits" if bits > MAX_RSA_BITS else None

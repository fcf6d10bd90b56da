"""Access tokens of the platform's auth service (RFC 9068): who calls, and what they may do. Judged at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from streams.core.jws import Unverified, read_any, verify_under
from streams.core.keyring import SKEW_S, At, NoKey
from streams.core.keys import Key
from streams.core.reasons import Reason, Rejected
from streams.core.token import AUDIENCE, ROLE, Keys, has_audience, number

TOKEN_TYPES: Final = ("at+jwt", "application/at+jwt", "JWT", None)
"""RFC 9068 wants the first; many servers still say the others. An event's or an order's type is none of them."""
ALGORITHM: Final = "RS256"
MAX_SUBJECT: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """Who issues the tokens, and under which name `Keys` has that issuer's keys."""

    issuer: str
    keys_of: str
    keys: Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A verified caller."""

    subject: str
    roles: frozenset[str]
    scopes: frozenset[str]


def verify_access(value: bytes, rules: AccessRules, *, now_s: float) -> Access | Rejected:
    """Decide whether this token lets its bearer act as a service of the platform now."""
    token = read_any(value, token_types=TOKEN_TYPES)
    if isinstance(token, Rejected):
        return token
    return (
        _signature_fault(token, rules, now_s)
        or _claims_fault(token.payload, rules.issuer)
        or _time_fault(token.payload, now_s)
        or _access(token.payload)
    )


def _signature_fault(token: Unverified, rules: AccessRules, now_s: float) -> Rejected | None:
    if token.header["alg"] != ALGORITHM:
        return Rejected(Reason.TOKEN_ALG, f"an access token must be signed with {ALGORITHM}")
    key = rules.keys.find(rules.keys_of, token.kid, At(int(now_s * 1000)))
    match key:
        case NoKey.UNKNOWN:
            return Rejected(Reason.TOKEN_UNKNOWN_KEY, "`kid` is not in the auth service's key set")
        case NoKey.NOT_YET:
            return Rejected(Reason.TOKEN_UNKNOWN_KEY, "no key at hand has this `kid`; a later fetch may bring it")
        case Key():
            verified = verify_under(token, key)
            return verified if isinstance(verified, Rejected) else None


def _claims_fault(claims: Mapping[str, Any], issuer: str) -> Rejected | None:
    if claims.get("iss") != issuer:
        return Rejected(Reason.TOKEN_ISSUER, "`iss` is not OAUTH_ISSUER")
    if not has_audience(claims):
        return Rejected(Reason.TOKEN_AUDIENCE, f"`aud` must contain `{AUDIENCE}`")
    roles = claims.get("roles")
    if not isinstance(roles, list) or ROLE not in roles:
        return Rejected(Reason.TOKEN_ROLE, f"`roles` must contain `{ROLE}`")
    return None


def _time_fault(claims: Mapping[str, Any], now_s: float) -> Rejected | None:
    expires, issued = number(claims.get("exp")), number(claims.get("iat", now_s))
    not_before = number(claims.get("nbf", now_s))
    if expires is None or issued is None or not_before is None:
        return Rejected(Reason.TOKEN_CLAIMS, "`exp` is required; `exp`, `iat` and `nbf` must be numbers")
    if now_s >= expires + SKEW_S:
        return Rejected(Reason.TOKEN_EXPIRED, "`exp` is over")
    if max(issued, not_before) > now_s + SKEW_S:
        return Rejected(Reason.TOKEN_NOT_YET_VALID, "`iat` or `nbf` lies ahead")
    return None


def _access(claims: Mapping[str, Any]) -> Access | Rejected:
    subject, scope = claims.get("sub"), claims.get("scope", "")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT or not isinstance(scope, str):
        return Rejected(Reason.TOKEN_CLAIMS, "`sub` must be a short string, `scope` a string")
    roles = frozenset(role for role in claims["roles"] if isinstance(role, str))
    return Access(subject=subject, roles=roles, scopes=frozenset(scope.split()))

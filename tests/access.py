"""Builders of access tokens, as the platform's auth service would give them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jwt

from streams.core.access import AccessRules
from streams.core.keys import parse
from streams.core.signing import PrivateKey, algorithm
from tests.builders import NOW_S, FixedKeys, jwks, private_key

AUTH = "https://auth.example"
KEYS_OF = f"oauth:{AUTH}"
KEYS = FixedKeys({KEYS_OF: parse(jwks({"auth": private_key(), "ec": private_key("ES256")}))})


def access_rules(keys: Any = KEYS) -> AccessRules:
    """Who issues the tokens, and with which keys."""
    return AccessRules(issuer=AUTH, keys_of=KEYS_OF, keys=keys)


def access_claims(**changes: Any) -> dict[str, Any]:
    """Valid claims as RFC 9068 wants them; ``...`` removes one."""
    made = {
        "iss": AUTH,
        "aud": "auto_com_center",
        "sub": "service:portal",
        "roles": ["SystemService"],
        "iat": NOW_S,
        "exp": NOW_S + 300,
        "jti": "t-1",
        "client_id": "portal",
        "scope": "notify:send notify:read",
    } | changes
    return {name: value for name, value in made.items() if value is not ...}


def access_token(
    claims: Mapping[str, Any] | None = None, *, key: PrivateKey | None = None, header: Mapping[str, Any] | None = None
) -> bytes:
    """Signed as it stands: `jwt.encode` would look at the claims."""
    signer = key or private_key()
    members = {"kid": "auth", "typ": "at+jwt", **(header or {})}
    payload = json.dumps(claims if claims is not None else access_claims()).encode()
    return jwt.PyJWS().encode(payload, signer, algorithm=algorithm(signer), headers=members).encode()

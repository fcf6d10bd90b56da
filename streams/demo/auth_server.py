"""A local auth service: key sets, OpenID discovery and a token endpoint, with keys that are made when it starts.

It answers as the real one is asked: key sets by RFC 7517, client credentials by RFC 6749 (section 4.4), tokens by
RFC 9068. Nothing of it is kept.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote_plus

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from streams.core.signing import PrivateKey, public_jwk
from streams.core.token import AUDIENCE, ROLE

TOKEN_LIFETIME_S: Final = 300
AUTH_KID: Final = "auth-1"
CLIENT: Final = "auto_com_center"
MAX_FORM: Final = 4096


@dataclass(slots=True)
class AuthService:
    """What the server answers from. ``keys``: issuer to kid to private key; a test may change it while it runs."""

    keys: Mapping[str, Mapping[str, PrivateKey]]
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    signing_key: RSAPrivateKey = field(default_factory=lambda: generate_private_key(65537, 2048))
    roles: tuple[str, ...] = (ROLE,)
    issued_ago_s: int = 0
    lifetime_s: int = TOKEN_LIFETIME_S
    url: str = ""

    def document(self, path: str) -> tuple[int, Any]:
        """Status and JSON of a GET."""
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks.json",
                "token_endpoint": f"{self.url}/token",
            }
        if path == "/jwks.json":
            return 200, _key_set({AUTH_KID: self.signing_key})
        issuer = path.removeprefix("/").removesuffix("/jwks.json")
        return (200, _key_set(self.keys[issuer])) if issuer in self.keys else (404, {})

    def grant(self, authorization: str, form: str) -> tuple[int, Any]:
        """Status and JSON of a POST to the token endpoint."""
        if _client(authorization) != (CLIENT, self.client_secret):
            return 401, {"error": "invalid_client"}
        if parse_qs(form).get("grant_type") != ["client_credentials"]:
            return 400, {"error": "unsupported_grant_type"}
        now = int(time.time()) - self.issued_ago_s
        claims = {
            "iss": self.url, "aud": AUDIENCE, "sub": f"service:{CLIENT}", "roles": list(self.roles),
            "iat": now, "exp": now + self.lifetime_s, "jti": secrets.token_hex(8), "scope": "notify:send",
        }  # fmt: skip
        token = jwt.encode(claims, self.signing_key, "RS256", headers={"kid": AUTH_KID, "typ": "at+jwt"})
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime_s}


def _key_set(keys: Mapping[str, PrivateKey]) -> dict[str, Any]:
    return {"keys": [public_jwk(key, kid=kid) for kid, key in keys.items()]}


def _client(authorization: str) -> tuple[str, str] | None:
    try:
        pair = base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode()
    except ValueError:
        return None
    name, _, secret = pair.partition(":")
    return unquote_plus(name), unquote_plus(secret)


class AuthServer:
    """Serves an `AuthService` on 127.0.0.1, in a thread of its own."""

    def __init__(self, service: AuthService, *, port: int = 0) -> None:
        self.service = service
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, name="auth-server", daemon=True)
        service.url = f"http://127.0.0.1:{self._server.server_port}"

    def respond(self, method: str, path: str, authorization: str, form: str) -> tuple[int, Any]:
        """Status and JSON; a test may replace it with one that fails."""
        if method == "POST":
            return self.service.grant(authorization, form) if path == "/token" else (404, {})
        return self.service.document(path)

    def keys_url(self, issuer: str) -> str:
        """Where the keys of a producer's ``issuer`` are."""
        return f"{self.service.url}/{issuer}/jwks.json"

    def environment(self) -> dict[str, str]:
        """The settings of a worker that asks here."""
        return {
            "OAUTH_ISSUER": self.service.url,
            "OAUTH_TOKEN_ENDPOINT": f"{self.service.url}/token",
            "OAUTH_CLIENT_ID": CLIENT,
            "OAUTH_CLIENT_SECRET": self.service.client_secret,
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(server: AuthServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*server.respond("GET", self.path, "", ""))

        def do_POST(self) -> None:
            form = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_FORM)).decode(
                "ascii", "replace"
            )
            self._answer(*server.respond("POST", self.path, self.headers.get("Authorization") or "", form))

        def _answer(self, status: int, body: Any) -> None:  # noqa: ANN401 - any JSON
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing: the demo's own lines are what a reader came for."""

    return Handler

"""The auth service's token endpoint: client credentials (RFC 6749, sections 2.3.1, 4.4 and 5.2)."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

import aiohttp
import orjson

HTTP_OK: Final = 200
CLIENT_ERRORS: Final = range(400, 500)
NOT_A_VERDICT: Final = frozenset({408, 425, 429})
"""4xx that say "later", not "no"."""
MAX_BYTES: Final = 64 * 1024
ERRORS: Final = frozenset(
    {
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
        "invalid_scope",
    }
)  # fmt: skip
"""RFC 6749, section 5.2. Anything else that a server says is not repeated."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The endpoint gave an access token."""

    token: bytes


@dataclass(frozen=True, slots=True)
class Blocked:
    """It said no: 4xx. Somebody must change something."""

    why: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """It could not be asked, or answered nonsense."""

    why: str


Grant = Granted | Blocked | Unavailable


class TokenEndpoint:
    """One client of one endpoint. The secret leaves this object only in the request's header."""

    def __init__(self, url: str, client_id: str, secret: str, *, timeout: float) -> None:
        self._url = url
        pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
        self._authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def token(self, session: aiohttp.ClientSession) -> Grant:
        """Ask for a token; never raises for what a server may do."""
        try:
            async with session.post(
                self._url,
                data={"grant_type": "client_credentials"},
                headers={"Authorization": self._authorization, "Accept": "application/json"},
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                return _grant(response.status, await _body(response))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Unavailable(f"the token endpoint can't be reached: {type(error).__name__}")


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """All of it, in however many pieces it comes; one that is too large is cut, so that it can't be read."""
    try:
        return await response.content.readexactly(MAX_BYTES)
    except asyncio.IncompleteReadError as ended:
        return ended.partial


def _grant(status: int, body: bytes) -> Grant:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    said = answer if isinstance(answer, dict) else {}
    if status == HTTP_OK:
        token = said.get("access_token")
        if isinstance(token, str) and token and token.isascii():
            return Granted(token.encode())
        return Unavailable("the token endpoint answered 200 without an `access_token`")
    code = said.get("error")
    text = f"the token endpoint answered {status}" + (f" ({code})" if isinstance(code, str) and code in ERRORS else "")
    return Blocked(text) if status in CLIENT_ERRORS and status not in NOT_A_VERDICT else Unavailable(text)

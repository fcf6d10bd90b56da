"""Fetches one issuer's key-set document: from a file, from a URL, or from where OpenID discovery says it is.

https without redirects (loopback http in development), size-capped. Source of discovery: OpenID Connect Discovery 1.0,
section 4 (https://openid.net/specs/openid-connect-discovery-1_0.html).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import orjson

from config.key_source import SECURE, KeySource
from streams.core.ports import KeySetError

HTTP_OK: Final = 200
WELL_KNOWN: Final = "/.well-known/openid-configuration"
_FRESH: Final = {"Cache-Control": "no-cache"}
"""A cache on the way asks the server before it answers (RFC 9111, section 5.2.1.4)."""
_MAX_DIGITS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Seconds and bytes; `config.settings` says why they are what they are."""

    timeout: float
    max_bytes: int
    discovery_every: float


@dataclass(frozen=True, slots=True)
class Document:
    """A key set as it was ``age_s`` seconds before it was asked for: a cache may have answered nevertheless."""

    body: bytes
    age_s: int = 0


class KeyFetcher:
    """One issuer's source. Where discovery pointed is kept for a while, and asked anew after a fetch that failed."""

    def __init__(self, source: KeySource, limits: FetchLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._limits = limits
        self._clock = clock
        self._found: tuple[str, float] | None = None

    async def fetch(self, session: aiohttp.ClientSession) -> Document:
        """The document as it is now, or as a cache had it.

        Raises:
            KeySetError, ValueError: the answer can't be used; aiohttp.ClientError, TimeoutError, OSError: none came.
        """
        if self._source.discovery:
            return await self._discovered(session)
        if self._source.is_url:
            return await self._get(session, self._source.jwks)
        return Document(await asyncio.to_thread(_read, Path(self._source.jwks), self._limits.max_bytes))

    async def _discovered(self, session: aiohttp.ClientSession) -> Document:
        found, self._found = self._found, None
        if found is None or self._clock() - found[1] > self._limits.discovery_every:
            found = (await self._discover(session), self._clock())
        document = await self._get(session, found[0])
        self._found = found
        return document

    async def _discover(self, session: aiohttp.ClientSession) -> str:
        issuer = self._source.discovery
        answer = orjson.loads((await self._get(session, issuer.rstrip("/") + WELL_KNOWN)).body)
        if not isinstance(answer, dict) or answer.get("issuer") != issuer:
            raise KeySetError("the discovery document is not this issuer's: its `issuer` must be the address asked")
        url = answer.get("jwks_uri")
        if not isinstance(url, str) or not self._source.allows(url):
            raise KeySetError(f"the discovery document's `jwks_uri` must be {SECURE}")
        return url

    async def _get(self, session: aiohttp.ClientSession, url: str) -> Document:
        limit = self._limits.max_bytes
        timeout = aiohttp.ClientTimeout(total=self._limits.timeout)
        async with session.get(url, headers=_FRESH, timeout=timeout, allow_redirects=False) as response:
            if response.status != HTTP_OK:
                raise KeySetError(f"the server answered {response.status}")
            document = await response.content.read(limit + 1)
            while len(document) <= limit and (chunk := await response.content.read(limit + 1 - len(document))):
                document += chunk
        return Document(_capped(document, limit), _age(response.headers.get("Age", "")))


def _age(header: str) -> int:
    """How old an answer is at most, in seconds; 0 if it comes from the server itself.

    Of a list the first counts, and what is no number is left aside (RFC 9111, section 5.1). Caches round down.
    """
    first = header.partition(",")[0].strip()
    return int(first[:_MAX_DIGITS]) + 1 if first.isascii() and first.isdigit() else 0


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return _capped(file.read(limit + 1), limit)


def _capped(document: bytes, limit: int) -> bytes:
    if len(document) > limit:
        raise KeySetError(f"larger than {limit} bytes")
    return document

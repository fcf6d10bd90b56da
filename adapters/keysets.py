"""Key sets of all issuers, fetched in the background and kept: readers never wait, and an outage doesn't forget keys.

One fetch per issuer at a time, at a fixed interval after success and failure alike; https without redirects (loopback
http in development), size-capped. Parsing and policy are `streams.core.keys`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import aiohttp
import structlog

from config.producers import ProducerRow
from streams.core.ports import KeySet, KeySetError, KeySetParser

log = structlog.get_logger(__name__)

HTTP_OK: Final = 200
GRACE_S: Final = 60.0
"""Keys verify for so much longer than they let records in, so that what was already read is not refused for want of
a key when they grow too old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetLimits:
    """Seconds and bytes; `config.settings` says why they are what they are."""

    refresh_every: float
    timeout: float
    max_bytes: int
    max_age: float


@dataclass(frozen=True, slots=True)
class State:
    """What is known of one issuer's keys. Times are monotonic seconds; ``fault`` is empty after a good fetch."""

    keys: KeySet = field(default_factory=KeySet)
    fetched_at: float | None = None
    fault: str = "not fetched yet"


class KeySets:
    """The keys of every issuer. `of` is what verification reads."""

    def __init__(
        self,
        rows: Iterable[ProducerRow],
        parse: KeySetParser,
        limits: KeySetLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows = {row.issuer: row for row in rows}
        self._parse = parse
        self._limits = limits
        self._clock = clock
        self._states = {issuer: State() for issuer in self._rows}

    def of(self, issuer: str) -> KeySet:
        """The keys that verify for an issuer; none if they are too old or never came."""
        age = self.age(issuer)
        return KeySet() if age is None or age > self._limits.max_age + GRACE_S else self._states[issuer].keys

    def usable(self, issuer: str) -> bool:
        """Whether records of this issuer should be read at all: there are keys, and they aren't too old."""
        age = self.age(issuer)
        return age is not None and age <= self._limits.max_age

    def fault(self, issuer: str) -> str:
        """Why the last fetch failed; empty if it didn't."""
        return self._states[issuer].fault

    def age(self, issuer: str) -> float | None:
        """Seconds since a fetch that brought a usable key; None if there was none."""
        fetched_at = self._states[issuer].fetched_at
        return None if fetched_at is None else self._clock() - fetched_at

    async def refresh(self, session: aiohttp.ClientSession, issuer: str) -> None:
        """Fetch one issuer's keys now. Failure is a state, not an exception."""
        row, before = self._rows[issuer], self._states[issuer]
        try:
            document = await self._fetch(session, row)
            keys = _usable(self._parse(document))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # ValueError: KeySetError, a bad host
            fault = f"{type(error).__name__}: {error}"[:200]
            if fault != before.fault:
                log.warning("key_set_unavailable", issuer=issuer, fault=fault)
            self._states[issuer] = replace(before, fault=fault)
            return
        if before.fault or before.keys.dropped != keys.dropped:
            log.info("key_set_fetched", issuer=issuer, keys=len(keys.keys), dropped=list(keys.dropped))
        self._states[issuer] = State(keys, self._clock(), "")

    async def _fetch(self, session: aiohttp.ClientSession, row: ProducerRow) -> bytes:
        limit = self._limits.max_bytes
        if not row.jwks_is_url:
            return await asyncio.to_thread(_read, Path(row.jwks), limit)
        timeout = aiohttp.ClientTimeout(total=self._limits.timeout)
        async with session.get(row.jwks, timeout=timeout, allow_redirects=False) as response:
            if response.status != HTTP_OK:
                raise KeySetError(f"the server answered {response.status}")
            document = await response.content.read(limit + 1)
            while len(document) <= limit and (chunk := await response.content.read(limit + 1 - len(document))):
                document += chunk
        if len(document) > limit:
            raise KeySetError(f"larger than {limit} bytes")
        return document

    async def keep_fresh(self, on_round: Callable[[], None]) -> None:
        """Fetch all key sets again and again; ``on_round`` is called after each round. Runs until cancelled."""
        async with aiohttp.ClientSession() as session:
            while True:
                await asyncio.gather(*(self.refresh(session, issuer) for issuer in self._rows))
                on_round()
                await asyncio.sleep(self._limits.refresh_every)


def _usable(keys: KeySet) -> KeySet:
    if not keys:
        raise KeySetError("no usable key: " + ("; ".join(keys.dropped) or "the set is empty"))
    return keys


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        document = file.read(limit + 1)
    if len(document) > limit:
        raise KeySetError(f"larger than {limit} bytes")
    return document

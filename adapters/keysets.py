"""Key sets of all issuers, fetched in the background and remembered: readers never wait, and nothing is forgotten.

Per issuer one fetch at a time, and at most one per cool-down, after success and failure alike. Parsing and policy are
`streams.core.keys`, what is remembered and for how long `streams.core.keyring`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import structlog
from cachetools import TTLCache

from adapters.key_fetch import FetchLimits, KeyFetcher
from config.key_source import KeySource
from streams.core.ports import Arrival, Key, KeyMemory, KeyRing, KeySet, KeySetError, KeySetParser, NoKey, SeenKey

log = structlog.get_logger(__name__)

EMPTY: Final = "the key set is empty: all keys are withdrawn"
MAX_FAULT: Final = 200
MAX_UNKNOWN: Final = 1000
"""Unknown kids remembered as such; a flood of new ones costs memory up to this, and never more fetches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetLimits:
    """Seconds; `config.settings` says why they are what they are."""

    refresh_every: float
    cool_down: float
    unknown_for: float
    max_age: float
    kept_for: float
    record_every: float
    fetch: FetchLimits


@dataclass(slots=True)
class _Issuer:
    """What is known of one issuer. ``fetched_at``: when keys came last, in monotonic seconds; None: there are none.

    ``fault`` is empty after a fetch that brought a key.
    """

    fetcher: KeyFetcher
    ring: KeyRing = field(default_factory=KeyRing)
    fetched_at: float | None = None
    fault: str = "not fetched yet"
    dropped: tuple[str, ...] = ()
    asked: set[str] = field(default_factory=set)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    recorded: dict[str, SeenKey] = field(default_factory=dict)


class KeySets:
    """The keys of every issuer. `find` is what verification reads; the rest is for gate, memory and the background.

    Raises:
        ValueError: two sources are of one issuer.
    """

    def __init__(
        self,
        sources: Iterable[KeySource],
        parse: KeySetParser,
        limits: KeySetLimits,
        memory: KeyMemory,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._parse = parse
        self._limits = limits
        self._memory = memory
        self._clock = clock
        self._now = now
        listed = list(sources)
        self._issuers = {s.issuer: _Issuer(KeyFetcher(s, limits.fetch, clock=clock)) for s in listed}
        if len(self._issuers) < len(listed):
            raise ValueError("two key sources for one issuer: the keys of one would verify the other's tokens")
        self._unknown: TTLCache[tuple[str, str], bool] = TTLCache(MAX_UNKNOWN, limits.unknown_for, timer=clock)

    def find(self, issuer: str, kid: str, arrival: Arrival) -> Key | NoKey:
        """The key that may verify what arrived then. While the issuer's keys are missing or too old: not yet."""
        found = self._issuers[issuer].ring.find(kid, arrival) if self.usable(issuer) else NoKey.NOT_YET
        return NoKey.NOT_YET if found is NoKey.UNKNOWN and not self.recalled() else found

    def recalled(self) -> bool:
        """Whether the memory was read to its end."""
        return self._memory.is_read()

    def usable(self, issuer: str) -> bool:
        """Whether records of this issuer should be read at all: there are keys, and they aren't too old."""
        return self._issuers[issuer].ring.usable(
            now_ms=int(self._now() * 1000), max_age_ms=int(self._limits.max_age * 1000)
        )

    def fault(self, issuer: str) -> str:
        """What was wrong with the last fetch, an empty set among it; empty if a key came."""
        return self._issuers[issuer].fault

    def age(self, issuer: str) -> float | None:
        """Seconds since this worker's own last fetch that brought a key; None if none did, or the set is empty now."""
        fetched_at = self._issuers[issuer].fetched_at
        return None if fetched_at is None else self._clock() - fetched_at

    def ask(self, issuer: str, kid: str) -> None:
        """A record names a key that isn't there: fetch early, unless a fetch has just shown that it isn't there."""
        known = self._issuers[issuer]
        if (issuer, kid) not in self._unknown and len(known.asked) < MAX_UNKNOWN:
            known.asked.add(kid)
            known.wanted.set()

    def recall(self, issuer: str, seen: SeenKey) -> None:
        """What the memory holds of a key; told at start, and whenever another worker writes."""
        known = self._issuers.get(issuer)
        if known is not None:
            known.ring = known.ring.recalled(seen)
            known.recorded[seen.key.kid] = seen

    def let_go(self, issuer: str, kid: str) -> None:
        """The memory let go of a key: it verifies nothing any more, or is told anew if our last fetch showed it."""
        known = self._issuers.get(issuer)
        if known is not None:
            known.ring = known.ring.let_go(kid)
            known.recorded.pop(kid, None)

    async def refresh(self, session: aiohttp.ClientSession, issuer: str) -> None:
        """Fetch one issuer's keys now. Failure is a state, not an exception."""
        known, began_ms = self._issuers[issuer], int(self._now() * 1000)
        try:
            document = await known.fetcher.fetch(session)
            keys = _usable(await asyncio.to_thread(self._parse, document.body))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # ValueError: KeySetError, a bad host
            self._failed(issuer, known, fault_of(error))
            return
        self._answered(issuer, known, keys)
        known.ring = known.ring.after_fetch(
            keys, as_of_ms=max(began_ms - document.age_s * 1000, 0), max_age_ms=int(self._limits.max_age * 1000)
        )
        for kid in known.asked - keys.keys.keys():
            self._unknown[issuer, kid] = True
        known.asked.clear()
        self._record(issuer, known, began_ms)

    def _answered(self, issuer: str, known: _Issuer, keys: KeySet) -> None:
        """A set came. An empty one is an answer, too: nothing of this issuer is to be believed from now on."""
        if not keys:
            if known.fault != EMPTY:
                log.warning("key_set_empty", issuer=issuer)
            known.fault, known.dropped, known.fetched_at = EMPTY, (), None
            return
        if known.fault or known.dropped != keys.dropped:
            log.info("key_set_fetched", issuer=issuer, keys=len(keys.keys), dropped=list(keys.dropped))
        known.fault, known.dropped, known.fetched_at = "", keys.dropped, self._clock()

    def _failed(self, issuer: str, known: _Issuer, fault: str) -> None:
        if fault != known.fault:
            log.warning("key_set_unavailable", issuer=issuer, fault=fault)
        known.fault = fault

    def _record(self, issuer: str, known: _Issuer, now_ms: int) -> None:
        """Write down what the memory doesn't say yet, and let go what no record can need any more.

        What it says is what `recall` was told: a write that was lost is written again after the next fetch.
        """
        for kid, seen in known.ring.seen.items():
            if seen.is_news_to(known.recorded.get(kid), every_ms=int(self._limits.record_every * 1000)):
                self._memory.remember(issuer, seen)
        for kid in known.ring.outlived(now_ms=now_ms, kept_ms=int(self._limits.kept_for * 1000)):
            known.ring = known.ring.without(kid)
        for kid in known.recorded.keys() - known.ring.seen.keys():  # those that the ring had no room for, too
            del known.recorded[kid]
            self._memory.forget(issuer, kid)

    async def keep_fresh(self, on_fetch: Callable[[], None]) -> None:
        """Fetch all key sets again and again; ``on_fetch`` is called after each. Runs until cancelled."""
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            for issuer in self._issuers:
                group.create_task(self._keep_fresh(session, issuer, on_fetch))

    async def _keep_fresh(self, session: aiohttp.ClientSession, issuer: str, on_fetch: Callable[[], None]) -> None:
        known = self._issuers[issuer]
        while True:
            known.wanted.clear()
            await self.refresh(session, issuer)
            on_fetch()
            await asyncio.sleep(self._limits.cool_down)
            if known.fault:
                continue
            with contextlib.suppress(TimeoutError):
                left = max(self._limits.refresh_every - self._limits.cool_down, 0.0)
                await asyncio.wait_for(known.wanted.wait(), left)


def _usable(keys: KeySet) -> KeySet:
    """Members of which none can be used are a mistake at the server, not a withdrawal."""
    if not keys and keys.dropped:
        raise KeySetError("no usable key: " + "; ".join(keys.dropped))
    return keys


def fault_of(error: Exception) -> str:
    """An error of a fetch in words that may be shown: our own, else its type and status. Others quote the address."""
    if isinstance(error, KeySetError):
        return str(error)[:MAX_FAULT]
    status = f" {error.status}" if isinstance(error, aiohttp.ClientResponseError) else ""
    return type(error).__name__ + status

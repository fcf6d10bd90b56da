"""The memory of one issuer's keys: what its key set held, and when (milliseconds since the epoch). Pure.

A key that was withdrawn still verifies what was appended before; a key that nobody has seen is only called unknown
after a fetch that began later than we had the record. So neither a rotation nor an outage refuses a good record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Final, Protocol, TypeGuard

import orjson

from streams.core.encoding import EncodingError, json_object
from streams.core.keys import Key, KeySet, key_of

SKEW_S: Final = 60
"""How far two clocks may be apart, by the contract."""
SKEW_MS: Final = SKEW_S * 1000
MAX_REMEMBERED: Final = 500
"""Keys kept per issuer; of more, those that were withdrawn first are forgotten. A set itself has at most 100."""


class Arrival(Protocol):
    """When something came, in milliseconds since the epoch: a `Record`, or `At` a moment."""

    @property
    def appended_ms(self) -> int:
        """The time that it is judged by."""

    @property
    def received_ms(self) -> int:
        """When this worker had it, by the clock that it fetches by."""


@dataclass(frozen=True, slots=True)
class At:
    """What came to us directly, at one moment of our own clock."""

    appended_ms: int

    @property
    def received_ms(self) -> int:
        """The same moment."""
        return self.appended_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenKey:
    """A key, and the fetches that showed it. ``missed_ms``: the first fetch after the last one that did not."""

    key: Key
    first_seen_ms: int
    last_seen_ms: int
    missed_ms: int | None = None

    def merged(self, other: SeenKey) -> SeenKey:
        """What two workers know of one ``kid``. The later sight decides whether it stands, and which key it is."""
        newer, older = (self, other) if self.last_seen_ms >= other.last_seen_ms else (other, self)
        if newer.key != older.key:
            return newer
        misses = [ms for ms in (newer.missed_ms, older.missed_ms) if ms is not None and ms > newer.last_seen_ms]
        return replace(
            newer,
            first_seen_ms=min(self.first_seen_ms, other.first_seen_ms),
            missed_ms=min(misses, default=None),
        )

    def verifies(self, arrival: Arrival) -> bool:
        """Whether it may vouch for what arrived then: it stands in the set, or did when that was appended."""
        return self.missed_ms is None or arrival.appended_ms <= self.missed_ms + SKEW_MS

    def is_news_to(self, known: SeenKey | None, *, every_ms: int) -> bool:
        """Whether a memory that knows this much should be told. Mere sights of the same key only now and then."""
        if known is None or known.key != self.key or known.missed_ms != self.missed_ms:
            return True
        return self.last_seen_ms - known.last_seen_ms >= every_ms


class NoKey(Enum):
    """Why there is no key for a record."""

    UNKNOWN = "a key set fetched after the record was received does not have it"
    NOT_YET = "only a later fetch can tell"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All that is known of one issuer's keys, by ``kid``.

    ``fetched_ms``: as of when this worker knows the whole set: when its last good fetch began, or as long before as
    the answer had lain in a cache. ``last_seen_ms``: the same for one key or more, by any worker.
    """

    seen: Mapping[str, SeenKey] = field(default_factory=lambda: MappingProxyType({}))
    fetched_ms: int | None = None
    last_seen_ms: int | None = None

    def find(self, kid: str, arrival: Arrival) -> Key | NoKey:
        """The key that may verify what arrived then."""
        seen = self.seen.get(kid)
        if seen is not None and seen.verifies(arrival):
            return seen.key
        return NoKey.UNKNOWN if self._fetched_after(arrival) else NoKey.NOT_YET

    def usable(self, *, now_ms: int, max_age_ms: int) -> bool:
        """Whether a key stands, and the last sight of any is not too old."""
        stands = any(seen.missed_ms is None for seen in self.seen.values())
        return stands and self.last_seen_ms is not None and now_ms - self.last_seen_ms <= max_age_ms

    def _fetched_after(self, arrival: Arrival) -> bool:
        """By one clock, our own: that of the broker may be apart from it by any amount, and nobody would notice."""
        return self.fetched_ms is not None and self.fetched_ms > arrival.received_ms

    def after_fetch(self, fetched: KeySet, *, as_of_ms: int, max_age_ms: int) -> KeyRing:
        """What is known after a good fetch of the set as it was at ``as_of_ms``; that may be older news than we have.

        A key that is gone counts as withdrawn by then; after a long outage, from when its last sight grew too old.
        """
        sights = (SeenKey(key=key, first_seen_ms=as_of_ms, last_seen_ms=as_of_ms) for key in fetched.keys.values())
        shown = {seen.key.kid: self._merged(seen, self.seen.get(seen.key.kid)) for seen in sights}
        gone = {
            kid: _missed(seen, min(as_of_ms, seen.last_seen_ms + max_age_ms))
            for kid, seen in self.seen.items()
            if kid not in shown
        }
        return _ring(gone | shown, as_of_ms if self.fetched_ms is None else max(as_of_ms, self.fetched_ms))

    def recalled(self, seen: SeenKey) -> KeyRing:
        """What is known after another worker, or a worker before us, has told of a key."""
        known = self.seen.get(seen.key.kid)
        told = self._not_shown(seen) if known is None else known.merged(seen)
        return _ring({**self.seen, seen.key.kid: told}, self.fetched_ms)

    def _merged(self, seen: SeenKey, known: SeenKey | None) -> SeenKey:
        return self._not_shown(seen) if known is None else seen.merged(known)

    def _not_shown(self, seen: SeenKey) -> SeenKey:
        """A key that is news to us although we have fetched since: it had been withdrawn by then."""
        return seen if self.fetched_ms is None else _missed(seen, self.fetched_ms)

    def let_go(self, kid: str) -> KeyRing:
        """What is known after the memory has let go of a key: one that our own last fetch showed is known all the same.

        To drop that would call a good record's key unknown until the next fetch.
        """
        seen = self.seen.get(kid)
        if seen is None or seen.missed_ms is not None or self.fetched_ms is None or seen.last_seen_ms < self.fetched_ms:
            return self.without(kid)
        return self

    def without(self, kid: str) -> KeyRing:
        """Forget a key."""
        return _ring({each: seen for each, seen in self.seen.items() if each != kid}, self.fetched_ms)

    def outlived(self, *, now_ms: int, kept_ms: int) -> list[str]:
        """The keys that were withdrawn so long ago that no record can need them."""
        return [k for k, seen in self.seen.items() if seen.missed_ms is not None and seen.missed_ms + kept_ms < now_ms]


def _ring(seen: dict[str, SeenKey], fetched_ms: int | None) -> KeyRing:
    kept = MappingProxyType(_bounded(seen))
    return KeyRing(kept, fetched_ms, max((each.last_seen_ms for each in kept.values()), default=None))


def _missed(known: SeenKey, at_ms: int) -> SeenKey:
    """A fetch that began no later than the last sight tells nothing: another worker's was under way as well."""
    return known if known.missed_ms is not None or at_ms <= known.last_seen_ms else replace(known, missed_ms=at_ms)


def _bounded(seen: dict[str, SeenKey]) -> dict[str, SeenKey]:
    excess = len(seen) - MAX_REMEMBERED
    if excess > 0:
        withdrawn = sorted((s.missed_ms, kid) for kid, s in seen.items() if s.missed_ms is not None)
        for _, kid in withdrawn[:excess]:
            del seen[kid]
    return seen


def key_record(issuer: str, seen: SeenKey) -> tuple[bytes, bytes]:
    """Key and value of a record on ``comms.keys`` (schemas/records/key.json)."""
    body = {
        "issuer": issuer,
        "jwk": dict(seen.key.document),
        "first_seen_ms": seen.first_seen_ms,
        "last_seen_ms": seen.last_seen_ms,
        "missed_ms": seen.missed_ms,
    }
    return key_record_key(issuer, seen.key.kid), orjson.dumps(body)


def key_record_key(issuer: str, kid: str) -> bytes:
    """The compaction key of one key's record."""
    return orjson.dumps([issuer, kid])


def read_key_record_key(key: bytes | None) -> tuple[str, str] | None:
    """Issuer and kid that a tombstone on ``comms.keys`` is about; None if it can't be told."""
    try:
        pair = orjson.loads(key or b"")
    except orjson.JSONDecodeError:
        return None
    match pair:
        case [str(issuer), str(kid)]:
            return issuer, kid
    return None


def read_key_record(value: bytes, *, now_ms: int) -> tuple[str, SeenKey] | str:
    """Issuer and key of a record on ``comms.keys``, or why it is ignored. What lies in the future counts as now."""
    try:
        body = json_object(value)
    except EncodingError as error:
        return str(error)
    key, issuer = key_of(body.get("jwk")), body.get("issuer")
    if isinstance(key, str):
        return key
    first, last, missed = (body.get(name) for name in ("first_seen_ms", "last_seen_ms", "missed_ms"))
    if not isinstance(issuer, str) or not issuer or not _is_ms(first) or not _is_ms(last):
        return "not a record of a key"
    if "missed_ms" not in body or not (missed is None or (_is_ms(missed) and missed > last)):
        return "`missed_ms` must be null or a time after the last sight"
    # A clock that is ahead must not let a key stand until then.
    missed = None if missed is None else min(missed, now_ms + 1)
    return issuer, SeenKey(key=key, first_seen_ms=first, last_seen_ms=min(last, now_ms), missed_ms=missed)


def _is_ms(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

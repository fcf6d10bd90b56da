"""The oracle of dispatch: what became of each message, held against what the provider saw.

*Once*: no dispatch id reaches the provider twice. *Accounted*: each event ends in exactly one way. *True*: what says
sent was called, and what was called says sent or is parked. *Parked*: no more than calls may have been running.
*Lawful*: no ledger entry follows one that it may not follow; nobody resolves here, so nothing follows UNKNOWN.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from streams import topics
from streams.core.ledger import NEXT, SHARE_KEY, Standing, read_entry
from streams.core.records import Record
from streams.explain import event_id_of
from tests.faults.provider import Call, FakeProvider
from tests.world import Centre, Outgoing

PARKED = "outcome_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """``ends``: each event's receipts and dead letters by their words; ``calls``: of each event, at the provider."""

    ends: Mapping[str, Sequence[str]]
    calls: Counter[str]

    def count(self, end: str) -> int:
        """How many events ended so."""
        return sum(end in words for words in self.ends.values())

    @property
    def missing(self) -> tuple[str, ...]:
        """Events of which nothing is known."""
        return tuple(event_id for event_id, words in self.ends.items() if not words)

    @property
    def parked(self) -> int:
        """Messages that may have been sent."""
        return self.count(PARKED)

    def line(self) -> str:
        """For the run's output."""
        counted = Counter(word for words in self.ends.values() for word in words)
        told = ", ".join(f"{word} {count}" for word, count in sorted(counted.items()))
        return (
            f"events {len(self.ends)}: {told or 'nothing yet'}, missing {len(self.missing)}; "
            f"calls {self.calls.total()} for {len(self.calls)} messages"
        )


def fates(centre: Centre, provider: FakeProvider, events: Iterable[Outgoing]) -> Fates:
    """Read receipts and dead letters, and what the provider was called with."""
    ends: dict[str, list[str]] = {event.event_id: [] for event in events}
    for record in centre.read(topics.RECEIPTS, topics.DEAD_LETTER):
        event_id = event_id_of(record) or ""
        if event_id in ends:
            ends[event_id].append(_end(record))
    return Fates(ends=ends, calls=Counter(call.event_id for call in provider.calls if call.event_id in ends))


def _end(record: Record) -> str:
    if record.topic == topics.RECEIPTS:
        return str(orjson.loads(record.value or b"{}")["state"])
    return (dict(record.headers).get("dlq.reason") or b"").decode()


def assert_fates(centre: Centre, found: Fates, *, may_park: int) -> None:
    """All of it, for a provider that took every call. ``may_park``: calls that may have been running at the kills."""
    assert_once(found.calls)
    assert_accounted(found)
    assert_true(found)
    assert found.parked <= may_park, f"{found.parked} are parked, where {may_park} calls may have been running"
    assert_lawful(centre)
    assert_dispatch_commit(centre)


def assert_once(calls: Counter[str]) -> None:
    """No message reached the provider twice."""
    twice = [event_id for event_id, count in calls.items() if count > 1]
    assert not twice, f"{len(twice)} messages were handed to the provider twice, such as {twice[0]}"


def assert_accounted(found: Fates) -> None:
    """Each event ended in exactly one way."""
    assert not found.missing, f"{len(found.missing)} events lost, such as {found.missing[:3]}"
    several = {event_id: words for event_id, words in found.ends.items() if len(words) > 1}
    assert not several, f"{len(several)} messages ended in several ways, such as {next(iter(several.items()))}"


def assert_true(found: Fates) -> None:
    """What says sent was called; what was called says sent, or is parked."""
    claimed = [event_id for event_id, words in found.ends.items() if "sent" in words and not found.calls[event_id]]
    assert not claimed, f"{len(claimed)} receipts say sent where the provider was never called, such as {claimed[0]}"
    untold = [event_id for event_id in found.calls if not {"sent", PARKED} & set(found.ends[event_id])]
    assert not untold, f"{len(untold)} calls of which neither a receipt nor a dead letter tells, such as {untold[0]}"


def assert_lawful(centre: Centre) -> int:
    """Each entry of the ledger may follow the one before it, and nothing follows UNKNOWN. Returns the entries."""
    written = centre.read(*topics.LEDGER.values())
    entries = [record for record in written if record.value is not None and record.key != SHARE_KEY]
    last: dict[bytes, Standing] = {}
    for record in entries:
        entry, key = read_entry(record.value or b""), record.key or b""
        assert not isinstance(entry, str), entry
        before = last.get(key)
        lawful = before is not Standing.UNKNOWN and entry.standing in NEXT[before]
        assert lawful, f"the ledger of {key.decode()} goes on from {before} to {entry.standing}"
        last[key] = entry.standing
    return len(entries)


def assert_dispatch_commit(centre: Centre) -> None:
    """No record of a dispatch topic below the committed offset lacks an outcome."""
    ended = {event_id_of(record) for record in centre.read(topics.RECEIPTS, topics.DEAD_LETTER)}
    ended |= {event_id_of(record) for record in centre.read(*topics.HELD.values(), *topics.RETRIES)}
    for category, topic in topics.DISPATCH.items():
        committed = centre.committed(f"dispatch.{category}")
        below = [r for r in centre.read(topic) if r.offset < committed.get((topic, r.partition), 0)]
        open_still = [f"{r.partition}@{r.offset}" for r in below if event_id_of(r) not in ended]
        assert not open_still, f"the commit passed {len(open_still)} messages without an outcome"


def peak(calls: Iterable[Call], window_s: float) -> int:
    """The most calls that arrived at the provider within any sliding window of that length."""
    times, most, first = sorted(call.at for call in calls), 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - window_s:
            first += 1
        most = max(most, last - first + 1)
    return most

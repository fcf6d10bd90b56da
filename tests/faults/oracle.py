"""The oracle: what must be true of the topics after a fault, printed with the numbers that say so.

*No loss*: every accepted event is accounted for. *No duplicate identity*: copies share one dispatch id, and each event
becomes exactly one message identity. *Commit*: the committed offset never passes an unresolved record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import orjson

from streams import topics
from streams.core.records import Record
from streams.explain import event_id_of
from tests.world import INBOUND, Centre


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a set of events up to the render topic."""

    produced: int
    rendered: int
    copies: int
    dead_letters: int
    missing: tuple[str, ...]
    identities: int

    def line(self) -> str:
        """For the run's output."""
        return (
            f"events {self.produced}, in render {self.rendered} (+{self.copies} copies), "
            f"dead letters {self.dead_letters}, missing {len(self.missing)}"
        )


def account(centre: Centre, event_ids: Iterable[str]) -> Account:
    """Read the render and dead-letter topics and hold them against what was produced."""
    wanted = set(event_ids)
    orders = [record for record in centre.read(topics.RENDER) if event_id_of(record) in wanted]
    rendered = Counter(event_id_of(record) or "" for record in orders)
    dead = {event_id for event_id in centre.ids(topics.DEAD_LETTER) if event_id in wanted}
    missing = tuple(sorted(wanted - rendered.keys() - dead))
    return Account(
        produced=len(wanted),
        rendered=len(rendered),
        copies=rendered.total() - len(rendered),
        dead_letters=len(dead),
        missing=missing,
        identities=len({_identity(record) for record in orders}),
    )


def _identity(record: Record) -> str:
    identity: str = orjson.loads(record.value or b"{}")["route"]["dispatch_id"]
    return identity


def assert_no_loss(found: Account) -> None:
    """Every event is in the render topic or a dead letter, under one identity each."""
    assert not found.missing, f"{len(found.missing)} events lost, such as {found.missing[:3]}"
    assert found.identities == found.rendered, "an event has more than one dispatch id"


def assert_commit_rule(centre: Centre) -> int:
    """No inbound record below the committed offset lacks its output. Returns how many records are below it."""
    committed = centre.committed()
    below = [r for r in centre.read(INBOUND) if r.offset < committed.get((r.topic, r.partition), 0)]
    rendered = set(centre.ids(topics.RENDER))
    dead = {_origin(letter) for letter in centre.read(topics.DEAD_LETTER)}
    unresolved = [
        f"{r.partition}@{r.offset}"
        for r in below
        if event_id_of(r) not in rendered and (r.topic, str(r.partition), str(r.offset)) not in dead
    ]
    assert not unresolved, f"the commit passed {len(unresolved)} unresolved records, such as {unresolved[:3]}"
    return len(below)


def _origin(letter: Record) -> tuple[str, str, str]:
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in letter.headers}
    return headers["dlq.original.topic"], headers["dlq.original.partition"], headers["dlq.original.offset"]


def longest_stall(records: Iterable[Record]) -> float:
    """The longest time, in seconds, between two records of a topic."""
    times = sorted(record.timestamp_ms for record in records)
    return max((b - a for a, b in pairwise(times)), default=0) / 1000

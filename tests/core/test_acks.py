"""Acks in offset order and commit points that never pass an unresolved record, under any interleaving."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.acks import AckOrder, CommitPoints, Pending, Source

PROPERTY = settings(deadline=None, database=None, max_examples=200)
PARTITIONS = [("events.a", 0), ("events.a", 1), ("events.b", 0)]


@dataclass(slots=True)
class Ledger:
    """Opens sources, keeps what each still lacks, and looks at every ack as it happens."""

    order: AckOrder = field(default_factory=AckOrder)
    pending: list[tuple[Pending, tuple[str, int], int]] = field(default_factory=list)
    lacking: dict[tuple[tuple[str, int], int], int] = field(default_factory=dict)
    acked: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    offsets: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def open(self, partition: tuple[str, int], outputs: int, *, gap: int = 1) -> None:
        offset = (self.offsets.setdefault(partition, []) or [-1])[-1] + gap
        self.offsets[partition].append(offset)
        self.lacking[partition, offset] = outputs
        source = Source(partition, offset, lambda: self._on_ack(partition, offset))
        opened = self.order.open(source, outputs, since=float(len(self.offsets[partition])))
        self.pending += [(opened, partition, offset)] * outputs

    def _on_ack(self, partition: tuple[str, int], offset: int) -> None:
        assert self.lacking[partition, offset] == 0, "acked before all its outputs were confirmed"
        self.acked.setdefault(partition, []).append(offset)

    def confirm(self, index: int) -> None:
        pending, partition, offset = self.pending.pop(index)
        self.lacking[partition, offset] -= 1
        self.order.confirm(pending)

    def expected(self, partition: tuple[str, int]) -> list[int]:
        """The run of resolved sources at the partition's head."""
        run = []
        for offset in self.offsets.get(partition, []):
            if self.lacking[partition, offset]:
                break
            run.append(offset)
        return run


STEPS = st.lists(
    st.tuples(st.just("open"), st.sampled_from(PARTITIONS), st.integers(0, 3), st.integers(1, 3))
    | st.tuples(st.just("confirm"), st.integers(0, 10**6)),
    max_size=60,
)


@PROPERTY
@given(STEPS)
def test_sources_are_acked_in_offset_order_and_never_before_all_their_outputs_are_confirmed(
    steps: list[tuple[str, tuple[str, int], int, int] | tuple[str, int]],
) -> None:
    """For any interleaving over several partitions: exactly the resolved run at each head is acked, at once."""
    ledger = Ledger()
    for step in steps:
        if len(step) == 4:
            ledger.open(step[1], step[2], gap=step[3])
        elif ledger.pending:
            ledger.confirm(step[1] % len(ledger.pending))
        for partition in PARTITIONS:
            assert ledger.acked.get(partition, []) == ledger.expected(partition)
        assert ledger.order.resolved == sum(map(len, ledger.acked.values()))
        assert ledger.order.open_sources == len(ledger.lacking) - ledger.order.resolved
    while ledger.pending:
        ledger.confirm(-1)
    assert ledger.acked == {partition: offsets for partition, offsets in ledger.offsets.items() if offsets}
    assert ledger.order.oldest() is None


def test_what_was_forgotten_is_never_acked_and_does_not_count() -> None:
    ledger = Ledger()
    for _ in range(3):
        ledger.open(PARTITIONS[0], 1)
    ledger.order.forget()
    assert (ledger.order.open_sources, ledger.order.oldest()) == (0, None)
    for _ in range(3):
        ledger.confirm(0)
    assert ledger.acked == {}
    assert (ledger.order.open_sources, ledger.order.resolved) == (0, 0)


@PROPERTY
@given(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.lists(st.integers(1, 2), min_size=1, max_size=4))
def test_a_late_confirmation_of_what_was_forgotten_does_not_ack_what_came_after(
    before: list[int], after: list[int]
) -> None:
    """The same offsets are read again: their acks are their own."""
    old, new = Ledger(), Ledger()
    new.order = old.order
    for outputs in before:
        old.open(PARTITIONS[0], outputs)
    acked_before = old.order.resolved
    old.order.forget()
    for outputs in after:
        new.open(PARTITIONS[0], outputs)
    while old.pending:
        old.confirm(0)
    assert new.acked == {}
    assert old.order.open_sources == len(after)
    while new.pending:
        new.confirm(0)
    assert new.acked == new.offsets
    assert old.order.resolved == acked_before + len(after)


def test_the_oldest_source_is_the_one_that_waits_longest_over_all_partitions() -> None:
    order = AckOrder()
    for partition, since in ((PARTITIONS[0], 5.0), (PARTITIONS[1], 3.0), (PARTITIONS[1], 9.0)):
        last = order.open(Source(partition, int(since), lambda: None), 1, since=since)
    assert order.oldest() == 3.0
    order.confirm(last)
    assert order.oldest() == 3.0, "confirmed, but behind the head: the head is what waits"


def test_a_commit_point_is_the_offset_after_the_last_resolved_record() -> None:
    points = CommitPoints()
    assert points.due() == {}
    assert points.resolved(PARTITIONS[0]) is None
    points.resolve(PARTITIONS[0], 41)
    assert points.due() == {PARTITIONS[0]: 42}
    assert points.resolved(PARTITIONS[0]) == 42


def test_offset_zero_has_a_commit_point() -> None:
    points = CommitPoints()
    points.resolve(PARTITIONS[0], 0)
    assert points.due() == {PARTITIONS[0]: 1}


@pytest.mark.parametrize("offset", [0, 4, 5])
def test_a_record_resolved_out_of_order_is_refused_and_moves_nothing(offset: int) -> None:
    """Some order was lost: better to stop than to commit past what isn't done."""
    points = CommitPoints()
    points.resolve(PARTITIONS[0], 5)
    with pytest.raises(ValueError, match="out of order"):
        points.resolve(PARTITIONS[0], offset)
    assert points.due() == {PARTITIONS[0]: 6}
    points.resolve(PARTITIONS[1], offset)  # another partition has an order of its own
    points.resolve(PARTITIONS[0], 9)  # a gap is no disorder: compaction and transactions leave some
    assert points.due() == {PARTITIONS[0]: 10, PARTITIONS[1]: offset + 1}


def test_what_the_broker_took_is_due_no_more_until_something_new_is_resolved() -> None:
    points = CommitPoints()
    points.resolve(PARTITIONS[0], 1)
    points.resolve(PARTITIONS[1], 7)
    points.committed({PARTITIONS[0]: 2})
    assert points.due() == {PARTITIONS[1]: 8}
    points.resolve(PARTITIONS[0], 2)
    assert points.due() == {PARTITIONS[0]: 3, PARTITIONS[1]: 8}
    points.committed({PARTITIONS[0]: 2})  # an answer that comes late
    assert points.due()[PARTITIONS[0]] == 3


def test_forgotten_partitions_begin_anew_and_the_others_stay() -> None:
    """A partition that comes back starts at the committed offset, which may be behind what we had resolved."""
    points = CommitPoints()
    for partition in PARTITIONS[:2]:
        points.resolve(partition, 5)
    points.committed({PARTITIONS[0]: 6})
    points.forget({PARTITIONS[0], PARTITIONS[2]})
    assert points.due() == {PARTITIONS[1]: 6}
    assert points.resolved(PARTITIONS[0]) is None
    points.resolve(PARTITIONS[0], 3)
    points.resolve(PARTITIONS[0], 5)
    assert points.due() == {PARTITIONS[0]: 6, PARTITIONS[1]: 6}

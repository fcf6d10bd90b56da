"""Lanes: records keep their order, and no offset is committed while a record before it waits."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.lanes import Item, Lane
from tests.builders import message, record

PROPERTY = settings(deadline=None, database=None, max_examples=300)


def item(offset: int) -> Item:
    return Item(record(b"", offset=offset), message())


def lane(*offsets: int, capacity: int = 100) -> Lane:
    made = Lane(capacity)
    made.add(map(item, offsets))
    return made


def drained(made: Lane) -> list[int]:
    return [made.take().record.offset for _ in range(len(made))]


def test_records_are_taken_in_the_order_in_which_they_were_fetched() -> None:
    made = lane(3, 4)
    made.add([item(9)])
    head = made.head()
    assert head is not None
    assert head.record.offset == 3, "to look is not to take"
    assert drained(made) == [3, 4, 9]
    assert len(made) == 0


def test_what_is_put_back_stands_before_what_was_behind_it_in_its_old_order() -> None:
    made = lane(3, 4, 9)
    taken = [made.take(), made.take()]
    made.put_back(taken)
    assert drained(made) == [3, 4, 9]


def test_a_lane_is_full_at_its_capacity_and_not_when_records_are_taken() -> None:
    made = lane(1, 2, capacity=3)
    seen = [made.full]
    made.add([item(3)])
    seen.append(made.full)
    made.take()
    assert [*seen, made.full] == [False, True, False]


def test_nothing_is_committed_before_the_first_record_has_ended() -> None:
    made = lane(5, 6, 7)
    assert [made.point_with([]), made.point_with([6, 7])] == [None, None]
    made.settle([6])
    assert [made.point_with([7]), made.point_with([5])] == [None, 7]
    made.settle([5])
    assert [made.point_with([]), made.point_with([7])] == [7, 8]


def test_to_ask_how_far_it_would_be_commits_nothing() -> None:
    made = lane(1, 2)
    assert [made.point_with([1, 2]), made.point_with([])] == [3, None]


def test_offsets_may_have_gaps() -> None:
    """Transactions leave markers between records, and compaction leaves holes."""
    made = lane(10, 15, 40)
    made.settle([10, 15])
    assert made.point_with([]) == 16
    assert made.point_with([40]) == 41


@dataclass(slots=True)
class Books:
    """What a lane should say, kept the slow way."""

    lane: Lane = field(default_factory=lambda: Lane(1000))
    offsets: list[int] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    taken: list[Item] = field(default_factory=list)

    def fetch(self, gaps: list[int]) -> None:
        for gap in gaps:
            self.offsets.append((self.offsets or [0])[-1] + gap)
            self.lane.add([item(self.offsets[-1])])

    def take(self, count: int) -> None:
        self.taken += [self.lane.take() for _ in range(min(count, len(self.lane)))]

    def end(self, which: list[bool]) -> None:
        """Some of what was taken ends, and the rest is put back."""
        marked = list(zip(self.taken, which + [False] * len(self.taken), strict=False))
        over = [each.record.offset for each, ends in marked if ends]
        assert self.lane.point_with(over) == self.point(self.ended | set(over))
        self.lane.settle(over)
        self.ended |= set(over)
        self.lane.put_back([each for each, ends in marked if not ends])
        self.taken = []

    def point(self, ended: set[int]) -> int | None:
        run = []
        for offset in self.offsets:
            if offset not in ended:
                break
            run.append(offset)
        return run[-1] + 1 if run else None


STEPS = st.lists(
    st.tuples(st.lists(st.integers(1, 3), max_size=4), st.integers(0, 5), st.lists(st.booleans(), max_size=5)),
    max_size=30,
)


@PROPERTY
@given(STEPS)
def test_the_commit_point_never_passes_a_record_whose_turn_has_not_ended(
    steps: list[tuple[list[int], int, list[bool]]],
) -> None:
    """Whatever ends first and whatever is put back; and what waits is always in the order of its offsets."""
    books = Books()
    for gaps, count, which in steps:
        books.fetch(gaps)
        books.take(count)
        books.end(which)
        assert books.lane.point_with([]) == books.point(books.ended)
    left = drained(books.lane)
    assert left == [offset for offset in books.offsets if offset not in books.ended]

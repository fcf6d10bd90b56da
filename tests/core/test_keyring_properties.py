"""What holds of a memory of keys whatever was fetched, told and told again, by however many workers, in any order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.keyring import At, KeyRing, NoKey, SeenKey
from streams.core.keys import Key, KeySet, parse
from streams.topics import DAY_MS
from tests.builders import jwks, private_key, record

PROPERTY = settings(deadline=None, database=None, max_examples=300)
FIXED: Key = parse(jwks({"fixed": private_key("ES256")})).keys["fixed"]
PASSING: Key = parse(jwks({"passing": private_key("ES256", "b")})).keys["passing"]
BOTH, ONE = KeySet({"fixed": FIXED, "passing": PASSING}), KeySet({"fixed": FIXED})
TIMES = st.integers(0, 400_000)
"""Milliseconds: several times the skew."""


@dataclass(slots=True)
class World:
    """An issuer that shows a key from ``on`` until ``off``, and workers that fetch and tell each other."""

    on: int
    off: int
    rings: list[KeyRing] = field(default_factory=lambda: [KeyRing(), KeyRing(), KeyRing()])
    told: list[SeenKey] = field(default_factory=list)

    def fetch(self, worker: int, at_ms: int) -> None:
        shows = BOTH if self.on <= at_ms < self.off else ONE
        self.rings[worker] = self.rings[worker].after_fetch(shows, as_of_ms=at_ms, max_age_ms=DAY_MS)
        self.told += self.rings[worker].seen.values()

    def tell(self, worker: int, which: int) -> None:
        """Any record that was ever written, the oldest one as well."""
        if self.told:
            self.rings[worker] = self.rings[worker].recalled(self.told[which % len(self.told)])


WORKERS = st.integers(0, 2)
STEPS = st.lists(st.tuples(WORKERS, TIMES, st.lists(st.tuples(WORKERS, st.integers(0, 60)), max_size=3)), max_size=14)


Span = tuple[int, int]
Steps = list[tuple[int, int, list[tuple[int, int]]]]


def lived(span: Span, steps: Steps) -> World:
    """A world in which fetches happen in the order of time, and are told of late, twice or never."""
    world = World(*span)
    for worker, at_ms, tellings in sorted(steps, key=lambda step: step[1]):
        world.fetch(worker, at_ms)
        for reader, which in tellings:
            world.tell(reader, which)
    return world


SPANS = st.tuples(TIMES, TIMES).filter(lambda span: span[0] < span[1])


@PROPERTY
@given(SPANS, STEPS, st.floats(0, 1, exclude_max=True))
def test_a_record_appended_while_a_key_stood_verifies_for_ever(span: Span, steps: Steps, moment: float) -> None:
    """With every worker that knows of the key, whatever came later; with the others, it is not called unknown early."""
    on, off = span
    appended_ms = on + int((off - on) * moment)
    for ring in lived(span, steps).rings:
        found = ring.find("passing", At(appended_ms))
        if "passing" in ring.seen:
            assert found == PASSING
        elif found is NoKey.UNKNOWN:
            assert ring.fetched_ms is not None
            assert ring.fetched_ms > appended_ms


@PROPERTY
@given(SPANS, STEPS)
def test_a_key_that_was_never_withdrawn_never_looks_so(span: Span, steps: Steps) -> None:
    for ring in lived(span, steps).rings:
        assert all(seen.missed_ms is None for kid, seen in ring.seen.items() if kid == "fixed")


@PROPERTY
@given(SPANS, STEPS, st.integers(0, 60))
def test_to_be_told_twice_is_to_be_told_once(span: Span, steps: Steps, which: int) -> None:
    """A worker reads its own records, and all of them again at the next start."""
    world = lived(span, steps)
    world.tell(0, which)
    once = world.rings[0]
    world.tell(0, which)
    assert world.rings[0] == once
    assert all(once.recalled(seen) == once for seen in once.seen.values())


SEEN = st.builds(
    lambda first, last, gap: SeenKey(
        key=PASSING, first_seen_ms=min(first, last), last_seen_ms=last, missed_ms=None if gap == 0 else last + gap
    ),
    TIMES,
    TIMES,
    st.integers(0, 200_000),
)


@PROPERTY
@given(SEEN, SEEN)
def test_it_does_not_matter_who_tells_whom(ours: SeenKey, theirs: SeenKey) -> None:
    """And a miss is always later than the last sight."""
    merged = ours.merged(theirs)
    assert merged == theirs.merged(ours)
    assert merged.merged(ours) == merged.merged(theirs) == merged
    assert merged.missed_ms is None or merged.missed_ms > merged.last_seen_ms


@PROPERTY
@given(st.lists(SEEN, max_size=6), TIMES)
def test_what_is_told_of_the_past_does_not_withdraw_a_key_that_is_shown_now(told: list[SeenKey], now_ms: int) -> None:
    ring = KeyRing().after_fetch(BOTH, as_of_ms=now_ms, max_age_ms=DAY_MS)
    for seen in told:
        if max(seen.last_seen_ms, seen.missed_ms or 0) <= now_ms:
            ring = ring.recalled(seen)
    assert ring.seen["passing"].missed_ms is None
    assert ring.find("passing", At(now_ms + 10**9)) == PASSING


@PROPERTY
@given(SPANS, STEPS, st.sampled_from(["passing", "never"]), TIMES, TIMES)
def test_unknown_is_never_said_before_a_fetch_that_began_after_receipt(
    span: Span,
    steps: Steps,
    kid: str,
    appended_ms: int,
    received_ms: int,
) -> None:
    """Whatever the append time says; and only by a fetch of this worker's own."""
    fetched = [[at for worker, at, _ in steps if worker == number] for number in range(3)]
    arrival = replace(record(b""), appended_ms=appended_ms, received_ms=received_ms)
    for ring, own in zip(lived(span, steps).rings, fetched, strict=True):
        if ring.find(kid, arrival) is NoKey.UNKNOWN:
            assert any(at > received_ms for at in own)
        elif ring.find(kid, arrival) is NoKey.NOT_YET:
            assert not any(at > received_ms for at in own)

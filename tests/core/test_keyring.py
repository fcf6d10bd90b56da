"""The memory of keys: what stood when a record was appended verifies it, and only a later fetch calls a key unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from streams.core.keyring import MAX_REMEMBERED, SKEW_MS, At, KeyRing, NoKey, SeenKey
from streams.core.keys import NO_KEYS, Key, KeySet, parse
from streams.core.records import Record
from streams.topics import DAY_MS
from tests.builders import jwks, private_key, record

T = 1_000_000
"""When a fetch began, in these tests."""


def key(kid: str = "a", name: str = "a") -> Key:
    return parse(jwks({kid: private_key("ES256", name)})).keys[kid]


def shown(*keys: Key) -> KeySet:
    return KeySet({each.kid: each for each in keys})


def seen(kid: str = "a", *, last: int, missed: int | None = None, first: int = 0, name: str = "a") -> SeenKey:
    return SeenKey(key=key(kid, name), first_seen_ms=first, last_seen_ms=last, missed_ms=missed)


def fetches(*shows: tuple[int, Iterable[Key]]) -> KeyRing:
    """A ring after fetches that began at these times and brought these keys."""
    ring = KeyRing()
    for began_ms, keys in shows:
        ring = ring.after_fetch(shown(*keys), as_of_ms=began_ms, max_age_ms=DAY_MS)
    return ring


def arrived(appended_ms: int, received_ms: int | None = None) -> Record:
    """A record of the broker's time and of ours."""
    return replace(
        record(b""), appended_ms=appended_ms, received_ms=appended_ms if received_ms is None else received_ms
    )


def test_an_empty_ring_can_only_say_not_yet() -> None:
    assert KeyRing().find("a", At(T)) is NoKey.NOT_YET
    assert (KeyRing().fetched_ms, KeyRing().last_seen_ms) == (None, None)


def test_a_key_that_stands_verifies_whatever_the_record_is_of() -> None:
    """From before it was first seen as well: the set may have held it before anybody looked."""
    ring = fetches((T, [key()]))
    for appended_ms in (0, T, T + 10**12):
        assert ring.find("a", At(appended_ms)) == key()


@pytest.mark.parametrize(
    ("appended_ms", "found"), [(0, True), (T + 99, True), (T + 100 + SKEW_MS, True), (T + 100 + SKEW_MS + 1, False)]
)
def test_a_withdrawn_key_verifies_what_was_appended_before(appended_ms: int, found: bool) -> None:  # noqa: FBT001 - a column
    """Up to the skew after the first fetch that did not show it; later misses don't prolong it."""
    ring = fetches((T, [key()]), (T + 100, [key("b")]), (T + 5000, [key("b")]))
    assert ring.seen["a"].missed_ms == T + 100
    assert isinstance(ring.find("a", At(appended_ms)), Key) is found


def test_what_came_after_the_withdrawal_is_unknown_only_once_a_later_fetch_has_told() -> None:
    ring = fetches((T, [key()]), (T + 100, [key("b")]))
    late = At(T + 100 + SKEW_MS + 1)
    assert ring.find("a", late) is NoKey.NOT_YET
    assert (
        ring.after_fetch(shown(key("b")), as_of_ms=late.appended_ms + 1, max_age_ms=DAY_MS).find("a", late)
        is NoKey.UNKNOWN
    )


def test_a_key_that_comes_back_stands_again() -> None:
    ring = fetches((T, [key()]), (T + 100, [key("b")]), (T + 200, [key(), key("b")]))
    assert ring.seen["a"] == seen(first=T, last=T + 200)
    assert ring.find("a", At(T + 10**9)) == key()


@pytest.mark.parametrize(
    ("appended_ms", "received_ms", "verdict"),
    [
        (T - 1, T - 1, NoKey.UNKNOWN),
        (T, T, NoKey.NOT_YET),  # a fetch that began in the same millisecond may have been before it
        (T + 1, T + 1, NoKey.NOT_YET),
        (T + 5000, T - 1, NoKey.UNKNOWN),  # the broker's clock is ahead; we had it before the fetch
        (T - 10 * SKEW_MS, T + 5000, NoKey.NOT_YET),  # or behind, by whatever: only our own clock counts
        (T - 10 * SKEW_MS, T, NoKey.NOT_YET),
        (0, T + 1, NoKey.NOT_YET),
    ],
)
def test_a_key_is_unknown_only_after_a_fetch_that_surely_began_later(
    appended_ms: int, received_ms: int, verdict: NoKey
) -> None:
    """By our own clock alone, so that no difference between two machines' clocks refuses a good record."""
    ring = fetches((T, [key("b")]))
    assert ring.find("a", arrived(appended_ms, received_ms)) is verdict


def test_only_a_fetch_of_our_own_calls_a_key_unknown() -> None:
    """What others tell is about their keys, not about the whole set."""
    ring = KeyRing().recalled(seen("b", last=T))
    assert ring.find("a", At(0)) is NoKey.NOT_YET
    assert (ring.fetched_ms, ring.last_seen_ms) == (None, T)


def test_a_fetch_without_keys_withdraws_all_and_is_no_sight() -> None:
    ring = fetches((T, [key()])).after_fetch(NO_KEYS, as_of_ms=T + 9, max_age_ms=DAY_MS)
    assert ring.seen["a"].missed_ms == T + 9
    assert (ring.fetched_ms, ring.last_seen_ms) == (T + 9, T)


@pytest.mark.parametrize(
    ("ring", "usable"),
    [
        (KeyRing(), False),
        (fetches((T, [key()])), True),
        (fetches((T, [])), False),
        (fetches((T - 1, [key()]), (T, [])), False),
        (fetches((T - 1, [key()]), (T, [key("b")])), True),
        (KeyRing().recalled(seen(last=T - 1, missed=T)), False),  # another worker found the set empty
        (KeyRing().recalled(seen(last=T - 1, missed=T)).recalled(seen("b", last=T)), True),
        (fetches((T - DAY_MS, [key()])), True),
        (fetches((T - DAY_MS - 1, [key()])), False),
    ],
)
def test_an_issuer_is_usable_while_a_key_stands_that_was_seen_of_late(ring: KeyRing, usable: bool) -> None:  # noqa: FBT001 - a column
    assert ring.usable(now_ms=T, max_age_ms=DAY_MS) is usable


def test_a_kid_that_is_given_to_another_key_means_the_new_one() -> None:
    """Whoever reuses a kid can't have both: the later sight counts, and the first one's history goes."""
    ring = fetches((T, [key()]), (T + 100, [key("a", "other")]))
    assert ring.seen["a"] == seen(first=T + 100, last=T + 100, name="other")
    assert ring.find("a", At(T)) == key("a", "other") != key()


def test_of_two_keys_under_one_kid_the_later_sight_counts() -> None:
    old, new = seen(last=T, missed=T + 50), seen(last=T + 1, name="other")
    assert old.merged(new) == new.merged(old) == new
    ring = KeyRing().recalled(new)
    assert ring.recalled(old) == ring


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        (seen(first=5, last=10), seen(first=7, last=20), seen(first=5, last=20)),
        (seen(last=10, missed=15), seen(last=20), seen(last=20)),  # seen again after the miss
        (seen(last=10, missed=25), seen(last=20), seen(last=20, missed=25)),  # missed after the later sight
        (seen(last=10, missed=25), seen(last=20, missed=22), seen(last=20, missed=22)),  # the first miss counts
        (seen(last=10, missed=15), seen(last=20, missed=22), seen(last=20, missed=22)),
        (seen(last=10, missed=20), seen(last=20), seen(last=20)),  # in one millisecond: seen
    ],
)
def test_what_two_workers_know_comes_to_one_thing(ours: SeenKey, theirs: SeenKey, merged: SeenKey) -> None:
    """Whoever tells it first."""
    assert ours.merged(theirs) == theirs.merged(ours) == merged


def test_a_withdrawn_key_stays_so_when_its_own_record_comes_back() -> None:
    """A worker reads what it wrote itself."""
    gone = fetches((T, [key()]), (T + 1, [key("b")]))
    assert gone.recalled(gone.seen["a"]) == gone
    assert KeyRing().recalled(gone.seen["a"]).recalled(gone.seen["a"]).seen["a"] == gone.seen["a"]


@pytest.mark.parametrize(("began_ms", "stands"), [(T + 49, True), (T + 50, True), (T + 51, False)])
def test_a_fetch_that_began_before_another_workers_sight_does_not_withdraw_the_key(
    began_ms: int,
    stands: bool,  # noqa: FBT001 - a column
) -> None:
    """Two fetches overlap while a key is added: the slower one, which does not show it yet, is the older news."""
    ring = (
        fetches((T, [key("b")]))
        .recalled(seen(last=T + 50))
        .after_fetch(shown(key("b")), as_of_ms=began_ms, max_age_ms=DAY_MS)
    )
    assert (ring.seen["a"].missed_ms is None) is stands


def test_a_key_that_our_later_fetch_did_not_show_does_not_stand_because_the_memory_tells_of_it() -> None:
    """The memory may be read after the first fetch: what it knows of the past verifies the past, and no more."""
    ring = fetches((T, [key("b")])).recalled(seen("a", last=T - 1000))
    assert ring.find("a", At(T - 1000)) == key()
    assert ring.find("a", At(T + SKEW_MS + 1)) is NoKey.NOT_YET
    later = fetches((T, [key("b")])).recalled(seen("a", last=T + 1))
    assert later.find("a", At(T + SKEW_MS + 1)) == key(), "another worker saw it after our fetch"


def test_an_answer_that_is_older_news_than_ours_changes_no_verdict() -> None:
    """A cache had it: it neither brings back a withdrawn key, nor withdraws a new one, nor counts as a later fetch."""
    ring = fetches((T, [key()]), (T + 1000, [key("b")]))
    late = ring.after_fetch(shown(key(), key("gone")), as_of_ms=T + 500, max_age_ms=DAY_MS)
    assert late.fetched_ms == T + 1000
    assert late.seen["a"] == seen(first=T, last=T + 500, missed=T + 1000)
    assert late.seen["b"] == ring.seen["b"]
    assert late.seen["gone"].missed_ms == T + 1000, "the newer answer did not show it"
    assert late.find("never", At(T + 1000)) is NoKey.NOT_YET


def test_only_what_was_withdrawn_long_ago_is_outlived() -> None:
    ring = KeyRing().recalled(seen("stands", last=0)).recalled(seen("gone", last=0, missed=100))
    assert ring.outlived(now_ms=150, kept_ms=50) == []
    assert ring.outlived(now_ms=151, kept_ms=50) == ["gone"]
    left = ring.without("gone")
    assert set(left.seen) == {"stands"}
    assert left.without("gone") == left


LET_GO: dict[str, tuple[KeyRing, bool]] = {
    "shown by our last fetch": (fetches((T - 9, [key()]), (T, [key()])), True),
    "and seen by another since": (fetches((T, [key()])).recalled(seen(last=T + 5)), True),
    "not shown by our last fetch": (fetches((T - 9, [key()]), (T, [key("b")])), False),
    "missed by another since": (fetches((T, [key()])).recalled(seen(last=T, missed=T + 5)), False),
    "never fetched by us": (KeyRing().recalled(seen(last=T)), False),
    "never heard of": (fetches((T, [key("b")])), False),
}


@pytest.mark.parametrize(("ring", "kept"), LET_GO.values(), ids=LET_GO)
def test_what_the_memory_lets_go_of_is_kept_if_our_own_last_fetch_showed_it(ring: KeyRing, kept: bool) -> None:  # noqa: FBT001 - a column
    """Else a record that waits is called unknown although its key stands."""
    left = ring.let_go("a")
    assert ("a" in left.seen) is kept
    assert {kid for kid in left.seen if kid != "a"} == {kid for kid in ring.seen if kid != "a"}
    assert left.fetched_ms == ring.fetched_ms


def test_of_too_many_keys_those_withdrawn_first_are_forgotten() -> None:
    """And none that stands."""
    one, ring = key(), KeyRing()
    for number in range(MAX_REMEMBERED):
        kid = f"gone-{number}"
        gone = SeenKey(key=replace(one, kid=kid), first_seen_ms=0, last_seen_ms=0, missed_ms=1 + number)
        ring = ring.recalled(gone)
    assert len(ring.seen) == MAX_REMEMBERED
    ring = ring.after_fetch(shown(key("b"), key("c")), as_of_ms=T, max_age_ms=DAY_MS)
    assert len(ring.seen) == MAX_REMEMBERED
    assert {"b", "c"} <= ring.seen.keys()
    assert not {"gone-0", "gone-1"} & ring.seen.keys()
    assert "gone-2" in ring.seen


@pytest.mark.parametrize(
    ("known", "news"),
    [
        (None, True),
        (seen(last=T), False),
        (seen(last=T - 99), False),
        (seen(last=T - 100), True),
        (seen(last=T, missed=T + 1), True),
        (seen(last=T, name="other"), True),
        (seen(first=7, last=T), False),
    ],
)
def test_mere_sights_are_told_only_now_and_then(known: SeenKey | None, news: bool) -> None:  # noqa: FBT001 - a column
    assert seen(last=T).is_news_to(known, every_ms=100) is news

"""A record under a key that nobody has seen yet: no verdict, nothing produced, until a later fetch can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from streams import templates, topics
from streams.core.ingest import IngestRules
from streams.core.keyring import Arrival, KeyRing, NoKey
from streams.core.keys import Key, parse
from streams.core.reasons import Reason, Undecided
from streams.core.records import Record
from streams.core.render import Renderer
from streams.core.token import TokenRules
from streams.topics import DAY_MS
from streams.topology import Topology, build_topology
from tests.builders import ISSUER, NOW_S, OTHER, TOPIC, claims, jwks, private_key, producers, record, rules, token
from tests.driver import Tally, TopologyDriver

NOW_MS = NOW_S * 1000
BEFORE, AFTER = NOW_MS - 30_000, NOW_MS + 1
"""When a fetch began: too early to tell of a record that came at `NOW_S`, and just late enough."""
OLD = jwks({"old": private_key("ES256")})
NEW = jwks({"old": private_key("ES256"), "rsa": private_key()})


@dataclass(slots=True)
class Rings:
    """Keys that were fetched as told."""

    rings: dict[str, KeyRing] = field(default_factory=lambda: {ISSUER: KeyRing(), OTHER: KeyRing()})

    def fetch(self, document: bytes, began_ms: int, issuer: str = ISSUER) -> None:
        self.rings[issuer] = self.rings[issuer].after_fetch(parse(document), as_of_ms=began_ms, max_age_ms=DAY_MS)

    def find(self, issuer: str, kid: str, arrival: Arrival) -> Key | NoKey:
        return self.rings[issuer].find(kid, arrival)


@dataclass(slots=True)
class World:
    """The pipeline over such keys."""

    keys: Rings = field(default_factory=Rings)
    tally: Tally = field(default_factory=Tally)
    topology: Topology = field(init=False)
    driver: TopologyDriver = field(init=False)

    def __post_init__(self) -> None:
        shipped = templates.load()
        made: IngestRules = replace(rules(shipped=shipped), tokens=TokenRules(producers(), self.keys))
        self.topology = build_topology(made, Renderer(shipped), self.tally)
        self.driver = TopologyDriver(self.topology)


def test_before_any_fetch_and_after_one_that_began_too_early_there_is_no_verdict() -> None:
    """Nothing goes anywhere and nothing is counted; it is said whose key is wanted."""
    world = World()
    for _ in range(2):
        assert world.driver.pipe(record(token())) == []
        world.keys.fetch(OLD, BEFORE)
    assert world.driver.undecided == [Undecided(ISSUER, "rsa")] * 2
    assert (world.driver.topics(), world.tally.seen) == (set(), [])


def test_a_later_fetch_that_brings_the_key_accepts_it_as_if_it_had_been_there() -> None:
    world, at_once = World(), World()
    at_once.keys.fetch(NEW, BEFORE)
    world.keys.fetch(OLD, BEFORE)
    waiting = record(token())
    world.driver.pipe(waiting)
    world.keys.fetch(NEW, AFTER)
    assert world.driver.pipe(waiting) == at_once.driver.pipe(waiting)
    assert topics.DISPATCH_TRANSACTIONAL in world.driver.topics()
    assert world.driver.reasons() == []


def test_a_later_fetch_that_does_not_bring_it_refuses_it() -> None:
    world = World()
    world.keys.fetch(OLD, BEFORE)
    world.driver.pipe(record(token()))
    world.keys.fetch(OLD, AFTER)
    world.driver.pipe(record(token()))
    assert world.driver.reasons() == [Reason.TOKEN_UNKNOWN_KEY]
    assert len(world.driver.undecided) == 1


def test_another_issuers_fetch_decides_nothing() -> None:
    world = World()
    world.keys.fetch(NEW, AFTER, OTHER)
    world.driver.pipe(record(token()))
    assert world.driver.undecided == [Undecided(ISSUER, "rsa")]


def test_what_is_tried_again_waits_like_any_other() -> None:
    """Under its first append time: a fetch since then can tell at once."""
    world = World()
    first: Mapping[str, bytes] = {
        "dlq.original.topic": TOPIC.encode(),
        "dlq.original.timestamp": str(NOW_MS).encode(),
    }
    again = record(token(), topic=topics.REDRIVE, headers=tuple(first.items()), appended_s=NOW_S + 86_400)
    world.driver.pipe(again)
    assert world.driver.undecided == [Undecided(ISSUER, "rsa")]
    world.keys.fetch(NEW, NOW_MS + 3_600_000)
    world.driver.pipe(again)
    assert world.driver.reasons() == []
    assert topics.DISPATCH_TRANSACTIONAL in world.driver.topics()


HOPELESS: dict[str, tuple[Reason, Record]] = {
    "no token": (Reason.TOKEN_MISSING, record(None)),
    "nonsense": (Reason.TOKEN_MALFORMED, record(b"x")),
    "another type": (Reason.TOKEN_TYPE, record(token(header={"typ": "at+jwt"}))),
    "a stranger": (Reason.TOKEN_ISSUER, record(token(claims(iss="stranger")))),
    "on another's topic": (Reason.TOKEN_TOPIC, record(token(), topic=f"events.{OTHER}")),
    "a stranger's, tried again": (Reason.TOKEN_ISSUER, record(token(claims(iss="stranger")), topic=topics.REDRIVE)),
}


@pytest.mark.parametrize(("reason", "hopeless"), HOPELESS.values(), ids=HOPELESS)
def test_what_no_key_could_make_good_is_refused_at_once(reason: Reason, hopeless: Record) -> None:
    """It would hold up its topic for nothing: anyone may write a kid."""
    world = World()
    world.driver.pipe(hopeless)
    assert world.driver.reasons() == [reason]
    assert world.driver.undecided == []


AGAIN = (("dlq.original.topic", TOPIC.encode()),)
LACKS: dict[str, tuple[Record, Undecided | None]] = {
    "an unknown key": (record(token()), Undecided(ISSUER, "rsa")),
    "the same, tried again": (record(token(), topic=topics.REDRIVE, headers=AGAIN), Undecided(ISSUER, "rsa")),
    "a known key": (record(token(key=private_key("ES256"), header={"kid": "old"})), None),
    "no ingest at all": (record(token(), topic=topics.RENDER), None),
    **{name: (hopeless, None) for name, (_, hopeless) in HOPELESS.items()},
}


@pytest.mark.parametrize(("made", "lacks"), LACKS.values(), ids=LACKS)
def test_what_a_record_lacks_can_be_told_without_judging_it(made: Record, lacks: Undecided | None) -> None:
    """By header and issuer alone: nothing is verified, produced or counted."""
    world = World()
    world.keys.fetch(OLD, BEFORE)
    assert world.topology.lacks(made) == lacks
    assert (world.tally.seen, world.driver.topics()) == ([], set())


def test_a_bug_in_telling_what_is_lacking_is_left_for_the_records_turn() -> None:
    world = World()
    del world.keys.rings[ISSUER]
    assert world.topology.lacks(record(token())) is None
    world.driver.pipe(record(token()))
    assert world.driver.reasons() == [Reason.INTERNAL_ERROR]


def test_a_rotation_refuses_nothing() -> None:
    """From before it, across it and after it, however late they are read."""
    world = World()
    world.keys.fetch(NEW, BEFORE)
    world.keys.fetch(OLD, AFTER)
    world.keys.fetch(OLD, NOW_MS + 10_000_000)
    late = replace(record(token()), received_ms=NOW_MS + 10_000_001)
    world.driver.pipe(late)
    signed_anew = token(claims(iat=NOW_S + 9_000, exp=NOW_S + 9_300), key=private_key("ES256"), header={"kid": "old"})
    world.driver.pipe(record(signed_anew, appended_s=NOW_S + 9_000))
    assert (world.driver.reasons(), world.driver.undecided) == ([], [])
    revoked = token(claims(iat=NOW_S + 9_000, exp=NOW_S + 9_300))
    world.driver.pipe(record(revoked, appended_s=NOW_S + 9_000))
    assert world.driver.reasons() == [Reason.TOKEN_UNKNOWN_KEY]

"""Fault 21: keys rotate under load, their server fails and goes away, unknown kids flood in, a worker restarts."""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import key_lookup
from streams import topics
from streams.demo.auth_server import AuthServer
from streams.explain import event_id_of
from tests.faults.oracle import account, assert_commit_rule, assert_no_loss
from tests.waiting import eventually
from tests.world import ISSUER, SHORT, Centre, Outgoing, WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.fault(21), pytest.mark.timeout(900)]
EVENTS = 20_000
ROTATIONS = 5
FLOOD = 300
AT_ONCE = 20
"""Events signed with a new key before anybody can have fetched it."""
COOL_DOWN_S = float(SHORT["JWKS_COOL_DOWN"])
PATIENT = {"BREAKER_RUN": "1000", "BREAKER_WINDOW": "1000", "BREAKER_MIN_SAMPLE": "1000"}
"""The flood is to be refused to its end: the breaker, which is fault 12's, must not stop it."""
KEY_SET = f"/{ISSUER}/jwks.json"


class FlakyServer(AuthServer):
    """Fails every other time, by the dice. Notes when it was asked for the producer's keys, and what it has shown."""

    dice = random.Random(1)  # noqa: S311 - repeatable on purpose
    fails = 0.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked: list[float] = []
        self.failed = 0
        self.shown: set[str] = set()

    def respond(self, method: str, path: str, authorization: str, form: str) -> tuple[int, Any]:
        if path == KEY_SET:
            self.asked.append(time.monotonic())
        if method == "GET" and self.dice.random() < self.fails:
            self.failed += 1
            return 503, {}
        status, body = super().respond(method, path, authorization, form)
        if path == KEY_SET:
            self.shown |= {key["kid"] for key in body["keys"]}
        return status, body


@dataclass(slots=True)
class Story:
    """One run: what was produced, and by whom."""

    centre: Centre
    server: FlakyServer
    composition: str
    good: list[str] = field(default_factory=list)
    flood: list[str] = field(default_factory=list)
    started: list[float] = field(default_factory=list)

    def produce(self, count: int) -> None:
        events = self.centre.events(count)
        self.good += [event.event_id for event in events]
        self.centre.produce(events)

    def rotate(self, number: int) -> None:
        """The key set has the new key and no longer the old one; the producer signs with the new one at once."""
        self.centre.key, self.centre.kid = Ed25519PrivateKey.generate(), f"key-{number}"
        keys = dict(self.server.service.keys) | {ISSUER: {self.centre.kid: self.centre.key}}
        self.server.service.keys = keys

    def unknown_kids(self, count: int) -> list[Outgoing]:
        """Signed by nobody we know, each under a name of its own."""
        known, self.centre.key = self.centre.key, Ed25519PrivateKey.generate()
        made = []
        for index in range(count):
            self.centre.kid = f"rogue-{uuid.uuid4().hex}"
            made.append(self.centre.event(f"flood-{index}"))
        self.centre.key = known
        self.flood += [event.event_id for event in made]
        return made

    def worker(self) -> WorkerProcess:
        """A fresh one; before the first fetch of a process there is no cool-down."""
        self.started.append(time.monotonic())
        return self.centre.worker(self.composition, **PATIENT).wait_ready()

    def gaps(self) -> list[float]:
        """Seconds between two fetches by one process."""
        pairs = pairwise(self.server.asked)
        return [b - a for a, b in pairs if not any(a < at < b for at in self.started)]

    def was_shown(self) -> bool:
        return self.centre.kid in self.server.shown


def begin(centre: Centre, rng: random.Random, composition: str) -> Story:
    centre.stop_auth()
    centre.auth_kind = FlakyServer
    centre.start_auth()
    centre.with_keys_from_auth()
    server = centre.auth
    assert isinstance(server, FlakyServer)
    server.dice, server.fails = rng, 0.5
    return Story(centre, server, composition)


def play(story: Story, events: int) -> None:
    centre, server, share = story.centre, story.server, events // (ROTATIONS + 1)
    worker = story.worker()
    for number in range(ROTATIONS + 1):
        if number:
            story.rotate(number)
            story.produce(AT_ONCE)
        story.produce(share // 2)
        if number == 2:
            kid = centre.kid
            centre.produce(story.unknown_kids(FLOOD))
            centre.kid = kid
        if number == 3:
            worker = restarted_behind_a_rotation(story, worker, share // 4)
        story.produce(share // 4)
        eventually(story.was_shown, seconds=60, what="the key to be fetched before it is withdrawn")
    remembered(story)
    worker.kill()
    server.fails = 1.0
    worker = story.worker()
    story.produce(events - len(story.good))


def restarted_behind_a_rotation(story: Story, worker: WorkerProcess, count: int) -> WorkerProcess:
    """What was signed with the old key waits in Kafka while nobody reads and the key is withdrawn."""
    eventually(story.was_shown, seconds=60, what="the key to be fetched")
    remembered(story)
    worker.kill()
    story.produce(count)
    story.rotate(33)
    return story.worker()


def remembered(story: Story) -> None:
    """The topic of keys is told after the fetch; a kill in between is another test's."""
    wanted = story.centre.kid.encode()
    eventually(lambda: any(wanted in (r.key or b"") for r in story.centre.read(topics.KEYS)), what="key in comms.keys")


def judge(story: Story) -> None:
    centre, server = story.centre, story.server
    wanted = set(story.good)

    def done() -> bool:
        return len({*centre.ids(topics.RENDER), *centre.ids(topics.DEAD_LETTER)} & wanted) == len(wanted)

    try:
        eventually(done, seconds=180, every=2)
    except AssertionError:
        print(f"fault 21 ({story.composition}): stuck; {account(centre, story.good).line()}")
    letters = centre.read(topics.DEAD_LETTER)
    reasons = Counter(reason for letter in letters for name, reason in letter.headers if name == "dlq.reason")
    wrongly = [event_id for letter in letters if (event_id := event_id_of(letter)) in wanted]
    print(
        f"fault 21 ({story.composition}): {len(story.good)} events, {ROTATIONS + 1} rotations, "
        f"{len(story.flood)} unknown kids, {len(server.asked)} fetches of the producer's keys "
        f"({server.failed} requests failed), least gap {min(story.gaps()):.2f} s (cool-down {COOL_DOWN_S:g} s); "
        f"dead letters {dict(reasons)}, false ones {len(wrongly)}"
    )
    assert not wrongly, f"{len(wrongly)} false dead letters, such as {wrongly[:2]}"
    found = account(centre, story.good)
    assert_no_loss(found)
    assert found.rendered == len(wanted)
    assert reasons == {b"token_unknown_key": len(story.flood)}
    assert_commit_rule(centre)


def test_rotations_outages_and_floods_refuse_no_good_event(centre: Centre, rng: random.Random) -> None:
    story = begin(centre, rng, "")
    play(story, EVENTS)
    judge(story)
    early = [gap for gap in story.gaps() if gap < COOL_DOWN_S * 0.95]
    assert not early, f"fetches within the cool-down: {early}"


@pytest.mark.parametrize("planted", ["planted-refuses-at-once", "planted-forgets-withdrawn"])
def test_planted_bugs_are_caught_by_the_oracle(centre: Centre, rng: random.Random, planted: str) -> None:
    story = begin(centre, rng, planted)
    play(story, EVENTS // 5)
    with pytest.raises(AssertionError, match="false dead letters") as caught:
        judge(story)
    print(f"fault 21 ({planted}): red, {str(caught.value).splitlines()[0]}")


def test_a_lookup_does_not_wait_for_a_refetch() -> None:
    """Printed rather than bounded: the machine is shared."""
    found = key_lookup.run()
    print(f"fault 21: {key_lookup.line(found)}")
    assert found["refetch running"]["median"] < 100 * found["no fetch"]["median"]

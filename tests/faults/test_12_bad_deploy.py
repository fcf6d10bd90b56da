"""Fault 12: a producer's bad deploy, every signature wrong. Its topic is held; others flow; dead letters stay few."""

from __future__ import annotations

import random
import re
import signal
import time
import uuid
from collections import Counter
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.settings import Settings
from schemas import registry
from streams import topics
from streams.core import signing
from tests.faults.oracle import account, assert_commit_rule, assert_no_loss
from tests.waiting import eventually
from tests.world import AUTH, INBOUND, KID, Centre, Outgoing, WorkerProcess

pytestmark = [pytest.mark.faults, pytest.mark.fault(12), pytest.mark.timeout(240)]
LEAST_BAD, MOST_BAD, GOOD, WORKERS = 2000, 4000, 300, 2
OTHER = f"events.{AUTH}"
BOUND = WORKERS * Settings.model_fields["breaker_run"].default
"""Each worker counts for itself what it reads before it hears of another's opening."""
STILL_S = 2.0
WATCHED = {"WATCHDOG_AFTER": "3", "DEAD_LETTER_LOOK_EVERY": "0.5"}
NO_LIMIT = {"BREAKER_RUN": "1000000", "BREAKER_MIN_FAILURES": "1000000"}


@dataclass(slots=True)
class Deploy:
    """The deployment, and what was produced."""

    centre: Centre
    composition: str
    bad: list[Outgoing]
    good: list[str]

    def start(self, **changes: str) -> list[WorkerProcess]:
        made = [self.centre.worker(self.composition, **WATCHED, **changes) for _ in range(WORKERS)]
        return [worker.wait_ready() for worker in made]

    def others_flow(self) -> float:
        """Produce to the other topic; seconds until all of it is rendered."""
        events = from_auth(self.centre, GOOD)
        self.centre.produce(events, topic=OTHER)
        self.good += [event.event_id for event in events]
        return eventually(lambda: not account(self.centre, self.good).missing, seconds=30, what="the other topic")

    def letters(self) -> int:
        """How many dead letters there are once no more come."""
        found = -1
        while found != (found := sum(self.centre.ends(topics.DEAD_LETTER).values())):
            time.sleep(STILL_S)  # an absence can only be waited for
        return found

    def release(self) -> None:
        """A record without a value on comms.breakers."""
        self.centre.produce([Outgoing(value=None, key=INBOUND.encode())], topic=topics.BREAKERS)


def from_auth(centre: Centre, count: int) -> list[Outgoing]:
    """Good events of the other issuer."""
    known = registry.load()
    body = known.versions("new_match")[known.latest("new_match")].example()
    made = []
    for index in range(count):
        jti = f"{index}-{uuid.uuid4().hex[:8]}"
        claims = signing.claims(body, issuer=AUTH, service=AUTH, jti=jti, now_s=int(time.time()))
        value = signing.sign(claims, centre.key, kid=KID).encode()
        made.append(Outgoing(value=value, event_id=f"{AUTH}/{jti}", key=f"student-{index}".encode()))
    return made


def forged(centre: Centre, count: int) -> list[Outgoing]:
    """Events whose signatures are by another key than the one that they name."""
    known, centre.key = centre.key, Ed25519PrivateKey.generate()
    made = centre.events(count)
    centre.key = known
    return made


def held(worker: WorkerProcess) -> bool:
    """Whether a topic is held by its breaker, as /metrics tells."""
    return b'comcenter_held{reason="breaker"} 1.0' in worker.get("/metrics")[2]


def seconds_left(worker: WorkerProcess) -> float:
    """Until the oldest dead letter is gone, as /metrics tells."""
    found = re.search(rb"^comcenter_dead_letter_oldest_seconds ([0-9.e+]+)$", worker.get("/metrics")[2], re.MULTILINE)
    return float(found[1]) if found else 0.0


def play(centre: Centre, rng: random.Random, composition: str) -> Deploy:
    """A backlog of nothing but bad signatures, two workers, and another topic that flows."""
    table = centre.folder / "producers.toml"
    table.write_text(table.read_text("utf-8").replace("['welcome']", "['new_match']"), "utf-8")
    deploy = Deploy(centre, composition, forged(centre, rng.randrange(LEAST_BAD, MOST_BAD)), [])
    centre.produce(deploy.bad)
    workers = deploy.start()
    took = deploy.others_flow()
    letters = deploy.letters()
    print(
        f"fault 12 ({composition}): {len(deploy.bad)} bad events, {letters} dead letters, {GOOD} others in {took:.1f} s"
    )
    assert letters <= BOUND, f"dead letters flooded: {letters}, more than {BOUND}"
    assert all(held(worker) for worker in workers)
    assert all(worker.get("/readyz")[0] == 200 for worker in workers), "held is ready"
    assert all(worker.process.running for worker in workers), "the watchdog took a held topic for a stuck one"
    return deploy


def test_a_bad_deploy_is_stopped_stays_stopped_and_is_let_go_by_an_operator(centre: Centre, rng: random.Random) -> None:
    deploy = play(centre, rng, "breaker")
    before = deploy.letters()
    retention_s = topics.HOUR_MS * 72 / 1000
    left = seconds_left(centre.workers[0])
    assert retention_s - 120 < left <= retention_s, f"{left} s until the oldest dead letter is gone"

    for worker in centre.workers:
        worker.kill()
    workers = deploy.start()
    took = deploy.others_flow()
    after_restart = deploy.letters()
    print(f"fault 12: SIGKILL and restart, {after_restart - before} more dead letters, others in {took:.1f} s")
    assert after_restart == before, "a restart let the bad deploy through again"
    assert all(held(worker) for worker in workers)

    for worker in workers:
        worker.process.send(signal.SIGUSR1)
    eventually(lambda: sum(centre.ends(topics.DEAD_LETTER).values()) > after_restart, what="the release")
    after_release = deploy.letters()
    print(f"fault 12: released while still bad, {after_release - after_restart} more dead letters")
    assert after_release - after_restart <= BOUND, f"dead letters flooded: {after_release - after_restart}"
    assert all(held(worker) for worker in workers)

    for worker in workers:
        worker.terminate()
    assert [worker.exit_code(10) for worker in workers] == [0, 0]
    deploy.start(**NO_LIMIT)
    deploy.release()
    drained = eventually(lambda: everything_refused(centre), seconds=60, every=1, what="the drain")
    letters = centre.read(topics.DEAD_LETTER)
    reasons = Counter(value for letter in letters for name, value in letter.headers if name == "dlq.reason")
    print(f"fault 12: drained on demand in {drained:.1f} s, {len(letters)} dead letters {dict(reasons)}")
    assert reasons.keys() == {b"token_signature"}
    assert_no_loss(account(centre, deploy.good))
    assert_commit_rule(centre)


def everything_refused(centre: Centre) -> bool:
    """Whether each bad event has a dead letter."""
    return {letter.value for letter in centre.read(topics.DEAD_LETTER)} >= {r.value for r in centre.read(INBOUND)}


@pytest.mark.parametrize("planted", ["planted-never-opens", "planted-drains"])
def test_planted_bugs_are_caught_by_the_oracle(centre: Centre, rng: random.Random, planted: str) -> None:
    with pytest.raises(AssertionError, match="dead letters flooded") as caught:
        play(centre, rng, planted)
    print(f"fault 12 ({planted}): red, {str(caught.value).splitlines()[0]}")

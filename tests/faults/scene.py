"""A deployment in `live` before a provider that is watched: what the faults of dispatch play in."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from streams import topics
from tests.builders import message, route
from tests.faults.fates import Fates, fates
from tests.faults.provider import FakeProvider
from tests.faults.sender import PROVIDER, WORKER
from tests.waiting import eventually
from tests.world import ISSUER, Centre, Outgoing, WorkerProcess

LIVE: Final = {"MODE": "live", "DISABLE_SEND": "false", "SMTP_URL": "smtp://127.0.0.1:2525"}
PARTITIONS: Final = topics.DISPATCH_PARTITIONS["transactional"]
CONCURRENCY: Final = 5
"""Calls that an owner may have running: the default of DISPATCH_CONCURRENCY."""
ONE_KILL: Final = CONCURRENCY * PARTITIONS
"""Calls that a worker may have running when it is killed."""


@dataclass(frozen=True, slots=True)
class Scene:
    """``centre`` with its workers, ``provider`` and the seeded randomness of this run."""

    centre: Centre
    provider: FakeProvider
    rng: random.Random

    def go_live(self) -> Scene:
        """Have workers send, to the provider."""
        self.centre.extra.update({**LIVE, PROVIDER: self.provider.url})
        return self

    def worker(self, composition: str = "watched", name: str = "", **changes: str) -> WorkerProcess:
        """Start a worker. One with a ``name`` takes the place of the one before it of that name."""
        return self.centre.worker(composition, **(changes | ({WORKER: name} if name else {})))

    def with_pid(self, pid: int) -> WorkerProcess:
        """The worker that has this process id."""
        return next(w for w in self.centre.workers if w.process.running and w.process.pid == pid)

    def fill(self, count: int) -> list[Outgoing]:
        """Have so many messages wait for dispatch, one for each recipient, none begun, and no worker running.

        They are appended as rendering appends them, by no worker: what happens before dispatch is other faults' matter.
        """
        return self.append([f"student-{number}" for number in range(count)])

    def fill_one(self, count: int) -> list[Outgoing]:
        """The same, all for one recipient, hence in one partition."""
        return self.append(["student-7"] * count)

    def append(self, recipients: Sequence[str]) -> list[Outgoing]:
        """A message for each; returned are their events, of which there is nothing but the name."""
        made = [_message(recipient, f"{n}-{uuid.uuid4().hex[:8]}") for n, recipient in enumerate(recipients)]
        self.centre.produce(made, topic=topics.DISPATCH_TRANSACTIONAL)
        return made

    def fates(self, events: Sequence[Outgoing]) -> Fates:
        """What became of them so far."""
        return fates(self.centre, self.provider, events)

    def all_ended(self, events: Sequence[Outgoing], seconds: float = 120.0) -> Fates:
        """Wait until each has ended, or there is no more time; the oracle judges what is returned."""
        try:
            eventually(lambda: not self.fates(events).missing, seconds=seconds, every=1, what="all to have ended")
        except AssertionError:
            print("not all ended in time", end="; ")
        return self.fates(events)

    def seen(self, worker: WorkerProcess, word: str, *, beyond: int = 0) -> Callable[[], bool]:
        """Whether a worker's log has said something more than ``beyond`` times."""
        return lambda: worker.log.read_text("utf-8", "replace").count(word) > beyond


def _message(recipient: str, jti: str) -> Outgoing:
    made = message(route=route(event_id=f"{ISSUER}/{jti}", recipient_id=recipient))
    return Outgoing(value=made.encode(), event_id=made.route.event_id, key=recipient.encode())

"""A deployment in `live` before a provider that is watched: what the faults of dispatch play in."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from streams import topics
from tests.faults.fates import Fates, fates
from tests.faults.provider import FakeProvider
from tests.faults.sender import PROVIDER, WORKER
from tests.waiting import eventually
from tests.world import Centre, Outgoing, WorkerProcess

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
        """Have so many messages wait for dispatch, one for each recipient, none begun, and no worker running."""
        return self.waiting_for_dispatch(self.centre.events_to_many(count))

    def fill_one(self, count: int) -> list[Outgoing]:
        """The same, all for one recipient, hence in one partition."""
        return self.waiting_for_dispatch(
            [self.centre.to("student-7", f"{n}-{uuid.uuid4().hex[:8]}") for n in range(count)]
        )

    def waiting_for_dispatch(self, events: list[Outgoing]) -> list[Outgoing]:
        """Have them go all the way to dispatch, and wait there."""
        before = self.waiting()
        filler = self.worker("dispatch-held").wait_ready()
        self.centre.produce(events)
        eventually(lambda: self.waiting() == before + len(events), seconds=90, what="all to wait for dispatch")
        filler.terminate()
        assert filler.exit_code(20) == 0
        assert self.provider.calls == [], "held dispatch called the provider"
        return events

    def waiting(self) -> int:
        """Messages that were ever appended to the dispatch topics."""
        return sum(sum(self.centre.ends(topic).values()) for topic in topics.DISPATCH.values())

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

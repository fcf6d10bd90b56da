"""An operator in a hurry: orders signed and written as the command line does it, and how soon calls end after them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Self

from streams import topics
from streams.cli.control_topic import Desk, Signer
from streams.cli.giving import signer_of
from streams.core.control_token import Wanted
from streams.core.scope import ALL
from streams.core.switches import Setting
from streams.wiring.control import read_operators
from tests.faults.provider import Call
from tests.faults.scene import Scene
from tests.waiting import eventually
from tests.world import Centre

BOUND_S: Final = 1.0
"""From the record's append to the last call that may begin."""
LOOK_S: Final = 1.6
"""How long a throw is watched: an absence can only be waited for."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who throws the switch, with what `comcenter flags set` uses."""

    desk: Desk
    signer: Signer

    @classmethod
    def of(cls, centre: Centre) -> Self:
        """The one that the deployment lists."""
        settings = centre.settings()
        desk = Desk(settings=settings, bootstrap=centre.bootstrap, operators=read_operators(settings))
        return cls(desk, signer_of(desk))

    def switch(self, *, on: bool) -> int:
        """Throw or lift the kill switch of everything. Returns the record's offset, once the broker confirmed it."""
        wanted = Wanted(scope=ALL, setting=Setting.DISABLE_SEND, value=on, reason="a fault")
        return self.desk.write(self.signer, [wanted])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Throw:
    """One throw: the record's ``offset``; by the monotonic clock, until when it was watched; and what went before.

    ``rate``: calls begun each second, from when all workers dispatched until the throw.
    """

    offset: int
    until: float
    rate: float


def all_dispatch(scene: Scene, seconds: float = 60.0) -> None:
    """Wait until every worker that runs has begun a call from now on."""
    calls, begun = scene.provider.calls, len(scene.provider.calls)
    alive = {worker.process.pid for worker in scene.centre.workers if worker.process.running}
    eventually(lambda: {c.pid for c in calls[begun:]} >= alive, seconds=seconds, every=0.01, what="all to dispatch")


def throw(scene: Scene, operator: Operator, *, run_s: float) -> Throw:
    """Have all workers dispatch for a while, throw the switch, watch, and lift it."""
    all_dispatch(scene)
    calls, begun = len(scene.provider.calls), time.monotonic()
    time.sleep(run_s * (0.5 + scene.rng.random()))
    rate = (len(scene.provider.calls) - calls) / (time.monotonic() - begun)
    offset = operator.switch(on=True)
    time.sleep(LOOK_S)
    until = time.monotonic()
    operator.switch(on=False)
    return Throw(offset=offset, until=until, rate=rate)


def delays(centre: Centre, calls: Sequence[Call], throws: Iterable[Throw]) -> list[float]:
    """How long after each record's append the last call began, in seconds; 0 if none did."""
    ahead = time.time() - time.monotonic()
    appended = {record.offset: record.appended_ms / 1000 - ahead for record in centre.read(topics.CONTROL)}
    return [_delay(calls, appended[one.offset], one.until) for one in throws]


def _delay(calls: Sequence[Call], since: float, until: float) -> float:
    return max((call.begun - since for call in calls if since < call.begun <= until), default=0.0)


def assert_stopped(found: Sequence[float]) -> None:
    """No call began later than a second after the record's append."""
    late = [delay for delay in found if delay >= BOUND_S]
    assert not late, f"after {len(late)} of {len(found)} throws calls went on, for up to {max(late):.2f} s"


def told(found: Sequence[float], throws: Sequence[Throw]) -> str:
    """For the run's output."""
    return (
        f"{len(found)} throws, last call begun {median(found):.3f} s after the record's append (median), "
        f"{max(found):.3f} s at worst; {min(one.rate for one in throws):.0f} calls/s before them at least, "
        f"{median(one.rate for one in throws):.0f} in the median"
    )

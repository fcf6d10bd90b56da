"""One partition of dispatch and those who work on it: a fake broker and provider, and time that moves when told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

from confluent_kafka import TopicPartition

from streams import topics
from streams.core.cap import UNCAPPED, Window
from streams.core.dispatch import Conditions, Hold
from streams.core.flags import Flags
from streams.core.messages import Category, Message, Mode, Route
from streams.core.reasons import Suppression
from streams.core.records import Emit, Headers, Record
from streams.core.templates import OnUnknown, Template
from streams.desk import Desk
from streams.dispatcher import _item
from streams.ledger import Commit
from streams.owner import Limits, Owner
from streams.wiring.dispatch import read_topics
from tests.builders import NOW_S, message, route
from tests.fake_broker import FakeBroker, FakeLedger
from tests.fakes import FakeDispatchObserver, FakeSender, SteppedClock

CATEGORY = Category.TRANSACTIONAL
DISPATCH = topics.DISPATCH[CATEGORY]
HELD = topics.HELD[CATEGORY]
RETRY = topics.RETRY[CATEGORY]
BEGIN_S = 2.0
SPAN_MS = 62_000
CALLS = 5


@dataclass(slots=True)
class FakeOrders:
    """Orders about all messages of a template, or of the empty name: about all. Times are milliseconds."""

    aside: set[str] = field(default_factory=set)
    dropped: dict[str, int] = field(default_factory=dict)
    rendered_again: dict[str, int] = field(default_factory=dict)
    changed: int = 0

    def stops_aside(self, route: Route, _now_ms: int) -> bool:
        return route.template in self.aside

    def drops(self, route: Route, appended_ms: int, _now_ms: int) -> bool:
        return appended_ms < self.dropped.get(route.template, 0)

    def rerenders(self, route: Route, appended_ms: int, _now_ms: int) -> bool:
        return appended_ms < self.rendered_again.get(route.template, 0)

    def changed_ms(self, _now_ms: int) -> int:
        return self.changed


def template(name: str = "new_match", *, on_unknown: OnUnknown = OnUnknown.PARK, version: str = "2.0") -> Template:
    """A row of the registry."""
    return Template(
        name=name,
        version=version,
        event_type=name,
        category=CATEGORY,
        sender="x@example.org",
        channels=("email",),
        on_unknown=on_unknown,
    )


@dataclass(slots=True)
class Floor:
    """What outlives a worker: broker, provider, time, flags and orders."""

    clock: SteppedClock = field(default_factory=lambda: SteppedClock(float(NOW_S)))
    sender: FakeSender = field(default_factory=FakeSender)
    observer: FakeDispatchObserver = field(default_factory=FakeDispatchObserver)
    orders: FakeOrders = field(default_factory=FakeOrders)
    mode: Mode = Mode.LIVE
    flags: Flags = field(default_factory=lambda: Flags(disable_send=False))
    stopped: tuple[Hold, ...] = ()
    suppressed: Suppression | None = None
    units: int = UNCAPPED
    templates: Mapping[str, Template] = field(default_factory=lambda: {"new_match": template()})
    skew_s: float = 0.0
    """How far a worker's clock is ahead of the broker's."""
    broker: FakeBroker = field(init=False)

    def __post_init__(self) -> None:
        self.broker = FakeBroker(self.clock)

    def conditions(self) -> Conditions:
        return Conditions(
            mode=self.mode,
            flags=self.flags,
            now_s=self.clock() + self.skew_s,
            stopped=self.stopped,
            orders=self.orders,
            suppressed=lambda _route: self.suppressed,
        )

    def desk(self) -> Desk:
        return Desk(
            category=CATEGORY,
            senders={"email": self.sender},
            conditions=self.conditions,
            units=lambda _partition: self.units,
            templates=self.templates,
            observer=self.observer,
            random=Random(1),  # noqa: S311 - jitter of a test
            now=lambda: self.clock() + self.skew_s,
            monotonic=self.clock,
        )

    def queue(self, *mails: Message, topic: str = DISPATCH, headers: Headers = ()) -> None:
        """Append messages."""
        for mail in mails:
            self.raw(mail.encode(), topic=topic, headers=headers)

    def raw(self, value: bytes | None, *, topic: str = DISPATCH, headers: Headers = ()) -> None:
        """Append whatever it is."""
        self.broker.append(Emit(topic=topic, key=b"student-7", value=value, headers=headers))

    def start(self, *, calls: int = CALLS, lane: int = 500) -> Shift:
        """A worker takes the partition. Call it in a running loop."""
        ledger = FakeLedger(self.broker)
        limits = Limits(calls=calls, begin_within=BEGIN_S, lane=lane)
        owner = Owner(self.desk(), ledger, Window(SPAN_MS), limits, topics=read_topics(CATEGORY), partition=0)
        return Shift(self, owner, ledger).begin()


@dataclass(slots=True)
class Shift:
    """One worker's time as the owner of the partition."""

    floor: Floor
    owner: Owner
    ledger: FakeLedger
    read: dict[str, int] = field(default_factory=dict)
    task: asyncio.Task[None] = field(init=False)

    def begin(self) -> Self:
        self.read = dict(self.floor.broker.committed)
        self.task = asyncio.ensure_future(self.owner.run(self._commit))
        return self

    def _commit(self, points: Mapping[str, int]) -> Commit:
        return Commit([TopicPartition(topic, 0, point) for topic, point in points.items()], None)

    def feed(self) -> None:
        """Fetch what lies in the topics, as far as the lanes take it."""
        for topic, lane in self.owner.lanes.items():
            lying = self.floor.broker.records[topic]
            while self.read.get(topic, 0) < len(lying) and not lane.full:
                lane.add([_item(lying[self.read.get(topic, 0)])])
                self.read[topic] = self.read.get(topic, 0) + 1

    async def rest(self) -> None:
        """Let it work until nothing changes any more without time or orders."""
        quiet = 0
        while quiet < 3 and not self.task.done():
            before = self._seen()
            self.feed()
            self.owner.wake()
            for _ in range(12):
                await asyncio.sleep(0)
            quiet = quiet + 1 if self._seen() == before else 0

    def _seen(self) -> tuple[Any, ...]:
        broker = self.floor.broker
        waiting = tuple(map(len, self.owner.lanes.values()))
        return len(broker.transactions), len(self.floor.sender.calls), waiting, dict(broker.committed)

    async def end(self) -> None:
        """Stop in good order."""
        self.owner.stop()
        await self.task

    async def lost(self) -> BaseException:
        """What it ended with."""
        (found,) = await asyncio.gather(self.task, return_exceptions=True)
        assert isinstance(found, BaseException), "it ended in good order"
        return found


def play(scenario: Callable[[Floor], Coroutine[Any, Any, None]], floor: Floor | None = None) -> Floor:
    """Run a scenario; returns the floor on which it was played."""
    at = floor or Floor()
    asyncio.run(scenario(at))
    return at


async def one_shift(floor: Floor) -> None:
    """One worker, until there is nothing left that may be done now."""
    shift = floor.start()
    await shift.rest()
    await shift.end()


def mail(number: int = 1, **changes: Any) -> Message:
    """A message of its own, by number; ``route__x`` changes its route."""
    of_route = {name.removeprefix("route__"): changes.pop(name) for name in list(changes) if name.startswith("route__")}
    return message(route=route(event_id=f"scholarship_agent/event-{number}", **of_route), **changes)


def mails(count: int) -> list[Message]:
    """So many messages."""
    return [mail(number) for number in range(1, count + 1)]


def intents(emits: Sequence[Emit] | Sequence[Record]) -> bool:
    """Whether a transaction claims, or one record of it."""
    return any(b"INTENT" in (emit.value or b"") for emit in emits)

"""Fakes for the ports: a producer that confirms on command, a sender that ends as told, keys that are as set."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from queue import Empty, SimpleQueue
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from streams.core.messages import Message, Receipt
from streams.core.ports import Delivered, Delivery, Refused, Unknown
from streams.core.reasons import Rejected
from streams.core.records import Record

SHORT_POLL_S: Final = 0.005
"""So that a publisher's thread ends soon after it was told to."""

Report = Callable[[KafkaError | None, object], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducedRecord:
    """One call of `produce`."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    partition: int | None
    on_delivery: Report


class FakeProducer:
    """`streams.publisher.Producer` without a broker. What was produced is confirmed when a test says so, not before.

    ``full`` makes `produce` raise BufferError, ``refuses`` makes it raise that error, as librdkafka does.
    """

    def __init__(self) -> None:
        self.records: list[ProducedRecord] = []
        self.full = False
        self.refuses: int | None = None
        self._reports: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._served: list[Callable[[], None]] = []
        self._grown = asyncio.Event()

    def produce(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
        on_delivery: Report,
        partition: int | None = None,
    ) -> None:
        if self.full:
            raise BufferError
        if self.refuses is not None:
            raise KafkaException(KafkaError(self.refuses))
        record = ProducedRecord(
            topic=topic, key=key, value=value, headers=headers, partition=partition, on_delivery=on_delivery
        )
        self.records.append(record)
        self._grown.set()

    def poll(self, timeout: float) -> int:
        """Serve what `report` was told. Called in the publisher's own thread."""
        while self._served:
            self._served.pop()()
        try:
            self._reports.get(timeout=min(timeout, SHORT_POLL_S))()
        except Empty:
            return 0
        return 1

    async def report(self, *indexes: int, error: int | None = None) -> None:
        """Report the records of these calls as confirmed, or as failed; returns when the publisher has settled it."""
        self.tell(*indexes, error=error)
        await self.settled()

    def tell(self, *indexes: int, error: int | None = None) -> None:
        """The same, without waiting: for a publisher that may poll no more once it is told."""
        for index in indexes:
            self._reports.put(_reporting(self.records[index], error))

    async def settled(self) -> None:
        """Return once everything reported so far has reached the event loop."""
        done, loop = asyncio.Event(), asyncio.get_running_loop()
        # A mark in the queue; the poll after the one that meets it begins once its reports were handed to the loop.
        self._reports.put(lambda: self._served.append(partial(_call_in, loop, done.set)))
        await asyncio.wait_for(done.wait(), 5)

    async def until(self, count: int) -> None:
        """Return once so many records were produced; fails after two seconds."""
        async with asyncio.timeout(2):
            while len(self.records) < count:
                self._grown.clear()
                await self._grown.wait()


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    loop.call_soon_threadsafe(call)


def _reporting(record: ProducedRecord, error: int | None) -> Callable[[], None]:
    return lambda: record.on_delivery(None if error is None else KafkaError(error), object())


class Ending(StrEnum):
    """How a call to a provider may end."""

    TAKEN = "taken"
    REFUSED_FOR_EVER = "refused for ever"
    REFUSED_FOR_NOW = "refused for now"
    AWAY = "nobody listens"
    CUT = "cut off after the content"
    SILENT = "no answer after the content"


FAKE: Final = "fake"
_ADDRESS: Final = re.compile(r"[!-+\--;=?A-~]{1,64}@[!-+\--;=?A-~]{1,253}")
"""Printable ASCII without comma, angle brackets and a second @, of the lengths that RFC 5321 allows."""
_DELIVERIES: Final[Mapping[Ending, Delivery]] = {
    Ending.REFUSED_FOR_EVER: Refused(code="550", retryable=False),
    Ending.REFUSED_FOR_NOW: Refused(code="450", retryable=True),
    Ending.AWAY: Refused(code="unreachable", retryable=True),
    Ending.CUT: Unknown(what="cut off"),
    Ending.SILENT: Unknown(what="timeout"),
}


@dataclass(slots=True)
class FakeSender:
    """A sender that ends as ``ending`` says, or raises ``bug``. ``calls`` are the messages that reached it.

    ``door``: while it is there, calls don't come back before it is opened. ``most``: how many ran at once.
    """

    ending: Ending = Ending.TAKEN
    bug: BaseException | None = None
    calls: list[Message] = field(default_factory=list)
    door: asyncio.Event | None = None
    running: int = 0
    most: int = 0

    async def send(self, message: Message) -> Delivery:
        if _ADDRESS.fullmatch(message.to) is None:
            return Refused(code="address_invalid", retryable=False)
        self.calls.append(message)
        self.running += 1
        self.most = max(self.most, self.running)
        await (asyncio.sleep(0) if self.door is None else self.door.wait())
        self.running -= 1
        if self.bug is not None:
            raise self.bug
        taken = Delivered(provider=FAKE, provider_id=f"fake-{len(self.calls)}")
        return _DELIVERIES.get(self.ending, taken)


@dataclass(slots=True)
class FakeDispatchObserver:
    """Remembers what the office told it."""

    seen: list[tuple[Message | None, Receipt | Rejected]] = field(default_factory=list)
    risks: list[Message] = field(default_factory=list)
    calls: list[tuple[str, float]] = field(default_factory=list)

    def risked(self, message: Message) -> None:
        self.risks.append(message)

    def answered(self, channel: str, seconds: float) -> None:
        self.calls.append((channel, seconds))

    def dispatched(self, _record: Record, message: Message | None, outcome: Receipt | Rejected) -> None:
        self.seen.append((message, outcome))


@dataclass(slots=True)
class FakeKeyState:
    """Keys as the gate looks at them: who has ``keys``, how old they are, and why the last fetch failed."""

    keys: set[str] = field(default_factory=set)
    ages: dict[str, float] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    read: bool = True

    def usable(self, issuer: str) -> bool:
        return issuer in self.keys

    def age(self, issuer: str) -> float | None:
        return self.ages.get(issuer)

    def fault(self, issuer: str) -> str:
        return self.faults.get(issuer, "")

    def recalled(self) -> bool:
        return self.read


@dataclass(slots=True)
class FakeHealth:
    """What the HTTP server reports; ``bug`` makes every question raise."""

    dependencies: bool = True
    found: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    bug: Exception | None = None

    def notes(self) -> Mapping[str, str]:
        return self.told

    def dependencies_ok(self) -> bool:
        if self.bug is not None:
            raise self.bug
        return self.dependencies

    def faults(self) -> Mapping[str, str]:
        if self.bug is not None:
            raise self.bug
        return self.found


@dataclass(slots=True)
class FakeTelemetry:
    """Remembers durations; ``text`` is what ``/metrics`` answers."""

    text: bytes = b"comcenter_up 1\n"
    observed: list[tuple[str, float, Mapping[str, str]]] = field(default_factory=list)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self.observed.append((name, seconds, labels))

    def exposition(self) -> bytes:
        return self.text


class SteppedClock:
    """A monotonic clock that moves by a fixed step at each look, or when told."""

    def __init__(self, now: float = 1000.0, step: float = 0.0) -> None:
        self.now = now
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now


def labels(observed: Iterable[tuple[str, float, Mapping[str, str]]]) -> list[Mapping[str, str]]:
    """Only the labels."""
    return [each for _, _, each in observed]

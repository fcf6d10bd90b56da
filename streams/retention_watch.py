"""Watches how long what waits is still kept, and tells of it as an incident before Kafka deletes it.

Every worker looks, for its own metric. One tells: whoever has partition 0 of the transactional messages, since somebody
always has, and never two of them for long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaException

from adapters.kafka_admin import BrokerUnavailableError
from streams.core.incidents import Incident, Limits, Phase, open_ones, to_tell
from streams.core.retention import Oldest

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What telling takes. ``ours``: whether it is this worker's; ``told``: all values of ``comms.incidents``.

    ``tell`` writes key and value; ``holds`` says why a topic is held.
    """

    ours: Callable[[], bool]
    told: Callable[[], Iterable[bytes | None]]
    tell: Callable[[bytes, bytes], None]
    holds: Callable[[str], Iterable[str]]
    limits: Limits
    worker: str


class RetentionWatch:
    """Between two looks, and while no broker answers, what is known counts down."""

    def __init__(
        self,
        look: Callable[[], Sequence[Oldest]],
        duty: Duty,
        *,
        every: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._look = look
        self._duty = duty
        self._every = every
        self._now = now
        self._waiting: Sequence[Oldest] = ()
        self._known: Mapping[str, Incident] | None = None
        self._said: set[tuple[str, Phase]] = set()

    def seconds_left(self) -> dict[str, int]:
        """By topic, until the broker may delete what waits there longest; nothing where nothing waits, or for ever."""
        now_ms = self._now_ms()
        left = {one.topic: one.seconds_left(now_ms) for one in self._waiting}
        return {topic: seconds for topic, seconds in left.items() if seconds is not None}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                self._waiting = await asyncio.to_thread(self._look)
                await self._report()
            except (BrokerUnavailableError, KafkaException, TimeoutError) as error:
                log.warning("waiting_unknown", error=type(error).__name__, why=str(error))
            await asyncio.sleep(self._every)

    async def _report(self) -> None:
        """What was told is what is read back: one that the broker did not take is told again at the next look."""
        if not self._duty.ours():
            self._known = None
            return
        if self._known is not None and not self._due(self._known):
            return
        known = self._known = open_ones(await asyncio.to_thread(self._duty.told))
        for one in self._due(known):
            self._duty.tell(one.incident.encode(), one.encode())
            self._say(one)

    def _due(self, known: Mapping[str, Incident]) -> list[Incident]:
        duty = self._duty
        return to_tell(self._waiting, known, duty.limits, holds=duty.holds, now_ms=self._now_ms(), worker=duty.worker)

    def _say(self, one: Incident) -> None:
        if (one.incident, one.phase) in self._said:
            return
        self._said.add((one.incident, one.phase))
        say = log.warning if one.phase is Phase.OPEN else log.info
        say(one.kind.value, phase=one.phase, topic=one.topic, incident=one.incident, holds=one.holds, why=one.summary)

    def _now_ms(self) -> int:
        return int(self._now() * 1000)

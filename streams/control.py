"""The reader of ``comms.control``: the orders in force, and whether they are surely all."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog

from adapters.kafka_log import Entry
from streams.core.control import NOTHING_ORDERED, Order
from streams.core.control_token import Identity, Ignored, Operators, Said, read_order

log = structlog.get_logger(__name__)

NEVER: Final = float("-inf")


class ControlReader:
    """Folds every record from the beginning of the topic; `adapters.kafka_confirmed` hands them over.

    ``state`` is what was ordered so far, ``applied_offset`` the offset after the last record, ``ignored`` how many
    records were not obeyed, by reason. ``on_change`` is called after each batch, in the event loop.
    """

    def __init__(
        self,
        operators: Operators,
        *,
        ignored: Callable[[str], None] = lambda _reason: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._operators = operators
        self._monotonic = monotonic
        self._count_ignored = ignored
        self._seen: set[Identity] = set()
        self._confirmed_at = NEVER
        self._read = asyncio.Event()
        self._clock_warned = False
        self.state = NOTHING_ORDERED
        self.applied_offset = 0
        self.ignored: Counter[str] = Counter()
        self.on_change: list[Callable[[], None]] = []

    @property
    def obeyed(self) -> int:
        """How many records were obeyed."""
        return len(self._seen)

    def fresh(self, within_s: float) -> bool:
        """Whether the topic was confirmed read to its end that lately. False before it was for the first time."""
        return self._monotonic() - self._confirmed_at <= within_s

    async def read_to_end(self, *, remind_every: float) -> None:
        """Wait until all that stood in the topic was read; however long that takes."""
        while not self._read.is_set():
            try:
                await asyncio.wait_for(self._read.wait(), remind_every)
            except TimeoutError:
                log.warning("control_unread", applied_offset=self.applied_offset)
        log.info("control_read", applied_offset=self.applied_offset, ignored=dict(self.ignored))

    def take(self, entry: Entry) -> None:
        """One record, in the topic's order."""
        self._look_at_the_clock(entry)
        said = Said(value=entry.value, offset=entry.offset, appended_ms=entry.timestamp_ms)
        match read_order(said, self._operators, self._seen):
            case Order() as order:
                self._seen.add((order.operator, order.jti))
                self.state = self.state.after(order)
                self._tell(order)
            case Ignored(reason=reason, detail=detail, operator=operator):
                self.ignored[reason] += 1
                self._count_ignored(reason)
                log.warning("order_ignored", offset=entry.offset, reason=reason, detail=detail, operator=operator)
        self.applied_offset = entry.offset + 1

    def batch_taken(self) -> None:
        """Let those act who follow the state."""
        for act in self.on_change:
            act()

    def confirmed(self, asked_at: float) -> None:
        """The broker, asked at that monotonic time, says that there is nothing more. Others act on it, too."""
        self._confirmed_at = max(self._confirmed_at, asked_at)
        if not self._read.is_set():
            self._read.set()
            self.batch_taken()

    def _tell(self, order: Order) -> None:
        if self._read.is_set():  # what is read at start was told when it was given
            log.info(
                "order",
                scope=str(order.scope),
                setting=order.setting,
                value=order.value,
                operator=order.operator,
                offset=order.offset,
            )

    def _look_at_the_clock(self, entry: Entry) -> None:
        """Without the broker's time an order's age is its producer's word; to forget it at a restart would be worse."""
        if not entry.broker_time and not self._clock_warned:
            self._clock_warned = True
            log.warning("control_clock", why="comms.control does not carry the broker's time (LogAppendTime)")

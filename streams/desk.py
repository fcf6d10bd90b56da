"""The desk of one category: everything that its owners decide and send with. `streams.core` decides, ports call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

from streams import topics
from streams.core import retry, settle
from streams.core.dispatch import Conditions, SetAside, gate
from streams.core.ledger import SHARE_KEY, Entry, Share, judge
from streams.core.messages import Category, Message, Receipt
from streams.core.plan import Finish, Leave, Plan, after_claim, copy_of, plan
from streams.core.ports import Delivery, Refused, Sender, Unknown
from streams.core.reasons import Rejected, Stage
from streams.core.records import Emit, Record, number
from streams.core.settle import Settled, Turn
from streams.core.templates import OnUnknown, Template
from streams.lanes import Item
from streams.topology import bug


class DispatchObserver(Protocol):
    """Who counts."""

    def dispatched(self, record: Record, message: Message | None, outcome: Receipt | Rejected) -> None:
        """A message reached a final state or was given up."""

    def answered(self, channel: str, seconds: float) -> None:
        """A provider answered, or its deadline ran out."""

    def risked(self, message: Message) -> None:
        """It is called again, now or as a retry, although the call before may have sent it: its template says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One category's. ``units``: a partition's share of the cap now. ``scale``: tests shorten the tiers by it."""

    category: Category
    senders: Mapping[str, Sender]
    conditions: Callable[[], Conditions]
    units: Callable[[int], int]
    templates: Mapping[str, Template]
    observer: DispatchObserver
    random: Random
    scale: float = 1.0
    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def now_ms(self) -> int:
        """This worker's clock."""
        return int(self.now() * 1000)

    def plan(self, item: Item, topic: str, entry: Entry | None) -> Plan:
        """What is to be done with the head of a lane. Total, as the topology's steps are."""
        conditions = self.conditions()
        try:
            return self._plan(item, topic, entry, conditions)
        except Exception as error:  # noqa: BLE001 - the one place that catches what nobody foresaw
            return Finish(settle.unreadable(item.record, bug(error, Stage.DISPATCH, item.record), conditions))

    def _plan(self, item: Item, topic: str, entry: Entry | None, conditions: Conditions) -> Plan:
        record, message = item.record, item.content
        if isinstance(message, Rejected):
            return Leave() if conditions.stopped else Finish(settle.unreadable(record, message, conditions))
        waits = self._waits(record, message, topic)
        if waits is not None:
            return waits
        verdict = gate(message, conditions, appended_ms=settle.queued_ms(record))
        if topic == topics.HELD[self.category] and isinstance(verdict, SetAside) and self._stays(record, conditions):
            return Leave()
        judgement = judge(copy_of(record, message, resend_unknown=self._resends(message)), entry)
        return plan(record, message, judgement, verdict, conditions, current=self._current(message))

    def _stays(self, record: Record, conditions: Conditions) -> bool:
        """What is held stays at the head, unless something was released since: then it goes behind what is free."""
        return record.appended_ms > conditions.orders.changed_ms(self.now_ms())

    def _waits(self, record: Record, message: Message, topic: str) -> Plan | None:
        """A record in a tier: not its turn yet, or its turn and still not due, so that it hops; None: it is due."""
        tier = next((t for t in retry.TIERS if topics.RETRY[self.category][t.name] == topic), None)
        if tier is None:
            return None
        not_before_ms = number(record, retry.NOT_BEFORE, record.appended_ms)
        turn_ms = retry.turn_ms(tier, appended_ms=record.appended_ms, not_before_ms=not_before_ms, scale=self.scale)
        if self.now_ms() < turn_ms:
            return Leave()
        further = retry.hop(now_ms=self.now_ms(), not_before_ms=not_before_ms, scale=self.scale)
        if further is None:
            return None
        turn = Turn(record=record, message=message, attempt=number(record, retry.ATTEMPTS, 1))
        return Finish(Settled((), (settle.waiting(turn, further, not_before_ms),)))

    def again(self, turn: Turn) -> Plan:
        """The gate's second look, right before the call. Total, too."""
        conditions = self.conditions()
        try:
            verdict = gate(turn.message, conditions, appended_ms=settle.queued_ms(turn.record))
            return after_claim(turn, verdict, conditions, current=self._current(turn.message))
        except Exception as error:  # noqa: BLE001 - as above: it must not end the worker with an INTENT open
            return Finish(settle.unreadable(turn.record, bug(error, Stage.DISPATCH, turn.record), conditions))

    def share(self, units: int, partition: int) -> Emit:
        """The ledger's record of a partition's share of the cap."""
        ledger = topics.LEDGER[self.category]
        return Emit(topic=ledger, key=SHARE_KEY, value=Share(units).encode(), partition=partition)

    async def send(self, message: Message) -> Delivery:
        """Call the provider. A bug in a sender is an outcome that nobody knows."""
        sender = self.senders.get(message.route.channel)
        if sender is None:
            return Refused(code=f"no sender is configured for {message.route.channel}", retryable=False)
        begun = self.monotonic()
        try:
            return await sender.send(message)
        except Exception as error:  # noqa: BLE001 - a call may have begun: never say that it didn't
            return Unknown(what=f"the sender failed: {type(error).__name__}")
        finally:
            self.observer.answered(message.route.channel, self.monotonic() - begun)

    def after_call(self, turn: Turn, delivery: Delivery) -> Settled:
        """What the provider's answer means."""
        if isinstance(delivery, Unknown) and self._resends(turn.message):
            again = self._settled(turn, Refused(code=f"may have been sent: {delivery.what}", retryable=True))
            if again.outcome is None:  # it comes again; else nobody knows whether the last one was sent
                self.observer.risked(turn.message)
                return again
        return self._settled(turn, delivery)

    def _settled(self, turn: Turn, delivery: Delivery) -> Settled:
        return settle.after_call(turn, delivery, self.conditions(), draw=self.random.random(), scale=self.scale)

    def observe(self, item: Item, settled: Settled) -> None:
        """Count what ended."""
        if settled.outcome is not None:
            message = item.content if isinstance(item.content, Message) else None
            self.observer.dispatched(item.record, message, settled.outcome)

    def _resends(self, message: Message) -> bool:
        template = self.templates.get(message.route.template)
        return template is not None and template.on_unknown is OnUnknown.RESEND

    def _current(self, message: Message) -> str:
        template = self.templates.get(message.route.template)
        return template.version if template is not None else message.route.template_version

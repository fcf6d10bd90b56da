"""What is written when a message's turn ends: ledger entry, receipt, retry, dead letter. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streams import topics
from streams.core import redrive, retry
from streams.core.dead_letter import dead_letter
from streams.core.dispatch import Conditions
from streams.core.ledger import Entry, Standing
from streams.core.messages import Message, Receipt, State
from streams.core.ports import Delivered, Delivery, Refused, Unknown
from streams.core.reasons import Reason, Rejected, Stage, Suppression
from streams.core.records import Emit, Headers, Record, number
from streams.core.redrive import REDRIVES

HELD_SINCE = "held-since"
"""Header: when it was first set aside, milliseconds since the epoch; moving it round doesn't make it younger."""
HELD_FOR = "held-for"
QUEUED_AT = "queued-at"
"""Header: when it was appended to its dispatch topic, milliseconds since the epoch; a retry or a hold doesn't change
that, so an order to drop or to render again reaches it there as well."""
OPERATOR = "operator"
"""The provider on the receipt of what was sent as an operator says."""
_ORDERS = (redrive.RESOLVE, redrive.BECAUSE)
"""An operator's word is about the attempt before; what fails anew is not settled by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A message at its turn: the record that it came in, and how it stood."""

    record: Record
    message: Message
    attempt: int

    @property
    def partition(self) -> int:
        """Of its dispatch topic and of every topic beside it."""
        return self.record.partition

    def posting(self, standing: Standing) -> Posting:
        """Its ledger entry with this standing, and the record of it."""
        route = self.message.route
        entry = Entry(standing=standing, revision=route.revision, content=route.content, attempt=self.attempt)
        emit = Emit(
            topic=topics.LEDGER[route.category],
            key=route.dispatch_id.encode(),
            value=entry.encode(),
            partition=self.partition,
        )
        return Posting(route.dispatch_id, entry, emit)


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry on its way to the ledger."""

    dispatch_id: str
    entry: Entry
    emit: Emit


@dataclass(frozen=True, slots=True)
class Settled:
    """How a turn ended. No posting: the ledger stays as it is. ``outcome`` is what is counted."""

    postings: tuple[Posting, ...]
    emits: tuple[Emit, ...]
    outcome: Receipt | Rejected | None = None


def final(turn: Turn, state: State, conditions: Conditions, *, reason: Suppression | None = None) -> Settled:
    """A final state without a provider."""
    return _with_receipt(turn, _receipt(turn, state, conditions, reason=reason))


def resolved(turn: Turn, conditions: Conditions) -> Settled:
    """An operator says that it was sent."""
    return _with_receipt(turn, _receipt(turn, State.SENT, conditions, provider=OPERATOR))


def after_call(turn: Turn, delivery: Delivery, conditions: Conditions, *, draw: float, scale: float) -> Settled:
    """What a provider's answer means."""
    match delivery:
        case Delivered(provider=provider, provider_id=provider_id):
            sent = _receipt(turn, State.SENT, conditions, provider=provider, provider_id=provider_id)
            return _with_receipt(turn, sent)
        case Unknown(what=what):
            return _given_up(
                turn, Standing.UNKNOWN, Reason.OUTCOME_UNKNOWN, f"it may have been sent: {what}", conditions
            )
        case Refused(retryable=False, code=code):
            return _given_up(turn, Standing.FAILED, Reason.PROVIDER_REFUSED, f"refused: {code}", conditions)
        case Refused(code=code, retry_after_s=retry_after_s):
            now_ms, before = int(conditions.now_s * 1000), number(turn.record, retry.BEFORE, 0)
            wait = retry.after_failure(
                turn.attempt - before, now_ms=now_ms, draw=draw, retry_after_s=retry_after_s, scale=scale
            )
            if isinstance(wait, retry.GiveUp) or not conditions.flags.retries_enabled:
                return _given_up(
                    turn, Standing.FAILED, Reason.PROVIDER_GAVE_UP, f"transient failure: {code}", conditions
                )
            return Settled((turn.posting(Standing.FAILED),), (waiting(turn, wait.tier, wait.not_before_ms),))


def parked(turn: Turn, conditions: Conditions) -> Settled:
    """A call that had begun and whose end nobody saw: it may have been sent."""
    detail = "the worker ended between the beginning of the call and its outcome"
    return _given_up(turn, Standing.UNKNOWN, Reason.OUTCOME_UNKNOWN, detail, conditions)


def conflict(turn: Turn, conditions: Conditions) -> Settled:
    """The same identity with other content. The ledger keeps what it has."""
    rejected = Rejected(Reason.ID_CONFLICT, "this dispatch id came before with other content")
    return Settled((), (_letter(turn, rejected, conditions),), rejected)


def unreadable(record: Record, rejected: Rejected, conditions: Conditions) -> Settled:
    """A record that is no message, or one that met a bug."""
    letter = dead_letter(_off(record), rejected, Stage.DISPATCH, failed_at_ms=int(conditions.now_s * 1000))
    return Settled((), (letter,), rejected)


def nothing() -> Settled:
    """It was done before: nothing but its offset is committed."""
    return Settled((), ())


def set_aside(turn: Turn, hold: str, conditions: Conditions) -> Settled:
    """To the topic of what is held. When it was first set aside stays with it."""
    since = _header(turn.record, HELD_SINCE) or str(int(conditions.now_s * 1000)).encode()
    headers = _without(turn.record.headers, HELD_SINCE, HELD_FOR)
    headers += ((HELD_SINCE, since), (HELD_FOR, hold.encode()))
    return Settled((), (_moved(turn, topics.HELD[turn.message.route.category], headers),))


def rerendered(turn: Turn, template_version: str) -> Settled:
    """Back to rendering, as the next revision; the ledger knows that a later one comes."""
    order = turn.message.order(template_version=template_version)
    key = order.route.recipient_id.encode()
    emit = Emit(topic=topics.RENDER, key=key, value=order.encode(), headers=turn.record.trace())
    before = replace(turn, attempt=turn.attempt - 1)  # this attempt did not begin
    return Settled((before.posting(Standing.SUPERSEDED),), (emit,))


def waiting(turn: Turn, tier: retry.Tier, not_before_ms: int) -> Emit:
    """The record of a retry, or of one that hops to another tier."""
    headers = _without(turn.record.headers, retry.NOT_BEFORE, retry.ATTEMPTS, HELD_SINCE, HELD_FOR, *_ORDERS)
    headers += (
        (retry.NOT_BEFORE, str(not_before_ms).encode()),
        (retry.ATTEMPTS, str(turn.attempt).encode()),
    )
    return _moved(turn, topics.RETRY[turn.message.route.category][tier.name], headers)


def queued_ms(record: Record) -> int:
    """When it was appended to its dispatch topic."""
    return number(record, QUEUED_AT, record.appended_ms)


def _moved(turn: Turn, topic: str, headers: Headers) -> Emit:
    record = turn.record
    headers = (*_without(headers, QUEUED_AT), (QUEUED_AT, str(queued_ms(record)).encode()))
    return Emit(topic=topic, key=record.key, value=record.value, headers=headers, partition=turn.partition)


def _with_receipt(turn: Turn, receipt: Receipt) -> Settled:
    key = receipt.route.event_id.encode()
    emit = Emit(topic=topics.RECEIPTS, key=key, value=receipt.encode(), headers=turn.record.trace())
    return Settled((turn.posting(Standing[receipt.state.name]),), (emit,), receipt)


def _given_up(turn: Turn, standing: Standing, reason: Reason, detail: str, conditions: Conditions) -> Settled:
    rejected = Rejected(reason, detail)
    return Settled((turn.posting(standing),), (_letter(turn, rejected, conditions),), rejected)


def _letter(turn: Turn, rejected: Rejected, conditions: Conditions) -> Emit:
    """It says of how many calls it knows, so that of two copies that are redriven only one is begun.

    And so that a redrive is tried as often as the first time.
    """
    record = _off(turn.record)
    calls = str(turn.attempt).encode()
    headers = _without(record.headers, retry.ATTEMPTS, retry.BEFORE, *_ORDERS)
    record = replace(record, headers=(*headers, (retry.ATTEMPTS, calls), (retry.BEFORE, calls)))
    failed_at_ms = int(conditions.now_s * 1000)
    return dead_letter(record, rejected, Stage.DISPATCH, failed_at_ms=failed_at_ms, attempts=turn.attempt)


def _off(record: Record) -> Record:
    """A record without what was true of it only while it waited: a redrive is a decision of its own."""
    headers = _without(record.headers, retry.NOT_BEFORE, HELD_SINCE, HELD_FOR, QUEUED_AT)
    return replace(record, headers=headers, redrives=number(record, REDRIVES, 0))


def _receipt(
    turn: Turn,
    state: State,
    conditions: Conditions,
    *,
    reason: Suppression | None = None,
    provider: str | None = None,
    provider_id: str | None = None,
) -> Receipt:
    return Receipt(
        route=turn.message.route,
        state=state,
        reason=reason,
        mode=conditions.mode,
        attempt=turn.attempt if state is State.SENT else 0,
        provider=provider,
        provider_id=provider_id,
        at_ms=int(conditions.now_s * 1000),
        flags=conditions.flags.names(),
    )


def _header(record: Record, name: str) -> bytes | None:
    return next((value for header, value in reversed(record.headers) if header == name and value), None)


def _without(headers: Headers, *names: str) -> Headers:
    return tuple(header for header in headers if header[0] not in names)

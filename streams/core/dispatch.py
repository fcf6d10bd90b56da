"""Dispatch decisions: may this message go out now, and what does a provider's answer mean? Decide here, do there."""

from __future__ import annotations

from dataclasses import dataclass

from streams.core.flags import Flags
from streams.core.messages import Category, Message, Mode, Receipt, State
from streams.core.ports import Delivered, Delivery, Refused, Unknown
from streams.core.reasons import Reason, Rejected, Suppression


@dataclass(frozen=True, slots=True)
class Send:
    """Hand it to the provider."""


@dataclass(frozen=True, slots=True)
class Simulate:
    """Final without a provider call: a dry run."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """Final without a provider call, for a reason about the recipient or the kind of message."""

    reason: Suppression


@dataclass(frozen=True, slots=True)
class Expire:
    """Final: its time is over."""


Verdict = Send | Simulate | Suppress | Expire


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the gate looks at besides the message. ``now_s``: seconds since the epoch."""

    mode: Mode
    flags: Flags
    now_s: float


def gate(message: Message, conditions: Conditions) -> Verdict:
    """In this order: too late, promotional while those are off, dry run (now or when the event was appended), send."""
    if message.not_after_ms is not None and message.not_after_ms <= conditions.now_s * 1000:
        return Expire()
    if message.route.category is Category.PROMOTIONAL and not conditions.flags.promo_sends:
        return Suppress(Suppression.PROMO_DISABLED)
    if Mode.DRY_RUN in (conditions.mode, message.mode):
        return Simulate()
    return Send()


def receipt(
    message: Message, verdict: Verdict, delivery: Delivery | None, conditions: Conditions
) -> Receipt | Rejected:
    """What to write down: a receipt when the message reached a final state, else why it becomes a dead letter."""
    match verdict, delivery:
        case Simulate(), _:
            return _final(message, State.SIMULATED, conditions)
        case Suppress(reason), _:
            return _final(message, State.SUPPRESSED, conditions, reason=reason)
        case Expire(), _:
            return _final(message, State.EXPIRED, conditions)
        case Send(), Delivered(provider=provider, provider_id=provider_id):
            return _final(message, State.SENT, conditions, provider=provider, provider_id=provider_id)
        case Send(), Refused(code=code, retryable=True):
            return Rejected(Reason.PROVIDER_GAVE_UP, f"transient failure: {code}")
        case Send(), Refused(code=code):
            return Rejected(Reason.PROVIDER_REFUSED, f"refused: {code}")
        case Send(), Unknown(what=what):
            return Rejected(Reason.OUTCOME_UNKNOWN, f"the provider may have it: {what}")
        case _:
            raise AssertionError("a verdict to send without a delivery")


def _final(
    message: Message,
    state: State,
    conditions: Conditions,
    *,
    reason: Suppression | None = None,
    provider: str | None = None,
    provider_id: str | None = None,
) -> Receipt:
    return Receipt(
        route=message.route,
        state=state,
        reason=reason,
        mode=conditions.mode,
        attempt=1 if state is State.SENT else 0,
        provider=provider,
        provider_id=provider_id,
        at_ms=int(conditions.now_s * 1000),
        flags=conditions.flags.names(),
    )

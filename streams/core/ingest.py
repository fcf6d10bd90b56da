"""The first step: a signed event becomes one render order per message, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from streams.core.contract import Event, Schemas, validate
from streams.core.fanout import fan_out
from streams.core.messages import Mode, RenderOrder
from streams.core.reasons import Rejected, Undecided
from streams.core.records import Record
from streams.core.templates import Templates
from streams.core.token import TokenRules, verify


@dataclass(frozen=True, slots=True)
class Accepted:
    """A good event and its messages."""

    event: Event
    orders: tuple[RenderOrder, ...]


@dataclass(frozen=True, slots=True)
class IngestRules:
    """All that ingest decides by. ``mode_at`` tells the mode in force at a time (milliseconds since the epoch)."""

    tokens: TokenRules
    schemas: Schemas
    templates: Templates
    mode_at: Callable[[int], Mode]


def ingest(record: Record, rules: IngestRules) -> Accepted | Rejected | Undecided:
    """Verify, validate, fan out."""
    claims = verify(record, rules.tokens)
    if isinstance(claims, Rejected | Undecided):
        return claims
    event = validate(claims, rules.schemas)
    if isinstance(event, Rejected):
        return event
    mode = rules.mode_at(record.appended_ms)
    orders = fan_out(event, rules.templates, mode=mode, appended_ms=record.appended_ms)
    if isinstance(orders, Rejected):
        return orders
    return Accepted(event, orders)

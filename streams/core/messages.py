"""What travels between the steps: a render order, a rendered message, a receipt; and their JSON.

Each has a schema under ``schemas/records/``; a reader that finds something else raises `UnreadableError`, which the
topology turns into a dead letter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any, Self, cast

import orjson
from pydantic import TypeAdapter, ValidationError

from streams.core.reasons import Suppression


class Mode(StrEnum):
    """Whether messages may leave the house."""

    DRY_RUN = "dry_run"
    LIVE = "live"


class Category(StrEnum):
    """From the template registry, never from the payload."""

    TRANSACTIONAL = "transactional"
    PROMOTIONAL = "promotional"


class State(StrEnum):
    """What became of a message, finally."""

    SENT = "sent"
    SIMULATED = "simulated"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"


class UnreadableError(ValueError):
    """An internal record does not have the shape that this build reads."""


def dispatch_id(*, event_id: str, recipient_id: str, channel: str, template: str) -> str:
    """The identity of one message: 32 hex digits of SHA-256 over its four coordinates, unambiguously joined."""
    coordinates = orjson.dumps([event_id, recipient_id, channel, template])
    return hashlib.sha256(coordinates).hexdigest()[:32]


def content_digest(*parts: Any) -> str:  # noqa: ANN401 - any JSON
    """16 hex digits of SHA-256 over what a message is made of."""
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


class _Json:
    """To and from JSON, for the dataclasses below. pydantic reads, strictly by their annotations; orjson writes."""

    __slots__ = ()

    def encode(self) -> bytes:
        """The record's value, UTF-8 JSON."""
        return orjson.dumps(self)

    @classmethod
    def decode(cls, value: bytes | None) -> Self:
        """Read a record's value. Members that this build doesn't know are left aside: a newer one may add some.

        Raises:
            UnreadableError: not JSON, not an object, or a member missing or of another kind.
        """
        try:
            read: Self = _reader(cast("type", cls)).validate_json(value or b"", strict=True)
        except ValidationError as error:
            raise UnreadableError(f"not a {cls.__name__} record: {error.error_count()} members are wrong") from None
        return read


@cache
def _reader(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The coordinates that every step keeps: which message this is, and where it comes from.

    ``revision`` counts how often it was sent back to rendering; ``content`` is a digest of what it is made of, so that
    the same identity with other content is noticed.
    """

    dispatch_id: str
    event_id: str
    event_type: str
    event_version: str
    recipient_id: str
    channel: str
    category: Category
    template: str
    template_version: str
    revision: int = 0
    content: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOrder(_Json):
    """Value of ``comms.render``: render this template for this recipient on this channel.

    ``mode`` is the mode in force when the event was appended (``appended_ms``, milliseconds since the epoch).
    """

    route: Route
    to: str
    mode: Mode
    appended_ms: int
    occurred_at: str
    not_after_ms: int | None
    locale: str | None
    timezone: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a message was made of, beside its coordinates."""

    occurred_at: str
    locale: str | None
    timezone: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(_Json):
    """Value of ``comms.dispatch.<category>``: one rendered text for one recipient on one channel.

    ``sender`` is who it comes from, as the channel names it. ``parts`` maps a part's name (``subject``, ``html``,
    ``text``) to its text. ``source`` is kept so that it can be rendered again.
    """

    route: Route
    to: str
    mode: Mode
    appended_ms: int
    not_after_ms: int | None
    sender: str
    parts: Mapping[str, str]
    source: Source | None = None

    def order(self, *, template_version: str) -> RenderOrder:
        """The order to render it again, as its next revision.

        Raises:
            UnreadableError: it was rendered by a build that did not keep what it was made of.
        """
        if self.source is None:
            raise UnreadableError("what the message was made of was not kept, so it can't be rendered again")
        route = replace(self.route, revision=self.route.revision + 1, template_version=template_version)
        return RenderOrder(
            route=route,
            to=self.to,
            mode=self.mode,
            appended_ms=self.appended_ms,
            occurred_at=self.source.occurred_at,
            not_after_ms=self.not_after_ms,
            locale=self.source.locale,
            timezone=self.source.timezone,
            data=self.source.data,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(_Json):
    """Value of ``comms.receipts``: what became of a message. ``flags`` are those in force at its turn."""

    route: Route
    state: State
    reason: Suppression | None
    mode: Mode
    attempt: int
    provider: str | None
    provider_id: str | None
    at_ms: int
    flags: Mapping[str, bool]

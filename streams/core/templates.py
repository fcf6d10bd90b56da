"""The template registry as data: what exists for an event type, in which category, on which channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from streams.core.messages import Category


class Deliver(StrEnum):
    """Which of a template's channels a recipient hears on."""

    FIRST = "first"
    ALL = "all"


class OnUnknown(StrEnum):
    """What becomes of a message that may have been sent: parked, or sent again where twice is better than never."""

    PARK = "park"
    RESEND = "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One row of ``registry.toml`` with its sources.

    ``sender`` is who the message comes from. ``sources`` maps version to channel to part (``subject``, ``html``,
    ``text``) to Jinja2 source. ``required`` are the variables of the event's data that the texts need, ``optional``
    those that may be absent and then are null.
    """

    name: str
    version: str
    event_type: str
    category: Category
    sender: str
    channels: tuple[str, ...]
    deliver: Deliver = Deliver.FIRST
    on_unknown: OnUnknown = OnUnknown.PARK
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    sample: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Templates:
    """All templates by name. An event type has at most one."""

    by_name: Mapping[str, Template]

    def for_event(self, event_type: str) -> Template | None:
        """The template of an event type, if there is one."""
        return next((t for t in self.by_name.values() if t.event_type == event_type), None)

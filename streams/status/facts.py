"""What is known of a deployment at one moment, as it was read; nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from adapters.kafka_lag import Lag
from streams.core.control import Order
from streams.heartbeat import Fleet, WorkerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Those that were heard lately, when, and the names of those that fell silent. Times: ms since the epoch."""

    fleet: Fleet
    heard_ms: Mapping[str, int]

    @property
    def states(self) -> tuple[WorkerState, ...]:
        """What each says, by name."""
        return self.fleet.workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What was ordered. ``listed``: whether the operators file of whoever looks lists anybody who could order.

    ``end``: the offset after the last record of ``comms.control``; ``obeyed`` of the records are orders.
    ``sets_aside``: a narrow kill switch stands, so that what is in ``comms.held`` may have to stay.
    """

    standing: tuple[Order, ...]
    end: int
    obeyed: int
    listed: bool
    sets_aside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBreaker:
    """An inbound topic that is held since its events were refused in a row or for the most part."""

    topic: str
    since_ms: int
    why: str
    run: int
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """The dead letters. ``more``: there are more than were counted, and no reasons are known.

    ``last_day``: by reason those of the last 24 h. ``seconds_left``: until the oldest may be gone; None without any.
    """

    count: int
    more: bool
    last_day: Mapping[str, int]
    seconds_left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it. ``span_s``: the cap's window. ``group_names``: by category the group that reads it.

    ``left_s``: by topic the seconds until the oldest record that waits there reaches the topic's retention, as far as
    they are known.
    """

    at_ms: int
    bootstrap: str
    prefix: str
    workers: Workers
    orders: Orders
    lags: tuple[Lag, ...]
    breakers: tuple[OpenBreaker, ...]
    letters: Letters
    span_s: float
    left_s: Mapping[str, int] = field(default_factory=dict)

"""The breaker of one inbound topic: when its dead letters run away, the topic is to be held rather than drained.

It opens on a refusal only, and then stays open: an operator lets it go. Every refusal of ingest counts, a bug of ours
(``internal_error``) among them: whoever is to blame, the events are worth more in their topic than in the dead letters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from streams.core.encoding import EncodingError, json_object


class Why(StrEnum):
    """What was beyond its limit."""

    RUN = "run"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a topic may come to, in records.

    ``run``: refusals in a row. ``ratio``: refused of the last ``window``, judged once ``min_sample`` were seen and
    ``min_failures`` of them refused, since one of two is half of them, too.
    """

    run: int
    ratio: float
    window: int
    min_sample: int
    min_failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Records flow. ``recent`` has a bit for each of the last ``seen`` records, 1 if it was refused, the newest last.

    An integer of as many bits as the window is long: it is shifted once per record on the hot path.
    """

    seen: int = 0
    recent: int = 0
    run: int = 0

    @property
    def refused(self) -> int:
        """How many of the last ``seen`` were refused."""
        return self.recent.bit_count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """The topic is to be held. The numbers are those of the moment when it opened."""

    why: Why
    run: int
    refused: int
    seen: int

    @property
    def ratio(self) -> float:
        """Refused of seen."""
        return self.refused / self.seen


RULES: Final[Mapping[Why, Callable[[Closed, Limits], bool]]] = {
    Why.RUN: lambda now, limits: now.run >= limits.run,
    Why.RATIO: lambda now, limits: (
        now.seen >= limits.min_sample and now.refused >= max(limits.min_failures, limits.ratio * now.seen)
    ),
}
"""What opens a breaker; the first that holds is the one that is told."""


def after(before: Closed, limits: Limits, *, refused: bool) -> Closed | Open:
    """What is known after one more record."""
    if not refused:
        return _accepted(before, limits)
    now = _shifted(before, limits, bit=1, run=before.run + 1)
    for why, beyond in RULES.items():
        if beyond(now, limits):
            return Open(why=why, run=now.run, refused=now.refused, seen=now.seen)
    return now


def _accepted(before: Closed, limits: Limits) -> Closed:
    all_is_well = before.recent == 0 and before.seen == limits.window
    return before if all_is_well else _shifted(before, limits, bit=0, run=0)


def _shifted(before: Closed, limits: Limits, *, bit: int, run: int) -> Closed:
    recent = (before.recent << 1 | bit) & ((1 << limits.window) - 1)
    return Closed(seen=min(before.seen + 1, limits.window), recent=recent, run=run)


def opening_record(topic: str, opening: Open) -> tuple[bytes, bytes]:
    """Key and value on ``comms.breakers`` (schemas/records/breaker.json)."""
    body = {"topic": topic, "why": opening.why, "run": opening.run, "refused": opening.refused, "seen": opening.seen}
    return topic.encode(), orjson.dumps(body)


def read_opening(key: bytes | None, value: bytes) -> Open | str:
    """What a record of ``comms.breakers`` says of the topic that is its key, or why it is ignored."""
    try:
        body = json_object(value)
    except EncodingError as error:
        return str(error)
    counts = [body.get(name) for name in ("run", "refused", "seen")]
    if body.get("topic") != (key or b"").decode("utf-8", "replace"):
        return "`topic` is not the record's key"
    if body.get("why") not in tuple(Why) or not all(_is_count(count) for count in counts) or not body["seen"]:
        return "not a record of a breaker"
    return Open(why=Why(body["why"]), run=body["run"], refused=body["refused"], seen=body["seen"])


def _is_count(value: Any) -> bool:  # noqa: ANN401 - whatever JSON holds
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

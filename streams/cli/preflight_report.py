"""How a preflight is told: lines for a person, a document for a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from streams.cli.dlq_shared import left
from streams.cli.preflight import Flight
from streams.core.letters import moment
from streams.core.messages import Category
from streams.core.preflight import Fate
from streams.core.retention import Oldest

SAYS: Final[Mapping[Fate, str]] = {
    Fate.SENT: "go out",
    Fate.SIMULATED: "end as simulated, for good: the mode is dry_run, or was when their event came",
    Fate.EXPIRED: "have expired: a receipt, no call",
    Fate.RECALLED: "end as suppressed: recalled",
    Fate.SUPPRESSED: "end as suppressed, for another reason",
    Fate.RERENDERED: "go back to rendering, and come again",
    Fate.HELD: "stay held by something else",
    Fate.RECALLED_LATER: "stay held by something else, and then end as suppressed: recalled",
}
MOST_TEMPLATES: Final = 20


def as_json(flight: Flight) -> dict[str, Any]:
    """For a program."""
    counted, queued = flight.counted, flight.counted.queued()
    return {
        "scope": str(flight.scope),
        "complete": flight.complete,
        "records_read": flight.read,
        "messages": counted.messages,
        "fates": {fate.value: count for fate, count in counted.by_fate().items()},
        "templates": {
            template: {fate.value: count for fate, count in fates.items()}
            for template, fates in counted.by_template().items()
        },
        "unreadable": counted.unreadable,
        "oldest": None if queued is None else moment(queued[0]),
        "newest": None if queued is None else moment(queued[1]),
        "mode": flight.cap.mode,
        "workers": flight.cap.workers,
        "rate_limit_per_minute": flight.cap.limit.per_minute if flight.cap.on else None,
        "seconds_under_cap": {category.value: flight.seconds(category) for category in Category},
        "gone_at": None if flight.gone is None else moment(flight.gone[0]),
        "gone_from": None if flight.gone is None else flight.gone[1],
        "waiting": [of_topic(one, flight.at_ms) for one in flight.idle],
    }


def of_topic(one: Oldest, at_ms: int) -> dict[str, Any]:
    """What waits in a topic, for a program."""
    return {
        "topic": one.topic,
        "records": one.records,
        "oldest": moment(one.at_ms),
        "place": one.place,
        "seconds_left": one.seconds_left(at_ms),
        "used": round(one.used(at_ms), 4),
    }


def topic_line(one: Oldest, at_ms: int) -> str:
    """The same for a person."""
    return (
        f"{one.topic}: {one.records} records wait at most, the oldest since {moment(one.at_ms)}, "
        f"{_kept(one.seconds_left(at_ms))} ({one.used(at_ms):.0%} of its time is over)"
    )


def _kept(seconds: int | None) -> str:
    if seconds is None:
        return "kept for ever"
    return f"kept for {left(seconds)} more" if seconds else "gone any time now"


def lines(flight: Flight) -> list[str]:
    """For a person."""
    counted = flight.counted
    found = [f"preflight: {'' if flight.complete else 'at least '}{counted.messages} messages of {flight.scope} wait"]
    found += [f"  {count:7} {SAYS[fate]}" for fate, count in counted.by_fate().items()]
    found += [f"  {counted.unreadable:7} records can't be read, and become dead letters"] if counted.unreadable else []
    found += _templates(flight) + _times(flight)
    found += [f"  {topic_line(one, flight.at_ms)}" for one in flight.idle]
    return found if flight.complete else [*found, "  not all was read: raise --seconds for the rest"]


def _templates(flight: Flight) -> list[str]:
    rows = list(flight.counted.by_template().items())
    shown = [
        f"  {template}: " + ", ".join(f"{count} {fate.value}" for fate, count in fates.items())
        for template, fates in rows[:MOST_TEMPLATES]
    ]
    return shown + ([f"  and {len(rows) - MOST_TEMPLATES} templates more"] if len(rows) > MOST_TEMPLATES else [])


def _times(flight: Flight) -> list[str]:
    queued = flight.counted.queued()
    if queued is None:
        return []
    found = [f"  queued from {moment(queued[0])} ({_ago(flight, queued[0])} ago) to {moment(queued[1])}"]
    if any(flight.counted.spending().values()):
        found.append(f"  under the cap ({_cap(flight)}): {_drain(flight)}")
    if flight.gone is not None:
        at_ms, topic = flight.gone
        found.append(f"  the oldest, in {topic}, is {_kept(max(at_ms - flight.at_ms, 0) // 1000)}")
    return found


def _ago(flight: Flight, at_ms: int) -> str:
    seconds = max(flight.at_ms - at_ms, 0) // 1000
    return left(seconds) if seconds >= 60 else f"{seconds} s"  # noqa: PLR2004 - a minute


def _cap(flight: Flight) -> str:
    rate = f"{flight.cap.limit.per_minute} a minute" if flight.cap.on else "off"
    return rate if flight.cap.workers else f"{rate} by this environment, since no worker is heard"


def _drain(flight: Flight) -> str:
    """Each category has partitions and a share of its own, so neither waits for the other."""
    told = []
    for category, partitions in flight.counted.spending().items():
        if partitions:
            seconds = flight.seconds(category)
            told.append(f"{category} {_span(seconds)}")
    return ", ".join(told)


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "never: it has no share"
    return f"at most {left(int(seconds))}" if seconds >= 60 else f"at most {seconds:g} s"  # noqa: PLR2004 - a minute

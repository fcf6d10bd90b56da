"""The sections of the status, made of what was read. Pure. Times are RFC 3339, in UTC; spans whole seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from streams import topics
from streams.core.backlog import Part, seconds_left
from streams.core.cap import PARTITIONS, UNCAPPED
from streams.core.letters import moment
from streams.core.messages import Category
from streams.heartbeat import WorkerState
from streams.status.facts import Facts

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """An effective mode, why it is that, and whose it is."""

    mode: str
    why: str
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Whether the 48-hour window binds, and until when; empty outside, and while no launch is known."""

    inside: bool
    until: str
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Gate 1 as one worker sees it."""

    worker: str
    green: bool
    why: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag as it counts, who made it so (environment, control, window), and for whom."""

    flag: str
    on: bool
    source: str
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A topic that is held. ``left_s``: until its oldest record reaches the topic's retention; None: not known."""

    topic: str
    reason: str
    since: str
    workers: tuple[str, ...]
    left_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """What a group has not committed of a topic."""

    group: str
    topic: str
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """A category under the cap. ``units`` and ``room`` are None without a cap.

    ``waiting`` includes what is ``aside``. ``eta_s``: until what waits has begun, None if nobody can tell or never, and
    then ``eta_why`` says why.
    """

    category: str
    waiting: int
    aside: int
    units: int | None
    room: int | None
    eta_s: int | None
    eta_why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One that is heard. ``reading``: of its partitions those whose ledger is still being read."""

    worker: str
    build_id: str
    heard_s: int
    partitions: Mapping[str, list[int]]
    reading: Mapping[str, list[int]]
    orders_applied: int
    clock_off_s: int


def grouped(states: Iterable[WorkerState], key: Callable[[WorkerState], K]) -> dict[K, tuple[str, ...]]:
    """Who says the same, by what they say."""
    found: dict[K, list[str]] = {}
    for state in states:
        found.setdefault(key(state), []).append(state.worker)
    return {value: tuple(names) for value, names in found.items()}


def modes(facts: Facts) -> list[Mode]:
    """More than one if workers differ."""
    found = grouped(facts.workers.states, lambda state: (state.mode, state.mode_why))
    return [Mode(mode=mode, why=why, workers=names) for (mode, why), names in found.items()]


def windows(facts: Facts) -> list[Window]:
    """More than one if workers differ."""
    found = grouped(facts.workers.states, lambda state: (state.in_window, state.window_until_ms))
    return [
        Window(inside=inside, until=moment(until) if until else "", workers=names)
        for (inside, until), names in found.items()
    ]


def gates(facts: Facts) -> list[Gate]:
    """By worker."""
    return [
        Gate(worker=one.worker, green=one.gate1_green, why=one.gate1_why, since=moment(one.gate1_since_ms))
        for one in facts.workers.states
    ]


def flags(facts: Facts) -> list[Flag]:
    """Each flag once, or as often as workers differ."""
    states = facts.workers.states
    names = dict.fromkeys(name for state in states for name in state.flags)
    return [
        Flag(flag=name, on=on, source=source, workers=who)
        for name in names
        for (on, source), who in _flag(states, name).items()
    ]


def _flag(states: Sequence[WorkerState], name: str) -> dict[tuple[bool, str], tuple[str, ...]]:
    known = [state for state in states if name in state.flags]
    return grouped(known, lambda state: (state.flags[name], state.flags_from.get(name, "")))


def rate_limits(facts: Facts) -> dict[str, tuple[str, ...]]:
    """The cap a minute as each counts it, and who does so; `none` where it is off."""
    return grouped(facts.workers.states, _rate_limit)


def _rate_limit(state: WorkerState) -> str:
    return str(state.rate_limit_per_minute) if state.flags.get("RATE_LIMIT_ENABLED", True) else "none"


def holds(facts: Facts) -> list[Held]:
    """Each topic and reason once, since the first worker held it."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for state in facts.workers.states:
        for topic, texts in state.holds.items():
            for text in texts:
                reason, _, since = text.rpartition(", since ")
                found.setdefault((topic, reason or since), []).append((since if reason else "", state.worker))
    return [
        Held(
            topic=topic,
            reason=reason,
            since=min(since for since, _ in said),
            workers=tuple(worker for _, worker in said),
            left_s=facts.left_s.get(topic),
        )
        for (topic, reason), said in sorted(found.items())
    ]


def lags(facts: Facts) -> list[GroupLag]:
    """By group and topic, in the order in which they were asked for."""
    found: dict[tuple[str, str], int] = {}
    for lag in facts.lags:
        place = lag.group.removeprefix(facts.prefix), lag.topic.removeprefix(facts.prefix)
        found[place] = found.get(place, 0) + lag.records
    return [GroupLag(group=group, topic=topic, records=records) for (group, topic), records in found.items()]


def backlogs(facts: Facts) -> list[Backlog]:
    """Both categories, as the owners of their partitions see them."""
    return [_backlog(facts, category) for category in Category]


def _backlog(facts: Facts, category: Category) -> Backlog:
    parts = parts_of(facts, category)
    units = sum(part.units for part in parts)
    capped = units < UNCAPPED / 2
    eta_s, eta_why = _eta(facts, category, parts)
    return Backlog(
        category=category.value,
        waiting=sum(part.waiting for part in parts),
        aside=sum(part.aside for part in parts),
        units=units if capped else None,
        room=sum(part.room for part in parts) if capped else None,
        eta_s=eta_s,
        eta_why=eta_why,
    )


def parts_of(facts: Facts, category: Category) -> list[Part]:
    """Each partition once: while one changes hands, as whoever spoke last sees it."""
    said = sorted(facts.workers.states, key=lambda state: facts.workers.heard_ms.get(state.worker, state.at_ms))
    found = {part.partition: part for state in said for part in state.dispatch.get(category.value, ())}
    return [part for _, part in sorted(found.items())]


def _eta(facts: Facts, category: Category, parts: Sequence[Part]) -> tuple[int | None, str]:
    lost = sorted(set(range(PARTITIONS[category])) - {part.partition for part in parts})
    if lost:
        return None, f"no worker tells of partition {', '.join(map(str, lost))}"
    aside_flows, held = not facts.orders.sets_aside, held_dispatch(facts, category)
    left = seconds_left(parts, span_s=facts.span_s, stopped=held, aside_flows=aside_flows)
    if math.isfinite(left):
        return math.ceil(left), ""
    return None, "held" if held else "a partition has no share of the cap"


def held_dispatch(facts: Facts, category: Category) -> bool:
    """Whether any worker holds a category as a whole."""
    return any(topics.DISPATCH[category] in state.holds for state in facts.workers.states)


def workers(facts: Facts) -> list[Worker]:
    """Those that are heard."""
    return [
        Worker(
            worker=one.worker,
            build_id=one.build_id,
            heard_s=max(facts.at_ms - facts.workers.heard_ms.get(one.worker, one.at_ms), 0) // 1000,
            partitions={name: [part.partition for part in parts] for name, parts in one.dispatch.items()},
            reading={
                name: unread
                for name, parts in one.dispatch.items()
                if (unread := [part.partition for part in parts if not part.ready])
            },
            orders_applied=one.control_offset,
            clock_off_s=facts.workers.fleet.clock_off_s.get(one.worker, 0),
        )
        for one in facts.workers.states
    ]

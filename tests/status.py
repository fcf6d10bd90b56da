"""Builders of what a status is made of: a fleet that is well, and what may be wrong with it."""

from __future__ import annotations

from typing import Any

from adapters.kafka_lag import Lag
from streams import topics
from streams.core.backlog import Part
from streams.core.control import Order
from streams.core.messages import Category
from streams.core.scope import ALL
from streams.core.switches import Setting
from streams.heartbeat import Fleet, WorkerState
from streams.status.facts import Facts, Letters, Orders, Workers
from tests.builders import NOW_S, OPERATOR

NOW_MS = NOW_S * 1000
ONE, TWO = Category.TRANSACTIONAL, Category.PROMOTIONAL
FLAGS = {"DISABLE_SEND": True, "PROMO_SENDS": False, "RATE_LIMIT_ENABLED": True}


def part(number: int, **changes: Any) -> Part:
    """A partition in which nothing waits."""
    made = {"partition": number, "ready": True, "waiting": 0, "aside": 0, "room": 3, "units": 3} | changes
    return Part(**made)


def every_part(**changes: Any) -> dict[str, list[Part]]:
    """All partitions of both categories."""
    return {ONE.value: [part(number, **changes) for number in range(3)], TWO.value: [part(0)]}


def worker(name: str = "one", **changes: Any) -> WorkerState:
    """One that is well, and owns every partition."""
    made: dict[str, Any] = {
        "worker": name,
        "at_ms": NOW_MS,
        "started_ms": NOW_MS - 60_000,
        "build_id": "b7",
        "mode": "dry_run",
        "mode_why": "",
        "gate1_green": True,
        "gate1_why": "",
        "gate1_since_ms": NOW_MS - 50_000,
        "holds": {},
        "control_offset": 4,
        "control_obeyed": 2,
        "flags": FLAGS,
        "flags_from": dict.fromkeys(FLAGS, "environment"),
        "rate_limit_per_minute": 10,
        "dispatch": every_part(),
    }
    return WorkerState(**(made | changes))


def facts(*states: WorkerState, silent: tuple[str, ...] = (), **changes: Any) -> Facts:
    """What is known of a fleet of these; ``orders__x`` changes what was ordered."""
    orders: dict[str, Any] = {"standing": (), "end": 4, "obeyed": 2, "listed": True, "sets_aside": False}
    orders |= {
        name.removeprefix("orders__"): changes.pop(name) for name in list(changes) if name.startswith("orders__")
    }
    made: dict[str, Any] = {
        "at_ms": NOW_MS + 1000,
        "bootstrap": "kafka-1:9092",
        "prefix": "blue.",
        "workers": Workers(
            fleet=Fleet(workers=states, silent=silent), heard_ms={state.worker: NOW_MS for state in states}
        ),
        "orders": Orders(**orders),
        "lags": (Lag(group="blue.comcenter.ingest", topic="blue.events.a", partition=0, committed=7, end=7),),
        "breakers": (),
        "letters": Letters(count=0, more=False, last_day={}, seconds_left=None),
        "span_s": 62.0,
    }
    return Facts(**(made | changes))


def order(**changes: Any) -> Order:
    """A kill switch for everything."""
    made: dict[str, Any] = {
        "scope": ALL,
        "setting": Setting.DISABLE_SEND,
        "value": True,
        "reason": "a bad night",
        "operator": OPERATOR,
        "jti": "j",
        "appended_ms": NOW_MS,
        "offset": 3,
    }
    return Order(**(made | changes))


DISPATCH = topics.DISPATCH[ONE]

"""A worker's heart: what it says is what is true, and builds before and after this one can read it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import orjson

from config.settings import load
from streams import topics
from streams.control import ControlReader
from streams.core.backlog import Part
from streams.core.flags import EffectiveMode
from streams.core.messages import Mode
from streams.gate import GATE_RED, GateState
from streams.heart import Heart, Pulse
from streams.heartbeat import decode
from streams.holds import Holds
from tests.builders import NOW_S
from tests.topology.test_heartbeat import NOW_MS, SCHEMA, SINCE, state
from tests.topology.test_publisher import turns

PART = Part(partition=2, ready=True, waiting=7, aside=1, room=0, units=3)


class Pen:
    """A writer that remembers."""

    def __init__(self) -> None:
        self.put_down: list[tuple[str, bytes, bytes | None]] = []

    def put(self, topic: str, key: bytes, value: bytes | None) -> None:
        self.put_down.append((topic, key, value))


def test_a_heart_says_what_is_true_now_and_goodbye_at_the_end() -> None:
    """Under the deployment's prefix and the worker's own name."""
    pen, holds = Pen(), Holds(now=lambda: float(NOW_S))
    holds.hold(topics.REDRIVE, "paused")
    holds.hold(topics.REDRIVE, GATE_RED, "a record waits for a key")
    heart = Heart(
        load(overrides={"topic_prefix": "blue.", "build_id": "b7"}),
        pen,
        Pulse(
            mode=lambda: EffectiveMode(mode=Mode.DRY_RUN, why="MODE=dry_run"),
            gate=lambda: GateState(green=False, why="key set: refused", since_ms=5),
            holds=holds,
            orders=ControlReader({}),
            dispatch=lambda: {"transactional": [PART]},
        ),
        now=lambda: float(NOW_S),
    )

    async def scenario() -> None:
        task = asyncio.create_task(heart.beat())
        await turns()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    (topic, key, value), goodbye = pen.put_down
    assert (topic, key) == (f"blue.{topics.WORKERS}", heart.name.encode())
    assert goodbye == (topic, key, None)
    told = decode(value or b"")
    assert told is not None
    assert replace(told, flags={}, flags_from={}, rate_limit_per_minute=0) == state(
        heart.name,
        started_ms=NOW_MS,
        build_id="b7",
        gate1_green=False,
        gate1_why="key set: refused",
        gate1_since_ms=5,
        holds={topics.REDRIVE: [f"{GATE_RED}: a record waits for a key, since {SINCE}", f"paused, since {SINCE}"]},
        in_window=True,
        dispatch={"transactional": [PART]},
    )


def test_what_earlier_and_later_builds_say_is_read_by_each_other() -> None:
    """A worker of before the partitions were told says none; what a later one adds to them is left aside."""
    full = orjson.loads(state(dispatch={"transactional": [PART]}).encode())
    earlier = {name: value for name, value in full.items() if name not in ("dispatch", "in_window", "window_until_ms")}
    assert decode(orjson.dumps(earlier)) == state()
    full["dispatch"]["transactional"][0]["added"] = 1
    assert decode(orjson.dumps(full)) == state(dispatch={"transactional": [PART]})
    assert not list(SCHEMA.violations(full))

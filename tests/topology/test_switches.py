"""The reader of orders, and the holds that follow: what is obeyed, what is counted, and when nobody can be sure."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.kafka_log import Entry
from adapters.telemetry import Metrics
from config import settings as config
from streams import topics
from streams.control import ControlReader
from streams.core.flags import EffectiveMode
from streams.core.messages import Mode
from streams.core.switches import Setting
from streams.counting import Counting
from streams.gate import GateState
from streams.heart import Heart, Pulse
from streams.heartbeat import decode
from streams.holds import Holds
from streams.switches import CONTROL_UNREAD, KILL_SWITCH, PAUSED, ControlEndedError, Switches
from streams.wiring.control import stages
from tests.builders import NOW_S, operators, order_body, order_token

NOW_MS = NOW_S * 1000
INBOUND = "events.scholarship_agent"
DISPATCH = set(topics.DISPATCH.values())


class Clock:
    """Both clocks of a worker, in seconds."""

    def __init__(self) -> None:
        self.now = float(NOW_S)

    def __call__(self) -> float:
        return self.now


def entry(value: bytes | None, offset: int = 0, *, broker_time: bool = True) -> Entry:
    return Entry(key=b"all", value=value, partition=0, offset=offset, timestamp_ms=NOW_MS, broker_time=broker_time)


def orders(*bodies: Mapping[str, Any]) -> list[bytes]:
    return [order_token(order_body(jti=f"j{number}", **body)) for number, body in enumerate(bodies)]


class Desk:
    """A reader, its switches and the holds that they set."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.counted: list[str] = []
        self.reader = ControlReader(operators(), ignored=self.counted.append, monotonic=self.clock)
        self.holds = Holds()
        self.switches = Switches(self.reader, self.holds, stages([INBOUND]), fresh_for=1.0, now=self.clock)
        self.reader.on_change.append(self.switches.apply)
        self._offset = 0

    def read(self, *values: bytes | None) -> Desk:
        """One batch, confirmed to be all."""
        for value in values:
            self.reader.take(entry(value, self._offset))
            self._offset += 1
        self.reader.batch_taken()
        self.reader.confirmed(self.clock.now)
        self.switches.apply()
        return self

    def held(self, reason: str) -> set[str]:
        return {topic for topic, reasons in self.holds.reasons().items() if reason in reasons}


def test_before_the_topic_was_read_to_its_end_no_message_goes_out() -> None:
    """Ingest and render may go on: what they make can still be held."""
    desk = Desk()
    desk.switches.apply()
    assert desk.held(CONTROL_UNREAD) == DISPATCH
    assert set(desk.holds.reasons()) == DISPATCH
    desk.read()
    assert desk.holds.reasons() == {}


@pytest.mark.parametrize(("age", "held"), [(0.0, set()), (1.0, set()), (1.1, DISPATCH), (3600.0, DISPATCH)])
def test_a_confirmation_that_has_grown_old_holds_dispatch(age: float, held: set[str]) -> None:
    """Whatever the cause: the network, the broker, or a process that stood still."""
    desk = Desk().read()
    desk.clock.now += age
    desk.switches.apply()
    assert desk.held(CONTROL_UNREAD) == held


def test_each_time_that_orders_become_uncertain_or_certain_is_told_once() -> None:
    desk = Desk()
    with capture_logs() as logs:
        desk.switches.apply()  # at start nothing was ever certain
        desk.read()
        desk.clock.now += 5
        desk.switches.apply()
        desk.switches.apply()
        desk.read()
    told = [(line["log_level"], line["confirmed"]) for line in logs if line["event"] == "control"]
    assert told == [("info", True), ("warning", False), ("info", True)]


def test_a_late_answer_does_not_make_a_confirmation_older() -> None:
    desk = Desk().read()
    desk.reader.confirmed(desk.clock.now - 5)
    assert desk.reader.fresh(1.0)


HELD: list[tuple[str, str, str, set[str]]] = [
    ("DISABLE_SEND", "all", KILL_SWITCH, DISPATCH),
    ("DISABLE_SEND", "stage:dispatch", KILL_SWITCH, DISPATCH),
    ("DISABLE_SEND", "channel:email", KILL_SWITCH, set()),
    ("PAUSE", "all", PAUSED, DISPATCH | {INBOUND, topics.REDRIVE, topics.RENDER}),
    ("PAUSE", "stage:ingest", PAUSED, {INBOUND, topics.REDRIVE}),
    ("PAUSE", "stage:render", PAUSED, {topics.RENDER}),
    ("PAUSE", "stage:dispatch", PAUSED, DISPATCH),
]


@pytest.mark.parametrize(("setting", "scope", "reason", "held"), HELD, ids=[f"{row[0]} {row[1]}" for row in HELD])
def test_an_order_holds_its_topics_until_it_is_lifted(setting: str, scope: str, reason: str, held: set[str]) -> None:
    """For that reason and no other, and at once."""
    desk = Desk().read(*orders({"setting": setting, "scope": scope}))
    assert desk.holds.reasons() == {topic: {reason} for topic in held}
    lifted = order_token(order_body(jti="lift", setting=setting, scope=scope, value=False))
    assert desk.read(lifted).holds.reasons() == {}


def test_two_reasons_are_lifted_one_by_one() -> None:
    desk = Desk().read(*orders({}, {"setting": "PAUSE", "scope": "stage:dispatch"}))
    assert desk.held(KILL_SWITCH) == desk.held(PAUSED) == DISPATCH
    desk.read(order_token(order_body(jti="x", value=False)))
    assert (desk.held(KILL_SWITCH), desk.held(PAUSED)) == (set(), DISPATCH)


def test_a_hold_of_another_is_left_alone() -> None:
    desk = Desk()
    desk.holds.hold(topics.RENDER, "gate_red")
    desk.read()
    assert desk.holds.reasons() == {topics.RENDER: {"gate_red"}}


def test_an_order_that_expires_is_lifted_by_time_alone() -> None:
    desk = Desk().read(*orders({"expires_at": "2026-09-21T15:13:20Z"}))
    assert desk.held(KILL_SWITCH) == DISPATCH
    found = []
    for seconds in (3599, 3600):
        desk.clock.now = NOW_S + seconds
        desk.switches.apply()
        found.append(desk.held(KILL_SWITCH))
    assert found == [DISPATCH, set()]


def test_what_is_not_an_order_changes_nothing_and_is_counted() -> None:
    """Garbage, a replay and somebody else's key; what comes after them is obeyed."""
    first, second = orders({}, {"setting": "PAUSE"})
    forged = order_token(order_body(jti="f", value=False), signer="omar")
    desk = Desk().read(first, None, b"garbage", forged, first, second)
    assert desk.counted == ["token_missing", "token_malformed", "token_signature", "order_replayed"]
    assert desk.reader.ignored == dict.fromkeys(desk.counted, 1)
    assert desk.reader.applied_offset == 6
    assert desk.held(KILL_SWITCH) == DISPATCH
    assert desk.held(PAUSED) >= {INBOUND}


def test_what_is_ignored_is_a_metric() -> None:
    metrics = Metrics()
    reader = ControlReader(operators(), ignored=Counting(metrics).order_ignored)
    reader.take(entry(b"garbage"))
    assert b'comcenter_control_ignored_total{reason="token_malformed"} 1.0' in metrics.exposition()
    metrics.close()


def test_a_replay_of_an_old_release_opens_nothing() -> None:
    """Nor does reading the topic again, as after a restart of the client."""
    thrown, released, again = orders({}, {"value": False}, {})
    desk = Desk().read(thrown, released, again)
    desk.read(released)
    assert desk.held(KILL_SWITCH) == DISPATCH
    desk.read(thrown, released, again)
    assert desk.held(KILL_SWITCH) == DISPATCH


def test_orders_are_told_when_they_are_given_and_not_at_each_start() -> None:
    first, second = orders({}, {"setting": "PAUSE"})
    with capture_logs() as logs:
        desk = Desk().read(first)
        desk.read(second)
    told = [line for line in logs if line["event"] == "order"]
    assert [(line["setting"], line["operator"], line["offset"]) for line in told] == [(Setting.PAUSE, "nora", 1)]


def test_a_topic_without_the_brokers_time_is_told_once() -> None:
    desk = Desk()
    with capture_logs() as logs:
        for offset in range(3):
            desk.reader.take(entry(None, offset, broker_time=False))
    assert [line["event"] for line in logs].count("control_clock") == 1


def test_the_start_waits_until_the_orders_are_read() -> None:
    """And says so while it waits."""

    async def start() -> list[Any]:
        desk = Desk()
        with capture_logs() as logs:
            waiting = asyncio.ensure_future(desk.reader.read_to_end(remind_every=0.01))
            done, _ = await asyncio.wait({waiting}, timeout=0.1)
            assert not done
            desk.read(*orders({}))
            await asyncio.wait_for(waiting, 5)
        return [line["event"] for line in logs]

    told = asyncio.run(start())
    assert (told[0], told[-1]) == ("control_unread", "control_read")


def test_switches_are_kept_until_nobody_reads_the_orders() -> None:
    """Then the worker has to end: what it holds is no longer true."""
    desk = Desk()
    turns = iter([True, False])
    with pytest.raises(ControlEndedError):
        asyncio.run(desk.switches.keep(lambda: next(turns)))
    assert desk.held(CONTROL_UNREAD) == DISPATCH


class Topic:
    """What was written."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []

    def put(self, _topic: str, _key: bytes, value: bytes | None) -> None:
        self.values.append(value)


def heart(desk: Desk, topic: Topic) -> Heart:
    pulse = Pulse(
        mode=lambda: EffectiveMode(mode=Mode.LIVE),
        gate=lambda: GateState(green=True, why="", since_ms=0),
        holds=desk.holds,
        orders=desk.reader,
    )
    environment = {"environment": "development", "disable_send": False, "rate_limit_per_minute": 9}
    return Heart(config.load(overrides=environment), topic, pulse, now=desk.clock)


def test_a_heartbeat_tells_how_far_orders_were_applied_and_what_counts() -> None:
    bodies = ({"setting": "RETRIES_ENABLED", "value": False}, {"setting": "RATE_LIMIT_PER_MINUTE", "value": 3})
    desk = Desk().read(*orders(*bodies))
    state = decode(heart(desk, Topic()).state().encode())
    assert state is not None
    assert (state.control_offset, state.rate_limit_per_minute) == (2, 3)
    assert (state.flags["RETRIES_ENABLED"], state.flags_from["RETRIES_ENABLED"]) == (False, "control")
    assert (state.flags["DISABLE_SEND"], state.flags_from["DISABLE_SEND"]) == (False, "environment")


def test_a_worker_says_at_once_that_an_order_was_applied() -> None:
    """Once it beats: what is read at the start must not announce a worker that may never run."""

    async def live() -> list[bytes | None]:
        desk, topic = Desk(), Topic()
        told = heart(desk, topic)
        desk.reader.on_change.append(told.say)
        desk.read(*orders({}))
        assert topic.values == []
        beating = asyncio.ensure_future(told.beat())
        await asyncio.sleep(0)
        desk.read(order_token(order_body(jti="second", setting="PAUSE")))
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        desk.read(order_token(order_body(jti="third", setting="PAUSE", value=False)))
        return topic.values

    values = asyncio.run(live())
    states = [decode(value) for value in values[:-1] if value is not None]
    assert [state and state.control_offset for state in states] == [1, 2]
    assert values[-1] is None, "goodbye"


def test_the_stages_read_what_the_table_of_topics_says() -> None:
    """Whatever is an input of a step can be paused."""
    found = {name for names in stages([INBOUND]).values() for name in names}
    assert found == {INBOUND, topics.REDRIVE, topics.RENDER} | DISPATCH

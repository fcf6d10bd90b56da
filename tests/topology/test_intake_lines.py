"""A line of records that wait: its keys are asked for at once, it is worked off in turns, and its head is told of."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from streams.intake import YIELD_EVERY
from tests.builders import TOPIC
from tests.topology.test_intake import KNOWN, desk, until


def test_a_record_behind_another_asks_for_its_key_at_once() -> None:
    """So that one fetch serves the whole line; what needs no key asks for none, and nothing is decided out of turn."""

    async def scenario() -> None:
        async with desk() as at:
            for offset, kid in enumerate([b"new", KNOWN, b"second", b"third"]):
                await at.take(offset, kid)
            assert at.wanted.asked == [("issuer", "new"), ("issuer", "second"), ("issuer", "third")]
            assert (at.produced(), at.tally.seen) == ([], [])

    asyncio.run(scenario())


def test_a_long_line_leaves_the_loop_its_turns() -> None:
    """Heartbeats and /readyz go on while thousands of records are worked off."""
    count = 1000

    async def scenario() -> int:
        async with desk(max_in_flight=count + 1) as at:
            for offset in range(count):
                await at.take(offset, b"new")
            at.keys.add(b"new")
            at.intake.look()
            seen = 0
            while at.intake.waits(TOPIC):
                await asyncio.sleep(0)
                seen += 1
            assert len(at.produced()) == count
            return seen

    assert asyncio.run(scenario()) >= count / YIELD_EVERY


def test_each_record_that_comes_to_wait_at_the_head_is_logged_once() -> None:
    """However often it is tried in vain; what lies behind it is not spoken of."""

    async def scenario() -> None:
        async with desk() as at:
            for offset, kid in enumerate([b"new", KNOWN, b"later", KNOWN]):
                await at.take(offset, kid)
            for found in (KNOWN, b"new", KNOWN):
                at.keys.add(found)
                at.waits_told.clear()
                at.intake.look()
                await until(lambda: at.waits_told == [True])

    with capture_logs() as logged:
        asyncio.run(scenario())
    assert [(entry["event"], entry["offset"]) for entry in logged] == [("record_waits", 0), ("record_waits", 2)]

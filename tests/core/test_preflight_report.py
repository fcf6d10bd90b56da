"""How a preflight is told: what goes out and how long that takes, what doesn't, and when it would be gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from streams import topics
from streams.cli.preflight import Cap, Flight
from streams.cli.preflight_report import SAYS, as_json, lines, topic_line
from streams.core.cap import Limit
from streams.core.messages import Category, Mode
from streams.core.preflight import Fate, Preflight
from streams.core.retention import FOREVER
from tests.builders import NOW_S
from tests.core.test_preflight import mail, preflight, scope, waits
from tests.core.test_retention import oldest

NOW_MS = NOW_S * 1000
PROMOTIONAL = topics.DISPATCH_PROMOTIONAL


def cap(**changes: Any) -> Cap:
    made: dict[str, Any] = {
        "mode": Mode.LIVE,
        "limit": Limit(per_minute=10, promo_share=0.2, promo_on=False),
        "on": True,
        "gate_red": False,
        "window_s": 62.0,
        "workers": 2,
    }
    return Cap(**(made | changes))


def flight(counted: Preflight, **changes: Any) -> Flight:
    made: dict[str, Any] = {
        "scope": counted.scope,
        "at_ms": NOW_MS,
        "counted": counted,
        "cap": cap(),
        "gone": None,
        "idle": (),
        "read": 7,
        "complete": True,
    }
    return Flight(**(made | changes))


def some() -> Preflight:
    """Nine go out, of which five are in partition 0; two have expired."""
    going = [waits(mail(number), partition=0 if number < 5 else 1, aged_ms=3_600_000) for number in range(9)]
    return preflight(*going, *(waits(mail(number, not_after_ms=1)) for number in (20, 21)), of="template:new_match")


def test_a_person_reads_what_happens_how_long_it_takes_and_what_is_lost_when() -> None:
    gone = (NOW_MS + 26 * 3_600_000, topics.HELD["transactional"])
    assert lines(flight(some(), gone=gone)) == [
        "preflight: 11 messages of template:new_match wait",
        "        9 go out",
        "        2 have expired: a receipt, no call",
        "  new_match@1.0: 9 sent, 2 expired",
        "  queued from 2026-09-21T13:13:20Z (1h00m ago) to 2026-09-21T14:13:19Z",
        "  under the cap (10 a minute): transactional at most 0h02m",
        "  the oldest, in comms.held.transactional, is kept for 26h00m more",
    ]


def test_a_program_reads_the_same() -> None:
    told = as_json(flight(some()))
    assert orjson.loads(orjson.dumps(told)) == told
    assert (told["messages"], told["fates"]) == (11, {"sent": 9, "expired": 2})
    assert told["templates"] == {"new_match@1.0": {"sent": 9, "expired": 2}}
    assert told["seconds_under_cap"] == {"transactional": 124.0, "promotional": 0.0}
    assert (told["gone_at"], told["gone_from"], told["complete"]) == (None, None, True)


def test_how_long_transactional_messages_take_does_not_depend_on_promotional_ones() -> None:
    """Each category has partitions and a share of the cap of its own; transactional is told first."""
    many = [waits(mail(number, route__category=Category.PROMOTIONAL), topic=PROMOTIONAL) for number in range(100, 180)]
    shared = cap(limit=Limit(per_minute=10, promo_share=0.2, promo_on=True))
    alone = [waits(mail(number)) for number in range(9)]
    without, beside = flight(preflight(*alone), cap=shared), flight(preflight(*many, *alone), cap=shared)
    assert beside.seconds(Category.TRANSACTIONAL) == without.seconds(Category.TRANSACTIONAL) == 186.0
    assert beside.seconds(Category.PROMOTIONAL) == 40 * 62.0
    assert "transactional at most 0h03m, promotional at most 0h41m" in "\n".join(lines(beside))


def test_what_never_goes_out_under_the_cap_is_said() -> None:
    promotional = preflight(waits(mail(1, route__category=Category.PROMOTIONAL), topic=PROMOTIONAL))
    assert "promotional never: it has no share" in "\n".join(lines(flight(promotional)))
    assert as_json(flight(promotional))["seconds_under_cap"]["promotional"] is None


def test_without_a_cap_or_without_a_worker_it_is_said() -> None:
    assert "under the cap (off): transactional at most 0 s" in "\n".join(lines(flight(some(), cap=cap(on=False))))
    alone = "\n".join(lines(flight(some(), cap=cap(workers=0))))
    assert "10 a minute by this environment, since no worker is heard" in alone


def test_a_part_is_not_told_as_the_whole() -> None:
    told = lines(flight(some(), complete=False))
    assert told[0] == "preflight: at least 11 messages of template:new_match wait"
    assert told[-1].endswith("raise --seconds for the rest")


def test_where_nothing_waits_one_line_is_enough() -> None:
    empty = flight(Preflight(scope=scope("all"), conditions={}))
    assert lines(empty) == ["preflight: 0 messages of all wait"]


def test_what_becomes_of_a_message_has_words_for_each_case() -> None:
    assert set(SAYS) == set(Fate)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (oldest(24), "3 records wait at most, the oldest since 2026-09-20T14:13:20Z, kept for 144h00m more (14% of"),
        (oldest(200), "gone any time now (100% of its time is over)"),
        (replace(oldest(24), retention_ms=FOREVER), "kept for ever"),
    ],
)
def test_beside_a_hold_stands_how_long_what_it_holds_is_kept(record: Any, words: str) -> None:
    assert words in topic_line(record, NOW_MS)

"""Who got a version of a template: what ended, what may have gone out, what still waits; each message once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from streams import topics
from streams.cli.affected_command import as_json, lines
from streams.core.affected import Affected, Inquiry, Wanted, Where, counts
from streams.core.dead_letter import dead_letter
from streams.core.letters import LAST_MS, read
from streams.core.messages import Message, Mode, Receipt, State
from streams.core.reasons import Reason, Rejected, Stage
from streams.core.records import Record
from tests.builders import NOW_S, message, record, route

NOW_MS = NOW_S * 1000
BAD = "1.1"
DISPATCH, HELD, RETRY = topics.DISPATCH_TRANSACTIONAL, topics.HELD["transactional"], topics.RETRY["transactional"]["5m"]


def mail(number: int, version: str = BAD, **changes: Any) -> Message:
    made = route(event_id=f"scholarship_agent/event-{number}", template_version=version, **changes)
    return message(route=made)


def receipt(mail: Message, state: State = State.SENT, *, at_ms: int = NOW_MS) -> Record:
    made = Receipt(
        route=mail.route,
        state=state,
        reason=None,
        mode=Mode.LIVE,
        attempt=1,
        provider="smtp",
        provider_id=None,
        at_ms=at_ms,
        flags={},
    )
    return record(made.encode(), topic=topics.RECEIPTS)


def letter(inquiry: Inquiry, mail: Message, reason: Reason) -> None:
    at = record(mail.encode(), topic=DISPATCH)
    emit = dead_letter(at, Rejected(reason, "x"), Stage.DISPATCH, failed_at_ms=NOW_MS, attempts=1)
    inquiry.letter(read(record(emit.value, topic=topics.DEAD_LETTER, headers=emit.headers), {}))


def asked(name: str = f"new_match@{BAD}", *, since_ms: int = 0, until_ms: int = LAST_MS) -> Inquiry:
    wanted = Wanted.parse(name, since_ms=since_ms, until_ms=until_ms)
    assert isinstance(wanted, Wanted), wanted
    return Inquiry(wanted)


def waits(mail: Message, topic: str) -> Record:
    return record(mail.encode(), topic=topic)


def standings(inquiry: Inquiry) -> dict[str, Where]:
    """By the event's number."""
    return {row.event_id.rpartition("-")[2]: row.where for row in inquiry.rows()}


def test_every_message_of_the_version_is_told_with_how_it_stands() -> None:
    inquiry = asked()
    for number, state in enumerate(State):
        inquiry.receipt(receipt(mail(number), state))
    for number, topic in enumerate((DISPATCH, HELD, RETRY), 10):
        inquiry.waits(waits(mail(number), topic))
    letter(inquiry, mail(20), Reason.OUTCOME_UNKNOWN)
    letter(inquiry, mail(21), Reason.PROVIDER_REFUSED)
    assert standings(inquiry) == {
        "0": Where.SENT, "1": Where.SIMULATED, "2": Where.SUPPRESSED, "3": Where.EXPIRED,
        "10": Where.WAITING, "11": Where.HELD, "12": Where.RETRYING,
        "20": Where.UNKNOWN, "21": Where.DEAD,
    }  # fmt: skip
    assert counts(inquiry.rows()) == dict.fromkeys(Where, 1)


def test_other_versions_and_templates_are_left_out_unless_all_versions_are_meant() -> None:
    one, all_versions = asked(), asked("new_match")
    for inquiry in (one, all_versions):
        inquiry.receipt(receipt(mail(1)))
        inquiry.receipt(receipt(mail(2, "1.2")))
        inquiry.receipt(receipt(mail(3, template="new_match_2")))
        inquiry.waits(waits(mail(4, "1.2"), HELD))
    assert set(standings(one)) == {"1"}
    assert {row.version for row in all_versions.rows()} == {"1.1", "1.2"}
    assert set(standings(all_versions)) == {"1", "2", "4"}


@pytest.mark.parametrize("backwards", [False, True])
def test_a_message_that_ended_counts_by_how_it_ended_wherever_copies_of_it_are_found(backwards: bool) -> None:  # noqa: FBT001 - a column
    """Its receipt, then what waits, then its dead letter; in whatever order they are read."""
    inquiry = asked()
    steps: list[Callable[[], None]] = [
        lambda: letter(inquiry, mail(1), Reason.OUTCOME_UNKNOWN),
        lambda: inquiry.waits(waits(mail(1), HELD)),
        lambda: inquiry.receipt(receipt(mail(1))),
        lambda: letter(inquiry, mail(2), Reason.PROVIDER_GAVE_UP),
        lambda: inquiry.waits(waits(mail(2), DISPATCH)),
    ]
    for step in reversed(steps) if backwards else steps:
        step()
    assert standings(inquiry) == {"1": Where.SENT, "2": Where.WAITING}


def test_it_is_told_from_since_on_and_before_until() -> None:
    inquiry = asked(since_ms=NOW_MS, until_ms=NOW_MS + 10)
    for number, at_ms in enumerate((NOW_MS - 1, NOW_MS, NOW_MS + 9, NOW_MS + 10)):
        inquiry.receipt(receipt(mail(number), at_ms=at_ms))
    assert set(standings(inquiry)) == {"1", "2"}


def test_what_waits_counts_by_when_it_was_first_queued() -> None:
    inquiry = asked(since_ms=NOW_MS)
    inquiry.waits(record(mail(1).encode(), topic=HELD, headers=(("queued-at", b"%d" % (NOW_MS - 1)),)))
    inquiry.waits(record(mail(2).encode(), topic=HELD, headers=(("queued-at", b"%d" % NOW_MS),)))
    assert set(standings(inquiry)) == {"2"}


@pytest.mark.parametrize("value", [None, b"{}", b"garbage"])
def test_what_can_not_be_read_is_passed_over(value: bytes | None) -> None:
    inquiry = asked()
    inquiry.receipt(record(value, topic=topics.RECEIPTS))
    inquiry.waits(record(value, topic=HELD))
    assert inquiry.rows() == []


@pytest.mark.parametrize("name", ["", "@1.1", "new_match@"])
def test_what_names_no_template_is_refused(name: str) -> None:
    assert isinstance(Wanted.parse(name, since_ms=0, until_ms=1), str)


def rows(count: int) -> list[Affected]:
    inquiry = asked()
    for number in range(count):
        inquiry.receipt(receipt(mail(number), at_ms=NOW_MS + number * 1000))
    inquiry.waits(waits(mail(100), HELD))
    return inquiry.rows()


def test_the_listing_is_bounded_and_the_counts_are_whole() -> None:
    told = as_json(asked().wanted, rows(5), 2)
    assert (told["total"], told["counts"]) == (6, {"sent": 5, "held": 1})
    assert told["versions"] == {BAD: {"sent": 5, "held": 1}}
    assert [one["event_id"][-1] for one in told["messages"]] == ["3", "4"], "the newest"
    assert as_json(asked().wanted, rows(5), 0)["messages"] == []
    shown = lines(asked().wanted, rows(5), 2)
    assert len(shown) == 2 + 1 + 2
    assert shown[2] == f"6 messages of new_match@{BAD}; 5 went out, or may have, the newest 2 shown (--limit)"


def test_no_address_is_told_and_an_id_does_not_write_on_a_terminal() -> None:
    wild = [replace(rows(1)[0], event_id="agent/\x1b[2J")]
    shown = "\n".join(lines(asked().wanted, wild, 10))
    assert "\x1b" not in shown
    assert "example.org" not in shown + str(as_json(asked().wanted, wild, 10))
    assert lines(asked().wanted, [], 10) == [f"no trace of new_match@{BAD} since 1970-01-01T00:00:00Z"]

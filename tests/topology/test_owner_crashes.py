"""What the next owner makes of a crash, of a ledger that is lost, and of calls whose end nobody saw."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from streams.core.messages import State
from streams.core.reasons import Reason
from streams.core.records import Emit
from streams.core.templates import OnUnknown
from streams.ledger import FencedError, NotWrittenError
from tests.fake_broker import CrashedError
from tests.fakes import Ending
from tests.shift import CALLS, DISPATCH, RETRY, Floor, Shift, intents, mail, mails, one_shift, play, template

ID = mail().route.dispatch_id


# Crashes: what the next owner makes of it.


CRASHES: list[tuple[str, list[str], int, int]] = [
    # where, how the first message stood at the end, calls that reached the provider for it, dead letters for it
    ("before the claim", ["INTENT", "SENT"], 1, 0),
    ("after the claim", ["INTENT", "UNKNOWN"], 0, 1),
    ("in the call", ["INTENT", "UNKNOWN"], 1, 1),
    ("before it is settled", ["INTENT", "UNKNOWN"], 1, 1),
    ("after it is settled", ["INTENT", "SENT"], 1, 0),
]


def crash_at(shift: Shift, where: str) -> None:
    async def crash(emits: Sequence[Emit]) -> None:
        if intents(emits) is ("claim" in where):
            raise CrashedError

    match where.partition(" ")[0]:
        case "before":
            shift.ledger.before = crash
        case "after":
            shift.ledger.after = crash
        case _:
            shift.floor.sender.bug = CrashedError()


@pytest.mark.parametrize(("where", "standings", "calls", "letters"), CRASHES, ids=[row[0] for row in CRASHES])
def test_after_a_crash_no_message_is_called_twice_and_none_is_lost(
    where: str, standings: list[str], calls: int, letters: int
) -> None:
    """What was begun and not seen to end is parked, and no more of that than calls may run at once."""
    floor = Floor()

    async def scenario(at: Floor) -> None:
        at.queue(*mails(12))
        shift = at.start()
        crash_at(shift, where)
        await shift.rest()
        assert isinstance(await shift.lost(), CrashedError)
        at.sender.bug = None
        await one_shift(at)

    play(scenario, floor)
    assert floor.broker.standings(ID) == standings
    ids = [call.route.dispatch_id for call in floor.sender.calls]
    assert (ids.count(ID), len(ids)) == (calls, len(set(ids)))
    parked = [dict(letter.headers)["dlq.reason"] for letter in floor.broker.letters()]
    assert parked == [Reason.OUTCOME_UNKNOWN.encode()] * (letters * CALLS)
    assert len(floor.broker.receipts()) + len(parked) == 12
    assert floor.broker.committed == {DISPATCH: 12}


def test_a_retry_that_crashed_in_its_call_is_parked_too() -> None:
    floor = Floor()
    retried = (("not-before", b"1"), ("attempts", b"1"))
    floor.queue(mail(), topic=RETRY["30s"], headers=retried)

    async def scenario(at: Floor) -> None:
        shift = at.start()
        crash_at(shift, "in the call")
        await shift.rest()
        await shift.lost()
        at.sender.bug = None
        await one_shift(at)

    play(scenario, floor)
    assert floor.broker.standings(ID) == ["INTENT", "UNKNOWN"]
    assert len(floor.sender.calls) == 1
    assert floor.broker.committed == {RETRY["30s"]: 1}


def test_what_rather_comes_twice_is_called_again_after_a_crash() -> None:
    floor = Floor(templates={"new_match": template(on_unknown=OnUnknown.RESEND)})

    async def scenario(at: Floor) -> None:
        at.queue(mail())
        shift = at.start()
        crash_at(shift, "before it is settled")
        await shift.rest()
        await shift.lost()
        await one_shift(at)

    play(scenario, floor)
    assert len(floor.sender.calls) == 2
    assert floor.broker.standings(ID) == ["INTENT", "INTENT", "SENT"]
    assert [receipt.attempt for receipt in floor.broker.receipts()] == [2]
    assert floor.observer.risks == [mail()], "the second call is counted as a known risk, and not the first"


def test_what_may_have_been_sent_does_not_end_as_expired() -> None:
    """Even where it would be called again: neither expired nor sent is known to be true."""
    floor = Floor(templates={"new_match": template(on_unknown=OnUnknown.RESEND)})

    async def scenario(at: Floor) -> None:
        at.queue(mail(not_after_ms=int(at.clock.now * 1000) + 500))
        shift = at.start()
        crash_at(shift, "in the call")
        await shift.rest()
        await shift.lost()
        at.sender.bug = None
        at.clock.now += 1.0
        await one_shift(at)

    play(scenario, floor)
    assert floor.broker.standings(ID) == ["INTENT", "UNKNOWN"]
    assert floor.broker.receipts() == []
    assert len(floor.broker.letters()) == 1


# The ledger is lost, or slow.


def test_an_owner_that_was_fenced_writes_nothing_and_its_call_in_flight_is_parked_by_the_next() -> None:
    floor = Floor()

    async def scenario(at: Floor) -> None:
        at.queue(mail())
        at.sender.door = asyncio.Event()
        old = at.start()
        await old.rest()
        new = at.start()
        await new.rest()
        before = len(at.broker.transactions)
        at.sender.door.set()
        assert isinstance(await old.lost(), FencedError)
        assert len(at.broker.transactions) == before
        assert (old.owner.ready, old.owner.over) == (False, True)
        await new.end()

    play(scenario, floor)
    assert len(floor.sender.calls) == 1
    assert floor.broker.standings(ID) == ["INTENT", "UNKNOWN"]


def test_an_owner_that_was_fenced_after_its_claim_and_is_late_calls_nobody() -> None:
    """Fault 6: stopped beyond its session, and taken over meanwhile."""
    floor = Floor()

    async def scenario(at: Floor) -> None:
        at.queue(mail())
        old = at.start()
        done = asyncio.Event()

        async def frozen(emits: Sequence[Emit]) -> None:
            if intents(emits):
                await done.wait()

        old.ledger.after = frozen
        await old.rest()
        at.clock.now += 30.0
        await one_shift(at)
        done.set()
        assert isinstance(await old.lost(), FencedError)

    play(scenario, floor)
    assert floor.sender.calls == []
    assert floor.broker.standings(ID) == ["INTENT", "UNKNOWN"]


def test_a_ledger_that_takes_nothing_ends_the_owner_before_any_call() -> None:
    floor = Floor()

    async def refuse(_emits: Sequence[Emit]) -> None:
        raise NotWrittenError("_TIMED_OUT")

    async def scenario(at: Floor) -> None:
        at.queue(mail())
        shift = at.start()
        shift.ledger.before = refuse
        await shift.rest()
        assert isinstance(await shift.lost(), NotWrittenError)
        assert shift.ledger.closed

    play(scenario, floor)
    assert (floor.sender.calls, floor.broker.entries(), floor.broker.committed) == ([], [], {})


# Calls that don't end well.


@pytest.mark.parametrize("ending", [Ending.CUT, Ending.SILENT])
def test_a_call_that_ends_without_an_answer_is_parked_and_not_repeated(ending: Ending) -> None:
    floor = Floor()
    floor.sender.ending = ending
    floor.queue(mail(), mail())
    play(one_shift, floor)
    assert len(floor.sender.calls) == 1
    (letter,) = floor.broker.letters()
    assert dict(letter.headers)["dlq.reason"] == Reason.OUTCOME_UNKNOWN.encode()
    assert floor.broker.standings(ID) == ["INTENT", "UNKNOWN"]


def test_what_rather_comes_twice_is_tried_again_and_says_in_the_end_that_nobody_knows() -> None:
    floor = Floor(templates={"new_match": template(on_unknown=OnUnknown.RESEND)})
    floor.sender.ending = Ending.SILENT

    async def scenario(at: Floor) -> None:
        at.queue(mail())
        shift = at.start()
        for pause in (0, 31, 301, 1801):
            at.clock.now += pause
            await shift.rest()
        await shift.end()

    play(scenario, floor)
    assert len(floor.sender.calls) == 4
    assert floor.observer.risks == [mail()] * 3, "each call but the first"
    (letter,) = floor.broker.letters()
    assert dict(letter.headers)["dlq.reason"] == Reason.OUTCOME_UNKNOWN.encode()
    assert floor.broker.standings(ID)[-1] == "UNKNOWN"


@pytest.mark.parametrize("bug", [KeyError("ben@example.org"), RuntimeError(), OSError("ben@")])
def test_a_bug_in_a_sender_is_an_outcome_that_nobody_knows_and_the_next_message_goes_out(bug: Exception) -> None:
    """What it says may quote the message, so only its kind is kept."""
    floor = Floor()
    floor.sender.bug = bug

    async def scenario(at: Floor) -> None:
        at.queue(mail(1))
        shift = at.start()
        await shift.rest()
        at.sender.bug = None
        at.queue(mail(2))
        await shift.rest()
        await shift.end()

    play(scenario, floor)
    (letter,) = floor.broker.letters()
    told = dict(letter.headers)
    assert told["dlq.reason"] == Reason.OUTCOME_UNKNOWN.encode()
    assert type(bug).__name__ in (told["dlq.detail"] or b"").decode()
    assert not any(b"ben@" in (value or b"") for value in told.values())
    assert [receipt.state for receipt in floor.broker.receipts()] == [State.SENT]


def test_a_channel_without_a_sender_is_refused_and_no_other_sender_is_asked() -> None:
    floor = Floor()
    floor.queue(mail(route__channel="sms"))
    play(one_shift, floor)
    (letter,) = floor.broker.letters()
    told = dict(letter.headers)
    assert told["dlq.reason"] == Reason.PROVIDER_REFUSED.encode()
    assert b"sms" in (told["dlq.detail"] or b"")
    assert floor.sender.calls == []

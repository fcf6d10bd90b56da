"""An operator's word on a message of which nobody knows whether it was sent: by the ledger's rules, at its turn."""

from __future__ import annotations

from itertools import product

import pytest

from streams import topics
from streams.core.dispatch import Conditions, Expire, Hold, Keep, Rerender, Send, Simulate, Suppress, Verdict
from streams.core.flags import Flags
from streams.core.ledger import NEXT, Claim, Conflict, Copy, Done, Entry, Park, Resolution, Resolved, Standing, judge
from streams.core.messages import Mode, Receipt, Source, State
from streams.core.plan import Call, Finish, Leave, Plan, copy_of, plan
from streams.core.reasons import Suppression
from streams.core.records import Record
from tests.builders import NOW_S, message, record, route

SENT, RESEND = Resolution.SENT, Resolution.RESEND
LIVE = Conditions(mode=Mode.LIVE, flags=Flags(disable_send=False), now_s=NOW_S)
MAIL = message(
    route=route(content="c1", revision=1), source=Source(occurred_at="", locale=None, timezone=None, data={})
)


def entry(standing: Standing, *, attempt: int = 2, revision: int = 1, content: str = "c1") -> Entry:
    return Entry(standing=standing, revision=revision, content=content, attempt=attempt)


def copy(resolution: Resolution, *, attempts: int = 2, revision: int = 1, content: str = "c1") -> Copy:
    return Copy(revision=revision, content=content, attempts=attempts, resolution=resolution)


def test_what_was_sent_is_settled_and_what_is_to_be_sent_is_begun_anew() -> None:
    assert judge(copy(SENT), entry(Standing.UNKNOWN)) == Resolved(2)
    assert judge(copy(RESEND), entry(Standing.UNKNOWN)) == Claim(3)


@pytest.mark.parametrize("standing", [None, *sorted(set(Standing) - {Standing.UNKNOWN})])
def test_that_it_was_sent_changes_nothing_where_nothing_is_unknown(standing: Standing | None) -> None:
    """Above all it begins no call, also where the ledger has no entry any more."""
    assert isinstance(judge(copy(SENT), None if standing is None else entry(standing)), Done)


@pytest.mark.parametrize("standing", sorted(set(Standing) - {Standing.UNKNOWN, Standing.INTENT, Standing.RELEASED}))
def test_to_send_again_changes_nothing_where_the_outcome_is_known(standing: Standing) -> None:
    assert isinstance(judge(copy(RESEND), entry(standing)), Done)


def test_to_send_again_goes_on_with_what_its_own_claim_has_left() -> None:
    """Read again after a crash: a call that may have begun is parked, one that surely did not is begun."""
    assert judge(copy(RESEND), entry(Standing.INTENT, attempt=3)) == Park(3)
    assert judge(copy(RESEND), entry(Standing.RELEASED, attempt=3)) == Claim(3)


@pytest.mark.parametrize("resolution", [SENT, RESEND])
def test_a_word_about_one_attempt_does_not_settle_a_later_one(resolution: Resolution) -> None:
    """Said twice, it must not send twice: the second is about what was unknown before."""
    assert isinstance(judge(copy(resolution, attempts=2), entry(Standing.UNKNOWN, attempt=3)), Done)


@pytest.mark.parametrize("resolution", [SENT, RESEND])
def test_a_word_about_an_earlier_revision_changes_nothing(resolution: Resolution) -> None:
    assert isinstance(judge(copy(resolution, revision=0), entry(Standing.UNKNOWN)), Done)


def test_a_word_about_other_content_settles_nothing() -> None:
    assert isinstance(judge(copy(SENT, content="c2"), entry(Standing.UNKNOWN)), Done)
    assert judge(copy(RESEND, content="c2"), entry(Standing.UNKNOWN)) == Conflict()


def test_without_a_word_it_stays_unknown() -> None:
    assert judge(copy(Resolution.OPEN), entry(Standing.UNKNOWN)) == Park(2)


def on_topic(resolution: Resolution, attempts: int = 2) -> Record:
    """The record that `dlq resolve` writes."""
    headers = (
        ("attempts", str(attempts).encode()),
        ("resolve", resolution.encode()),
        ("resolve-because", b"seen"),
        ("dlq.redrive-count", b"1"),
    )
    return record(MAIL.encode(), topic=topics.DISPATCH_TRANSACTIONAL, headers=headers)


def planned(resolution: Resolution, verdict: Verdict, standing: Entry | None = None) -> Plan:
    one = on_topic(resolution)
    judgement = judge(copy_of(one, MAIL, resend_unknown=False), standing or entry(Standing.UNKNOWN))
    return plan(one, MAIL, judgement, verdict, LIVE, current="1.0")


VERDICTS: list[Verdict] = [Send(), Simulate(), Suppress(Suppression.RECALLED), Expire(), Rerender()]


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_an_operator_says_was_sent_is_final_whatever_the_gate_says_now(verdict: Verdict) -> None:
    """A receipt in the operator's name, no call, nothing of the cap."""
    found = planned(SENT, verdict)
    assert isinstance(found, Finish)
    assert not found.spends
    (posting,) = found.settled.postings
    assert posting.entry == entry(Standing.SENT)
    (emit,) = found.settled.emits
    assert emit.topic == topics.RECEIPTS
    receipt = Receipt.decode(emit.value)
    assert (receipt.state, receipt.provider, receipt.provider_id, receipt.attempt) == (State.SENT, "operator", None, 2)


@pytest.mark.parametrize("resolution", [SENT, RESEND])
def test_while_all_is_held_the_word_waits(resolution: Resolution) -> None:
    assert planned(resolution, Keep(Hold.KILL_SWITCH)) == Leave()


def test_what_is_to_be_sent_again_passes_the_gate_as_everything_does() -> None:
    call = planned(RESEND, Send())
    assert isinstance(call, Call)
    assert (call.turn.attempt, call.risky) == (3, False)
    simulated = planned(RESEND, Simulate())
    assert isinstance(simulated, Finish)
    assert simulated.spends
    assert [posting.entry.standing for posting in simulated.settled.postings] == [Standing.SIMULATED]


@pytest.mark.parametrize(("resolution", "verdict"), list(product([SENT, RESEND], VERDICTS)))
def test_a_word_leads_only_to_a_standing_that_may_follow(resolution: Resolution, verdict: Verdict) -> None:
    found = planned(resolution, verdict)
    if isinstance(found, Finish):
        assert {posting.entry.standing for posting in found.settled.postings} <= NEXT[Standing.UNKNOWN]
    else:
        assert isinstance(found, Call)
        assert Standing.INTENT in NEXT[Standing.UNKNOWN]


def test_a_word_on_what_is_known_by_now_only_lets_the_offset_go_on() -> None:
    found = planned(SENT, Send(), entry(Standing.SENT))
    assert isinstance(found, Finish)
    assert (found.settled.postings, found.settled.emits) == ((), ())

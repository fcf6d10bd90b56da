"""A model of claims, calls, crashes, rebalances, redrives and resolutions, held against the ledger's rules.

The decisions are the product's (`judge`, `plan`, `after_claim`, `settle`); what is modelled is a broker that writes
wholly or not at all, workers that lose their memory at any point, and those that were fenced and don't know it yet.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams import topics
from streams.core import settle
from streams.core.dispatch import Send, Verdict
from streams.core.ledger import FINAL, NEXT, Claim, Conflict, Done, Entry, Judgement, Park, Standing
from streams.core.messages import Message, RenderOrder
from streams.core.plan import Call, Finish, Leave, after_claim, plan
from streams.core.ports import Delivered, Delivery, Unknown
from streams.core.reasons import Reason
from streams.core.records import Emit, Record
from streams.core.settle import Posting, Settled, Turn
from tests.builders import record
from tests.ledger_model import (
    CALLS,
    CONDITIONS,
    ENDINGS,
    IDS,
    LANES,
    PARKED,
    RESENT,
    SENT,
    VERDICTS,
    Claimed,
    Worker,
    again,
    identity,
    judgement,
    mail,
)


class LedgerMachine(RuleBasedStateMachine):
    """One partition."""

    def __init__(self) -> None:
        super().__init__()
        self.lying: dict[str, list[Record]] = {lane: [] for lane in LANES}
        self.committed: dict[str, int] = dict.fromkeys(LANES, 0)
        self.ledger: dict[str, Entry] = {}
        self.orders: list[RenderOrder] = []
        self.letters: list[Record] = []
        self.risks: Counter[str] = Counter()
        self.resolved: Counter[str] = Counter()
        self.superseded: dict[str, int] = dict.fromkeys(IDS, -1)
        self.parked = self.deaths = 0
        self.late: list[Worker] = []
        self.worker = Worker(0, {}, {})
        self.take_over()

    # The broker.

    def append(self, emit: Emit) -> None:
        match emit.topic:
            case topics.RENDER:
                self.orders.append(RenderOrder.decode(emit.value))
            case topics.DEAD_LETTER:
                letter = record(emit.value, topic=emit.topic, headers=emit.headers)
                told = dict(emit.headers)
                if told["dlq.reason"] != Reason.ID_CONFLICT.encode():
                    self.letters.append(letter)
            case lane if lane in self.lying:
                offset = len(self.lying[lane])
                self.lying[lane].append(record(emit.value, topic=lane, offset=offset, headers=emit.headers))

    def post(self, worker: Worker, postings: tuple[Posting, ...]) -> None:
        for posting in postings:
            before = self.ledger.get(posting.dispatch_id)
            assert posting.entry.standing in NEXT[before.standing if before else None], (before, posting.entry)
            if posting.entry.standing is Standing.SUPERSEDED:
                self.superseded[posting.dispatch_id] = posting.entry.revision
            self.ledger[posting.dispatch_id] = worker.table[posting.dispatch_id] = posting.entry

    def write(self, worker: Worker, settled: Settled, at: Record, *, commits: bool = True) -> None:
        """One transaction. A fenced worker writes nothing; one that left the group can't commit its offset."""
        if worker.epoch != self.worker.epoch:
            return
        self.post(worker, settled.postings)
        for emit in settled.emits:
            self.append(emit)
        over = worker.settled[at.topic]
        over.add(at.offset)
        while commits and self.committed[at.topic] in over:
            self.committed[at.topic] += 1

    def take_over(self) -> None:
        self.worker = Worker(self.worker.epoch + 1, dict(self.ledger), dict(self.committed))

    # What happens outside.

    @precondition(lambda self: len(self.lying[LANES[0]]) < self.worker.read[LANES[0]] + 3)
    @rule(which=st.sampled_from(sorted(IDS.values())), content=st.sampled_from("aaaab"))
    def produce(self, which: int, content: str) -> None:
        """A message comes, or comes again; now and then with other content."""
        self.append(Emit(topic=LANES[0], key=b"", value=mail(which, content).encode()))

    @precondition(lambda self: self.orders)
    @rule(which=st.integers(0, 9), twice=st.booleans())
    def render(self, which: int, twice: bool) -> None:  # noqa: FBT001 - drawn
        """An order is rendered; after a crash there, twice."""
        order = self.orders.pop(which % len(self.orders))
        mail_again = replace(mail(IDS[order.route.dispatch_id]), route=order.route)
        for _ in range(1 + twice):
            self.append(Emit(topic=LANES[0], key=b"", value=mail_again.encode()))

    @precondition(lambda self: self.letters)
    @rule(which=st.integers(0, 9), times=st.integers(1, 2))
    def redrive(self, which: int, times: int) -> None:
        """An operator redrives a dead letter, once or by mistake twice."""
        letter = self.letters.pop(which % len(self.letters))
        for _ in range(times):
            self.append(again(letter))

    @precondition(lambda self: any(self.unknown(letter) for letter in self.letters))
    @rule(which=st.integers(0, 9), sent=st.booleans())
    def resolve(self, which: int, sent: bool) -> None:  # noqa: FBT001 - drawn
        """An operator says what became of a parked message. That takes longer than a late call may be."""
        self.late.clear()
        parked = [letter for letter in self.letters if self.unknown(letter)]
        letter = parked[which % len(parked)]
        dispatch_id = identity(letter)
        entry = self.ledger[dispatch_id]
        turn = Turn(record=letter, message=Message.decode(letter.value), attempt=entry.attempt + (not sent))
        self.post(self.worker, (turn.posting(Standing.SENT if sent else Standing.RELEASED),))
        self.letters = [each for each in self.letters if identity(each) != dispatch_id]
        if not sent:
            self.resolved[dispatch_id] += 1
            self.append(again(letter))

    def unknown(self, letter: Record) -> bool:
        entry = self.ledger.get(identity(letter))
        return entry is not None and entry.standing is Standing.UNKNOWN

    # What a worker does.

    def waiting(self) -> list[str]:
        """Lanes in which something waits for its turn."""
        return [lane for lane in LANES if self.worker.read[lane] < len(self.lying[lane])]

    @precondition(lambda self: self.waiting())
    @rule(which=st.integers(0, 9), verdict=st.sampled_from(VERDICTS))
    def turn(self, which: int, verdict: Verdict) -> None:
        """The head of a lane has its turn: it is claimed, or finished, or stays."""
        worker, lanes = self.worker, self.waiting()
        lane = lanes[which % len(lanes)]
        at = worker.read[lane]
        head = self.lying[lane][at]
        mail_at = Message.decode(head.value)
        dispatch_id = mail_at.route.dispatch_id
        if any(claimed.turn.message.route.dispatch_id == dispatch_id for claimed in worker.claims):
            return  # its other copy decides first
        judged = judgement(head, worker.table.get(dispatch_id))
        planned = plan(head, mail_at, judged, verdict, CONDITIONS, current="2.0")
        if isinstance(planned, Leave) or (isinstance(planned, Call) and len(worker.claims) >= CALLS):
            return
        worker.read[lane] = at + 1
        if isinstance(planned, Finish):
            self.parked += isinstance(judged, Park) and worker.table[dispatch_id].standing is Standing.INTENT
            self.write(worker, planned.settled, head)
        else:
            self.post(worker, (planned.turn.posting(Standing.INTENT),))
            worker.claims.append(Claimed(lane, planned.turn))

    @precondition(lambda self: self.waiting())
    @rule(verdict=st.sampled_from(VERDICTS), delivery=st.sampled_from(ENDINGS), draw=st.sampled_from([0.0, 0.9]))
    def whole_turn(self, verdict: Verdict, delivery: Delivery, draw: float) -> None:
        """As most go: claimed, called and settled without anything between."""
        before = len(self.worker.claims)
        self.turn(0, verdict)
        if len(self.worker.claims) > before:
            claimed = self.worker.claims[-1]
            self.begin(claimed, delivery)
            self.settle(self.worker, claimed, draw)

    def claims(self, *, called: bool) -> list[tuple[Worker, Claimed]]:
        """Those of the worker, and of those that were fenced and don't know it."""
        workers = [self.worker, *self.late]
        return [(each, one) for each in workers for one in each.claims if (one.delivery is not None) is called]

    @precondition(lambda self: self.claims(called=False))
    @rule(which=st.integers(0, 9), delivery=st.sampled_from(ENDINGS))
    def call(self, which: int, delivery: Delivery) -> None:
        """A claim is called; a worker that was fenced may do so, too, if it does not know yet."""
        waiting = self.claims(called=False)
        self.begin(waiting[which % len(waiting)][1], delivery)

    def begin(self, claimed: Claimed, delivery: Delivery) -> None:
        dispatch_id = claimed.turn.message.route.dispatch_id
        final = self.ledger[dispatch_id].standing in FINAL
        assert not final or IDS[dispatch_id] == RESENT, "called after a final state"
        if IDS[dispatch_id] != RESENT:
            assert claimed.turn.message.route.revision > self.superseded[dispatch_id], "called as it was before"
        claimed.delivery = delivery
        self.risks[dispatch_id] += isinstance(delivery, Delivered | Unknown)

    @precondition(lambda self: self.claims(called=True))
    @rule(which=st.integers(0, 9), commits=st.sampled_from([True, True, False]), draw=st.sampled_from([0.0, 0.9]))
    def end(self, which: int, commits: bool, draw: float) -> None:  # noqa: FBT001 - drawn
        """A call that ended is settled, with its offset or, if the group is lost, without."""
        ended = self.claims(called=True)
        self.settle(*ended[which % len(ended)], draw, commits=commits)

    def settle(self, worker: Worker, claimed: Claimed, draw: float, *, commits: bool = True) -> None:
        worker.claims.remove(claimed)
        settled = settle.after_call(claimed.turn, claimed.delivery or PARKED, CONDITIONS, draw=draw, scale=1.0)
        self.write(worker, settled, claimed.turn.record, commits=commits)

    @precondition(lambda self: any(each.delivery is None for each in self.worker.claims))
    @rule(verdict=st.sampled_from(VERDICTS))
    def look_again(self, verdict: Verdict) -> None:
        """The second look finds that a claim may not be called."""
        claimed = next(each for each in self.worker.claims if each.delivery is None)
        planned = after_claim(claimed.turn, verdict, CONDITIONS, current="2.0")
        released = claimed.turn.posting(Standing.RELEASED)
        if isinstance(planned, Finish):
            self.worker.claims.remove(claimed)
            settled = replace(planned.settled, postings=(released, *planned.settled.postings))
            self.write(self.worker, settled, claimed.turn.record)
        elif isinstance(planned, Leave) and self.worker.read[claimed.lane] == claimed.turn.record.offset + 1:
            self.worker.claims.remove(claimed)
            self.post(self.worker, (released,))
            self.worker.read[claimed.lane] -= 1

    @precondition(lambda self: self.worker.claims or self.deaths < 2)
    @rule(lives=st.booleans())
    def lose(self, lives: bool) -> None:  # noqa: FBT001 - drawn
        """A crash, at whatever point; or a rebalance, and the worker goes on for a moment without knowing it."""
        self.late += [self.worker] if lives else []
        self.deaths += 1
        self.take_over()

    # What must hold.

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        """Calls that may have been sent: one per message, and one more for each time that an operator asked for it."""
        for dispatch_id, which in IDS.items():
            assert which == RESENT or self.risks[dispatch_id] <= 1 + self.resolved[dispatch_id]

    @invariant()
    def no_more_are_parked_than_calls_may_run_at_once(self) -> None:
        """At each crash or rebalance."""
        assert self.parked <= CALLS * self.deaths

    @invariant()
    def every_message_is_in_exactly_one_state(self) -> None:
        """Final, or on its way, or a dead letter."""
        for dispatch_id in {identity(each) for lying in self.lying.values() for each in lying}:
            entry = self.ledger.get(dispatch_id)
            final = entry is not None and entry.standing in FINAL
            on_its_way = any(isinstance(each, Claim | Park) for each in self.judged(dispatch_id, entry))
            dead = any(identity(letter) == dispatch_id for letter in self.letters)
            if entry is not None and entry.standing is Standing.UNKNOWN:
                # One that was redriven without being resolved will be a dead letter again, and is one all the while.
                on_its_way, dead = False, dead or on_its_way
            states = [final, on_its_way, dead]
            assert states.count(True) == 1, (IDS[dispatch_id], states, entry)

    def judged(self, dispatch_id: str, entry: Entry | None) -> list[Judgement]:
        """Of each copy that will yet have its turn."""
        copies = [order for order in self.orders if order.route.dispatch_id == dispatch_id]
        made = [record(replace(mail(1), route=order.route).encode()) for order in copies]
        for lane, lying in self.lying.items():
            settled = self.worker.settled[lane]
            made += [each for each in lying[self.committed[lane] :] if each.offset not in settled]
        return [judgement(each, entry) for each in made if identity(each) == dispatch_id]

    def teardown(self) -> None:
        """Whatever has happened: in the end each message is final or a dead letter, and nothing is left over."""
        self.late.clear()
        while self.orders:
            self.render(0, twice=False)
        while self.waiting() or self.worker.claims:
            if self.claims(called=False):
                self.call(0, SENT)
            if self.claims(called=True):
                self.end(0, commits=True, draw=0.0)
            for which in range(len(self.waiting())):
                self.turn(which, Send())
        left = [each for dispatch_id in IDS for each in self.judged(dispatch_id, self.ledger.get(dispatch_id))]
        assert all(isinstance(each, Done | Conflict) for each in left)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(deadline=None, database=None, max_examples=200, stateful_step_count=60)

"""Fault 11: the dead-letter topic can't be written to. Consumption stops, `/readyz` fails, exit 1; nothing is lost."""

from __future__ import annotations

import random

import pytest
from confluent_kafka.admin import AdminClient

from streams import topics
from streams.wiring.kafka import topic_admin
from tests.faults.oracle import account, assert_commit_rule, assert_no_loss
from tests.waiting import eventually
from tests.world import AUTH, INBOUND, ISSUER, Centre, Outgoing

pytestmark = [pytest.mark.faults, pytest.mark.fault(11), pytest.mark.timeout(180)]
PATIENCE = {"PUBLISH_REFUSED_FOR": "4", "PUBLISH_STALL_AFTER": "1"}


def play(centre: Centre, rng: random.Random, composition: str) -> None:
    good, bad = centre.events(rng.randrange(20, 60)), Outgoing(value=b"not a token", key=b"student-0")
    ids = [event.event_id for event in good]
    worker = centre.worker(composition, **PATIENCE).wait_ready()
    admin = AdminClient({"bootstrap.servers": centre.bootstrap})
    admin.delete_topics([centre.prefix + topics.DEAD_LETTER])[centre.prefix + topics.DEAD_LETTER].result(20)

    centre.produce([bad, *good])

    unready = eventually(lambda: worker.get("/readyz")[0] in (503, 0), seconds=20, what="/readyz to fail")
    code = worker.exit_code(60)
    committed = {place: offset for place, offset in centre.committed().items() if place[0] == INBOUND}
    topic_admin(centre.settings(), centre.bootstrap).apply(topics.table([ISSUER, AUTH]))
    place = next((r.partition, r.offset) for r in centre.read(INBOUND) if r.value == bad.value)
    print(f"fault 11 ({composition}): /readyz failed after {unready:.1f} s, exit {code}, committed {committed}")
    assert code == 1, f"exit code {code}"
    assert committed.get((INBOUND, place[0]), 0) <= place[1], "the commit passed the record that has no dead letter"
    centre.worker().wait_ready()
    eventually(lambda: not account(centre, ids).missing and len(centre.read(topics.DEAD_LETTER)) == 1, what="the rest")
    assert_no_loss(account(centre, ids))
    assert_commit_rule(centre)


def test_without_a_place_for_dead_letters_the_worker_stops_and_loses_nothing(
    centre: Centre, rng: random.Random
) -> None:
    play(centre, rng, "plain")


def test_planted_acks_before_confirmation_are_caught_by_the_oracle(centre: Centre, rng: random.Random) -> None:
    with pytest.raises(AssertionError, match="the commit passed") as caught:
        play(centre, rng, "planted-acks-first")
    print(f"fault 11 (planted): red, {str(caught.value).splitlines()[0]}")

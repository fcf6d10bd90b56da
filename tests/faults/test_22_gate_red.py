"""Fault 22: 100,000 events while gate 1 is RED, through a rebalance and a restart; then it turns GREEN."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from streams import topics
from streams.core.records import Record
from streams.demo.auth_server import AuthServer
from streams.explain import event_id_of
from tests.faults.oracle import account, assert_commit_rule, assert_no_loss
from tests.waiting import eventually
from tests.world import INBOUND, Centre

pytestmark = [pytest.mark.faults, pytest.mark.long, pytest.mark.fault(22), pytest.mark.timeout(1200)]
EVENTS = 100_000
BURSTS = 4


class Closed(AuthServer):
    """Shows its keys and gives nobody a token until it is told to."""

    open = False
    keys_too = True

    def respond(self, method: str, path: str, authorization: str, form: str) -> tuple[int, Any]:
        if not self.open and (method == "POST" or not self.keys_too):
            return 403, {"error": "unauthorized_client"}
        return super().respond(method, path, authorization, form)


@dataclass(slots=True)
class Night:
    """A deployment whose auth service is closed."""

    centre: Centre
    server: Closed
    ids: list[str]

    def produce(self, count: int) -> None:
        events = self.centre.events(count)
        self.ids += [event.event_id for event in events]
        self.centre.produce(events)

    def green_at(self) -> int:
        """Open the gate; milliseconds since the epoch."""
        at = int(time.time() * 1000)
        self.server.open = True
        return at


def closed(centre: Centre, *, keys_too: bool) -> Night:
    centre.stop_auth()
    centre.auth_kind = Closed
    centre.start_auth()
    assert isinstance(centre.auth, Closed)
    centre.auth.keys_too = keys_too
    return Night(centre.set_up(), centre.auth, [])


def receipts(centre: Centre) -> list[Record]:
    return centre.read(topics.RECEIPTS)


def red_through_rebalance_and_restart(night: Night, composition: str, events: int, rng: random.Random) -> None:
    centre = night.centre
    first = centre.worker(composition).wait_ready()
    night.produce(events // BURSTS)
    second = centre.worker(composition).wait_ready()
    night.produce(events // BURSTS)
    time.sleep(rng.random())
    first.kill()
    night.produce(events // BURSTS)
    third = centre.worker(composition).wait_ready()
    night.produce(events - 3 * (events // BURSTS))
    time.sleep(rng.random())
    second.terminate()
    assert second.exit_code(15) == 0
    assert third.get("/readyz")[0] == 200, "RED is able to work"
    canary = orjson.loads(third.get("/canary")[2])
    assert (canary["status"], canary["dependencies_ok"]) == ("degraded", False)


def judge(night: Night, composition: str, opened_ms: int) -> None:
    centre = night.centre
    found = receipts(centre)
    by_event = Counter(event_id_of(record) for record in found)
    states = Counter(orjson.loads(record.value or b"{}")["state"] for record in found)
    early = [record for record in found if record.timestamp_ms < opened_ms]
    told = account(centre, night.ids)
    print(
        f"fault 22 ({composition}): {told.line()}; receipts {len(found)} of {len(by_event)} events {dict(states)}, "
        f"before GREEN {len(early)}"
    )
    assert not early, f"{len(early)} messages were dispatched while RED"
    assert set(by_event) == set(night.ids), "not every event has its receipt"
    assert set(states) == {"simulated"}
    assert_no_loss(told)
    assert told.dead_letters == 0
    assert_commit_rule(centre)


def test_what_comes_while_red_is_received_kept_and_sent_on_green(centre: Centre, rng: random.Random) -> None:
    night = closed(centre, keys_too=True)
    red_through_rebalance_and_restart(night, "", EVENTS, rng)
    eventually(lambda: account(centre, night.ids).rendered == EVENTS, seconds=300, every=5, what="all rendered")
    assert receipts(centre) == []
    opened_ms = night.green_at()
    eventually(lambda: sum(centre.ends(topics.RECEIPTS).values()) >= EVENTS, seconds=300, every=2, what="receipts")
    judge(night, "", opened_ms)


def test_without_any_keys_ingest_waits_as_well(centre: Centre, rng: random.Random) -> None:
    """Kafka keeps what arrives; on GREEN all of it goes the whole way."""
    night, events = closed(centre, keys_too=False), EVENTS // 20
    red_through_rebalance_and_restart(night, "", events, rng)
    assert sum(centre.ends(INBOUND).values()) == events
    assert account(centre, night.ids).rendered == 0
    opened_ms = night.green_at()
    eventually(lambda: sum(centre.ends(topics.RECEIPTS).values()) >= events, seconds=120, every=1, what="receipts")
    judge(night, "no keys", opened_ms)


def test_planted_a_gate_that_holds_nothing_is_caught(centre: Centre, rng: random.Random) -> None:
    night, events = closed(centre, keys_too=True), EVENTS // 50
    red_through_rebalance_and_restart(night, "planted-open-gate", events, rng)
    eventually(lambda: sum(centre.ends(topics.RECEIPTS).values()) >= events, seconds=120, every=1, what="receipts")
    opened_ms = night.green_at()
    with pytest.raises(AssertionError, match="dispatched while RED") as caught:
        judge(night, "planted-open-gate", opened_ms)
    print(f"fault 22 (planted): red, {str(caught.value).splitlines()[0]}")

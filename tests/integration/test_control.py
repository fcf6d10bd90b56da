"""Orders through real processes: who is obeyed, who has applied it, and what is remembered."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest
from confluent_kafka import Producer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from streams import topics
from streams.core import signing
from streams.core.control_token import CONTROL_TYPE, Wanted, order_claims
from streams.core.scope import ALL
from streams.core.switches import Setting
from tests.integration.test_end_to_end import comcenter, receipts
from tests.waiting import eventually
from tests.world import ISSUER, KID, OPERATOR, Centre, Outgoing, WorkerProcess

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(180)]

WHY = ("--reason", "a test")


def token(
    centre: Centre, *, key: Ed25519PrivateKey | None = None, aged_s: int = 0, jti: str = "by-hand", **claims: Any
) -> bytes:
    """An order signed by hand."""
    wanted = Wanted(scope=ALL, setting=Setting.DISABLE_SEND, value=True, reason="by hand")
    body = order_claims(wanted, operator=OPERATOR, jti=jti, now_s=int(time.time()) - aged_s)
    return signing.sign({**body, **claims}, key or centre.operator, kid=KID, token_type=CONTROL_TYPE).encode()


def append(centre: Centre, *values: bytes | None) -> None:
    centre.produce([Outgoing(value=value, key=b"all") for value in values], topic=topics.CONTROL)


def log(centre: Centre) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(comcenter(centre, "flags", "log", "--json").stdout)["orders"]
    return found


def holds(centre: Centre) -> dict[str, list[str]]:
    """Of the one worker that runs."""
    (worker,) = json.loads(comcenter(centre, "gate", "--json").stdout)["workers"]
    texts: dict[str, list[str]] = worker["holds"]
    return {topic: [text.partition(",")[0] for text in each] for topic, each in texts.items()}


def workers(centre: Centre, count: int) -> list[WorkerProcess]:
    started = [centre.worker() for _ in range(count)]
    return [each.wait_ready() for each in started]


def test_the_kill_switch_holds_dispatch_until_it_is_released(centre: Centre) -> None:
    """Ingest and render go on; what was held goes on after the release; the trail has both."""
    workers(centre, 1)

    thrown = comcenter(centre, "flags", "set", "disable_send", "true", *WHY)

    assert thrown.returncode == 0, thrown.stderr
    assert thrown.stdout.splitlines()[-1] == "1 of 1 workers applied"
    centre.produce([centre.event("held")])
    eventually(lambda: f"{ISSUER}/held" in centre.ids(topics.DISPATCH_TRANSACTIONAL))
    assert {name: reasons for name, reasons in holds(centre).items() if "kill_switch" in reasons} == {
        name: ["kill_switch"] for name in topics.DISPATCH.values()
    }
    assert receipts(centre) == {}

    released = comcenter(centre, "release", "all", *WHY)

    assert released.returncode == 0, released.stderr
    assert "no order holds anything now" in released.stdout
    eventually(lambda: f"{ISSUER}/held" in receipts(centre))
    trail = log(centre)
    assert [(one["operator"], one["setting"], one["value"], one["reason"]) for one in trail] == [
        (OPERATOR, "DISABLE_SEND", True, "a test"),
        (OPERATOR, "DISABLE_SEND", False, "a test"),
    ]


def test_only_orders_of_listed_operators_are_obeyed_and_once(centre: Centre) -> None:
    """Garbage, an unsigned record, another key, one that expired on its way, a replay: each is ignored and named."""
    workers(centre, 1)
    stranger = Ed25519PrivateKey.generate()
    unsigned = token(centre).rpartition(b".")[0] + b"."
    thrown = token(centre)
    append(centre, b"garbage", None, unsigned, token(centre, key=stranger), token(centre, iss="mallory"))
    assert comcenter(centre, "pause", "render", *WHY).stdout.splitlines()[-1] == "1 of 1 workers applied"
    assert holds(centre) == {topics.RENDER: ["paused"]}

    append(centre, thrown)
    assert comcenter(centre, "release", "all", *WHY).returncode == 0
    append(centre, thrown, token(centre, value=False, setting="PAUSE", scope="stage:render"))
    assert comcenter(centre, "pause", "ingest", *WHY).returncode == 0

    assert set(holds(centre)) == {topics.RENDER, topics.REDRIVE, f"events.{ISSUER}", "events.scholar_auth"}
    assert [one["ignored"] for one in log(centre) if "ignored" in one] == [
        "token_malformed", "token_missing", "token_signature", "token_signature", "token_issuer",
        "order_replayed", "order_replayed",
    ]  # fmt: skip


def test_an_order_that_grew_old_on_its_way_is_ignored(centre: Centre, request: pytest.FixtureRequest) -> None:
    """Judged by the broker's time; on a broker without one, by the record's own."""
    append(centre, token(centre, aged_s=400), token(centre, jti="in-time"))
    worker = centre.worker().wait_ready()
    assert [one.get("ignored") for one in log(centre)] == ["token_expired", None]
    assert set(holds(centre)) == set(topics.DISPATCH.values())
    warned = "control_clock" in worker.log.read_text("utf-8")
    assert warned is (request.node.callspec.params["broker"] != "kafka")


def test_a_restart_reads_every_order_before_anything_else(centre: Centre) -> None:
    """What was paused stays paused from the first record on, whoever comes; and one replays in vain."""
    assert comcenter(centre, "pause", "ingest", *WHY).returncode == 100, "nobody is there to apply it"
    thrown = token(centre)
    append(centre, thrown)
    centre.produce([centre.event("early")])
    first = centre.worker().wait_ready()
    eventually(lambda: f"events.{ISSUER}" in holds(centre))
    assert comcenter(centre, "release", "all", *WHY).returncode == 0
    append(centre, thrown)
    first.terminate()
    assert first.exit_code(10) == 0

    centre.worker().wait_ready()

    eventually(lambda: f"events.{ISSUER}" in holds(centre))
    assert not any("kill_switch" in reasons for reasons in holds(centre).values())
    assert centre.ids(topics.RENDER) == []
    assert comcenter(centre, "resume", "ingest", *WHY).returncode == 0
    eventually(lambda: f"{ISSUER}/early" in receipts(centre))


def test_a_worker_that_stands_still_is_named(centre: Centre) -> None:
    """Stopped with SIGSTOP: "1 of 2; … silent" and 100. When it goes on it reads what it missed."""
    _, stopped = workers(centre, 2)
    eventually(lambda: len(json.loads(comcenter(centre, "gate", "--json").stdout)["workers"]) == 2)
    centre.extra["CONTROL_ANSWER_WITHIN"] = "3"
    both = comcenter(centre, "flags", "set", "AB_TESTING", "false", *WHY)
    assert both.stdout.splitlines()[-1] == "2 of 2 workers applied"
    stopped.process.send(signal.SIGSTOP)
    try:
        thrown = comcenter(centre, "flags", "set", "DISABLE_SEND", "true", *WHY)
    finally:
        stopped.process.send(signal.SIGCONT)

    assert thrown.returncode == 100
    name = f"-{stopped.process.pid}-"
    told = thrown.stdout.splitlines()[-1]
    assert told.startswith("1 of 2; "), told
    assert name in told
    assert told.endswith(" silent")
    again = comcenter(centre, "flags", "set", "AB_TESTING", "false", *WHY)
    assert again.stdout.splitlines()[-1] == "2 of 2 workers applied"


def test_a_transaction_that_somebody_left_open_hides_no_order(centre: Centre) -> None:
    """Neither the order behind it, nor where the topic ends: dispatch is not held for it."""
    workers(centre, 1)
    stranger = Producer({"bootstrap.servers": centre.bootstrap, "transactional.id": f"{centre.prefix}stranger"})
    stranger.init_transactions(20)
    stranger.begin_transaction()
    stranger.produce(centre.prefix + topics.CONTROL, key=b"all", value=b"garbage")
    assert stranger.flush(20) == 0

    thrown = comcenter(centre, "flags", "set", "DISABLE_SEND", "true", *WHY)

    assert (thrown.returncode, thrown.stdout.splitlines()[-1]) == (0, "1 of 1 workers applied")
    assert {reason for reasons in holds(centre).values() for reason in reasons} == {"kill_switch"}
    stranger.abort_transaction(20)
    assert comcenter(centre, "release", "all", *WHY).returncode == 0
    eventually(lambda: holds(centre) == {})
    assert [one.get("ignored") for one in log(centre)] == ["token_malformed", None, None]


def test_an_order_without_a_worker_is_written_and_says_so(centre: Centre) -> None:
    """100, since nothing was stopped; the next worker obeys it."""
    given = comcenter(centre, "flags", "set", "DISABLE_SEND", "true", *WHY, "--json")
    assert given.returncode == 100
    told = json.loads(given.stdout)
    assert told["workers"] == {"applied": [], "behind": [], "silent": [], "others": [], "complete": False}
    assert [one["setting"] for one in told["standing"]] == ["DISABLE_SEND"]
    resumed = comcenter(centre, "resume", *WHY).stdout.splitlines()
    assert resumed[0] == "preflight: 0 messages of all wait"
    assert resumed[2] == "written, but no worker is running"


def test_a_worker_with_other_operators_is_named(centre: Centre) -> None:
    """It has read the order, and does not obey it."""
    nobody = centre.folder / "nobody.toml"
    nobody.write_text("", "utf-8")
    worker = centre.worker(OPERATORS_FILE=str(nobody)).wait_ready()
    assert "no_operators" in worker.log.read_text("utf-8")

    given = comcenter(centre, "flags", "set", "DISABLE_SEND", "true", *WHY)

    assert given.returncode == 100
    assert "obeys other operators" in given.stdout
    assert holds(centre) == {}


def test_a_recall_throws_the_switch_and_then_drops(centre: Centre) -> None:
    """In that order, so that nothing slips through between the two."""
    workers(centre, 1)
    recalled = comcenter(centre, "recall", "template:new_match@1.0", *WHY)
    assert recalled.returncode == 0, recalled.stderr
    dropped = comcenter(centre, "release", "template:new_match@1.0", "--drop", *WHY)
    assert dropped.returncode == 0, dropped.stderr
    assert [(one["setting"], one["value"], one["scope"]) for one in log(centre)] == [
        (setting, value, "template:new_match@1.0")
        for setting, value in (("DISABLE_SEND", True), ("DROP", True), ("DROP", True), ("DISABLE_SEND", False))
    ]


def test_the_flags_in_force_are_told_with_who_made_them_so(centre: Centre) -> None:
    """By the workers themselves; an order that the environment overrules says so."""
    centre.worker(PROMO_SENDS="false", RETRIES_ENABLED="true").wait_ready()
    opened = comcenter(centre, "flags", "set", "PROMO_SENDS", "true", *WHY)
    assert opened.returncode == 0
    assert opened.stdout.splitlines()[-1].startswith("PROMO_SENDS stays false on ")
    assert opened.stdout.rstrip().endswith(": environment")
    assert comcenter(centre, "flags", "set", "RETRIES_ENABLED", "false", "--expires", "90m", *WHY).returncode == 0

    (worker,) = json.loads(comcenter(centre, "flags", "--json").stdout)["workers"]

    assert (worker["flags"]["RETRIES_ENABLED"], worker["flags_from"]["RETRIES_ENABLED"]) == (False, "control")
    assert (worker["flags"]["PROMO_SENDS"], worker["flags_from"]["PROMO_SENDS"]) == (False, "environment")
    shown = comcenter(centre, "flags").stdout
    assert "RETRIES_ENABLED        off  control" in shown
    assert f"{OPERATOR:12}  RETRIES_ENABLED false for all until " in shown

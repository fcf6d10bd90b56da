"""Gate 1 and the key sets, through real processes: what holds, what goes on, and what an operator sees of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from streams import topics
from streams.demo.auth_server import AuthServer
from tests.integration.test_end_to_end import comcenter, reasons, receipts
from tests.waiting import eventually
from tests.world import AUTH, ISSUER, KID, Centre, Outgoing

pytestmark = [pytest.mark.best_broker, pytest.mark.timeout(120)]


class Door(AuthServer):
    """A token endpoint that can be closed."""

    closed = True

    def respond(self, method: str, path: str, authorization: str, form: str) -> tuple[int, Any]:
        if method == "POST" and self.closed:
            return 401, {"error": "invalid_client"}
        return super().respond(method, path, authorization, form)


def with_a_door(centre: Centre) -> Door:
    centre.stop_auth()
    centre.auth_kind = Door
    centre.start_auth()
    centre.set_up()
    assert isinstance(centre.auth, Door)
    return centre.auth


def test_a_client_that_is_refused_a_token_keeps_gate_1_red_and_one_command_says_so(centre: Centre) -> None:
    """Ingest goes on, since the keys are at hand; dispatch waits, and goes on when the door opens."""
    door = with_a_door(centre)
    centre.worker().wait_ready()
    centre.produce([centre.event("red")])
    eventually(lambda: f"{ISSUER}/red" in centre.ids(topics.DISPATCH_TRANSACTIONAL))

    red = comcenter(centre, "gate")

    assert red.returncode == 100
    assert red.stdout.startswith("gate 1  RED  since ")
    assert "blocked, pending gate 1: the token endpoint answered 401 (invalid_client)" in red.stdout
    assert receipts(centre) == {}
    door.closed = False
    eventually(lambda: f"{ISSUER}/red" in receipts(centre))
    eventually(lambda: comcenter(centre, "gate").returncode == 0, every=1)
    told = json.loads(comcenter(centre, "gate", "--json").stdout)
    assert (told["gate1"], len(told["workers"]), told["silent"]) == ("GREEN", 1, [])


def test_an_issuer_without_keys_waits_and_the_others_flow(centre: Centre) -> None:
    """Nothing of it is refused for want of a key; when its keys come, it goes on."""
    key_set = centre.folder / f"{AUTH}.json"
    document = key_set.read_bytes()
    key_set.unlink()
    centre.worker().wait_ready()
    waiting = Outgoing(value=b"not a token")
    centre.produce([waiting], topic=f"events.{AUTH}")
    centre.produce([centre.event("flows")])

    eventually(lambda: f"{ISSUER}/flows" in receipts(centre))

    assert reasons(centre) == {}
    why = f"no usable key of {AUTH} (FileNotFoundError), since "
    eventually(lambda: why in comcenter(centre, "gate").stdout, every=1)
    assert (f"events.{AUTH}", 0) not in {place for place, offset in centre.committed().items() if offset}
    key_set.write_bytes(document)
    eventually(lambda: reasons(centre) == {waiting.value: "token_malformed"})


def test_an_event_under_a_key_that_nobody_has_seen_waits_for_the_key(centre: Centre) -> None:
    """Signed with a new key that is published a little later: accepted. Signed with none of theirs: refused, then."""
    centre.with_keys_from_auth()
    assert centre.auth is not None
    centre.worker().wait_ready()
    centre.key, centre.kid = Ed25519PrivateKey.generate(), "rolled"
    early = centre.event("early")
    centre.produce([early])

    centre.auth.service.keys = {ISSUER: {"rolled": centre.key}, AUTH: {KID: centre.key}}

    eventually(lambda: f"{ISSUER}/early" in receipts(centre))
    centre.kid = "never-published"
    rogue = centre.event("rogue")
    centre.produce([rogue])
    eventually(lambda: reasons(centre) == {rogue.value: "token_unknown_key"})


def test_a_worker_that_starts_while_the_key_server_is_away_still_verifies(centre: Centre) -> None:
    """From what another worker wrote down."""
    centre.with_keys_from_auth()
    first = centre.worker().wait_ready()
    centre.produce([centre.event("before")])
    eventually(lambda: f"{ISSUER}/before" in receipts(centre))
    first.terminate()
    assert first.exit_code(10) == 0
    centre.stop_auth()

    centre.worker().wait_ready()
    centre.produce([centre.event("during")])

    eventually(lambda: f"{ISSUER}/during" in centre.ids(topics.DISPATCH_TRANSACTIONAL))
    assert f"{ISSUER}/during" not in receipts(centre), "gate 1 is RED"
    assert reasons(centre) == {}

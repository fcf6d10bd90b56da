"""An empty key set is what an issuer publishes whose only key has leaked: an answer, and not an outage."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from adapters.keysets import EMPTY, KeySets
from streams.core.keyring import At, NoKey
from tests.adapters.key_server import GOOD, ISSUER, Refresh, Server, kids, with_server
from tests.fakes import SteppedClock

NOTHING = b'{"keys":[]}'


def test_an_empty_set_withdraws_every_key_and_refuses_nothing() -> None:
    """The issuer's topic is held, so that its events wait for the new key; gate 1 sees that there is none."""
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        assert sets.usable(ISSUER)
        server.body = NOTHING
        clock.now += 5
        await refresh()
        assert not sets.usable(ISSUER)
        assert (sets.fault(ISSUER), sets.age(ISSUER)) == (EMPTY, None)
        for appended_ms in (0, int(clock.now * 1000) - 1, int(clock.now * 1000) + 3_600_000):
            assert sets.find(ISSUER, "a", At(appended_ms)) is NoKey.NOT_YET

    with_server(server, check)


def test_a_leaked_key_verifies_nothing_new_once_the_next_one_is_there() -> None:
    """The empty set in between counts as the withdrawal."""
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        server.body = NOTHING
        clock.now += 5
        await refresh()
        withdrawn_s = clock.now
        server.body = GOOD.replace(b'"a"', b'"fresh"')
        clock.now += 500
        await refresh()
        assert sets.usable(ISSUER)
        assert sets.fault(ISSUER) == ""
        assert sets.find(ISSUER, "a", At(int(withdrawn_s * 1000) + 60_001)) is NoKey.UNKNOWN
        assert not isinstance(sets.find(ISSUER, "a", At(int(withdrawn_s * 1000) + 60_000)), NoKey)

    with_server(server, check)


def test_an_empty_set_is_a_warning_of_its_own_said_once() -> None:
    server = Server()

    async def check(_sets: KeySets, refresh: Refresh, _clock: SteppedClock) -> None:
        with capture_logs() as logged:
            for body in (GOOD, NOTHING, NOTHING, GOOD, NOTHING):
                server.body = body
                await refresh()
        assert [entry["event"] for entry in logged] == [
            "key_set_fetched",
            "key_set_empty",
            "key_set_fetched",
            "key_set_empty",
        ]
        assert [entry["log_level"] for entry in logged if entry["event"] == "key_set_empty"] == ["warning"] * 2

    with_server(server, check)


@pytest.mark.parametrize("body", [b'{"keys":[{"kid":"x","kty":"oct"}]}', b'{"keys":[1]}', b'{"keys":null}', b"{}"])
def test_a_set_without_a_usable_member_is_a_mistake_and_withdraws_nothing(body: bytes) -> None:
    server = Server()

    async def check(sets: KeySets, refresh: Refresh, clock: SteppedClock) -> None:
        await refresh()
        server.body = body
        clock.now += 500
        await refresh()
        assert kids(sets, clock) == {"a"}
        assert sets.usable(ISSUER)
        assert sets.fault(ISSUER) not in ("", EMPTY)

    with_server(server, check)

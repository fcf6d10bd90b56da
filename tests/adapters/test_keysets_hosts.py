"""Key-set addresses that lead nowhere: a fault of that issuer and nothing else, and never quoted."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from adapters.processes import free_ports
from config.key_source import KeySource
from tests.adapters.key_server import Server, key_sets


def test_a_host_that_is_none_is_a_fault_and_no_exception() -> None:
    """Else one bad row would end the fetching for all issuers."""

    async def scenario() -> None:
        sets = key_sets(KeySource(issuer="a", jwks="https://pilot..example/x"))
        async with aiohttp.ClientSession() as session:
            await sets.refresh(session, "a")
        assert sets.fault("a") != ""

    asyncio.run(scenario())


SECRET = "s3cr3t"


def fault_at(address: str) -> str:
    """What is said of a key set at this address, with a port that nobody listens on in the place of PORT."""

    async def scenario() -> str:
        sets = key_sets(KeySource(issuer="a", jwks=address.replace("PORT", str(free_ports(1)[0])), production=False))
        async with aiohttp.ClientSession() as session:
            await sets.refresh(session, "a")
        return sets.fault("a")

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (f"http://user:{SECRET}@127.0.0.1:PORT/jwks.json", "ClientConnectorError"),
        (f"http://127.0.0.1:PORT/jwks.json?token={SECRET}", "ClientConnectorError"),
        (f"https://user:{SECRET}@/jwks json", "InvalidUrlClientError"),
        (f"http://user:{SECRET}@pilot..example/x", "UnicodeError"),
        (f"/nowhere/{SECRET}.json", "FileNotFoundError"),
    ],
)
def test_a_fault_never_quotes_the_address(address: str, says: str) -> None:
    """It stands in the log, on comms.workers and in `comcenter gate`, and an address may hold a secret."""
    assert fault_at(address) == says


def test_an_answer_that_is_no_http_is_told_by_type_and_status() -> None:
    async def scenario() -> str:
        async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nBad\x1b[31mHeader\r\n\r\n")
            writer.close()

        (port,) = free_ports(1)
        async with await asyncio.start_server(answer, "127.0.0.1", port), aiohttp.ClientSession() as session:
            sets = key_sets(Server(port=port).source("a"))
            await sets.refresh(session, "a")
        return sets.fault("a")

    assert asyncio.run(scenario()) == "ClientResponseError 400"


def test_two_sources_for_one_issuer_are_refused() -> None:
    """The later one would silently take the place of the other."""
    source = KeySource(issuer="a", jwks="k.json")
    with pytest.raises(ValueError, match="two key sources for one issuer"):
        key_sets(source, KeySource(issuer="b", jwks="k.json"), source)

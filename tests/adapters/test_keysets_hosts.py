"""Key-set addresses whose host is none: a fault of that issuer, and nothing else."""

from __future__ import annotations

import asyncio

import aiohttp

from config.key_source import KeySource
from tests.adapters.key_server import key_sets


def test_a_host_that_is_none_is_a_fault_and_no_exception() -> None:
    """Else one bad row would end the fetching for all issuers."""

    async def scenario() -> None:
        sets = key_sets(KeySource(issuer="a", jwks="https://pilot..example/x"))
        async with aiohttp.ClientSession() as session:
            await sets.refresh(session, "a")
        assert sets.fault("a") != ""

    asyncio.run(scenario())

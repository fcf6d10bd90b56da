"""``python -m bench.key_lookup``: what a key lookup costs while nothing is fetched, and while a refetch runs."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Final

import aiohttp
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from adapters.key_fetch import FetchLimits
from adapters.keysets import KeySetLimits, KeySets
from config.key_source import KeySource
from streams.core.keyring import At, SeenKey
from streams.core.keys import parse
from streams.demo.auth_server import AuthServer, AuthService

LOOKUPS: Final = 20_000
KEYS: Final = 20
ISSUER: Final = "bench"


class NoMemory:
    """Keys are not remembered here."""

    def remember(self, issuer: str, seen: SeenKey) -> None:
        """Nothing."""

    def forget(self, issuer: str, kid: str) -> None:
        """Nothing."""

    def is_read(self) -> bool:
        """There is nothing to read."""
        return True


def percentile(microseconds: list[float], share: float) -> float:
    """By rank."""
    return sorted(microseconds)[int(len(microseconds) * share)]


async def lookups(sets: KeySets, kid: str) -> list[float]:
    """Microseconds of each lookup; the loop turns between two, as it does between two records."""
    found, at = [], At(int(time.time() * 1000))
    for _ in range(LOOKUPS):
        begun = time.perf_counter_ns()
        sets.find(ISSUER, kid, at)
        found.append((time.perf_counter_ns() - begun) / 1000)
        await asyncio.sleep(0)
    return found


async def measure(url: str, kid: str) -> dict[str, list[float]]:
    """Lookups without and with a refetch running, on one loop."""
    limits = KeySetLimits(
        refresh_every=1, cool_down=0, unknown_for=1, max_age=3600, kept_for=3600, record_every=3600,
        fetch=FetchLimits(timeout=5, max_bytes=2**20, discovery_every=3600),
    )  # fmt: skip
    sets = KeySets([KeySource(issuer=ISSUER, jwks=url, production=False)], parse, limits, NoMemory())
    async with aiohttp.ClientSession() as session:
        await sets.refresh(session, ISSUER)
        quiet = await lookups(sets, kid)
        refetching = asyncio.ensure_future(_refetch(sets, session))
        busy = await lookups(sets, kid)
        refetching.cancel()
        await asyncio.gather(refetching, return_exceptions=True)
    return {"no fetch": quiet, "refetch running": busy}


async def _refetch(sets: KeySets, session: aiohttp.ClientSession) -> None:
    while True:
        await sets.refresh(session, ISSUER)


def run() -> dict[str, dict[str, float]]:
    """Median and p99 in microseconds, by case."""
    keys = {f"key-{number}": generate_private_key(65537, 2048) for number in range(KEYS)}
    with AuthServer(AuthService({ISSUER: keys})) as server:
        found = asyncio.run(measure(server.keys_url(ISSUER), "key-0"))
    return {case: {"median": statistics.median(times), "p99": percentile(times, 0.99)} for case, times in found.items()}


def line(found: dict[str, dict[str, float]]) -> str:
    """For people."""
    cases = (f"{case}: median {of['median']:.2f}, p99 {of['p99']:.2f}" for case, of in found.items())
    return f"key lookup of {KEYS} RSA keys, µs; " + "; ".join(cases)


if __name__ == "__main__":
    print(line(run()))

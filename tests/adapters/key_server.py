"""A server that answers as told, on loopback: key sets, discovery, tokens; and what a key set needs beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import web

from adapters.key_fetch import FetchLimits
from adapters.keysets import KeySetLimits, KeySets
from adapters.processes import HOST, free_ports
from config.key_source import KeySource
from streams.core.keyring import At, SeenKey
from streams.core.keys import Key, parse
from tests.builders import jwks, private_key
from tests.fakes import SteppedClock

ISSUER: Final = "a_service"
GOOD: Final = jwks({"a": private_key()})
OTHER: Final = jwks({"b": private_key("ES256")})
LIMIT: Final = 4096
TIMEOUT_S: Final = 0.2
PATIENT_S: Final = 10.0
"""For what is not about being slow, on a machine that may be."""
MAX_AGE_S: Final = 1000.0
UNKNOWN_FOR_S: Final = 60.0
KEPT_FOR_S: Final = 5000.0
RECORD_EVERY_S: Final = 100.0


@dataclass(frozen=True, slots=True)
class Request:
    """What one client sent, and when by the loop's clock."""

    at: float
    method: str
    headers: Mapping[str, str]
    body: str


@dataclass(slots=True)
class Server:
    """Answers as told, and remembers what it was asked for. ``pages`` go before ``body``."""

    body: bytes = GOOD
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False
    delay: float = 0.0
    pages: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        at = asyncio.get_running_loop().time()
        self.requests.append(Request(at, request.method, dict(request.headers), await request.text()))
        await asyncio.sleep(self.delay)
        body = self.pages.get(request.path, self.body)
        if not self.chunked:
            return web.Response(status=self.status, body=body, headers=self.headers)
        response = web.StreamResponse(status=self.status, headers=self.headers)
        await response.prepare(request)
        for start in range(0, len(body), 1000):
            await response.write(body[start : start + 1000])
            await asyncio.sleep(0.002)  # so that it arrives in pieces
        return response

    def source(self, issuer: str = ISSUER, path: str = "/jwks.json") -> KeySource:
        """Its key set as one issuer's."""
        return KeySource(issuer=issuer, jwks=self.url + path, production=False)

    def discovered(self, issuer: str = ISSUER, path: str = "") -> KeySource:
        """The key set that its discovery document points to."""
        return KeySource(issuer=issuer, discovery=self.url + path, production=False)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    """The server, running."""
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    server.port = free_ports(1)[0]
    await web.TCPSite(runner, HOST, server.port).start()
    try:
        yield server
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class FakeMemory:
    """What was written down, in order."""

    remembered: list[tuple[str, SeenKey]] = field(default_factory=list)
    forgotten: list[tuple[str, str]] = field(default_factory=list)
    read: bool = True
    echo: Callable[[str, SeenKey], None] = lambda _issuer, _seen: None
    """Who reads the topic back: the key sets themselves."""

    def remember(self, issuer: str, seen: SeenKey) -> None:
        self.remembered.append((issuer, seen))
        self.echo(issuer, seen)

    def forget(self, issuer: str, kid: str) -> None:
        self.forgotten.append((issuer, kid))

    def is_read(self) -> bool:
        return self.read


def key_sets(
    *sources: KeySource,
    clock: SteppedClock | None = None,
    memory: FakeMemory | None = None,
    every: float = 0.0,
    cool_down: float = 0.0,
    timeout: float = TIMEOUT_S,
) -> KeySets:
    """Key sets on one clock, which is both the monotonic and the wall clock. ``timeout`` is in real seconds."""
    limits = KeySetLimits(
        refresh_every=every,
        cool_down=cool_down,
        unknown_for=UNKNOWN_FOR_S,
        max_age=MAX_AGE_S,
        kept_for=KEPT_FOR_S,
        record_every=RECORD_EVERY_S,
        fetch=FetchLimits(timeout=timeout, max_bytes=LIMIT, discovery_every=3600.0),
    )
    ticking, told = clock or SteppedClock(), memory or FakeMemory()
    sets = KeySets(sources, parse, limits, told, clock=ticking, now=ticking)
    told.echo = sets.recall
    return sets


Refresh = Callable[[], Awaitable[None]]


def with_server(server: Server, check: Callable[[KeySets, Refresh, SteppedClock], Awaitable[None]]) -> None:
    """Run a check with one issuer, whose keys this server has."""

    async def scenario() -> None:
        clock = SteppedClock()
        async with serving(server), aiohttp.ClientSession() as session:
            sets = key_sets(server.source(), clock=clock)
            await check(sets, lambda: sets.refresh(session, ISSUER), clock)

    asyncio.run(scenario())


def kids(sets: KeySets, clock: SteppedClock, issuer: str = ISSUER) -> set[str]:
    """Which of the two keys verify what is appended now."""
    return {kid for kid in ("a", "b") if isinstance(sets.find(issuer, kid, At(int(clock.now * 1000))), Key)}

"""A TCP proxy that knows just enough of the Kafka protocol to lose some of it on demand.

Every Kafka message is a 4-byte length and a body; a request's body begins with api key, api version and correlation
id, a response's with the correlation id (https://kafka.apache.org/protocol#protocol_messages). That is all that is
parsed: TLS and raw SASL tokens are not supported.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

from adapters.processes import HOST

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Mapping
    from types import TracebackType

PRODUCE, FETCH = 0, 1  # https://kafka.apache.org/protocol#protocol_api_keys
UNKNOWN = -1  # The api key of a response whose request we never saw.

MAX_FRAME_BYTES = 100 * 1024 * 1024  # Kafka's own socket.request.max.bytes.
MAX_CONNECTIONS = 512
MAX_IN_FLIGHT = 1_000  # Requests per connection that we remember; acks=0 has no response.
CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 2.0
CALL_SECONDS = 10.0

_REQUEST_HEAD = struct.Struct(">ihhi")
_RESPONSE_HEAD = struct.Struct(">ii")
_LENGTH_BYTES = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pass:
    """Lose nothing."""


@dataclass(frozen=True, slots=True)
class DropResponses:
    """Requests reach the broker; responses to these api keys are lost."""

    api_keys: frozenset[int]


@dataclass(frozen=True, slots=True)
class BlackHole:
    """Connections are accepted and stay open; every message is lost, both ways."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nobody listens."""


Mode = Pass | DropResponses | BlackHole | Refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCount:
    """Messages of one api key since the start; the dropped ones are among them."""

    requests: int = 0
    responses: int = 0
    dropped_requests: int = 0
    dropped_responses: int = 0


@dataclass(slots=True)
class _Traffic:
    """What all connections share; touched in the proxy's thread only."""

    mode: Mode
    requests: Counter[int]
    responses: Counter[int]
    dropped_requests: Counter[int]
    dropped_responses: Counter[int]

    def loses_request(self, api_key: int) -> bool:
        self.requests[api_key] += 1
        lost = isinstance(self.mode, BlackHole)
        self.dropped_requests[api_key] += lost
        return lost

    def loses_response(self, api_key: int) -> bool:
        self.responses[api_key] += 1
        match self.mode:
            case BlackHole():
                lost = True
            case DropResponses(api_keys):
                lost = api_key in api_keys
            case _:
                lost = False
        self.dropped_responses[api_key] += lost
        return lost

    def counts(self) -> dict[int, FrameCount]:
        return {
            key: FrameCount(
                requests=self.requests[key],
                responses=self.responses[key],
                dropped_requests=self.dropped_requests[key],
                dropped_responses=self.dropped_responses[key],
            )
            for key in sorted(self.requests.keys() | self.responses.keys())
        }


class BlackHoleProxy:
    """Stands between Kafka clients and one broker, in a thread of its own; all methods may be called from any thread.

    It must listen on the port that the broker tells its clients (`KafkaBroker.proxied_port`), and connect to where
    the broker really listens (`KafkaBroker.proxied_target`). What it does holds from the next message on: a
    message that is half through goes through.
    """

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self._port = port
        self._target = target
        self._traffic = _Traffic(Pass(), Counter(), Counter(), Counter(), Counter())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy on {port}", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: dict[_Connection, asyncio.Task[None]] = {}

    @property
    def bootstrap(self) -> str:
        """`host:port` for the clients that are to go through the proxy."""
        return f"{HOST}:{self._port}"

    def start(self) -> None:
        """Listen; once for each proxy. Raises OSError when the port is taken."""
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        """Close everything and end the thread; nothing if it is not running."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            self._call(self._close_all())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CALL_SECONDS)
        self._loop.close()

    def drop_responses(self, api_keys: Collection[int]) -> None:
        """From now on lose the responses to these api keys ({0}: acknowledgements of produced records)."""
        self._call(self._enter(DropResponses(frozenset(api_keys))))

    def black_hole(self) -> None:
        """From now on lose every message both ways; connections are accepted and stay open."""
        self._call(self._enter(BlackHole()))

    def refuse(self) -> None:
        """Cut all connections and refuse new ones."""
        self._call(self._enter(Refuse()))

    def heal(self) -> None:
        """Lose nothing from now on. Connections that lost a message are cut, as they'd be by a reset: a client that
        waits for one of several responses can't make sense of the later ones.
        """  # noqa: D205 - it is one thought
        self._call(self._enter(Pass()))

    def counts(self) -> Mapping[int, FrameCount]:
        """Messages by api key, whole ones and ones that have begun, since the start."""
        return self._call(self._counts())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _call(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    async def _counts(self) -> dict[int, FrameCount]:
        return self._traffic.counts()

    async def _enter(self, mode: Mode) -> None:
        self._traffic.mode = mode
        match mode:
            case Refuse():
                await self._close_all()
            case Pass():
                await self._cut([connection for connection in self._connections if connection.lost])
                await self._listen()
            case _:
                await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, HOST, self._port, limit=CHUNK_BYTES)

    async def _close_all(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut(list(self._connections))

    async def _cut(self, connections: Collection[_Connection]) -> None:
        tasks = [self._connections[connection] for connection in connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

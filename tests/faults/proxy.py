"""A TCP proxy between Kafka clients and one broker that loses messages, or all connection, on demand."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeVar

from adapters.processes import HOST
from tests.faults.connection import (
    CHUNK_BYTES,
    UNKNOWN,
    BlackHole,
    Connection,
    DropResponses,
    Mode,
    Pass,
    Refuse,
    Traffic,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Mapping
    from types import TracebackType

__all__ = ["FETCH", "LIST_OFFSETS", "PRODUCE", "UNKNOWN", "BlackHoleProxy", "FrameCount"]

# https://kafka.apache.org/protocol#protocol_api_keys
PRODUCE: Final = 0
FETCH: Final = 1
LIST_OFFSETS: Final = 2

MAX_CONNECTIONS = 512
CALL_SECONDS = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameCount:
    """Messages of one api key since the start, begun ones included; the dropped ones are among them."""

    requests: int = 0
    responses: int = 0
    dropped_requests: int = 0
    dropped_responses: int = 0


class BlackHoleProxy:
    """Stands between Kafka clients and one broker, in a thread of its own; call it from any other thread.

    It must listen on the port that the broker tells its clients (`KafkaBroker.proxied_port`), and connect to where
    the broker really listens (`KafkaBroker.proxied_target`). What it is told holds from the next message on: one that
    is half through goes through. At most 512 connections; one more is cut.
    """

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        self.port = port
        self._target = target
        self._traffic = Traffic()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy on {port}", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, asyncio.Task[None]] = {}

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients that are to go through the proxy."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Listen. A proxy starts once, and raises OSError when its port is taken."""
        self._thread.start()
        try:
            self._call(self._listen())
        except OSError:
            self.stop()
            raise

    def stop(self) -> None:
        """Cut all connections and end the thread; nothing if that was done."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            self._call(self._leave())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CALL_SECONDS)
        self._loop.close()

    def drop_responses(self, api_keys: Collection[int]) -> None:
        """Lose the responses to these api keys: {PRODUCE} black-holes the acknowledgements of records."""
        self._call(self._enter(DropResponses(frozenset(api_keys))))

    def black_hole(self) -> None:
        """Lose every message both ways; connections are accepted and stay open."""
        self._call(self._enter(BlackHole()))

    def refuse(self) -> None:
        """Cut all connections and refuse new ones."""
        self._call(self._enter(Refuse()))

    def heal(self) -> None:
        """Lose nothing more, and cut each connection that has lost a message.

        A client that missed one response can't go on with the next; a network that heals resets such connections.
        """
        self._call(self._enter(Pass()))

    def counts(self) -> Mapping[int, FrameCount]:
        """Messages by api key since the start."""
        return self._call(self._counts())

    def connections(self) -> int:
        """How many connections of clients are open."""
        return len(self._connections)

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
        traffic = self._traffic
        return {
            api_key: FrameCount(
                requests=traffic.requests[api_key],
                responses=traffic.responses[api_key],
                dropped_requests=traffic.dropped_requests[api_key],
                dropped_responses=traffic.dropped_responses[api_key],
            )
            for api_key in sorted(traffic.requests.keys() | traffic.responses.keys())
        }

    async def _enter(self, mode: Mode) -> None:
        self._traffic.mode = mode
        match mode:
            case Refuse():
                await self._leave()
            case Pass():
                await self._cut([connection for connection in self._connections if connection.lost])
                await self._listen()
            case _:
                await self._listen()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=CHUNK_BYTES)

    async def _leave(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut(list(self._connections))

    async def _cut(self, connections: Collection[Connection]) -> None:
        tasks = [self._connections[connection] for connection in connections]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        # In the loop's next turn the tasks are forgotten, and in the one after it the sockets are closed.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    # Not a coroutine: Python 3.11's streams log an error for each one that is cancelled.
    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self._traffic, reader, writer)
        if len(self._connections) >= MAX_CONNECTIONS or isinstance(self._traffic.mode, Refuse):
            connection.cut()
            return
        task = self._loop.create_task(connection.run(self._target))
        self._connections[connection] = task
        task.add_done_callback(lambda _task: self._forget(connection))

    def _forget(self, connection: Connection) -> None:
        connection.cut()
        del self._connections[connection]

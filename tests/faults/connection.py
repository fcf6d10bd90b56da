"""One client's connection through the proxy: whole Kafka messages are passed on or lost, in pieces of 64 KiB.

Every Kafka message is a 4-byte length and a body; a request's body begins with api key, api version and correlation
id, a response's with the correlation id (https://kafka.apache.org/protocol#protocol_messages). That is all that is
parsed: TLS and raw SASL tokens are not supported. A broker answers the requests of one connection in their order.
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from dataclasses import dataclass, field

UNKNOWN = -1  # The api key of a response whose request we don't remember.

MAX_FRAME_BYTES = 100 * 1024 * 1024  # Kafka's own socket.request.max.bytes.
MAX_IN_FLIGHT = 1_000  # Requests per connection that we remember; with acks=0 none is answered.
CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 5.0
FLUSH_SECONDS = 2.0

_REQUEST_HEAD = struct.Struct(">ihhi")
_RESPONSE_HEAD = struct.Struct(">ii")
_LENGTH_BYTES = 4


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


class BadFrame(ConnectionError):  # noqa: N818 - it names what was read
    """A length that no Kafka message has; the connection ends."""


@dataclass(slots=True)
class Traffic:
    """What all connections of a proxy share: the mode, and messages by api key, the dropped ones among them."""

    mode: Mode = field(default_factory=Pass)
    requests: Counter[int] = field(default_factory=Counter)
    responses: Counter[int] = field(default_factory=Counter)
    dropped_requests: Counter[int] = field(default_factory=Counter)
    dropped_responses: Counter[int] = field(default_factory=Counter)

    def loses_request(self, api_key: int) -> bool:
        """Count a request that begins, and say whether it is lost."""
        lost = isinstance(self.mode, BlackHole)
        self.requests[api_key] += 1
        self.dropped_requests[api_key] += lost
        return lost

    def loses_response(self, api_key: int) -> bool:
        """Count a response that begins, and say whether it is lost."""
        match self.mode:
            case BlackHole():
                lost = True
            case DropResponses(api_keys):
                lost = api_key in api_keys
            case _:
                lost = False
        self.responses[api_key] += 1
        self.dropped_responses[api_key] += lost
        return lost


class InFlight:
    """The api keys of requests that reached the broker and are not answered, at most 1,000, in their order."""

    def __init__(self) -> None:
        self._keys: dict[int, int] = {}

    def add(self, correlation: int, api_key: int) -> None:
        """Remember a request, and forget the oldest beyond the bound."""
        self._keys[correlation] = api_key
        if len(self._keys) > MAX_IN_FLIGHT:
            del self._keys[next(iter(self._keys))]

    def answered(self, correlation: int) -> int:
        """The api key of the request that this answers; those before it never will be, and are forgotten."""
        if correlation not in self._keys:
            return UNKNOWN
        while True:
            oldest = next(iter(self._keys))
            api_key = self._keys.pop(oldest)
            if oldest == correlation:
                return api_key


class Connection:
    """One client's connection, and the one to the broker that belongs to it."""

    def __init__(self, traffic: Traffic, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._traffic = traffic
        self._reader = reader
        self._writer = writer
        self._in_flight = InFlight()
        self.lost = False  # Whether any message of this connection was.

    async def run(self, target: tuple[str, int]) -> None:
        """Carry messages until either side ends. Cancelled, it cuts the broker's side at once."""
        try:
            connecting = asyncio.open_connection(*target, limit=CHUNK_BYTES)
            reader, writer = await asyncio.wait_for(connecting, CONNECT_SECONDS)
        except OSError:  # The broker is down, or does not accept in time: so are we, for this client.
            return
        await self._carry_both(reader, writer)

    def cut(self) -> None:
        """End the client's side at once."""
        self._writer.transport.abort()

    async def _carry_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ways = (
            asyncio.create_task(self._carry_requests(writer)),
            asyncio.create_task(self._carry_responses(reader)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # What was carried before the end must still arrive (records with acks=0, for one).
            await asyncio.gather(_flush(writer), _flush(self._writer))
        finally:
            writer.transport.abort()
            for way in ways:
                way.cancel()
            outcomes = await asyncio.gather(*ways, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, OSError | asyncio.IncompleteReadError):
                raise outcome

    async def _carry_requests(self, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await self._reader.readexactly(_REQUEST_HEAD.size)
            length, api_key, _version, correlation = _REQUEST_HEAD.unpack(head)
            left = _body(length, len(head))
            lost = self._traffic.loses_request(api_key)
            if lost:
                self.lost = True
            else:
                self._in_flight.add(correlation, api_key)
            await _carry(self._reader, _Sink(writer, lost=lost), head, left)

    async def _carry_responses(self, reader: asyncio.StreamReader) -> None:
        while True:
            head = await reader.readexactly(_RESPONSE_HEAD.size)
            length, correlation = _RESPONSE_HEAD.unpack(head)
            left = _body(length, len(head))
            lost = self._traffic.loses_response(self._in_flight.answered(correlation))
            self.lost = self.lost or lost
            await _carry(reader, _Sink(self._writer, lost=lost), head, left)


@dataclass(frozen=True, slots=True)
class _Sink:
    writer: asyncio.StreamWriter
    lost: bool

    async def put(self, piece: bytes) -> None:
        if not self.lost:
            self.writer.write(piece)
            await self.writer.drain()


def _body(length: int, head: int) -> int:
    """How much of the message comes after its head."""
    left = length + _LENGTH_BYTES - head
    if left < 0 or length > MAX_FRAME_BYTES:
        raise BadFrame(f"a Kafka message of {length} bytes")
    return left


async def _carry(reader: asyncio.StreamReader, sink: _Sink, head: bytes, left: int) -> None:
    await sink.put(head)
    while left:
        piece = await reader.read(min(left, CHUNK_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(piece, left)
        left -= len(piece)
        await sink.put(piece)


async def _flush(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), FLUSH_SECONDS)
    except OSError:  # The other side is gone, or takes nothing more.
        return

"""What isn't HTTP, or hardly: raw bytes over a socket. Every answer carries the six headers, and the server goes on."""

from __future__ import annotations

import asyncio

import pytest

from streams.web.headers import SECURITY_HEADERS
from tests.adapters.test_web import HOST, Answer, House, assert_hardened, assert_problem

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


def raw(house: House, *pieces: bytes, closes: bool = False) -> Answer:
    """The first answer to these bytes, after which it ``closes``; and then the proof that the server still serves."""

    async def scenario() -> Answer:
        async with house.open() as session:
            reader, writer = await asyncio.open_connection(HOST, house.port)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            answer = parsed(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5))
            length = int(answer.headers.get("Content-Length", "0"))
            body = await asyncio.wait_for(reader.readexactly(length), 5)
            if closes:
                assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            async with session.get("/healthz") as response:
                assert response.status == 200
            return Answer(answer.status, answer.headers, body)

    return asyncio.run(scenario())


def parsed(head: bytes) -> Answer:
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split(" ")[1]), headers, b"")


MALFORMED = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no HTTP at all": b"hello\r\n\r\n",
    "a version to come": b"GET /canary HTTP/9.9\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "nulls": b"\0\0\0\0\r\n\r\n",
    "a header without a colon": REQUEST + b"nonsense\r\n\r\n",
    "a header with a null": REQUEST + b"A: b\0c\r\n\r\n",
    "a length that is a word": REQUEST + b"Content-Length: many\r\n\r\n",
    "a negative length": REQUEST + b"Content-Length: -1\r\n\r\n",
    "two lengths": REQUEST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a length and chunks": REQUEST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an endless header": REQUEST + b"A: " + b"x" * 70_000 + b"\r\n\r\n",
    "an endless path": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path that is no URL": b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_http_is_a_problem_with_the_six_headers(request_bytes: bytes) -> None:
    """And the end of the connection, since nobody knows where the next request would begin."""
    answer = raw(House(), request_bytes, closes=True)
    assert_problem(answer, 400, "malformed_request")
    assert_hardened(answer.headers)


ODD = {
    "an expectation that nobody knows": REQUEST + b"Expect: the-unexpected\r\n\r\n",
    "the asterisk form": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "the absolute form": b"GET http://elsewhere.example/canary HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example:443\r\n\r\n",
    "HTTP/1.0": b"GET /canary HTTP/1.0\r\n\r\n",
    "an upgrade": REQUEST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    "a body that nobody asked for": b"GET /canary HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "a chunk that is none": b"POST /canary HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", ODD.values(), ids=ODD)
def test_what_is_http_but_odd_is_answered_with_the_six_headers(request_bytes: bytes) -> None:
    """Whatever the status: every response carries them."""
    answer = raw(House(), request_bytes)
    assert [name for name in SECURITY_HEADERS if answer.headers.get(name) != SECURITY_HEADERS[name]] == []


def test_a_request_in_pieces_is_one_request() -> None:
    answer = raw(House(), b"GET /hea", b"lthz HTT", b"P/1.1\r\nHost: x\r\n", b"\r\n")
    assert answer.status == 200
    assert_hardened(answer.headers)


def test_whoever_hangs_up_halfway_disturbs_nobody() -> None:
    async def scenario() -> int:
        house = House()
        async with house.open() as session:
            for piece in (b"", b"GET /", REQUEST, REQUEST + b"Content-Length: 9\r\n\r\nab"):
                _, writer = await asyncio.open_connection(HOST, house.port)
                writer.write(piece)
                writer.close()
            async with session.get("/healthz") as response:
                return response.status

    assert asyncio.run(scenario()) == 200

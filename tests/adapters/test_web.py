"""The real HTTP server on loopback: what every response carries, whoever asks and however badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from streams.web.headers import SECURITY_HEADERS, harden, present_and_missing
from streams.web.latency import MOST, WINDOW_S, Latency
from streams.web.listener import Listener
from streams.web.server import Site, build
from tests.fakes import FakeHealth, FakeTelemetry, SteppedClock, labels

HOST = "127.0.0.1"
BASE = "https://auto-com-center.example"


@dataclass(slots=True)
class House:
    """A served site and what it measures."""

    health: FakeHealth = field(default_factory=FakeHealth)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    clock: SteppedClock = field(default_factory=SteppedClock)
    port: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[aiohttp.ClientSession]:
        site = Site(health=self.health, telemetry=self.telemetry, base_url=BASE, latency=Latency(), clock=self.clock)
        listener = Listener(build(site), HOST, 0)
        await listener.start()
        self.port = listener.port
        try:
            async with aiohttp.ClientSession(f"http://{HOST}:{listener.port}") as session:
                yield session
        finally:
            await listener.stop()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


def ask(house: House, *requests: tuple[str, str]) -> list[Answer]:
    """The answers to requests by method and path, one after the other."""

    async def scenario() -> list[Answer]:
        answers = []
        async with house.open() as session:
            for method, path in requests:
                async with session.request(method, path, allow_redirects=False) as response:
                    answers.append(Answer(response.status, dict(response.headers), await response.read()))
        return answers

    return asyncio.run(scenario())


def get(house: House, path: str) -> Answer:
    return ask(house, ("GET", path))[0]


def assert_hardened(headers: dict[str, str]) -> None:
    """The six, by value; and nothing tells which library in which version answers."""
    assert "/" not in headers.get("Server", "")
    assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def assert_problem(answer: Answer, status: int, code: str) -> None:
    """RFC 9457, with our stable code."""
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = answer.json()
    assert set(body) == {"type", "title", "status", "code", "detail"}
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"]
    assert body["detail"]


def test_the_six_headers_are_those_of_the_platform() -> None:
    assert SECURITY_HEADERS == {
        "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    }


def test_the_canary_has_exactly_its_eight_fields() -> None:
    answer = get(House(), "/canary")
    body = answer.json()
    moment = datetime.fromisoformat(body.pop("timestamp"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert body == {
        "app": "auto_com_center",
        "app_base_url": BASE,
        "version": "v2.7",
        "status": "ok",
        "p95_ms": 0,
        "security_headers": {"present": list(SECURITY_HEADERS), "missing": []},
        "dependencies_ok": True,
    }
    assert type(body["p95_ms"]) is int
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert_hardened(answer.headers)


@pytest.mark.parametrize(
    ("dependencies", "faults", "status"),
    [
        (True, {}, "ok"),
        (False, {}, "degraded"),
        (True, {"progress": "stuck"}, "degraded"),
        (False, {"a": "b"}, "degraded"),
    ],
)
def test_the_canary_is_degraded_without_its_dependencies_or_unable_to_work(
    dependencies: bool,  # noqa: FBT001 - a column
    faults: dict[str, str],
    status: str,
) -> None:
    """Always answered with 200: it tells, it doesn't fail."""
    answer = get(House(FakeHealth(dependencies, faults)), "/canary")
    assert (answer.status, answer.json()["status"], answer.json()["dependencies_ok"]) == (200, status, dependencies)


def test_the_canary_measures_its_own_requests() -> None:
    """By the clock: 50 ms at each look, begun and ended, and one look between them for the canary itself."""
    house = House(clock=SteppedClock(step=0.05))
    answers = ask(house, ("GET", "/healthz"), ("GET", "/nothing"), ("GET", "/canary"), ("GET", "/canary"))
    assert answers[2].json()["p95_ms"] == 50
    assert answers[3].json()["p95_ms"] == 100
    assert [seconds for _, seconds, _ in house.telemetry.observed] == pytest.approx([0.05, 0.05, 0.1, 0.1])


def test_healthz_answers_whatever_the_worker_lacks() -> None:
    answer = get(House(FakeHealth(dependencies=False, found={"kafka": "no broker answers"})), "/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


def test_readyz_is_503_with_the_faults_while_the_worker_cannot_work() -> None:
    answer = get(House(FakeHealth(found={"kafka": "no broker answers"})), "/readyz")
    assert answer.status == 503
    assert answer.json() == {"ready": False, "faults": {"kafka": "no broker answers"}, "notes": {}}
    assert_hardened(answer.headers)


def test_readyz_is_200_while_gate_1_is_red() -> None:
    """Held or RED is able to work."""
    answer = get(House(FakeHealth(dependencies=False)), "/readyz")
    assert (answer.status, answer.json()) == (200, {"ready": True, "faults": {}, "notes": {}})


def test_readyz_tells_what_is_worth_knowing_and_stays_200() -> None:
    """A ledger that is read at a rebalance: other partitions go on."""
    answer = get(House(FakeHealth(told={"dispatch": "ledger of transactional[1] is being read: 7 entries"})), "/readyz")
    assert answer.status == 200
    assert answer.json()["notes"] == {"dispatch": "ledger of transactional[1] is being read: 7 entries"}


def test_metrics_are_what_telemetry_says() -> None:
    answer = get(House(), "/metrics")
    assert answer.body == b"comcenter_up 1\n"
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert_hardened(answer.headers)


@pytest.mark.parametrize("path", ["/", "/canary/", "/nothing", "/..%2fetc/passwd", "/%ff", "/canary;x"])
def test_a_path_that_is_not_there_is_a_problem(path: str) -> None:
    answer = get(House(), path)
    assert_problem(answer, 404, "not_found")
    assert_hardened(answer.headers)


@pytest.mark.parametrize("path", ["/canary", "/healthz", "/readyz", "/metrics"])
def test_a_method_that_is_not_allowed_is_a_problem_that_says_which_are(path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        (answer,) = ask(House(), (method, path))
        assert_problem(answer, 405, "method_not_allowed")
        assert answer.headers["Allow"] == "GET, HEAD"
        assert_hardened(answer.headers)


def test_head_has_the_headers_and_no_body() -> None:
    (answer,) = ask(House(), ("HEAD", "/canary"))
    assert (answer.status, answer.body) == (200, b"")
    assert_hardened(answer.headers)


@pytest.mark.parametrize("path", ["/canary", "/readyz"])
def test_a_handler_that_raises_is_a_problem_that_tells_nothing(path: str) -> None:
    """It is counted like every other, and the next request is served."""
    house = House(FakeHealth(bug=KeyError("ana@example.org")))
    answers = ask(house, ("GET", path), ("GET", "/healthz"))
    assert_problem(answers[0], 500, "internal_error")
    assert_hardened(answers[0].headers)
    assert b"ana@" not in answers[0].body
    assert b"KeyError" not in answers[0].body
    assert answers[1].status == 200
    assert labels(house.telemetry.observed)[0] == {"route": path, "status": "500"}


def test_requests_are_counted_by_route_and_status_and_not_by_path() -> None:
    """A path is the asker's choice: as a label it would grow without a bound."""
    house = House(FakeHealth(found={"a": "b"}))
    ask(house, ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/made/up"), ("POST", "/canary"))
    assert {name for name, _, _ in house.telemetry.observed} == {"comcenter_http"}
    assert labels(house.telemetry.observed) == [
        {"route": "/healthz", "status": "200"},
        {"route": "/readyz", "status": "503"},
        {"route": "unmatched", "status": "404"},
        {"route": "unmatched", "status": "405"},
    ]


def test_a_page_with_a_policy_of_its_own_keeps_it() -> None:
    response = web.Response(headers={"Content-Security-Policy": "default-src 'self'"})
    harden(response)
    assert response.headers["Content-Security-Policy"] == "default-src 'self'"
    assert present_and_missing(response) == (list(SECURITY_HEADERS), [])


def test_a_missing_header_is_seen_to_be_missing() -> None:
    """The canary's list is read off the response, not off the table."""
    response = web.Response()
    assert present_and_missing(response) == ([], list(SECURITY_HEADERS))
    harden(response)
    del response.headers["X-Frame-Options"]
    response.headers["Referrer-Policy"] = ""
    assert present_and_missing(response)[1] == ["X-Frame-Options", "Referrer-Policy"]


def test_the_percentile_is_the_nearest_rank() -> None:
    """Of 20 the 19th, of 100 the 95th, of one that one; rounded up to whole milliseconds."""
    for count, rank in ((1, 1), (2, 2), (19, 19), (20, 19), (21, 20), (100, 95), (101, 96)):
        latency = Latency()
        for n in sorted(range(1, count + 1), key=lambda n: n * 37 % 101):
            latency.add(0.0, n / 1000)
        assert latency.percentile_ms(0.0) == rank, count
    latency.add(0.0, 0.0001)
    assert latency.percentile_ms(0.0, share=0.001) == 1


def test_what_is_older_than_the_window_does_not_count() -> None:
    latency = Latency()
    latency.add(0.0, 9.0)
    latency.add(100.0, 1.0)
    assert latency.percentile_ms(WINDOW_S) == 9000
    assert latency.percentile_ms(WINDOW_S + 0.1) == 1000
    assert latency.percentile_ms(WINDOW_S + 100.1) == 0


def test_latencies_are_kept_in_bounded_memory() -> None:
    latency = Latency()
    latency.add(0.0, 9.0)
    for _ in range(MOST):
        latency.add(0.0, 0.001)
    assert latency.percentile_ms(0.0, share=1.0) == 1

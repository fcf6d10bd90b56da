"""The HTTP server: routes, and what surrounds every request (headers, errors as problems, durations)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from streams.web.headers import harden, present_and_missing
from streams.web.latency import Latency
from streams.web.problems import problem

log = structlog.get_logger(__name__)

VERSION: Final = "v2.7"
"""Of the canary's contract."""
APP: Final = "auto_com_center"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Health(Protocol):
    """What the server reports of the rest."""

    def dependencies_ok(self) -> bool:
        """Kafka is reachable and gate 1 is GREEN."""

    def faults(self) -> Mapping[str, str]:
        """Why this worker can't work, by check; empty when it can. Held or RED is able to work."""

    def notes(self) -> Mapping[str, str]:
        """What is worth knowing although it can work."""


class Telemetry(Protocol):
    """Where durations go and where ``/metrics`` comes from."""

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """One duration."""

    def exposition(self) -> bytes:
        """Prometheus text format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the handlers need. ``clock`` is monotonic, in seconds."""

    health: Health
    telemetry: Telemetry
    base_url: str
    latency: Latency
    clock: Callable[[], float] = time.monotonic


def build(site: Site) -> web.Application:
    """The application with its routes."""
    app = web.Application(middlewares=[_around(site)])

    async def canary(_request: web.Request) -> web.Response:
        return _canary(site)

    async def healthz(_request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        faults, notes = dict(site.health.faults()), dict(site.health.notes())
        return _json({"ready": not faults, "faults": faults, "notes": notes}, status=503 if faults else 200)

    async def metrics(_request: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=site.telemetry.exposition(), headers=headers)

    async def prepared(_request: web.Request, response: web.StreamResponse) -> None:
        harden(response)  # also what aiohttp answers before a handler is reached

    app.on_response_prepare.append(prepared)
    app.router.add_get("/canary", canary)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


def _canary(site: Site) -> web.Response:
    """Eight fields, each measured; the headers are read off the very response that carries them."""
    response = web.Response(content_type="application/json")
    harden(response)
    present, missing = present_and_missing(response)
    dependencies_ok = site.health.dependencies_ok()
    able = dependencies_ok and not site.health.faults()
    response.body = orjson.dumps(
        {
            "app": APP,
            "app_base_url": site.base_url,
            "version": VERSION,
            "status": "ok" if able else "degraded",
            "p95_ms": site.latency.percentile_ms(site.clock()),
            "security_headers": {"present": present, "missing": missing},
            "dependencies_ok": dependencies_ok,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
    )
    return response


def _json(body: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _around(site: Site) -> Middleware:
    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        begun = site.clock()
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = _as_problem(error)
        except Exception as error:  # the one place that catches what nobody foresaw
            log.error("request_failed", route=_route(request), error=type(error).__name__)
            response = problem(500, "internal_error", "a bug of ours; the log has the place")
        harden(response)
        ended = site.clock()
        site.latency.add(ended, ended - begun)
        site.telemetry.observe("comcenter_http", ended - begun, route=_route(request), status=str(response.status))
        return response

    return around


def _as_problem(error: web.HTTPException) -> web.Response:
    match error:
        case web.HTTPNotFound():
            return problem(404, "not_found", "there is nothing at this path; docs/http.md lists what there is")
        case web.HTTPMethodNotAllowed():
            response = problem(405, "method_not_allowed", f"allowed here: {', '.join(sorted(error.allowed_methods))}")
            response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
            return response
        case _:
            return problem(error.status, "request_refused", error.reason)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unmatched"

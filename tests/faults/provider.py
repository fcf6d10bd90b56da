"""A provider that is watched: it records every call, and answers, waits or fails as the test says. With checkpoints.

It runs in the test's process, so that it outlives every worker. A worker calls it through `tests.faults.sender`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

import orjson

FOR_EVER_S: Final = 300.0
"""What is held and never let go ends with the test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, as it began. ``begun`` is the caller's monotonic clock and ``at`` the provider's: one and the same."""

    dispatch_id: str
    event_id: str
    worker: str
    pid: int
    begun: float
    at: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider says: 200 taken, 5xx not now, 4xx never."""

    status: int = 200
    retry_after_s: float = 0.0


TAKEN: Final = Answer()


@dataclass(slots=True)
class Checkpoint:
    """A place in a worker's code: the ``nth`` that comes there waits until it is let go, or killed."""

    nth: int
    come: int = 0
    pid: int = 0
    ids: tuple[str, ...] = ()
    """Dispatch ids of the one that waits."""
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float) -> None:
        """Until one waits there."""
        assert self.reached.wait(seconds), f"{self.come} came to the checkpoint within {seconds:g} s, not {self.nth}"


class FakeProvider:
    """``latency_s``: how long a call takes. ``answer``: what is said to a call, given how often its message came."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.held: list[Call] = []
        """Those that were taken and not answered, as long as they are held."""
        self.latency_s = 0.0
        self.answer: Callable[[Call, int], Answer] = lambda _call, _nth: TAKEN
        self._times: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._checkpoints: dict[str, Checkpoint] = {}
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, name="provider", daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def hold(self) -> None:
        """Take calls and answer none, until `let_go`."""
        self._open.clear()

    def let_go(self) -> None:
        """Answer those that were held, and all that come."""
        self.held = []
        self._open.set()

    def checkpoint(self, name: str, nth: int) -> Checkpoint:
        """Stop the ``nth`` from now on that comes to a place; the others pass."""
        made = self._checkpoints[name] = Checkpoint(nth)
        return made

    def calls_of(self, event_id: str) -> int:
        """How often the provider was called with this event's message."""
        return sum(call.event_id == event_id for call in self.calls)

    def take(self, body: dict[str, Any], at: float) -> Answer:
        """One call."""
        call = Call(**body, at=at)
        with self._lock:
            self.calls.append(call)
            self._times[call.dispatch_id] += 1
            nth = self._times[call.dispatch_id]
        time.sleep(self.latency_s)
        if not self._open.is_set():
            self.held.append(call)
            self._open.wait(FOR_EVER_S)
        return self.answer(call, nth)

    def arrive(self, name: str, body: dict[str, Any]) -> None:
        """Somebody is at a checkpoint; returns when it may go on."""
        with self._lock:
            found = self._checkpoints.get(name)
            if found is None:
                return
            found.come += 1
            if found.come != found.nth:
                return
            found.pid, found.ids = body["pid"], tuple(body["ids"])
            found.reached.set()
        found.go.wait(FOR_EVER_S)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        for checkpoint in self._checkpoints.values():
            checkpoint.go.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that was killed while it waited."""


def _handler(provider: FakeProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            at = time.monotonic()
            body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/send":
                answer = provider.take(body, at)
            else:
                provider.arrive(self.path.removeprefix("/at/"), body)
                answer = TAKEN
            self.send_response(answer.status)
            self.send_header("Content-Length", "0")
            if answer.retry_after_s:
                self.send_header("Retry-After", str(answer.retry_after_s))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing: the oracle's lines are the output."""

    return Handler

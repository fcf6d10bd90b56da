"""Gate 1: is `scholar_auth` there, and may events be trusted? Holds what must not flow while it isn't.

RED with the auth service's keys at hand holds dispatch; without any it holds ingest too. Another issuer without usable
keys has its topic held and no other, and so has one of whose keys a record waits for. Kafka keeps what arrives;
membership, HTTP and everything else go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from cachetools import TTLCache

from streams import topics
from streams.core.token import Producer
from streams.holds import Holds

log = structlog.get_logger(__name__)

GATE_RED: Final = "gate_red"
SAID_FOR_S: Final = 60.0
"""Reasons that take turns are logged once in so long; a change of colour, or of ingest's hold, always."""


class KeyState(Protocol):
    """What the gate looks at: `adapters.keysets.KeySets`."""

    def usable(self, issuer: str) -> bool:
        """Whether there are keys that aren't too old."""

    def age(self, issuer: str) -> float | None:
        """Seconds since this worker last fetched them."""

    def fault(self, issuer: str) -> str:
        """What was wrong with the last fetch."""

    def recalled(self) -> bool:
        """Whether the memory of keys was read to its end."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """How long ago something last worked, in seconds (None: never), and what is wrong with it since."""

    age: float | None
    fault: str


@dataclass(frozen=True, slots=True)
class GateState:
    """GREEN, or RED and why; ``since_ms``: when it became so (epoch)."""

    green: bool
    why: str
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    """The auth service as the gate sees it: under which name `KeyState` has its keys, and how the token probe went."""

    keys_of: str
    probe: Callable[[], Fresh]
    fresh_for: float


class Gate1:
    """Sets the holds by what is true now. `apply` is called after every fetch and probe, and before each poll.

    ``waits``: whether a record of this topic waits for a key; told by `streams.intake`.
    """

    def __init__(
        self,
        producers: Iterable[Producer],
        keys: KeyState,
        auth: Auth | None,
        holds: Holds,
        *,
        waits: Callable[[str], bool] = lambda _topic: False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = _by_topic(producers)
        self._keys = keys
        self._auth = auth
        self._holds = holds
        self._waits = waits
        self._now = now
        self._state = GateState(green=False, why="not looked yet", since_ms=int(now() * 1000))
        self._logged: tuple[bool, bool, str] | None = None
        self._said: TTLCache[tuple[bool, bool, str], bool] = TTLCache(100, SAID_FOR_S, timer=now)

    def state(self) -> GateState:
        """GREEN while key set and token probe both worked within the last ``fresh_for`` seconds."""
        why = self._why_red()
        green = not why
        if green != self._state.green:
            self._state = GateState(green, why, int(self._now() * 1000))
        elif why != self._state.why:
            self._state = GateState(green, why, self._state.since_ms)
        return self._state

    def _why_red(self) -> str:
        auth = self._auth
        if auth is None:
            return "no auth service is configured: set OAUTH_ISSUER and the other OAUTH_ settings"
        keys = Fresh(self._keys.age(auth.keys_of), self._keys.fault(auth.keys_of))
        for name, fresh in (("key set", keys), ("token", auth.probe())):
            if fresh.age is None or fresh.age > auth.fresh_for:
                return f"{name}: {fresh.fault or 'did not work lately'}"
        return ""

    def apply(self) -> None:
        """Hold and release by what is true now."""
        state = self.state()
        for topic in topics.DISPATCH.values():
            self._set(topic, "" if state.green else "gate 1 is RED")
        shut = not state.green and not self._has_auth_keys()
        for topic, issuers in self._issuers.items():
            self._set(topic, "; ".join(self._why_held(topic, issuers, shut=shut)))
        self._log(state, ingest_held=shut)

    def _log(self, state: GateState, *, ingest_held: bool) -> None:
        """Others ask for the state, too: only what was logged last tells whether this is news."""
        told = (state.green, ingest_held, kind_of(state.why))
        if told == self._logged:
            return
        if self._logged is None or told[:2] != self._logged[:2]:
            self._said.clear()
        if told not in self._said:
            log.info("gate1", green=state.green, why=state.why, ingest_held=ingest_held)
            self._logged = told
            self._said[told] = True

    def _has_auth_keys(self) -> bool:
        return self._auth is not None and self._keys.usable(self._auth.keys_of)

    def _why_held(self, topic: str, issuers: Iterable[str], *, shut: bool) -> Iterator[str]:
        """All that holds an inbound topic, for people; nothing if it may flow."""
        if shut:
            yield "gate 1 is RED without keys"
        for issuer in issuers:
            if not self._keys.usable(issuer):
                yield f"no usable key of {issuer} ({self._keys.fault(issuer) or 'the last sight is too old'})"
        if self._waits(topic):
            yield "a record waits for a key" + ("" if self._keys.recalled() else ", keys not recalled")

    def _set(self, topic: str, why: str) -> None:
        if why:
            self._holds.hold(topic, GATE_RED, why)
        else:
            self._holds.release(topic, GATE_RED)


def kind_of(why: str) -> str:
    """What a reason is about, without its detail: ``key set: ClientConnectorError``, ``token: blocked, …``."""
    return ": ".join(why.split(": ")[:2])


def _by_topic(producers: Iterable[Producer]) -> Mapping[str, list[str]]:
    """The issuers of every topic that ingest reads. What is tried again may be anyone's, and waits record by record."""
    found: dict[str, list[str]] = {topics.REDRIVE: []}
    for producer in producers:
        found.setdefault(producer.topic, []).append(producer.issuer)
    return found

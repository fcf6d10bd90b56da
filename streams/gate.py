"""Gate 1: is `scholar_auth` there, and may events be trusted? Holds what must not flow while it isn't.

RED with keys at hand holds dispatch; an issuer without any usable key has its topic held, so that nothing is refused
for want of a key. Kafka keeps what arrives. Membership, HTTP and everything else go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from streams import topics
from streams.core.token import Producer
from streams.holds import Holds

log = structlog.get_logger(__name__)

GATE_RED: Final = "gate_red"


class KeyState(Protocol):
    """What the gate looks at: `adapters.keysets.KeySets`."""

    def usable(self, issuer: str) -> bool:
        """Whether there are keys that aren't too old."""

    def age(self, issuer: str) -> float | None:
        """Seconds since they were last fetched."""

    def fault(self, issuer: str) -> str:
        """Why the last fetch failed."""


@dataclass(frozen=True, slots=True)
class GateState:
    """GREEN, or RED and why."""

    green: bool
    why: str = ""


class Gate1:
    """Looks at the keys after every fetch and sets the holds accordingly."""

    def __init__(
        self, producers: Iterable[Producer], keys: KeyState, holds: Holds, *, service: str, fresh_for: float
    ) -> None:
        self._producers = tuple(producers)
        self._issuers = [producer.issuer for producer in self._producers if producer.service == service]
        self._service = service
        self._keys = keys
        self._holds = holds
        self._fresh_for = fresh_for
        self._was_green: bool | None = None

    def state(self) -> GateState:
        """GREEN while a key set of the auth service was fetched, with a usable key, within the last ``fresh_for`` s."""
        if not self._issuers:
            return GateState(green=False, why=f"no issuer of {self._service} is registered")
        ages = [self._keys.age(issuer) for issuer in self._issuers]
        if any(age is not None and age <= self._fresh_for for age in ages):
            return GateState(green=True)
        return GateState(green=False, why=self._keys.fault(self._issuers[0]) or "its keys were not fetched lately")

    def apply(self) -> None:
        """Hold and release by what is true now."""
        state = self.state()
        self._set(topics.DISPATCH.values(), held=not state.green)
        for topic in {producer.topic for producer in self._producers}:
            issuers = [producer.issuer for producer in self._producers if producer.topic == topic]
            self._set([topic], held=not all(self._keys.usable(issuer) for issuer in issuers))
        if state.green != self._was_green:
            log.info("gate1", green=state.green, why=state.why)
            self._was_green = state.green

    def _set(self, names: Iterable[str], *, held: bool) -> None:
        for name in names:
            if held:
                self._holds.hold(name, GATE_RED)
            else:
                self._holds.release(name, GATE_RED)

"""The ports: what the shell needs from the outside world, as small protocols. Adapters implement them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streams.core.keyring import Arrival, KeyRing, NoKey, SeenKey
from streams.core.keys import Key, KeySet, KeySetError
from streams.core.messages import Message

__all__ = [
    "Arrival",
    "Delivered",
    "Delivery",
    "Key",
    "KeyMemory",
    "KeyRing",
    "KeySet",
    "KeySetError",
    "KeySetParser",
    "NoKey",
    "Refused",
    "SeenKey",
    "Sender",
    "Unknown",
]

KeySetParser = Callable[[bytes], KeySet]
"""Bytes to keys; raises `KeySetError`."""


class KeyMemory(Protocol):
    """Where keys are remembered beyond this process: ``comms.keys``."""

    def remember(self, issuer: str, seen: SeenKey) -> None:
        """Write down what is known of a key."""

    def forget(self, issuer: str, kid: str) -> None:
        """Let go of it."""

    def is_read(self) -> bool:
        """Whether it was read to its end; before that, a key that isn't known may only not be known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The provider took the message."""

    provider: str
    provider_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The provider said no, so it surely was not sent. ``code`` is the provider's own, without addresses.

    ``retry_after_s``: how long it asked us to wait, in seconds.
    """

    code: str
    retryable: bool
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The call began and its end was not seen: it may or may not have been sent."""

    what: str


Delivery = Delivered | Refused | Unknown


class Sender(Protocol):
    """One channel's provider."""

    async def send(self, message: Message) -> Delivery:
        """Hand over one message; never raises for what a provider may do.

        Cancelled, since its worker must end, it may answer all the same: `Refused` if the provider surely has nothing.
        """

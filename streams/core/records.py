"""What goes in and what comes out: a record read from a topic, and a record to be written to one.

Topic names here are logical (``comms.render``); the shell adds and removes the deployment's prefix.
"""

from __future__ import annotations

from dataclasses import dataclass, field

Headers = tuple[tuple[str, bytes | None], ...]

TRACEPARENT = "traceparent"
MAX_DIGITS = 15
HEADER_FRAMING = 10
"""Two lengths of at most five bytes each (https://kafka.apache.org/documentation/#recordheader)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One consumed record.

    ``timestamp_ms`` is what the record carries; ``appended_ms`` is the time it is judged by (milliseconds since the
    epoch): the broker's append time where the record says that its time is the broker's, else the time of receipt.
    ``received_ms`` is when the worker got the record, by its own steady clock. ``headers`` keeps order and repetitions.
    ``redrives``: how often it was tried again after it became a dead letter. ``truncated``: what was cut off it when it
    became one.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int
    appended_ms: int
    received_ms: int
    redrives: int = 0
    truncated: str = ""

    def trace(self) -> Headers:
        """The W3C trace context to hand on, if the record carries one (https://www.w3.org/TR/trace-context/)."""
        return tuple(h for h in self.headers if h[0] == TRACEPARENT)[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """One record to produce. Without ``partition`` the key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default=())
    partition: int | None = None

    def size(self) -> int:
        """Bytes that count against a topic's record limit: at least as many as Kafka's record format takes."""
        headers = sum(len(name.encode()) + len(value or b"") + HEADER_FRAMING for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


def number(record: Record, name: str, otherwise: int) -> int:
    """The count or the time that the last header of this name holds, in decimal digits; ``otherwise`` if none does."""
    value = next((value for header, value in reversed(record.headers) if header == name and value), b"")
    return int(value) if value.isdigit() and len(value) <= MAX_DIGITS else otherwise

"""Since when the fleet is live: a message is sent only if its event was appended while it was. Pure.

Every change of the mode stands on ``comms.modes``, in the broker's order and time. Before the first record nothing was
live, so what a dry run has queued never goes out, and a restart in live finds its own past.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

import orjson

from streams.core.encoding import EncodingError, json_object
from streams.core.messages import Mode

KEY: Final = b"mode"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChange:
    """One record (schemas/records/mode.json): a worker found itself in another mode than the one written last."""

    mode: Mode
    why: str
    worker: str
    build_id: str

    def encode(self) -> bytes:
        """As it stands on the topic."""
        return orjson.dumps({"mode": self.mode, "why": self.why, "worker": self.worker, "build_id": self.build_id})


def read_mode(value: bytes | None) -> Mode | str:
    """The mode that a record names, or why it names none."""
    try:
        mode = json_object(value or b"").get("mode")
    except EncodingError as error:
        return str(error)
    return Mode(mode) if isinstance(mode, str) and mode in set(Mode) else "it names no mode"


@dataclass(frozen=True, slots=True)
class ModeHistory:
    """What was written so far, in order. Times are milliseconds since the epoch, by the broker's clock."""

    _since: tuple[int, ...] = ()
    _modes: tuple[Mode, ...] = ()

    @property
    def last(self) -> Mode | None:
        """What was written last; None before the first time."""
        return self._modes[-1] if self._modes else None

    def after(self, mode: Mode, at_ms: int) -> ModeHistory:
        """With one record more; a broker's clock that was set back doesn't reorder them."""
        return ModeHistory((*self._since, max((at_ms, *self._since[-1:]))), (*self._modes, mode))

    def at(self, at_ms: int) -> Mode:
        """The mode in force at that time."""
        found = bisect_right(self._since, at_ms)
        return self._modes[found - 1] if found else Mode.DRY_RUN

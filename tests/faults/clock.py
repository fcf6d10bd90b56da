"""A worker's clock that is wrong: imported before anything that binds `time.time`, in the worker's process only."""

from __future__ import annotations

import os
import time
from typing import Final

SHIFT: Final = "FAULT_CLOCK"
"""By how many seconds the clock is ahead."""

_shift = float(os.environ.get(SHIFT, "0"))
_right = time.time

if _shift:
    time.time = lambda: _right() + _shift

"""RFC 3339 date-times as Python reads them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

_LEAP_SECOND: Final = re.compile(r"([Tt]\d\d:\d\d):60", re.ASCII)


def parse(value: str) -> datetime:
    """A date-time with an offset; a leap second counts as the second before it.

    Raises:
        TypeError: not text.
        ValueError: not a date-time, no offset, or a year that Python has not (RFC 3339 has a year 0).
    """
    found = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59", value).upper())
    if found.tzinfo is None:
        raise ValueError("a date-time has an offset")
    return found

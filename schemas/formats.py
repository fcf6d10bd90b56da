"""The formats that our schemas may use, a closed set, and what each means: one row with its source and a check.

Validators differ in what they take for a date or an address: `jsonschema` takes ``@b`` for an address, `jsonschema-rs`
0.60.3 ``20-6-01-01`` for a date (https://github.com/Stranger6667/jsonschema/pull/1031). So both are given these checks,
here and in CI, and a format without a row may not be used: it would have no agreed meaning.
"""

from __future__ import annotations

import re
from calendar import isleap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Final

import idna
import rfc3986_validator

FEBRUARY: Final = 2
DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Of the months of a leap year."""
MINUTES_A_DAY: Final = 24 * 60
DATE_LENGTH: Final = len("2026-12-01")
MAX_LABEL: Final = 63
MAX_DOMAIN: Final = 253
MAX_LOCAL_PART: Final = 64

_DATE: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)
_HOUR_MINUTE: Final = r"([01]\d|2[0-3]):([0-5]\d)"
_TIME: Final = re.compile(rf"{_HOUR_MINUTE}:([0-5]\d|60)(?:\.\d+)?(?:[Zz]|([+-]){_HOUR_MINUTE})", re.ASCII)
_ATOMS: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_QUOTED: Final = re.compile(r'"([\t\x20!\x23-\x5b\x5d-\x7e]|\\[\x21-\x7e])*"')
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One row: where the format is defined, what a value looks like, and whether a text is one."""

    source: str
    example: str
    check: Callable[[str], bool]


def is_date(value: str) -> bool:
    """``full-date`` of RFC 3339. Its year 0 is a year, unlike Python's."""
    found = _DATE.fullmatch(value)
    if found is None:
        return False
    year, month, day = (int(part) for part in found.groups())
    return day < DAYS[month - 1] or (day == DAYS[month - 1] and (month != FEBRUARY or isleap(year)))


def is_date_time(value: str) -> bool:
    """``date-time`` of RFC 3339: an offset is required; second 60 is there only when it is 23:59 in UTC."""
    found = _TIME.fullmatch(value, DATE_LENGTH + 1)
    if found is None or value[DATE_LENGTH] not in "Tt" or not is_date(value[:DATE_LENGTH]):
        return False
    return found[3] != "60" or _is_last_minute(found)


def _is_last_minute(time: re.Match[str]) -> bool:
    hour, minute, offset_hour, offset_minute = (int(time[group] or 0) for group in (1, 2, 5, 6))
    offset = (offset_hour * 60 + offset_minute) * (-1 if time[4] == "-" else 1)
    return (hour * 60 + minute - offset + 1) % MINUTES_A_DAY == 0


def is_email(value: str) -> bool:
    """``Mailbox`` of RFC 5321, section 4.1.2, ASCII. Such as dispatch refuses are in it, too: it takes plain ones."""
    local, at, domain = value.rpartition("@")
    if not at or len(local) > MAX_LOCAL_PART + (2 if local.startswith('"') else 0):
        return False
    return bool(_ATOMS.fullmatch(local) or _QUOTED.fullmatch(local)) and (_is_domain(domain) or _is_literal(domain))


def _is_domain(value: str) -> bool:
    return len(value) <= MAX_DOMAIN and all(_is_label(label) for label in value.split("."))


def _is_label(label: str) -> bool:
    if len(label) > MAX_LABEL or _LABEL.fullmatch(label) is None:
        return False
    try:
        # Hyphens in the third and fourth place announce an encoded name (RFC 5891, section 4.2.3.1).
        return label[2:4] != "--" or bool(idna.ulabel(label))
    except UnicodeError:
        return False


def _is_literal(value: str) -> bool:
    inner = value[1:-1]
    if value != f"[{inner}]" or "%" in inner:
        return False
    try:
        return bool(IPv6Address(inner[5:]) if inner[:5].upper() == "IPV6:" else IPv4Address(inner))
    except AddressValueError:
        return False


def is_uri(value: str) -> bool:
    """``URI`` of RFC 3986: absolute, ASCII."""
    # The library's pattern ends with `$`, which a line break may follow.
    return "\n" not in value and rfc3986_validator.validate_rfc3986(value) is not None


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "date": Format(source="RFC 3339, full-date", example="2026-12-01", check=is_date),
        "date-time": Format(source="RFC 3339, date-time", example="2026-11-20T09:30:00Z", check=is_date_time),
        "email": Format(source="RFC 5321, Mailbox", example="ana.ruiz@example.org", check=is_email),
        "uri": Format(source="RFC 3986, URI", example="https://scholarships.example/s/sch-88", check=is_uri),
    }
)

CHECKS: Final[Mapping[str, Callable[[str], bool]]] = MappingProxyType(
    {name: row.check for name, row in FORMATS.items()}
)

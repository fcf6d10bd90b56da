"""Strict base64url and strict JSON objects: what RFC 7515 and RFC 8259 leave open, closed.

Two readers of one token must see the same thing, so an encoding with a second spelling, a member that stands twice,
or a number that JSON doesn't have is refused here, before anything is read from it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

_ALPHABET: Final = re.compile(rb"[A-Za-z0-9_-]*", re.ASCII)
MAX_DEPTH: Final = 64
"""Deepest nesting read; no schema of ours comes near it, and Python's parser recurses."""


class EncodingError(ValueError):
    """The text is not in the one form that is accepted; the message says how, without quoting it."""


def b64url(segment: bytes) -> bytes:
    """Decode canonical, unpadded base64url (RFC 7515, section 2).

    Raises:
        EncodingError: foreign characters, padding, an impossible length, or bits after the last byte that aren't zero.
    """
    if _ALPHABET.fullmatch(segment) is None:
        raise EncodingError("not unpadded base64url")
    try:
        raw = base64.urlsafe_b64decode(segment + b"=" * (-len(segment) % 4))
    except binascii.Error:
        raise EncodingError("not unpadded base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != segment:
        raise EncodingError("base64url is not canonical")
    return raw


def json_object(raw: bytes) -> Mapping[str, Any]:
    """Parse one JSON object strictly.

    UTF-8, no duplicate members, no NaN or Infinity (nor a number that becomes one), integers of at most 64 bits, no
    lone surrogates, nesting of at most 64.

    Raises:
        EncodingError: anything else.
    """
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise EncodingError("JSON is nested too deeply")
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise EncodingError("not UTF-8, or a lone surrogate") from None
    except json.JSONDecodeError:
        raise EncodingError("not JSON") from None
    if not isinstance(value, dict):
        raise EncodingError("not a JSON object")
    return value


_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
"""Strings (an unclosed one to the end, so that the scan stays linear) and brackets."""


def _depth(raw: bytes) -> int:
    deepest = depth = 0
    for found in _TOKENS.finditer(raw):
        token = found.group()
        if token in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif token in (b"]", b"}"):
            depth -= 1
    return deepest


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise EncodingError("a JSON member stands twice")
    return members


def _no_constant(_name: str) -> NoReturn:
    raise EncodingError("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise EncodingError("a number is too large")
    return number


def _integer(text: str) -> int:
    if len(text) > _INTEGER_DIGITS:
        raise EncodingError("an integer is too large")
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise EncodingError("an integer is too large")
    return number


_INTEGER_DIGITS: Final = 20
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_members, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer
)

"""Strings near the edges of what a schema says of them: by pattern, by format, at and beyond their bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from random import Random
from typing import Any, Final

import rstr

from schemas.compat import proof

LONGEST: Final = 300_000
"""Characters of a sampled string, at most: more than an event may have in all."""
UNBOUNDED: Final = 4_096
"""Characters of a long one where the schema sets no bound."""
DOUBTFUL: Final = 30
"""Refused samples that are handed on."""
_OF_STRINGS: Final = frozenset({"minLength", "maxLength", "pattern", "format"})
PLAIN: Final = ("x", "", "0", "a b", "A", "\u00e9", "x y z", "true")
ODD: Final = (" ", "{", "\u00e9", "a", "A", "0", "-", "/")
"""Put before or behind a string to leave, perhaps, what another pattern or format allows."""

FORMATS: Final[dict[str, tuple[str, ...]]] = {
    # Valid ones, the odd ones first: what one format allows and its neighbour doesn't.
    "date": ("2026-01-31", "2024-02-29"),
    "date-time": ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+01:00"),
    "duration": ("P1D", "PT1H"),
    "email": ("a@example.org", '"a b"@example.org'),
    "hostname": ("a.example", "localhost"),
    "idn-email": ("\u00fc@example.org", "a@example.org"),
    "idn-hostname": ("b\u00fccher.example", "a.example"),
    "ipv4": ("192.0.2.1",),
    "ipv6": ("2001:db8::1",),
    "iri": ("https://example.org/\u00fc", "urn:a:b"),
    "iri-reference": ("/\u00fc", "a"),
    "json-pointer": ("/a", ""),
    "regex": ("^a+$",),
    "relative-json-pointer": ("0/a",),
    "time": ("12:00:00Z", "12:00:00.5+01:00"),
    "uri": ("urn:a:b", "https://example.org/a", "http://example.org"),
    "uri-reference": ("/a", "https://example.org/a"),
    "uri-template": ("https://example.org/{a}",),
    "uuid": ("123e4567-e89b-42d3-a456-426614174000",),
}
"""Examples by the name of the format; sources are the RFCs that the validation vocabulary names in section 7.3."""


def strings(node: dict[str, Any]) -> Iterator[str]:
    """By pattern and format if there are any, as short and as long as may be; what the node refuses comes last.

    Refused here is not refused everywhere: another schema is about to be asked.
    """
    if int(node.get("minLength", 0)) > LONGEST:
        return
    allowed = proof.validator({name: value for name, value in node.items() if name in _OF_STRINGS})
    refused: list[str] = []
    for text in dict.fromkeys(_candidates(node)):
        if allowed.is_valid(text):
            yield text
        else:
            refused.append(text)
    yield from refused[:DOUBTFUL]


def _candidates(node: dict[str, Any]) -> Iterator[str]:
    least, most = int(node.get("minLength", 0)), min(int(node.get("maxLength", UNBOUNDED)), LONGEST)
    made = [*FORMATS.get(node.get("format", ""), ()), *(matching(node["pattern"]) if "pattern" in node else ())]
    yield from made or PLAIN
    for length in sorted({least, least + 1, most}):
        yield from _of_length(length, made)
    for base in made[:3]:
        yield from (text for odd in ODD for text in (base + odd, odd + base))
    if not made:
        yield from (texts[0] for texts in FORMATS.values())


@lru_cache(maxsize=1024)
def matching(pattern: str) -> tuple[str, ...]:
    """Strings that a pattern matches, the shortest first; none where Python can't read it as ECMA-262 does."""
    maker = rstr.Rstr(Random(0))  # noqa: S311 - the same samples each time
    try:
        made = {maker.xeger(pattern) for _ in range(12)}
    except (re.error, KeyError, ValueError, OverflowError, RecursionError):
        return ()
    return tuple(sorted(made, key=lambda text: (len(text), text)))


def _of_length(length: int, made: list[str]) -> Iterator[str]:
    if not made:
        yield "x" * length
    for text in made[:4]:
        yield from stretched(text, length)
    yield from (cut for text in made if len(text) > length for cut in (text[:length], text[-length:] if length else ""))


def stretched(text: str, length: int) -> Iterator[str]:
    """Longer by a repeated end, or by a repeated character: what allows more of the same allows some of these."""
    missing = length - len(text)
    if missing <= 0 or not text:
        return
    for unit in range(1, min(len(text), 9) + 1):
        yield text[0] * (missing % unit) + text + text[-unit:] * (missing // unit)
    yield from (text[:at] + text[at] * missing + text[at:] for at in range(min(len(text), 24)))


def first_match(pattern: str) -> str:
    """One string that the pattern matches, or `x`."""
    return next(iter(matching(pattern)), "x")

"""Strings and numbers near the edges of what a schema says of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from random import Random
from typing import Any, Final

import rstr

EXACT: Final = 2**53
"""Below it a whole float is the integer that it looks like."""
LONGEST: Final = 300_000
"""Characters of a sampled string, at most: more than an event may have in all."""
UNBOUNDED: Final = 4_096
"""Characters of a long one where the schema sets no bound."""

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

PLAIN: Final = ("x", "", "0", "a b", "A", "\u00e9", "x y z", "true")


def scalars(kind: str, node: dict[str, Any]) -> Iterator[Any]:
    """Candidates of one scalar type."""
    match kind:
        case "null":
            yield None
        case "boolean":
            yield from (True, False)
        case "string":
            yield from strings(node)
        case "integer" | "number":
            yield from numbers(kind, node)


def matching(pattern: str) -> Iterator[str]:
    """Strings that a pattern matches, where Python reads the pattern as ECMA-262 does."""
    try:
        maker = rstr.Rstr(Random(0))  # noqa: S311 - the same samples each time
        yield from sorted({maker.xeger(pattern) for _ in range(12)}, key=lambda text: (len(text), text))
    except (re.error, KeyError, ValueError, OverflowError, RecursionError):
        return


def strings(node: dict[str, Any]) -> Iterator[str]:
    """By pattern and format if there are any, at the lengths allowed and, for a reader that allows less, between."""
    least, most = int(node.get("minLength", 0)), min(int(node.get("maxLength", UNBOUNDED)), LONGEST)
    if least > LONGEST:
        return
    made = [*FORMATS.get(node.get("format", ""), ()), *(matching(node["pattern"]) if "pattern" in node else ())]
    if made:
        yield from (text for text in made if least <= len(text) <= most)
        for other in ("-", "x", "0"):  # a pattern without an end, and most formats, allow more of the same
            yield from (text + other * (max(least, most) - len(text)) for text in made[:1])
        return
    yield from (text for text in PLAIN if least <= len(text) <= most)
    yield "x" * least
    if least + 1 <= most:
        yield "x" * (least + 1)
    yield "x" * most
    yield from (text for texts in FORMATS.values() for text in texts[:1] if least <= len(text) <= most)


def numbers(kind: str, node: dict[str, Any]) -> Iterator[int | float]:
    """At the bounds, just inside them, and round zero; in steps of `multipleOf`."""
    step = node.get("multipleOf", 1)
    bounds = [node[name] for name in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum") if name in node]
    if kind == "number" and "multipleOf" not in node:
        yield from [bound + sign for bound in bounds for sign in (0.5, -0.5)] or (0.5,)
    around = [bound + sign * step for bound in bounds for sign in (0, 1, -1)]
    for value in (*around, 0, step, -step, 3 * step, 1, 10):
        on = value if kind == "number" and "multipleOf" not in node else _on(value, step)
        yield int(on) if abs(on) < EXACT and float(on).is_integer() else on


def _on(value: float, step: float) -> float:
    """The multiple of ``step`` nearest to ``value``; ``step`` itself where that can't be told."""
    ratio = value / step
    return round(ratio) * step if math.isfinite(ratio) else step

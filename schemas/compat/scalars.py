"""Scalars near the edges of what a schema says of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from schemas.compat import texts

EXACT: Final = 2**53
"""Below it a whole float is the integer that it looks like."""


def scalars(kind: str, node: dict[str, Any]) -> Iterator[Any]:
    """Candidates of one scalar type."""
    match kind:
        case "null":
            yield None
        case "boolean":
            yield from (True, False)
        case "string":
            yield from texts.strings(node)
        case "integer" | "number":
            yield from numbers(kind, node)


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

"""``python -m bench.schemas``: how long the schema check takes for 1,000 pairs, without and with explanations."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from schemas.compat import bundle, compare, proof
from schemas.compat.proof import Answer
from tests.schemas.cases import CASES

PAIRS = 1_000


def pairs() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Writer and reader, from our table of cases in both directions; each copy is a schema of its own to the caches."""
    both = [pair for case in CASES for pair in ((case.older, case.newer), (case.newer, case.older))]
    found = itertools.islice(itertools.cycle(both), PAIRS)
    return [(distinct(older, number), distinct(newer, number)) for number, (older, newer) in enumerate(found)]


def distinct(schema: dict[str, Any], number: int) -> dict[str, Any]:
    """The same schema with another unused definition."""
    made = bundle.bundle(schema, {}).schema
    return {**made, "$defs": {**made.get("$defs", {}), f"unused {number}": True}}


def proved(writer: dict[str, Any], reader: dict[str, Any]) -> str:
    """The verdict alone: proved or not."""
    return "compatible" if compare.proved(writer, reader).answer is Answer.YES else "not proved"


def explained(writer: dict[str, Any], reader: dict[str, Any]) -> str:
    """The verdict with what shows it."""
    return compare.compare(writer, reader).verdict


def measure(title: str, decide: Callable[[dict[str, Any], dict[str, Any]], str]) -> None:
    """Decide all pairs once, and print how long that took and what came out."""
    made = pairs()
    proof.forget()
    begun = time.perf_counter()
    verdicts = Counter(decide(writer, reader) for writer, reader in made)
    seconds = time.perf_counter() - begun
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    print(f"{title:24} {PAIRS} pairs in {seconds:6.3f} s   ({told})")


if __name__ == "__main__":
    measure("without explanations", proved)
    measure("with explanations", explained)

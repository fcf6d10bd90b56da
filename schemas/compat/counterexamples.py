"""Looking for an instance that the writer's schema allows and the reader's refuses; both validators are asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import jsonschema_rs

from schemas.compat import proof, proposals, samples
from schemas.compat.verdict import Counterexample
from schemas.compat.walk import Change

TRIES: Final = 2_500
"""Instances tried for one change; a yes-or-no check takes a few microseconds."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A writer's and a reader's schema, self-contained, with their validators and the writer's own examples."""

    writer: dict[str, Any]
    reader: dict[str, Any]
    writes: jsonschema_rs.Validator
    reads: jsonschema_rs.Validator
    examples: tuple[Any, ...] = ()

    def refuted_by(self, instance: object) -> bool:
        """Whether the reader refuses this instance of the writer's."""
        return proof.refutes(self.writes, self.reads, instance)


def pair(writer: dict[str, Any], reader: dict[str, Any], examples: tuple[Any, ...] = ()) -> Pair:
    """The two with their validators. Raises ``NotASchemaError``."""
    return Pair(writer, reader, proof.validator(writer), proof.validator(reader), examples)


def for_change(found: Pair, change: Change) -> Counterexample | None:
    """An instance that the reader refuses because of this very change."""
    for instance in islice(proposals.proposed(found.writer, found.examples, change), TRIES):
        shown = _because_of(found, change, instance)
        if shown is not None:
            return _smaller(found, shown, change)
    return None


def anywhere(found: Pair) -> tuple[Counterexample, str] | None:
    """Any instance that refutes, with the pointer to the reader's keyword that refuses it."""
    remainder = proof.difference(found.writer, found.reader)
    whole = (samples.samples(remainder), samples.samples(proof.simplified(found.writer)), iter(found.examples))
    for source in (*whole, samples.samples(found.writer)):
        for instance in islice(source, TRIES):
            if found.refuted_by(instance):
                return proof.explained(found.reads, instance)[0]
    return None


def _because_of(found: Pair, change: Change, instance: object) -> Counterexample | None:
    """The instance as a counterexample, if the reader refuses it at the place of this change."""
    if not found.refuted_by(instance):
        return None
    told = proof.explained(found.reads, instance)
    return next((shown for shown, place in told if any(same_place(place, at) for at in change.refused_by)), None)


def same_place(place: str, at: str) -> bool:
    """Whether one pointer leads to what the other leads to, or into it."""
    return place == at or place.startswith(at + "/") or at.startswith(place + "/")


def _smaller(found: Pair, shown: Counterexample, change: Change) -> Counterexample:
    """The same with every member left out that it does not need."""
    instance = shown.instance
    for smaller in _lighter(instance):
        again = _because_of(found, change, smaller)
        if again is not None:
            return _smaller(found, again, change)
    return shown


def _lighter(instance: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """Copies with one member less, at any depth."""
    if isinstance(instance, dict):
        for name, value in instance.items():
            yield {other: each for other, each in instance.items() if other != name}
            yield from ({**instance, name: inner} for inner in _lighter(value))
    elif isinstance(instance, list):
        yield from ([*instance[:at], *instance[at + 1 :]] for at in range(len(instance)))
        for at, value in enumerate(instance):
            yield from ([*instance[:at], inner, *instance[at + 1 :]] for inner in _lighter(value))

"""Looking for an instance that the writer's schema allows and the reader's refuses; both validators are asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import jsonschema_rs

from schemas.compat import proof, samples, scalars, walk
from schemas.compat.samples import Wish
from schemas.compat.verdict import Counterexample, Schema
from schemas.compat.walk import Change

TRIES: Final = 400
"""Instances tried for one change; a yes-or-no check takes about a microsecond."""


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
    for instance in islice(_proposed(found, change), TRIES):
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


def _proposed(found: Pair, change: Change) -> Iterator[Any]:
    """Root instances with a value from the difference at the place of the change."""
    plain = proof.simplified(found.writer)
    for value in _values(found, change):
        wish = Wish(change.path, value)
        yield from (_patched(example, wish) for example in found.examples[:2])
        yield from samples.samples(plain, wish)
        if plain != found.writer:
            yield from islice(samples.samples(found.writer, wish), samples.PER_NODE)


def _values(found: Pair, change: Change) -> Iterator[Any]:
    """Values for the place: what subtraction leaves, samples of the writer's node, and of the reader's edges."""
    writer, reader = _rooted(change.writer, found.writer), _rooted(change.reader, found.reader)
    yield from islice(samples.samples(proof.difference(writer, reader)), samples.PER_NODE)
    yield from islice(samples.samples(writer), 40)
    if isinstance(reader, dict) and isinstance(writer, dict):
        bounds = {name: value for name, value in reader.items() if name in walk.LOWER | walk.UPPER | {"multipleOf"}}
        yield from islice(samples.samples({**bounds, **_typed(writer, reader)}), 20)
        yield from _beyond(reader)
        yield from islice(samples.samples(reader), 10)


def _typed(writer: dict[str, Any], reader: dict[str, Any]) -> dict[str, Any]:
    kind = writer.get("type", reader.get("type"))
    return {"type": kind} if kind else {}


def _beyond(reader: dict[str, Any]) -> Iterator[Any]:
    """Just outside a bound of the reader's: one character or item more or fewer."""
    if "maxLength" in reader:
        yield "x" * (min(reader["maxLength"], scalars.LONGEST) + 1)
    if reader.get("minLength"):
        yield "x" * (min(reader["minLength"], scalars.LONGEST) - 1)
    if "maxItems" in reader:
        yield [0] * (min(reader["maxItems"], samples.LARGEST) + 1)
    if reader.get("minItems"):
        yield [0] * (min(reader["minItems"], samples.LARGEST) - 1)
    if "maxProperties" in reader:
        yield dict.fromkeys((f"x{at}" for at in range(min(reader["maxProperties"], samples.LARGEST) + 1)), 0)
    if "propertyNames" in reader or reader.get("minProperties"):
        yield from ({name: 0} for name in scalars.PLAIN)
    for name in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"):
        if name in reader:
            yield from (reader[name] + by for by in (0, 1, -1, 0.5, -0.5))


def _rooted(node: Schema, root: dict[str, Any]) -> Schema:
    """A node that stands alone: its references lead into the root's definitions, or it is left as it is."""
    if not isinstance(node, dict) or "$defs" not in root:
        return node
    return {**node, "$defs": root["$defs"]}


def _patched(example: Any, wish: Wish) -> Any:  # noqa: ANN401 - any JSON
    """A copy of an example with the wish granted, as far as the example goes there."""
    if not wish.path:
        return wish.value
    step, rest = wish.path[0], Wish(wish.path[1:], wish.value)
    if isinstance(example, dict) and isinstance(step, str):
        return {**example, step: _patched(example.get(step, {}), rest)}
    if isinstance(example, list) and isinstance(step, int):
        filled = [*example, *([{}] * (step + 1 - len(example)))]
        return [_patched(item, rest) if at == step else item for at, item in enumerate(filled)]
    return example


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

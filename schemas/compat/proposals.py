"""Instances that may show a change: a value from the difference, put where the change is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Final

from schemas.compat import proof, samples, texts
from schemas.compat.samples import Step, Wish
from schemas.compat.verdict import Schema
from schemas.compat.walk import LOWER, UPPER, Change

HOLE: Final = object()
"""Stands in an instance for the value that is looked for."""
FRAMES: Final = 6
"""Instances round the place, of each kind."""


def proposed(writer: dict[str, Any], examples: tuple[Any, ...], change: Change) -> Iterator[Any]:
    """Root instances with a value from the difference at the place of the change; real examples first."""
    frames = list(_frames(writer, examples, change))
    near = (value for example in examples[:2] for value in _near(_reached(example, change.path)))
    for value in chain(near, values(writer, change)):
        yield from (_filled(frame, value) for frame in frames)


def _frames(writer: dict[str, Any], examples: tuple[Any, ...], change: Change) -> Iterator[Any]:
    wish = Wish(change.path, HOLE)
    yield from (_patched(example, wish) for example in examples[:2])
    yield from islice(samples.samples(proof.simplified(writer), wish), FRAMES)
    yield from islice(samples.samples(writer, wish), FRAMES)


def _reached(example: Any, path: tuple[Step, ...]) -> Any:  # noqa: ANN401 - any JSON
    """What an example has at the place, or nothing."""
    for step in path:
        inside = isinstance(example, dict) and step in example
        inside = inside or (isinstance(example, list) and isinstance(step, int) and step < len(example))
        if not inside:
            return None
        example = example[step]
    return example


def _near(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """An example's value with a member or item more or less."""
    if isinstance(value, dict):
        yield from ({**value, "extra": added} for added in (0, "x"))
        yield from ({name: kept for name, kept in value.items() if name != left_out} for left_out in value)
    elif isinstance(value, list):
        yield from ([], [*value, *value[-1:]])


def values(root: dict[str, Any], change: Change) -> Iterator[Any]:
    """Values for the place: what subtraction leaves, samples of the writer's node, and of the reader's edges."""
    writer, reader = _rooted(change.writer, root), _rooted(change.reader, root)
    yield from samples.samples(proof.difference(writer, reader))
    yield from samples.samples(writer)
    if isinstance(reader, dict) and isinstance(writer, dict):
        edges = {name: value for name, value in reader.items() if name in LOWER | UPPER | {"multipleOf", "pattern"}}
        kinds: dict[str, Any] = {name: writer[name] for name in ("type", "format", "pattern") if name in writer}
        yield from islice(samples.samples({**edges, **kinds}), 40)
        yield from _beyond(reader)
        yield from islice(samples.samples(reader), 20)


def _beyond(reader: dict[str, Any]) -> Iterator[Any]:
    """Just outside a bound of the reader's: one character, item or member more or fewer."""
    if "maxLength" in reader:
        yield "x" * (min(reader["maxLength"], texts.LONGEST) + 1)
    if reader.get("minLength"):
        yield "x" * (min(reader["minLength"], texts.LONGEST) - 1)
    if "maxItems" in reader:
        yield [0] * (min(reader["maxItems"], samples.LARGEST) + 1)
    if reader.get("minItems"):
        yield [0] * (min(reader["minItems"], samples.LARGEST) - 1)
    if "maxProperties" in reader:
        yield dict.fromkeys((f"x{at}" for at in range(min(reader["maxProperties"], samples.LARGEST) + 1)), 0)
    if "propertyNames" in reader or reader.get("minProperties"):
        yield from ({name: value} for name in texts.PLAIN for value in (0, "x"))
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


def _filled(frame: Any, value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The frame with the value in its hole."""
    if frame is HOLE:
        return value
    if isinstance(frame, dict):
        return {name: _filled(inner, value) for name, inner in frame.items()}
    if isinstance(frame, list):
        return [_filled(inner, value) for inner in frame]
    return frame

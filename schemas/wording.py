"""What a schema wanted, in words for the producer: keyword, limit, the name of a member; never a value of the data.

What is printed comes from the schema, but for the names of members that it doesn't know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from jsonschema_rs import ValidationError, ValidationErrorKind

MAX_NAME: Final = 64

_LIMITS: Final[Mapping[str, str]] = {
    "maximum": "more than maximum {}",
    "minimum": "less than minimum {}",
    "exclusiveMaximum": "not less than exclusiveMaximum {}",
    "exclusiveMinimum": "not more than exclusiveMinimum {}",
    "multipleOf": "not a multipleOf {}",
    "maxLength": "longer than maxLength {}",
    "minLength": "shorter than minLength {}",
    "maxItems": "more items than maxItems {}",
    "minItems": "fewer items than minItems {}",
    "maxProperties": "more members than maxProperties {}",
    "minProperties": "fewer members than minProperties {}",
    "pattern": "does not match pattern {}",
    "format": "not of format {}",
    "type": "not of type {}",
    "const": "not the const {}",
    "enum": "not in enum {}",
}
"""Keyword to words (JSON Schema Validation 2020-12, section 6); the schema's own value of the keyword goes in."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend. ``pointer``: a JSON pointer into the instance, empty for all of it."""

    pointer: str
    text: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.text}"


def faults(error: ValidationError) -> Iterator[Fault]:
    """What one error of the validator says; one each for several unknown members."""
    pointer = "".join(f"/{shown(str(step))}" for step in error.instance_path)
    for text in _texts(error):
        yield Fault(pointer, text)


def _texts(error: ValidationError) -> Iterator[str]:
    match error.kind:
        case ValidationErrorKind.Required(name):
            yield f"lacks `{name}`"
        case ValidationErrorKind.AdditionalProperties(names) | ValidationErrorKind.UnevaluatedProperties(names):
            for name in names:
                yield f"has the unknown member `{shown(name)}`"
        case ValidationErrorKind.PropertyNames(inner):
            for text in _texts(inner):
                yield f"has a member `{shown(str(inner.instance))}`, whose name is wrong: {text}"
        case kind if kind.name in _LIMITS:
            yield _LIMITS[kind.name].format(_limit(kind.value))
        case kind:
            yield f"breaks `{kind.name}`"


def _limit(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_limit(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value)


def shown(name: str) -> str:
    """A name on one line of a terminal: of bounded length, with anything that isn't printable as an escape."""
    text = name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)

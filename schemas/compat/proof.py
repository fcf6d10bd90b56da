"""The one room that knows `jsonschema-rs`: its validators, and its canonical form, which proves and subtracts.

Formats are asserted in both (`validate_formats=True`), as they are when events are read; by default the canonical form
ignores them, and `date-time` → `date` would come out as compatible. The canonical form is called experimental by its
authors (https://docs.rs/jsonschema, module `canonical`), so its answers are pinned with the package and by our cases.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson
from jsonschema_rs import canonical

from schemas.compat.keywords import same
from schemas.compat.verdict import Counterexample, Schema


class Answer(StrEnum):
    """Whether a reader's schema allows all that a writer's allows."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Proof:
    """The answer, and what kept it from being `yes` in the library's words."""

    answer: Answer
    reason: str = ""


_TOLD = {
    Answer.YES: "",
    Answer.NO: "the library says that something is refused",
    Answer.UNKNOWN: "the library can't tell whether something is refused",
}


class NotASchemaError(ValueError):
    """A document that is no schema of draft 2020-12; the message says where and why, on one line."""


def check(schema: Schema) -> None:
    """Check a document against its metaschema.

    Raises:
        NotASchemaError: it breaks it.
    """
    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        raise NotASchemaError(f"{_pointer(error.instance_path) or '/'}: {error.message}") from None


def validator(schema: Schema) -> jsonschema_rs.Validator:
    """A validator for a self-contained schema.

    Raises:
        NotASchemaError: it is none, or a reference in it leads to nothing.
    """
    check(schema)
    try:
        return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise NotASchemaError(str(error).splitlines()[0]) from None


def covers(reader: Schema, writer: Schema) -> Proof:
    """Whether ``reader`` allows every instance that ``writer`` allows. Only `yes` is a proof."""
    if same(reader, writer):
        return Proof(Answer.YES)
    try:
        answer = Answer(_canonical(_key(reader)).covers(_canonical(_key(writer))).value)
    except canonical.CanonicalizationError as error:
        return Proof(Answer.UNKNOWN, str(error))
    except ValueError as error:
        return Proof(Answer.UNKNOWN, str(error).splitlines()[0])
    return Proof(answer, _TOLD[answer])


def difference(writer: Schema, reader: Schema) -> Schema:
    """A schema of what ``writer`` allows and ``reader`` refuses, as near as the library comes; `false` if it can't."""
    try:
        return _plain(_canonical(_key(writer)).subtract(_canonical(_key(reader))).to_json_schema())
    except ValueError:
        return False


def simplified(schema: Schema) -> Schema:
    """An equivalent schema with `allOf`, `if` and the like folded away where the library can; else itself."""
    try:
        return _plain(_canonical(_key(schema)).to_json_schema())
    except ValueError:
        return schema


def refutes(writer: jsonschema_rs.Validator, reader: jsonschema_rs.Validator, instance: object) -> bool:
    """Whether ``writer`` allows the instance and ``reader`` refuses it; and it can be written down as JSON."""
    try:
        return writer.is_valid(instance) and not reader.is_valid(instance) and bool(orjson.dumps(instance))
    except (ValueError, TypeError):  # a lone surrogate, an integer beyond 64 bits
        return False


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches, by the same engine that validates."""
    return jsonschema_rs.is_valid({"pattern": pattern}, name)


def explained(reader: jsonschema_rs.Validator, instance: object) -> list[tuple[Counterexample, str]]:
    """A refused instance, once for each thing that is wrong with it, with the pointer to the reader's keyword."""
    return [
        (
            Counterexample(
                instance=instance,
                refused_at=_pointer(error.instance_path),
                refused_by="false" if type(error.kind).__name__ == "FalseSchema" else str(error.schema_path[-1]),
            ),
            _pointer(error.schema_path),
        )
        for error in reader.iter_errors(instance)
    ]


def _pointer(path: list[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _key(schema: Schema) -> bytes:
    return orjson.dumps(schema)


@lru_cache(maxsize=4096)
def _canonical(text: bytes) -> jsonschema_rs.CanonicalSchema:
    return jsonschema_rs.canonicalize(orjson.loads(text), draft=jsonschema_rs.Draft202012, validate_formats=True)


def _plain(schema: Any) -> Schema:  # noqa: ANN401 - what the library returns
    """Without `Decimal`, which it uses for numbers that a float can't hold."""
    plain: Schema = json.loads(json.dumps(schema, default=float))  # orjson writes no integer beyond 64 bits
    return plain


def forget() -> None:
    """Empty the cache of canonical forms, for measuring."""
    _canonical.cache_clear()

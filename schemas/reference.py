"""`jsonschema`, the reference implementation in Python, made to assert what `schemas.registry` asserts.

It is the second opinion on `jsonschema-rs`, in tests and in `comcenter schema validate`; too slow for events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urljoin

import regress
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from jsonschema_specifications import REGISTRY as SPECIFICATIONS
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from schemas.formats import CHECKS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def _pattern(validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:  # noqa: ANN401 - jsonschema has no types
    """``pattern`` as ECMA-262 has it: to Python's `re`, ``$`` also matches before a line break at the end."""
    if validator.is_type(instance, "string") and regress.Regex(pattern, "u").find(instance) is None:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_CHECKER: Final = FormatChecker(formats=())
for _name, _check in CHECKS.items():
    _CHECKER.checks(_name)(lambda value, check=_check: not isinstance(value, str) or check(value))
_Validator: Final = extend(Draft202012Validator, {"pattern": _pattern}, format_checker=_CHECKER)
_METASCHEMA: Final = Draft202012Validator(Draft202012Validator.META_SCHEMA)


def validator(document: Mapping[str, Any], common: Mapping[str, Mapping[str, Any]]) -> Any:  # noqa: ANN401 - jsonschema has no types
    """A `jsonschema` validator of a schema whose references lead to itself or to ``common``, by ``$id``."""
    resources = [(uri, DRAFT202012.create_resource(_of_no_dialect(each))) for uri, each in common.items()]
    registry: Registry[Any] = Registry().with_resources(resources)
    return _Validator(_of_no_dialect(document), registry=registry, format_checker=_CHECKER)


def _of_no_dialect(document: Mapping[str, Any]) -> dict[str, Any]:
    """Without ``$schema``: wherever a reference leads to one, `jsonschema` goes on with its stock validator."""
    return {keyword: value for keyword, value in document.items() if keyword != "$schema"}


def metaschema_errors(document: Mapping[str, Any]) -> Iterator[ValidationError]:
    """Where a document is not a draft 2020-12 schema."""
    yield from _METASCHEMA.iter_errors(document)


@cache
def keywords() -> frozenset[str]:
    """Every keyword that the vocabularies of draft 2020-12 define, by their own metaschemas."""
    metaschema = SPECIFICATIONS.contents(DIALECT)
    vocabularies = (SPECIFICATIONS.contents(urljoin(DIALECT, part["$ref"])) for part in metaschema["allOf"])
    return frozenset(name for vocabulary in vocabularies for name in vocabulary["properties"])

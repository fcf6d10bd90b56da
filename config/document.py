"""Makes ``docs/configuration.md`` from the fields of `config.settings.Settings`.

``python -m config.document`` prints the page; a test holds the file in the repository against it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, FilePath, SecretStr
from pydantic.fields import FieldInfo

from config.settings import HERE, Settings

INTRODUCTION: Final = """\
# Configuration

Made from [`config/settings.py`](../config/settings.py) by `make docs`; change the source, not this page.

Every setting is an environment variable. It is read once, at start, and a variable that is empty counts as unset. What
is wrong or missing ends the command with exit code 102 and one message that names every such setting; what two of
them have against each other is said once each is right by itself. A secret never
appears in a log, an error or a message. Which settings are checked against each other, and how to set a worker up,
is in [operations.md](operations.md).
"""

KINDS: Final[Mapping[Any, str]] = {
    bool: "`true` or `false`",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path of a file",
    FilePath: "path of a file",
    SecretStr: "text, **secret**",
    AwareDatetime: "RFC 3339 date and time",
}

BOUNDS: Final[Mapping[str, str]] = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}

_GROUP: Final = re.compile(r"    # (?P<title>[A-Z].*)")
_FIELD: Final = re.compile(r"    (?P<name>[a-z][a-z0-9_]*): ")


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([INTRODUCTION, *(_section(title, names) for title, names in groups().items())])


def groups() -> dict[str, list[str]]:
    """The fields' names under the headings that the source gives them, in its order."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in inspect.getsource(Settings).splitlines():
        if heading := _GROUP.fullmatch(line):
            title = heading["title"]
        elif (field := _FIELD.match(line)) and field["name"] in Settings.model_fields:
            found.setdefault(title, []).append(field["name"])
    return found


def _section(title: str, names: list[str]) -> str:
    head = f"## {title}\n\n| variable | value | default | unit | why |\n|---|---|---|---|---|\n"
    return head + "".join(_row(name, Settings.model_fields[name]) for name in names)


def _row(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    cells = (
        f"`{name.upper()}`",
        _kind(field),
        _default(field.default),
        str(extra.get("unit", "")),
        field.description or "",
    )
    return f"| {' | '.join(cells)} |\n"


def _kind(field: FieldInfo) -> str:
    annotation = _without_none(field.annotation)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    return " ".join([KINDS[annotation], *_bounds(field)])


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - whatever may annotate a field
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    (kind,) = (member for member in get_args(annotation) if member is not type(None))
    return kind


def _bounds(field: FieldInfo) -> Iterator[str]:
    for bound in field.metadata:
        for name, word in BOUNDS.items():
            if hasattr(bound, name):
                yield f"{word} {getattr(bound, name)}"


def _default(value: object) -> str:
    match value:
        case None:
            return "unset"
        case "":
            return "empty"
        case bool():
            return f"`{str(value).lower()}`"
        case float():
            return f"`{value:.15g}`"
        case Path():
            return f"`{value.relative_to(HERE.parent).as_posix()}`"
        case _:
            return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())

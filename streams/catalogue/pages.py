"""A page per event type, and the page that lists them: Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemas.files import SchemaFile
from streams.catalogue.fields import Field, fields, kind
from streams.catalogue.source import Source, document
from streams.core.templates import Deliver, Template
from streams.topics import INBOUND_PREFIX

MADE: Final = "Made from the schemas, templates and producers by `make docs`; change those, not this page.\n"

INDEX: Final = f"""\
# Events

{MADE}
What a producer may say, one page per event type. How an event is signed and sent stands in
[contract.md](../contract.md), how a type is added in [schemas.md](../schemas.md). The same for machines:
[asyncapi.yaml](../asyncapi.yaml).
"""

ENVELOPE: Final = """\
## What every event has

`data` is what the pages of the types are about. No other members are allowed, here or there.
"""


def pages(source: Source) -> dict[str, str]:
    """Every page by its file name."""
    return {
        "README.md": "\n".join(_index(source)),
        **{f"{name}.md": "\n".join(_page(name, versions, source)) for name, versions in source.events.items()},
    }


def _index(source: Source) -> Iterator[str]:
    yield INDEX
    yield "| type | versions | category | sent by | what happened |\n|---|---|---|---|---|"
    for name, versions in source.events.items():
        template = source.templates.for_event(name)
        senders = ", ".join(f"`{row.issuer}`" for row in source.senders(name))
        category = template.category if template else ""
        said = document(_latest(versions))["description"].split(". ")[0].rstrip(".") + "."
        yield f"| [`{name}`]({name}.md) | {', '.join(versions)} | {category} | {senders} | {_cell(said)} |"
    yield "\n" + ENVELOPE
    newest = document(_latest(next(iter(source.events.values()))))
    outer = {name: member for name, member in newest["properties"].items() if name != "data"}
    outer |= {"type": {"type": "string", "description": "One of the types above."}}
    outer |= {"version": {"type": "string", "description": "`<major>.<minor>`, one of the type's versions."}}
    outer |= {"data": {"type": "object", "description": "What happened, as the type has it."}}
    yield from _table(fields({"properties": outer, "required": newest["required"]}))
    for name, file in source.common.items():
        yield from _common(name, document(file))
    yield ""


def _common(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {name}\n\n{schema['description']}\n"
    if "properties" in schema:
        yield from _table(fields(schema))
    else:
        yield f"It takes: {kind(schema)}."


def _page(name: str, versions: Mapping[str, SchemaFile], source: Source) -> Iterator[str]:
    latest = document(_latest(versions))
    yield f"# {latest['title']}\n\n{MADE}\n{latest['description']}\n"
    yield "| | |\n|---|---|"
    yield f"| type | `{name}` |"
    yield (
        "| sent by | "
        + ", ".join(f"`{r.issuer}` on `{INBOUND_PREFIX}{r.service}`" for r in source.senders(name))
        + " |"
    )
    if template := source.templates.for_event(name):
        yield from _told(template)
    yield f"\n## Members of `data`\n\nIn version {_latest(versions).version}:\n"
    yield from _table(fields(latest["properties"]["data"]))
    yield "\n## Versions\n\n| version | what changed | SHA-256 of the file |\n|---|---|---|"
    for (version, file), change in zip(versions.items(), _changes(versions), strict=True):
        yield f"| [{version}](../../schemas/{file.place}) | {change} | `{file.sha256}` |"
    yield f"\n## Examples\n\n`comcenter event new {name}` prints the first one, as it would be if it happened now."
    for example in latest["examples"]:
        yield f"\n{_caption(example, latest)}:\n\n```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```"
    yield ""


def _told(template: Template) -> Iterator[str]:
    which = "the first that the recipient has" if template.deliver is Deliver.FIRST else "all that the recipient has"
    channels = ", ".join(template.channels) + (f"; {which}" if len(template.channels) > 1 else "")
    folder = f"streams/templates/{template.name}/{template.version}"
    yield f"| category | {template.category} |"
    yield f"| channels | {channels} |"
    yield f"| texts | [{template.name} {template.version}](../../{folder}) |"


def _table(rows: Iterator[Field]) -> Iterator[str]:
    yield "| member | required | what it takes | what it is |\n|---|---|---|---|"
    for row in rows:
        required = "yes" if row.required else ""
        yield f"| `{row.path}` | {required} | {_cell(row.kind)} | {_cell(row.description)} |"


def _changes(versions: Mapping[str, SchemaFile]) -> Iterator[str]:
    """What each version has that the one before had not, and the reverse."""
    before: set[str] | None = None
    for file in versions.values():
        now = {field.path for field in fields(document(file)["properties"]["data"])}
        words = [] if before is None else [*_named("adds", now - before), *_named("drops", before - now)]
        yield "first version" if before is None else "; ".join(words) or "bounds or descriptions"
        before = now


def _named(word: str, paths: set[str]) -> Iterator[str]:
    if paths:
        yield f"{word} {', '.join(f'`{path}`' for path in sorted(paths))}"


def _caption(example: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    data = schema["properties"]["data"]
    given = set(example["data"])
    if given == set(data["properties"]):
        return "With every member"
    return "With the required members alone" if given == set(data["required"]) else "With some of them"


def _latest(versions: Mapping[str, SchemaFile]) -> SchemaFile:
    return list(versions.values())[-1]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")

"""`comcenter schema`: is a change of the schemas one that readers and writers survive?"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import typer

from adapters import schema_sources
from adapters.schema_sources import Source, SourceUnavailableError
from schemas.compat import rules as table
from schemas.compat import tree, waivers
from schemas.compat.check import check as compare
from schemas.compat.verdict import Mode
from schemas.compat.waivers import WaiverError
from schemas.registry import SchemaLoadError
from schemas.report import github, json_document, junit, sarif, text
from schemas.report.content import Report, compact
from streams.cli import registry_command
from streams.cli.exits import Exit, fail

app = typer.Typer(help="List, check and compare schemas.", no_args_is_help=True)
app.command("ls")(registry_command.ls)
app.command("validate")(registry_command.validate)

GIT = "git:"


class Format(StrEnum):
    """How the result is written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    GITHUB = "github"
    SARIF = "sarif"


RENDERERS = {
    Format.TEXT: text.render,
    Format.JSON: json_document.render,
    Format.JUNIT: junit.render,
    Format.GITHUB: github.render,
    Format.SARIF: sarif.render,
}


@app.command("check")
def check(
    folder: Path = typer.Argument(Path("schemas"), metavar="[DIR]", help="The folder with events/ and records/."),
    against: str = typer.Option(..., help="What to compare with: a folder, or git:REF for the same folder there."),
    mode: Mode = typer.Option(Mode.BACKWARD_TRANSITIVE, help="Who must be able to read whom."),
    format_: Format = typer.Option(Format.TEXT, "--format", help="How to write the result."),
    output: Path | None = typer.Option(None, help="Write it to this file; standard output gets the text."),
    waiver_file: Path | None = typer.Option(None, "--waivers", help="Waivers; DIR/waivers.toml if not given."),
) -> None:
    """Compare the schemas with a former state. 100 if a change is not proved to be compatible."""
    report = _report(folder, against, mode, waiver_file or folder / waivers.FILE_NAME)
    shown = RENDERERS[format_](report)
    if output is not None:
        _write(output, shown)
        shown = text.render(report)
    elif format_ is Format.TEXT and sys.stdout.isatty():
        shown = text.render(report, text.COLOURED)
    typer.echo(shown, nl=False)
    if not report.passed:
        raise typer.Exit(Exit.FINDINGS)


@app.command("rules")
def rules(json_output: bool = typer.Option(False, "--json", help="One JSON document.")) -> None:
    """List the rules: what each says, the way out, and an example that breaks it."""
    if json_output:
        print(json.dumps({"narrowing": [_row(rule) for rule in table.NARROWING], "files": [
            {"name": rule.name, "says": rule.says, "way_out": rule.way_out, "example": rule.example}
            for rule in table.FILES
        ]}, indent=2))  # fmt: skip
        return
    for rule in table.NARROWING:
        print(f"{rule.name}\n  {rule.says.format(what='a member')}\n  way out   {rule.way_out}")
        print(f"  example   {compact(rule.older)} → {compact(rule.newer)}, shown by {compact(rule.shown_by)}\n")
    for each in table.FILES:
        print(f"{each.name}\n  {each.says.format(what='the reason')}\n  way out   {each.way_out}")
        print(f"  example   {each.example}\n")


def _row(rule: table.Rule) -> dict[str, object]:
    example = {"older": rule.older, "newer": rule.newer, "shown_by": rule.shown_by}
    told = {"name": rule.name, "keywords": list(rule.keywords), "says": rule.says, "way_out": rule.way_out}
    return {**told, "example": example}


def _report(folder: Path, against: str, mode: Mode, waiver_file: Path) -> Report:
    try:
        head, base = schema_sources.folder(folder), _base(folder, against)
        found = compare(tree.read(base.files, base.label), tree.read(head.files, head.label), mode)
        given = waivers.read(_text(waiver_file), str(waiver_file))
    except (SchemaLoadError, SourceUnavailableError, WaiverError) as error:
        fail(str(error))
    if not head.files:
        fail(f"{folder}: there are no schemas in it; name the folder that holds events/, records/ and common/")
    today = datetime.now(UTC).date()
    left = waivers.apply(found.findings, given, today=today, name=waiver_file.name)
    return Report(
        base=base.label,
        head=head.label,
        folder=_from_here(folder),
        mode=mode,
        compared=found.compared,
        findings=left.findings,
        waived=left.waived,
        notes=(*(note for note in (base.note,) if note), *left.notes),
    )


def _base(folder: Path, against: str) -> Source:
    if against.startswith(GIT):
        return schema_sources.at_ref(folder, against.removeprefix(GIT))
    return schema_sources.base_folder(Path(against))


def _text(path: Path) -> str:
    """The waivers' text; none if there is no such file."""
    try:
        return path.read_text("utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path}: {error}")


def _from_here(folder: Path) -> str:
    """The folder as annotations name it: from the current directory, which CI makes the top of the repository."""
    here = Path.cwd()
    full = folder.resolve()
    return full.relative_to(here).as_posix() if full.is_relative_to(here) else folder.as_posix()


def _write(path: Path, shown: str) -> None:
    try:
        path.write_text(shown, "utf-8")
    except OSError as error:
        fail(str(error))

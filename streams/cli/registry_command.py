"""`comcenter schema ls` and `validate`: the event types of this build, and whether schemas are fit to be used."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from schemas import files, registry
from schemas.files import Kind
from schemas.registry import SchemaLoadError
from streams.cli.exits import Exit, fail

if TYPE_CHECKING:
    from schemas.validation import Report


def ls(json_output: bool = typer.Option(False, "--json", help="One JSON document.")) -> None:
    """List the event types of this build and their versions, with the number of examples and the file's SHA-256."""
    found = sorted(
        (file for file in files.read(registry.ROOT) if file.kind is Kind.EVENT),
        key=lambda file: (file.name, registry.version_key(file.version)),
    )
    rows = [(file.name, file.version, len((file.document or {}).get("examples", [])), file.sha256) for file in found]
    if json_output:
        names = ("type", "version", "examples", "sha256")
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
        return
    width = max(len(name) for name, *_ in rows)
    for name, version, examples, sha256 in rows:
        print(f"{name:<{width}}  {version:>5}  {examples} examples  {sha256}")


def validate(
    folder: Path = typer.Argument(registry.ROOT, metavar="[DIR]", show_default="the schemas of this build"),
    json_output: bool = typer.Option(False, "--json", help="One JSON document."),
) -> None:
    """Check every schema under DIR as CI does: metaschema, rules for authors, examples. 100 if anything is wrong."""
    report = _report(folder)
    if json_output:
        print(json.dumps({"folder": str(folder), **asdict(report)}))
    else:
        for problem in report.problems:
            print(f"{folder / problem.file}#{problem.pointer}: {problem.rule}: {problem.message}")
        print(f"{report.files} files and {report.examples} examples checked, {len(report.problems)} problems")
    if report.problems:
        raise typer.Exit(Exit.FINDINGS)


def _report(folder: Path) -> Report:
    try:
        # Here and not above: what it needs is an extra, and the other commands do without.
        from schemas import validation  # noqa: PLC0415
    except ModuleNotFoundError as error:
        fail(f"this needs {str(error.name).partition('.')[0]}: install the extra, auto-com-center[schemas]")
    try:
        return validation.validate(folder)
    except SchemaLoadError as error:
        fail(str(error))

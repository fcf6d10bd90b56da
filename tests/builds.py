"""Other builds of the product: the same code with other templates, as a deployment would roll them out."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from streams import templates

ROOT = Path(__file__).parents[1]
BESIDE = ("adapters", "config", "schemas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A folder with the packages of a build."""

    folder: Path

    def environ(self) -> dict[str, str]:
        """What makes a process run this build, wherever it is started."""
        return {"PYTHONPATH": str(self.folder), "PYTHONSAFEPATH": "1"}


def build(folder: Path, name: str, version: str, *, subject: str = "") -> Build:
    """A build whose template ``name`` is at ``version``: the shipped texts, with ``subject`` before each subject."""
    shutil.copytree(ROOT / "streams", folder / "streams", ignore=shutil.ignore_patterns("__pycache__"))
    for package in BESIDE:
        (folder / package).symlink_to(ROOT / package)
    texts = folder / "streams" / "templates"
    shutil.copytree(texts / name / templates.load().by_name[name].version, texts / name / version)
    for file in (texts / name / version).rglob("*.subject"):
        file.write_text(subject + file.read_text("utf-8"), "utf-8")
    registry = texts / "registry.toml"
    pattern = re.compile(rf'(?<=^\[{name}\]\nversion = ")[^"]+', re.MULTILINE)
    changed, times = pattern.subn(version, registry.read_text("utf-8"))
    assert times == 1, f"{name} has a version in the registry"
    registry.write_text(changed, "utf-8")
    return Build(folder=folder)

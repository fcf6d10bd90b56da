"""Temporary git repositories with schemas in them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.schemas.trees import text

WHO = (
    "-c",
    "user.name=t",
    "-c",
    "user.email=t@example.org",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "core.hooksPath=/dev/null",
)


class Repository:
    """A repository whose schemas stand in `schemas/`."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.folder = top / "schemas"
        self.git("init", "--quiet", "--initial-branch=main", str(top), at=top.parent)

    def git(self, *arguments: str, at: Path | None = None) -> str:
        """Run git, which must succeed."""
        command = ["git", *WHO, "-C", str(at or self.top), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - git

    def write(self, files: Mapping[str, Any]) -> None:
        """Put files below `schemas/`; `None` takes one away."""
        for path, content in files.items():
            file = self.folder / path
            if content is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text(content))

    def commit(self, files: Mapping[str, Any], message: str = "a change") -> str:
        """Write and commit; the commit's id."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").strip()

    def cloned(self, to: Path, depth: int) -> Path:
        """A shallow clone's folder of schemas."""
        self.git("clone", "--quiet", f"--depth={depth}", self.top.as_uri(), str(to), at=self.top.parent)
        return to / "schemas"

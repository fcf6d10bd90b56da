"""The snippets of docs/producers.md: a file each, by the name in the comment before it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs/producers.md"
FENCED: Final = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SNIPPET: Final = re.compile(r"^<!-- snippet: (\S+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS: Final = 120.0


def snippets() -> dict[str, str]:
    """Name to text, in the order of the page."""
    return dict(SNIPPET.findall(PAGE.read_text("utf-8")))


@dataclass(slots=True)
class Workplace:
    """A producer's folder with all files of the page in it, and the commands that the page takes for granted."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def lay_out(self) -> Workplace:
        """Write the files, and `python` and `comcenter` of this run into ``bin``."""
        for name, text in snippets().items():
            (self.folder / name).write_text(text, "utf-8")
        commands = self.folder / "bin"
        commands.mkdir()
        for name, command in {"python": [], "comcenter": ["-m", "streams.cli.main"]}.items():
            script = commands / name
            script.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *command])} "$@"\n')
            script.chmod(0o755)
        self.environ = {**os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        return self

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Change one word of a file, as the page says that one may."""
        text = (self.folder / name).read_text("utf-8")
        assert old in text
        (self.folder / name).write_text(text.replace(old, new), "utf-8")

    def sh(self, name: str, **environ: str) -> str:
        """Run one of the page's shell snippets as it stands; what it printed. Fails if a command of it fails."""
        done = subprocess.run(  # noqa: S603 - a snippet of our own page
            ["/bin/sh", "-eu", name],
            cwd=self.folder, env={**self.environ, **environ},
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.fail(f"{name} ended with {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False)
        return done.stdout

    def read(self, name: str) -> bytes:
        """A file that a snippet has made."""
        return (self.folder / name).read_bytes()

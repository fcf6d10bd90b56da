"""A producer's folder: the files of docs/producers.md, and the tools and libraries of its language."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import SessionBrokers
from tests.producers.snippets import snippets
from tests.producers.tools import TOOLS, ToolUnavailable

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 120.0
LANGUAGES: Final = {"python": None, "javascript": "node", "java": "java"}
"""Each language of the page, and the tool that it needs."""
LIBRARY: Final = {"node": "node_modules", "java": "lib"}
"""Where a language looks for what `npm` or Maven fetched."""


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


def fitted(language: str, folder: Path, brokers: SessionBrokers) -> Workplace:
    """A laid-out folder with the language's libraries; the test is skipped where its tool is missing."""
    tool = LANGUAGES[language]
    if tool is not None:
        reason = TOOLS[tool].lacking(os.environ)
        try:
            library = folder if reason else TOOLS[tool].library()
        except ToolUnavailable as error:
            reason = str(error)
        if reason:
            brokers.lacks(tool, reason)
        (folder / LIBRARY[tool]).symlink_to(library)
    if shutil.which("openssl") is None:
        pytest.skip("no `openssl`")
    return Workplace(folder).lay_out()

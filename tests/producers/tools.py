"""The tools that producers in other languages need, and the libraries that they take from the usual registries."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from adapters.processes import without_colour
from tests.brokers.jars import CACHE, Jars, KafkaUnavailable, find_java, find_maven

HERE: Final = Path(__file__).parent
NODE_VERSION: Final = 20  # jose 6 asks for Web Crypto as a global, which Node 18 lacks.
SECONDS: Final = 300.0
JARS: Final = Jars(HERE / "pom.xml", CACHE / "producers-java", "nimbus-jose-jwt-*.jar")


class ToolUnavailable(RuntimeError):  # noqa: N818 - a state of the machine, named like one
    """A producer of this language can't be run here; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Tool:
    """``lacking``: why an environment has it not, found without a download, or empty. ``library``: fetched once.

    ``library`` raises ToolUnavailable.
    """

    lacking: Callable[[Mapping[str, str]], str]
    library: Callable[[], Path]


def _node_lacking(environ: Mapping[str, str]) -> str:
    node, npm = (shutil.which(command, path=environ.get("PATH", "")) for command in ("node", "npm"))
    if node is None or npm is None:
        return "no `node` or no `npm` in PATH"
    said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=SECONDS, check=False).stdout  # noqa: S603 - `node`
    found = re.match(r"v(\d+)\.", said)
    if found is None or int(found[1]) < NODE_VERSION:
        return f"Node.js {NODE_VERSION} or newer is needed; `node` is {said.strip() or 'silent'}"
    return ""


def _node_modules() -> Path:
    """``node_modules`` as package-lock.json pins it; it appears complete or not at all."""
    lock = (HERE / "package-lock.json").read_bytes()
    library = CACHE / f"producers-node-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not library.is_dir():
        CACHE.mkdir(exist_ok=True)
        with TemporaryDirectory(prefix="producers-node.", dir=CACHE) as scratch:
            fresh = Path(scratch) / "fresh"
            fresh.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, fresh)
            _npm_ci(fresh)
            try:
                fresh.rename(library)
            except OSError:
                if not library.is_dir():  # If it is, another session was first.
                    raise
    return library / "node_modules"


def _npm_ci(folder: Path) -> None:
    npm = shutil.which("npm") or "npm"
    done = subprocess.run(  # noqa: S603 - `npm`, and a lock file of ours
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = "\n".join(without_colour(done.stdout + done.stderr).splitlines()[-5:])
        raise ToolUnavailable(f"npm failed with {done.returncode}: {said}")


def _java_lacking(environ: Mapping[str, str]) -> str:
    try:
        java = find_java(environ)
        if not (Path(java).resolve().parent / "javac").exists():
            return "no `javac` beside `java`: a JDK is needed"
        if not JARS.there():
            find_maven(environ)
    except KafkaUnavailable as error:
        return str(error)
    return ""


def _java_jars() -> Path:
    try:
        return JARS.ensure()
    except KafkaUnavailable as error:
        raise ToolUnavailable(str(error)) from error


TOOLS: Final[Mapping[str, Tool]] = {
    "node": Tool(_node_lacking, _node_modules),
    "java": Tool(_java_lacking, _java_jars),
}

"""Schema files as they are on disk, or as they were at a git ref: paths below the folder, with their bytes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GIT_TIMEOUT_S: Final = 60.0
_OF_HOOKS: Final = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR"})
"""Variables that git gives to hooks: they would make it take the folder that we name for the top of the tree."""
_SCHEMA_FOLDERS: Final = ("events", "records", "common")


class SourceUnavailableError(Exception):
    """A folder or a ref can't be read; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Files by path below the folder; and what a reader of the result should know of where they came from."""

    label: str
    files: Mapping[str, bytes]
    note: str = ""


def folder(path: Path) -> Source:
    """The schema files of a folder.

    Raises:
        SourceUnavailableError: there is no such folder, or a file in it can't be read.
    """
    if not path.is_dir():
        raise SourceUnavailableError(f"{path}: no such folder; name the one that holds events/, records/ and common/")
    try:
        found = {
            file.relative_to(path).as_posix(): file.read_bytes()
            for name in _SCHEMA_FOLDERS
            for file in sorted((path / name).rglob("*.json"))
        }
    except OSError as error:
        raise SourceUnavailableError(str(error)) from None
    return Source(label=str(path), files=found)


def base_folder(path: Path) -> Source:
    """The same of a former state; where there is none, everything is new."""
    if path.exists():
        return folder(path)
    return Source(label=str(path), files={}, note=f"there is no {path}: everything is new")


def at_ref(path: Path, ref: str) -> Source:
    """The schema files of the same folder as they were at a git ref, of the repository that holds the folder.

    Raises:
        SourceUnavailableError: no repository, or it does not know the ref (a clone may be too shallow).
    """
    top = Path(_git(path, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    if not _git(top, "rev-list", "--max-count=1", "--all"):
        return Source(label=f"git:{ref}", files={}, note="there is no commit yet: everything is new")
    commit = _commit(path, ref)
    below = path.resolve().relative_to(top.resolve()).as_posix()
    prefix = "" if below == "." else below + "/"
    listed = _git(top, "ls-tree", "-r", "-z", "--full-tree", commit, *([prefix] if prefix else []))
    entries = [entry.partition(b"\t") for entry in listed.split(b"\0") if entry]
    names = {
        name.decode("utf-8", "surrogateescape").removeprefix(prefix): head.split()[2].decode()
        for head, _, name in entries
        if name.endswith(b".json") and head.split()[1] == b"blob"
    }
    wanted = {name: blob for name, blob in names.items() if name.split("/", 1)[0] in _SCHEMA_FOLDERS}
    label = f"git:{ref}"
    note = "" if wanted else f"there are no schemas in {below} at {ref} ({commit[:12]}): everything is new"
    return Source(label=label, files=_blobs(top, wanted), note=note)


def _commit(path: Path, ref: str) -> str:
    try:
        return _git(path, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").decode().strip()
    except SourceUnavailableError:
        raise SourceUnavailableError(f"git knows no `{ref}` here; {_advice(path)}") from None


def _advice(path: Path) -> str:
    """What to do about an unknown ref: with the depth of the clone, if that is the reason."""
    if _git(path, "rev-parse", "--is-shallow-repository").strip() != b"true":
        return "fetch it first (git fetch origin), or name another"
    depth = int(_git(path, "rev-list", "--count", "HEAD"))
    return (
        f"this clone is shallow, with a fetch depth of {depth}: fetch more of it (git fetch --deepen=100, or "
        "git fetch --unshallow; with actions/checkout: fetch-depth: 0)"
    )


def _blobs(top: Path, wanted: Mapping[str, str]) -> dict[str, bytes]:
    """The contents of blobs, by the same names, from one process."""
    if not wanted:
        return {}
    answer = _git(top, "cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in wanted.values()).encode())
    found: dict[str, bytes] = {}
    for name in wanted:
        head, _, rest = answer.partition(b"\n")
        if not head.split()[1:2] == [b"blob"]:
            raise SourceUnavailableError(f"{name}: git can't read it ({head.decode(errors='replace')})")
        size = int(head.split()[2])
        found[name], answer = rest[:size], rest[size + 1 :]
    return found


def _git(path: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments; a ref stands behind --end-of-options
            ["git", "-C", str(path), *arguments],  # noqa: S607 - the git of the user's path
            env={name: value for name, value in os.environ.items() if name not in _OF_HOOKS},
            input=stdin,
            capture_output=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise SourceUnavailableError("git is not installed; compare with a folder instead (--against DIR)") from None
    except subprocess.TimeoutExpired:
        raise SourceUnavailableError(f"git {arguments[0]} did not end within {GIT_TIMEOUT_S:g} s") from None
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise SourceUnavailableError(f"git {arguments[0]}: {told[0] if told else 'failed'}")
    return done.stdout

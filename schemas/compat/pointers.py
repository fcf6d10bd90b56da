"""JSON pointers (RFC 6901): into documents, and to lines of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from schemas.compat.verdict import ABSENT

_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def escape(step: str | int) -> str:
    """One step of a pointer."""
    return str(step).replace("~", "~0").replace("/", "~1")


def join(pointer: str, *steps: str | int) -> str:
    """``pointer`` and further steps."""
    return pointer + "".join(f"/{escape(step)}" for step in steps)


def steps_of(pointer: str) -> list[str]:
    """The steps of a pointer, unescaped."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def follow(document: Any, pointer: str) -> Any:  # noqa: ANN401 - any JSON
    """What stands at ``pointer``, or ``ABSENT``."""
    for step in steps_of(pointer):
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return ABSENT
    return document


def lines(text: str) -> dict[str, int]:
    """The line (from 1) on which each member and item of a JSON text begins, by pointer. ``text`` is valid JSON."""
    words = _numbered(text)
    found: dict[str, int] = {}
    word, line = next(words)
    found[""] = line
    _scan(word, "", words, found)
    return found


def line_of(known: dict[str, int], pointer: str) -> int:
    """The line of ``pointer``, or of the nearest place above it that exists."""
    while pointer and pointer not in known:
        pointer = pointer.rpartition("/")[0]
    return known.get(pointer, 1)


def _numbered(text: str) -> Iterator[tuple[str, int]]:
    line, end = 1, 0
    for match in _WORD.finditer(text):
        line += text.count("\n", end, match.start())
        end = match.start()
        yield match[0], line


def _scan(word: str, pointer: str, words: Iterator[tuple[str, int]], found: dict[str, int]) -> None:
    """Read the value that ``word`` begins, to its end."""
    if word == "{":
        _members(pointer, words, found)
    elif word == "[":
        _items(pointer, words, found)


def _members(pointer: str, words: Iterator[tuple[str, int]], found: dict[str, int]) -> None:
    for word, line in words:
        if word == "}":
            return
        if word == ",":
            continue
        inner = join(pointer, _unquoted(word))
        found[inner] = line
        next(words)  # the colon
        _scan(next(words)[0], inner, words, found)


def _items(pointer: str, words: Iterator[tuple[str, int]], found: dict[str, int]) -> None:
    number = 0
    for word, line in words:
        if word == "]":
            return
        if word == ",":
            continue
        inner = join(pointer, number)
        found[inner] = line
        number += 1
        _scan(word, inner, words, found)


def _unquoted(word: str) -> str:
    return str(orjson.loads(word))

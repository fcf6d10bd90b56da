"""One document out of a schema file and the shared files that it refers to, each as of the same tree.

Two trees may hold two states of `common/recipient.json` under one `$id`; the canonical form takes a resource's URI for
its identity, so each is laid into `$defs` of the document that refers to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urljoin

from schemas.compat import keywords, pointers
from schemas.compat.verdict import ABSENT, Schema

_PLAIN: Final = re.compile(r"[^\w.-]+")


class UnresolvedReferenceError(ValueError):
    """A `$ref` leads to nothing in the tree; the message quotes it."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A self-contained schema, and for each shared document in it the `$id` from which it came, by its key."""

    schema: dict[str, Any]
    origins: Mapping[str, str]

    def home(self, pointer: str) -> tuple[str, str]:
        """Where a pointer into the bundle leads: the `$id` of a shared document (or ""), and the pointer there."""
        for key, identity in self.origins.items():
            prefix = f"/$defs/{key}"
            if pointer == prefix or pointer.startswith(prefix + "/"):
                return identity, pointer.removeprefix(prefix)
        return "", pointer


def bundle(document: dict[str, Any], shared: Mapping[str, dict[str, Any]]) -> Bundle:
    """``document`` without annotations, every `$ref` a pointer within it.

    Raises:
        UnresolvedReferenceError: a reference leads to nothing.
    """
    work = _Bundling(shared)
    own = str(document.get("$id", ""))
    schema = work.localized(document, own, "", document)
    while work.waiting:
        identity = work.waiting.pop()
        target = shared[identity]
        work.placed[work.key(identity)] = work.localized(target, identity, f"/$defs/{work.key(identity)}", target)
    if work.placed:
        schema["$defs"] = {**schema.get("$defs", {}), **work.placed}
    return Bundle(schema, {work.key(identity): identity for identity in work.met})


class _Bundling:
    """What was met on the way."""

    def __init__(self, shared: Mapping[str, dict[str, Any]]) -> None:
        self.shared = shared
        self.met: list[str] = []
        self.waiting: list[str] = []
        self.placed: dict[str, Schema] = {}

    def key(self, identity: str) -> str:
        return "shared." + _PLAIN.sub("_", identity)

    def localized(self, document: dict[str, Any], identity: str, prefix: str, root: dict[str, Any]) -> dict[str, Any]:
        def change(node: dict[str, Any]) -> dict[str, Any]:
            if isinstance(node.get("$ref"), str):
                node["$ref"] = "#" + self.target(node["$ref"], identity, prefix, root)
            return {name: value for name, value in node.items() if name not in keywords.ANNOTATIONS}

        made = keywords.rewrite(document, change)
        assert isinstance(made, dict)
        return made

    def target(self, reference: str, identity: str, prefix: str, root: dict[str, Any]) -> str:
        """The pointer into the bundle to which a reference leads."""
        address, _, fragment = urljoin(identity, reference).partition("#") if identity else reference.partition("#")
        if not reference.startswith("#") and address != identity:
            if address not in self.shared:
                raise UnresolvedReferenceError(f"`$ref` to {reference!r}: no file of this tree has that `$id`")
            if address not in self.met:
                self.met.append(address)
                self.waiting.append(address)
            prefix, root = f"/$defs/{self.key(address)}", self.shared[address]
        fragment = unquote(reference.partition("#")[2] if reference.startswith("#") else fragment)
        inner = fragment if fragment.startswith("/") or not fragment else _anchored(root, fragment)
        if inner is ABSENT or pointers.follow(root, str(inner)) is ABSENT:
            raise UnresolvedReferenceError(f"`$ref` to {reference!r}: there is nothing there")
        return prefix + str(inner)


def _anchored(node: Any, anchor: str, pointer: str = "") -> Any:  # noqa: ANN401 - any JSON; a pointer or ABSENT
    """The pointer of the schema that has this `$anchor`."""
    if isinstance(node, dict) and anchor in {node.get("$anchor"), node.get("$dynamicAnchor")}:
        return pointer
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    found = (_anchored(value, anchor, pointers.join(pointer, step)) for step, value in inner)
    return next((each for each in found if each is not ABSENT), ABSENT)

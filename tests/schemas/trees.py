"""Schema folders that a test makes up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from schemas.compat import tree as trees
from schemas.compat.tree import Tree


def event(data: Any, **more: Any) -> dict[str, Any]:
    """A schema of an event whose `data` is so; closed, as ours are."""
    return {
        "type": "object",
        "properties": {"data": data},
        "required": ["data"],
        "additionalProperties": False,
        **more,
    }


def text(document: Any) -> bytes:
    """As a file: one member a line, so that lines mean something."""
    return document if isinstance(document, bytes) else json.dumps(document, indent=2).encode()


def tree(files: Mapping[str, Any], label: str = "a folder") -> Tree:
    """The tree of files, given as documents or bytes by path."""
    return trees.read({path: text(document) for path, document in files.items()}, label)

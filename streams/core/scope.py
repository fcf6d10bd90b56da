"""Scopes: what an order of an operator is about, from all messages down to one version of one template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from streams.core.messages import Category, Route
from streams.core.reasons import Stage


class Kind(StrEnum):
    """The kinds of scope, as they are written."""

    ALL = "all"
    STAGE = "stage"
    CHANNEL = "channel"
    CATEGORY = "category"
    TYPE = "type"
    TEMPLATE = "template"
    ISSUER = "issuer"


_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_NAMES: Final[Mapping[Kind, re.Pattern[str]]] = {
    Kind.STAGE: re.compile("|".join(Stage)),
    Kind.CHANNEL: re.compile(_WORD),
    Kind.CATEGORY: re.compile("|".join(Category)),
    Kind.TYPE: re.compile(_WORD),
    Kind.TEMPLATE: re.compile(rf"{_WORD}(?:@{_WORD})?"),
    # An issuer is any StringOrURI (RFC 7519, section 4.1.1), such as auto_com_center/ingress.
    Kind.ISSUER: re.compile(r"[!-~]{1,200}"),
}
FORM: Final = "all, stage:, channel:, category:, type:, template:<name>[@<version>] or issuer:"


@dataclass(frozen=True, slots=True)
class Scope:
    """``name`` is what stands after the colon; empty for `Kind.ALL`."""

    kind: Kind
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Self | str:
        """A scope as it is written, or what is wrong with it."""
        word, colon, name = text.partition(":")
        if text == Kind.ALL:
            return cls(Kind.ALL)
        if not colon or word == Kind.ALL or word not in list(Kind):
            return f"a scope is {FORM}"
        kind = Kind(word)
        if _NAMES[kind].fullmatch(name) is None:
            return f"what follows `{kind}:` must be {_wanted(kind)}"
        return cls(kind, name)

    def __str__(self) -> str:
        """As it is written; the key of its orders on ``comms.control``."""
        return f"{self.kind}:{self.name}" if self.name else self.kind.value

    @property
    def in_place(self) -> bool:
        """Whether reading stops where it is. Messages of a narrower scope are moved aside, and the others flow."""
        return self.kind in (Kind.ALL, Kind.STAGE)

    def covers(self, route: Route) -> bool:
        """Whether a message that is to be dispatched is meant.

        A message belongs to the issuer in front of its event's id, so ``issuer:a`` covers those of an issuer ``a/b``,
        too.
        """
        match self.kind:
            case Kind.ALL:
                return True
            case Kind.STAGE:
                return self.name == Stage.DISPATCH
            case Kind.CHANNEL:
                return self.name == route.channel
            case Kind.CATEGORY:
                return self.name == route.category
            case Kind.TYPE:
                return self.name == route.event_type
            case Kind.TEMPLATE:
                return self.name in (route.template, f"{route.template}@{route.template_version}")
            case Kind.ISSUER:
                return route.event_id.startswith(f"{self.name}/")


def _wanted(kind: Kind) -> str:
    match kind:
        case Kind.STAGE:
            return " or ".join(Stage)
        case Kind.CATEGORY:
            return " or ".join(Category)
        case Kind.TEMPLATE:
            return "a template's name, and may go on with @<version>"
        case _:
            return "a name"


ALL: Final = Scope(Kind.ALL)
"""Every message."""


def stage_scope(stage: Stage) -> Scope:
    """One step of the pipeline."""
    return Scope(Kind.STAGE, stage.value)

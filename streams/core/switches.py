"""What an operator may set: one row per setting, with the scopes and values that it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from streams.core.cap import LEAST
from streams.core.reasons import Stage
from streams.core.scope import Kind, Scope, stage_scope

Value = bool | int | str


class Setting(StrEnum):
    """The settings that a control record may name. A closed set."""

    DISABLE_SEND = "DISABLE_SEND"
    PAUSE = "PAUSE"
    PROMO_SENDS = "PROMO_SENDS"
    RETRIES_ENABLED = "RETRIES_ENABLED"
    RATE_LIMIT_ENABLED = "RATE_LIMIT_ENABLED"
    RATE_LIMIT_PER_MINUTE = "RATE_LIMIT_PER_MINUTE"
    AB_TESTING = "AB_TESTING"
    LAUNCHED_AT = "LAUNCHED_AT"
    DROP = "DROP"
    RERENDER = "RERENDER"
    BREAKER = "BREAKER"


@dataclass(frozen=True, slots=True)
class ValueKind:
    """A kind of value: ``fits`` says whether a JSON value is one, ``read`` makes one of what is typed."""

    form: str
    fits: Callable[[object], bool]
    read: Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting. ``momentary``: it is about what was there when it was said, so it neither lasts nor expires."""

    says: str
    value: ValueKind
    scope: Callable[[Scope], bool]
    scopes: str
    momentary: bool = False


_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
_MAX_RATE: Final = 1_000_000


def moment_ms(text: object) -> int | None:
    """RFC 3339 with its offset, as milliseconds since the epoch; None for anything else."""
    if not isinstance(text, str) or _MOMENT.fullmatch(text) is None:
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _is_rate(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and LEAST <= value <= _MAX_RATE


def _word(text: str) -> object:
    return {"true": True, "false": False}.get(text.lower(), text)


def _whole_number(text: str) -> object:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else text


_SWITCH: Final = ValueKind("true or false", lambda value: isinstance(value, bool), _word)
_YES: Final = ValueKind("true", lambda value: value is True, _word)
_RATE: Final = ValueKind(f"a whole number, at least {LEAST}", _is_rate, _whole_number)
_TIME: Final = ValueKind("an RFC 3339 time with its offset", lambda value: moment_ms(value) is not None, str)
_NAME: Final = ValueKind(
    "a topic's name", lambda value: isinstance(value, str) and _TOPIC.fullmatch(value) is not None, str
)

_IDLE: Final = tuple(stage_scope(stage) for stage in (Stage.INGEST, Stage.RENDER))


def _whole(scope: Scope) -> bool:
    return scope.kind is Kind.ALL


def _in_place(scope: Scope) -> bool:
    return scope.in_place


def _of_messages(scope: Scope) -> bool:
    return scope not in _IDLE


def _of_inbound(scope: Scope) -> bool:
    return scope.kind is Kind.ISSUER or scope == stage_scope(Stage.INGEST)


_ALL_ONLY: Final = "all"
_MESSAGES: Final = "any scope of messages, so not stage:ingest or stage:render"

ROWS: Final[Mapping[Setting, Row]] = {
    Setting.DISABLE_SEND: Row(
        says="true: the kill switch, nothing of the scope is sent; false: released",
        value=_SWITCH,
        scope=_of_messages,
        scopes=_MESSAGES,
    ),
    Setting.PAUSE: Row(says="true: not read until resumed", value=_SWITCH, scope=_in_place, scopes="all or stage:"),
    Setting.PROMO_SENDS: Row(
        says="false: no promotional message goes out", value=_SWITCH, scope=_whole, scopes=_ALL_ONLY
    ),
    Setting.RETRIES_ENABLED: Row(
        says="false: given up at the first failure", value=_SWITCH, scope=_whole, scopes=_ALL_ONLY
    ),
    Setting.RATE_LIMIT_ENABLED: Row(says="true: the cap holds", value=_SWITCH, scope=_whole, scopes=_ALL_ONLY),
    Setting.RATE_LIMIT_PER_MINUTE: Row(
        says="the cap; only a lower one counts", value=_RATE, scope=_whole, scopes="all"
    ),
    Setting.AB_TESTING: Row(says="false: the control variant only", value=_SWITCH, scope=_whole, scopes=_ALL_ONLY),
    Setting.LAUNCHED_AT: Row(
        says="when it was launched; the latest counts", value=_TIME, scope=_whole, scopes=_ALL_ONLY, momentary=True
    ),
    Setting.DROP: Row(
        says="true: messages of the scope that are in dispatch now end as suppressed: recalled",
        value=_YES,
        scope=_of_messages,
        scopes=_MESSAGES,
        momentary=True,
    ),
    Setting.RERENDER: Row(
        says="true: messages of the scope that are in dispatch now go back to rendering",
        value=_YES,
        scope=_of_messages,
        scopes=_MESSAGES,
        momentary=True,
    ),
    Setting.BREAKER: Row(
        says="the inbound topic whose breaker is released",
        value=_NAME,
        scope=_of_inbound,
        scopes="issuer: or stage:ingest",
        momentary=True,
    ),
}


def scope_fault(setting: Setting, scope: Scope) -> str:
    """Why a setting can't have this scope; empty if it can."""
    row = ROWS[setting]
    return "" if row.scope(scope) else f"{setting} takes {row.scopes}"


def value_fault(setting: Setting, value: object) -> str:
    """Why a setting can't have this value; empty if it can."""
    kind = ROWS[setting].value
    return "" if kind.fits(value) else f"{setting} takes {kind.form}"

"""Orders as tokens: which record of ``comms.control`` is obeyed, and why the others are not.

An order is a compact JWS with ``typ: control+jwt`` under a key of `config/operators.toml`. Those keys are local: no
gate and no network stands between an operator and the kill switch. Judged by the record's append time, so that a
restart obeys what was obeyed before (RFC 7519 for the claims, RFC 8725 for the rest).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeGuard

from streams.core.control import NOTHING_ORDERED, ControlState, Order
from streams.core.jws import Unverified, read, verify_bytes
from streams.core.keys import KeySet
from streams.core.reasons import Reason, Rejected
from streams.core.scope import Scope
from streams.core.switches import ROWS, Setting, Value, moment_ms, scope_fault, value_fault
from streams.core.token import AUDIENCE, MAX_JTI, has_audience, time_fault

CONTROL_TYPE: Final = "control+jwt"
ROLE: Final = "Operator"
MAX_REASON: Final = 500
LIFETIME_S: Final = 300
MAX_AHEAD_MS: Final = 7 * 24 * 3_600_000
"""How far ahead a launch may be told. A later launch counts for ever, so a slip of the pen must not last for years."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Their keys, and from when on they may no longer order (milliseconds since the epoch; None: they may).

    Who leaves is not taken off the list: what they stopped would go on at the next restart.
    """

    keys: KeySet
    until_ms: int | None = None


Operators = Mapping[str, Operator]
"""By name."""
Identity = tuple[str, str]
"""``iss`` and ``jti``: an order is obeyed once."""


class OrderFault(StrEnum):
    """Why a well-signed order is not obeyed; beside the refusals of tokens in `Reason`. A closed set."""

    REPLAYED = "order_replayed"
    SETTING = "order_setting"
    SCOPE = "order_scope"
    VALUE = "order_value"
    REASON = "order_reason"
    EXPIRY = "order_expiry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One record of ``comms.control``. ``appended_ms``: milliseconds since the epoch."""

    value: bytes | None
    offset: int
    appended_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A record that changes nothing, and why. ``operator`` is empty unless the signature is theirs."""

    reason: Reason | OrderFault
    detail: str
    offset: int
    appended_ms: int
    operator: str = ""


@dataclass(frozen=True, slots=True)
class _Fault:
    reason: Reason | OrderFault
    detail: str


def read_order(said: Said, operators: Operators, seen: Collection[Identity]) -> Order | Ignored:
    """Decide whether a record is obeyed. ``seen``: the identities of all orders before it that were."""
    token = _signed(said, operators)
    if isinstance(token, Rejected):
        return Ignored(reason=token.reason, detail=token.detail, offset=said.offset, appended_ms=said.appended_ms)
    claims = token.payload
    operator = str(claims["iss"])
    fault = _claims_fault(claims, said) or _replay(claims, seen)
    made = fault or _order(claims, said)
    if isinstance(made, Order):
        return made
    return Ignored(
        reason=made.reason, detail=made.detail, offset=said.offset, appended_ms=said.appended_ms, operator=operator
    )


def _signed(said: Said, operators: Operators) -> Unverified | Rejected:
    token = read(said.value, token_type=CONTROL_TYPE)
    if isinstance(token, Rejected):
        return token
    issuer = token.payload.get("iss")
    operator = operators.get(issuer) if isinstance(issuer, str) else None
    if operator is None:
        return Rejected(Reason.TOKEN_ISSUER, "`iss` is not a listed operator")
    verified = verify_bytes(token, operator.keys)
    if isinstance(verified, Rejected):
        return verified
    if operator.until_ms is not None and said.appended_ms >= operator.until_ms:
        return Rejected(Reason.TOKEN_ISSUER, "this operator's time was over")
    return token


def _claims_fault(claims: Mapping[str, Any], said: Said) -> _Fault | None:
    if not has_audience(claims):
        return _Fault(Reason.TOKEN_AUDIENCE, f"`aud` must contain `{AUDIENCE}`")
    roles = claims.get("roles")
    if not isinstance(roles, list) or ROLE not in roles:
        return _Fault(Reason.TOKEN_ROLE, f"`roles` must contain `{ROLE}`")
    late = time_fault(claims, said.appended_ms / 1000)
    if late is not None:
        return _Fault(late.reason, late.detail)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        return _Fault(Reason.TOKEN_CLAIMS, f"`jti` must be a string of 1 to {MAX_JTI} characters")
    return None


def _replay(claims: Mapping[str, Any], seen: Collection[Identity]) -> _Fault | None:
    if (claims["iss"], claims["jti"]) in seen:
        return _Fault(OrderFault.REPLAYED, "this `jti` was obeyed before")
    return None


def _order(claims: Mapping[str, Any], said: Said) -> Order | _Fault:
    name, value, reason = (claims.get(member) for member in ("setting", "value", "reason"))
    if not isinstance(name, str) or name not in list(Setting):
        return _Fault(OrderFault.SETTING, f"`setting` must be one of {', '.join(Setting)}")
    setting, scope = Setting(name), _scope(claims.get("scope"))
    if isinstance(scope, str) or scope_fault(setting, scope):
        return _Fault(OrderFault.SCOPE, scope if isinstance(scope, str) else scope_fault(setting, scope))
    if not isinstance(value, Value) or value_fault(setting, value) or _too_far(setting, value, said):
        return _Fault(OrderFault.VALUE, value_fault(setting, value) or "`LAUNCHED_AT` lies more than 7 days ahead")
    if not is_reason(reason):
        return _Fault(OrderFault.REASON, f"`reason` must be printable text of 1 to {MAX_REASON} characters")
    expires_at_ms = _expiry(claims, setting, said)
    if isinstance(expires_at_ms, _Fault):
        return expires_at_ms
    return Order(
        scope=scope,
        setting=setting,
        value=value,
        reason=reason,
        operator=claims["iss"],
        jti=claims["jti"],
        appended_ms=said.appended_ms,
        offset=said.offset,
        expires_at_ms=expires_at_ms,
    )


def _scope(text: object) -> Scope | str:
    return Scope.parse(text) if isinstance(text, str) else "`scope` must be a text"


def _too_far(setting: Setting, value: Value, said: Said) -> bool:
    launch = moment_ms(value)
    return setting is Setting.LAUNCHED_AT and launch is not None and launch > said.appended_ms + MAX_AHEAD_MS


def is_reason(text: object) -> TypeGuard[str]:
    """Whether a text may stand as the reason of an order. Printable: it is shown on terminals."""
    return isinstance(text, str) and bool(text.strip()) and len(text) <= MAX_REASON and text.isprintable()


def _expiry(claims: Mapping[str, Any], setting: Setting, said: Said) -> int | _Fault | None:
    if claims.get("expires_at") is None:
        return None
    if ROWS[setting].momentary:
        return _Fault(OrderFault.EXPIRY, f"{setting} is about a moment and can't expire")
    moment = moment_ms(claims["expires_at"])
    if moment is None or moment <= said.appended_ms:
        return _Fault(OrderFault.EXPIRY, "`expires_at` must be an RFC 3339 time after the record's append time")
    return moment


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All of ``comms.control`` as it was judged, and the state that it leads to."""

    judged: tuple[Order | Ignored, ...]
    state: ControlState

    @property
    def obeyed(self) -> int:
        """How many records were."""
        return sum(isinstance(one, Order) for one in self.judged)

    @property
    def end(self) -> int:
        """The offset after the last record."""
        return self.judged[-1].offset + 1 if self.judged else 0


def history(records: Iterable[Said], operators: Operators) -> History:
    """Judge every record, in the topic's order."""
    seen: set[Identity] = set()
    state, judged = NOTHING_ORDERED, list[Order | Ignored]()
    for said in records:
        judged.append(read_order(said, operators, seen))
        match judged[-1]:
            case Order() as order:
                seen.add((order.operator, order.jti))
                state = state.after(order)
    return History(judged=tuple(judged), state=state)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An order that is still to be signed. ``expires_at``: RFC 3339, or empty."""

    scope: Scope
    setting: Setting
    value: Value
    reason: str
    expires_at: str = ""


def order_claims(wanted: Wanted, *, operator: str, jti: str, now_s: int) -> dict[str, Any]:
    """The claims of an order, good for five minutes. ``now_s``: seconds since the epoch."""
    expiry = {"expires_at": wanted.expires_at} if wanted.expires_at else {}
    return {
        "iss": operator,
        "aud": AUDIENCE,
        "roles": [ROLE],
        "iat": now_s,
        "exp": now_s + LIFETIME_S,
        "jti": jti,
        "scope": str(wanted.scope),
        "setting": wanted.setting.value,
        "value": wanted.value,
        "reason": wanted.reason,
        **expiry,
    }

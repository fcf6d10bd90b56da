"""Which record of comms.control is obeyed, and why the others are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.control import Order
from streams.core.control_token import (
    LIFETIME_S,
    MAX_REASON,
    Identity,
    Ignored,
    Operator,
    OrderFault,
    Said,
    Wanted,
    order_claims,
    read_order,
)
from streams.core.reasons import Reason
from streams.core.scope import ALL, Kind, Scope
from streams.core.signing import kid_in
from streams.core.switches import Setting
from tests.builders import NOW_S, OPERATOR, claims, operators, order_body, order_token, private_key, token


def judged(value: bytes | None, *, appended_s: float = NOW_S, seen: frozenset[Identity] = frozenset()) -> Any:
    return read_order(Said(value=value, offset=7, appended_ms=int(appended_s * 1000)), operators(), seen)


def why(value: bytes | None, **changes: Any) -> str:
    found = judged(value, **changes)
    assert isinstance(found, Ignored), found
    assert (found.offset, bool(found.detail)) == (7, True)
    return found.reason


def test_a_signed_order_is_obeyed() -> None:
    """With who said it, why, when and until when."""
    body = order_body(scope="template:new_match@1.1", expires_at="2026-09-22T00:00:00+02:00")
    found = judged(order_token(body))
    assert found == Order(
        scope=Scope(Kind.TEMPLATE, "new_match@1.1"),
        setting=Setting.DISABLE_SEND,
        value=True,
        reason="a bad night",
        operator=OPERATOR,
        jti="order-1",
        appended_ms=NOW_S * 1000,
        offset=7,
        expires_at_ms=1_790_028_000_000,
    )


REFUSED: list[tuple[str, bytes | None, str]] = [
    ("no value", None, Reason.TOKEN_MISSING),
    ("garbage", b"\x00\xff", Reason.TOKEN_MALFORMED),
    ("unsigned", b"eyJhbGciOiJub25lIn0.e30.", Reason.TOKEN_TYPE),
    ("an event", token(claims(iss=OPERATOR), key=private_key("EdDSA", OPERATOR), header={"kid": "op"}), "token_type"),
    ("an access token", order_token(typ="at+jwt"), Reason.TOKEN_TYPE),
    ("an unlisted operator", order_token(order_body(iss="mallory")), Reason.TOKEN_ISSUER),
    ("an operator that is no text", order_token(order_body(iss=None)), Reason.TOKEN_ISSUER),
    ("another operator's key", order_token(order_body(), signer="omar"), Reason.TOKEN_SIGNATURE),
    ("an unknown key", order_token(kid="old"), Reason.TOKEN_UNKNOWN_KEY),
    ("said to somebody else", order_token(order_body(aud="scholar_auth")), Reason.TOKEN_AUDIENCE),
    ("a service", order_token(order_body(roles=["SystemService"])), Reason.TOKEN_ROLE),
    ("no roles", order_token(order_body(roles=None)), Reason.TOKEN_ROLE),
    ("a life beyond 900 s", order_token(order_body(exp=NOW_S + 901)), Reason.TOKEN_CLAIMS),
    ("no end", order_token(order_body(exp=None)), Reason.TOKEN_CLAIMS),
    ("no jti", order_token(order_body(jti=None)), Reason.TOKEN_CLAIMS),
    ("an empty jti", order_token(order_body(jti="")), Reason.TOKEN_CLAIMS),
    ("a long jti", order_token(order_body(jti="x" * 129)), Reason.TOKEN_CLAIMS),
    ("no scope", order_token(order_body(scope=None)), OrderFault.SCOPE),
    ("an unknown scope", order_token(order_body(scope="everything")), OrderFault.SCOPE),
    ("a scope that the setting doesn't take", order_token(order_body(setting="PAUSE", scope="type:x")), "order_scope"),
    ("an unknown setting", order_token(order_body(setting="MODE", value="live")), OrderFault.SETTING),
    ("a setting that is no text", order_token(order_body(setting=1)), OrderFault.SETTING),
    ("a number for a switch", order_token(order_body(value=1)), OrderFault.VALUE),
    ("a text for a switch", order_token(order_body(value="true")), OrderFault.VALUE),
    ("no value to set", order_token(order_body(value=None)), OrderFault.VALUE),
    ("no reason", order_token(order_body(reason=None)), OrderFault.REASON),
    ("a blank reason", order_token(order_body(reason="  ")), OrderFault.REASON),
    ("a reason without an end", order_token(order_body(reason="x" * (MAX_REASON + 1))), OrderFault.REASON),
    ("a reason that paints the terminal", order_token(order_body(reason="\x1b[2Jfine")), OrderFault.REASON),
    ("an expiry that is a number", order_token(order_body(expires_at=NOW_S + 60)), OrderFault.EXPIRY),
    ("an expiry without a zone", order_token(order_body(expires_at="2026-12-01T00:00:00")), OrderFault.EXPIRY),
    ("an expiry that is over", order_token(order_body(expires_at="2026-01-01T00:00:00Z")), OrderFault.EXPIRY),
    ("a drop that expires", order_token(order_body(setting="DROP", expires_at="2026-12-01T00:00:00Z")), "order_expiry"),
    ("a launch in years", order_token(order_body(setting="LAUNCHED_AT", value="2099-01-01T00:00:00Z")), "order_value"),
]


@pytest.mark.parametrize(("value", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_anything_else_is_ignored_with_a_reason(value: bytes | None, reason: str) -> None:
    assert why(value) == reason


def test_every_fault_of_an_order_is_reached() -> None:
    reached = {row[2] for row in REFUSED}
    assert set(OrderFault) - reached == {OrderFault.REPLAYED}


def test_only_a_signature_makes_a_name() -> None:
    """The audit trail names nobody for what they didn't sign."""
    forged, late = judged(order_token(order_body(), signer="omar")), judged(order_token(order_body(reason="")))
    assert isinstance(forged, Ignored)
    assert isinstance(late, Ignored)
    assert (forged.operator, late.operator) == ("", OPERATOR)


@pytest.mark.parametrize(
    ("appended_s", "reason"),
    [
        (NOW_S - 61, Reason.TOKEN_NOT_YET_VALID),
        (NOW_S - 59, None),
        (NOW_S + 300 + 59, None),
        (NOW_S + 300 + 60, Reason.TOKEN_EXPIRED),
        (NOW_S + 9e6, Reason.TOKEN_EXPIRED),
    ],
)
def test_an_order_is_judged_by_when_it_was_appended(appended_s: float, reason: Reason | None) -> None:
    """So a restart a year later obeys what was obeyed then."""
    found = judged(order_token(), appended_s=appended_s)
    assert (found.reason if isinstance(found, Ignored) else None) == reason


@pytest.mark.parametrize(("until_ms", "obeyed"), [(None, True), (NOW_S * 1000 + 1, True), (NOW_S * 1000, False)])
def test_what_an_operator_ordered_outlives_them(until_ms: int | None, obeyed: bool) -> None:  # noqa: FBT001 - a column
    """Who leaves orders nothing more, and what they stopped before stays stopped."""
    listed = {OPERATOR: Operator(operators()[OPERATOR].keys, until_ms)}
    found = read_order(Said(value=order_token(), offset=0, appended_ms=NOW_S * 1000), listed, set())
    assert isinstance(found, Order) is obeyed
    assert isinstance(found, Order) or found.reason is Reason.TOKEN_ISSUER


def test_an_order_is_obeyed_once() -> None:
    """The same identity again changes nothing, whatever it says; another operator's is another."""
    seen = frozenset({(OPERATOR, "order-1")})
    assert why(order_token(), seen=seen) == OrderFault.REPLAYED
    assert why(order_token(order_body(value=False)), seen=seen) == OrderFault.REPLAYED
    other = judged(order_token(order_body(iss="omar"), signer="omar"), seen=seen)
    assert isinstance(other, Order)


@pytest.mark.parametrize(
    ("setting", "scope", "value"),
    [
        ("DISABLE_SEND", "all", True), ("DISABLE_SEND", "stage:dispatch", False), ("DISABLE_SEND", "issuer:a/b", True),
        ("PAUSE", "stage:ingest", True), ("PAUSE", "all", False), ("PROMO_SENDS", "all", False),
        ("RETRIES_ENABLED", "all", False), ("RATE_LIMIT_ENABLED", "all", True), ("AB_TESTING", "all", False),
        ("RATE_LIMIT_PER_MINUTE", "all", 3), ("LAUNCHED_AT", "all", "2026-09-21T12:00:00Z"),
        ("DROP", "template:x@1.0", True), ("RERENDER", "channel:sms", True), ("BREAKER", "issuer:a", "events.a"),
        ("BREAKER", "stage:ingest", "comms.redrive"),
    ],
)  # fmt: skip
def test_what_each_setting_takes_is_obeyed(setting: str, scope: str, value: object) -> None:
    found = judged(order_token(order_body(setting=setting, scope=scope, value=value)))
    assert isinstance(found, Order), found
    assert (found.setting, str(found.scope), found.value) == (setting, scope, value)


@pytest.mark.parametrize(
    ("setting", "scope", "value"),
    [
        ("DISABLE_SEND", "stage:ingest", True), ("DISABLE_SEND", "stage:render", True), ("PAUSE", "channel:sms", True),
        ("PROMO_SENDS", "category:promotional", False), ("RATE_LIMIT_PER_MINUTE", "stage:dispatch", 5),
        ("RATE_LIMIT_PER_MINUTE", "all", 2), ("RATE_LIMIT_PER_MINUTE", "all", True),
        ("RATE_LIMIT_PER_MINUTE", "all", 2.0), ("RATE_LIMIT_PER_MINUTE", "all", "5"), ("DROP", "all", False),
        ("LAUNCHED_AT", "all", 1790000000), ("LAUNCHED_AT", "all", "2026-09-21"),
        ("LAUNCHED_AT", "all", "2026-13-21T12:00:00Z"), ("BREAKER", "all", "events.a"),
        ("BREAKER", "issuer:a", "a topic"), ("BREAKER", "issuer:a", False),
    ],
)  # fmt: skip
def test_what_a_setting_does_not_take_is_ignored(setting: str, scope: str, value: object) -> None:
    reason = why(order_token(order_body(setting=setting, scope=scope, value=value)))
    assert reason in (OrderFault.SCOPE, OrderFault.VALUE)


def test_what_the_command_signs_is_obeyed() -> None:
    """Claims and key names of the operator's side against those of the worker's."""
    key = private_key("EdDSA", OPERATOR)
    wanted = Wanted(scope=ALL, setting=Setting.PAUSE, value=True, reason="x", expires_at="2026-12-01T00:00:00Z")
    body = order_claims(wanted, operator=OPERATOR, jti="j", now_s=NOW_S)
    assert kid_in(operators()[OPERATOR].keys, key) == "op"
    assert kid_in(operators()["omar"].keys, key) is None
    found = judged(order_token(body), appended_s=NOW_S + LIFETIME_S)
    assert isinstance(found, Order)
    assert found.expires_at_ms == 1_796_083_200_000


@given(st.binary(max_size=200) | st.none())
def test_no_bytes_make_it_raise(value: bytes | None) -> None:
    assert isinstance(judged(value), Ignored)


JSON = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)
)


@given(st.sampled_from(sorted(order_body().keys() - {"iss"})), JSON)
def test_no_claim_makes_it_raise(name: str, value: object) -> None:
    """Whatever a listed operator signs is obeyed or ignored; a strange `iss` even the library refuses to sign."""
    assert isinstance(judged(order_token({**order_body(), name: value})), Order | Ignored)

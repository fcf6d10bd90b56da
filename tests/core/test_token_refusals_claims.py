"""A well-signed token is not yet a good one: type, issuer, topic, audience, role, times and identity."""

from __future__ import annotations

from typing import Any

import pytest

from streams.core.reasons import Reason, Rejected
from streams.core.token import verify
from tests.builders import ISSUER, NOW_S, OTHER, TOPIC, claims, event, private_key, record, rules, token
from tests.forge import header, sign


def reason_of(value: bytes, *, topic: str = TOPIC, appended_s: float = NOW_S) -> Reason | None:
    """Why it is refused; None if it is accepted."""
    outcome = verify(record(value, topic=topic, appended_s=appended_s), rules().tokens)
    return outcome.reason if isinstance(outcome, Rejected) else None


def said(**changes: Any) -> Reason | None:
    """What becomes of the default claims with these in their place; well signed."""
    return reason_of(sign(header(), claims() | changes))


TYPES: list[Any] = [
    "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "dpop+jwt", "secevent+jwt", "logout+jwt", "id_token",
    "control+jwt", "operator+jwt", "event", "+jwt", "event+jwt ", " event+jwt", "event+jwt\0", "event jwt",
    "EVENT+JWT", "Event+JWT", "event+JWT", "application/event+jwt", "event+jwt;v=1", "\u0435vent+jwt",
    None, "", 1, True, [], ["event+jwt"], {"event+jwt": 1},
]  # fmt: skip


@pytest.mark.parametrize("typ", TYPES, ids=ascii)
def test_a_token_for_another_purpose_is_no_event(typ: Any) -> None:
    """Also in other case or as a full media type: there is one spelling (RFC 8725, section 3.11)."""
    assert reason_of(sign(header() | {"typ": typ})) is Reason.TOKEN_TYPE
    assert reason_of(sign(header(typ=None))) is Reason.TOKEN_TYPE


def test_an_access_token_of_the_same_service_is_no_event() -> None:
    """Signed with the same key, for the same audience (RFC 9068)."""
    body = claims(client_id=ISSUER, scope="notify:send")
    body.pop("event")
    assert reason_of(sign(header(typ="at+jwt"), body)) is Reason.TOKEN_TYPE
    assert reason_of(sign(header(), body)) is Reason.TOKEN_CLAIMS


ISSUERS: list[Any] = [
    None, "", "mallory", "Scholarship_Agent", ISSUER + " ", " " + ISSUER, ISSUER + "\0", ISSUER + "/", "__class__",
    "schol\u0430rship_agent", f"https://{ISSUER}", 1, True, [], [ISSUER], {ISSUER: 1}, "auto_com_center",
]  # fmt: skip


@pytest.mark.parametrize("issuer", ISSUERS, ids=ascii)
def test_only_a_registered_issuer_is_believed(issuer: Any) -> None:
    assert said(iss=issuer) is Reason.TOKEN_ISSUER


@pytest.mark.parametrize("topic", [f"events.{OTHER}", "events.", "Events." + ISSUER, TOPIC + ".x", "events.unheard_of"])
def test_an_issuer_speaks_on_its_own_topic_only(topic: str) -> None:
    assert reason_of(token(), topic=topic) is Reason.TOKEN_TOPIC


def test_two_issuers_cannot_swap_topics() -> None:
    """Each good at home, refused at the other's."""
    others = token(claims(iss=OTHER, sub=f"service:{OTHER}"), key=private_key("RS256", "other"))
    assert reason_of(others, topic=f"events.{OTHER}") is None
    assert reason_of(others) is Reason.TOKEN_TOPIC
    assert reason_of(token()) is None
    assert reason_of(token(), topic=f"events.{OTHER}") is Reason.TOKEN_TOPIC


AUDIENCES: list[Any] = [
    None, "", "scholarship_api", "auto_com_center ", "AUTO_COM_CENTER", "auto_com_center/ingress", "auto_com_cente",
    "auto_com_center,x", "x auto_com_center", "*", 1, True, [], {}, {"auto_com_center": 1}, ["x"],
    [["auto_com_center"]], ["auto_com_center "], [None], "\u0430uto_com_center",
]  # fmt: skip


@pytest.mark.parametrize("audience", AUDIENCES, ids=ascii)
def test_what_was_said_to_somebody_else_is_not_for_us(audience: Any) -> None:
    """Whole words, not parts of them; in a text or in a list."""
    assert said(aud=audience) is Reason.TOKEN_AUDIENCE


ROLES: list[Any] = [
    None, "SystemService", "", [], ["systemservice"], ["SystemService "], ["Student", "Operator"], [["SystemService"]],
    {"SystemService": True}, True, 1, ["System", "Service"], [None],
]  # fmt: skip


@pytest.mark.parametrize("roles", ROLES, ids=ascii)
def test_only_a_service_produces_events(roles: Any) -> None:
    assert said(roles=roles) is Reason.TOKEN_ROLE


SUBJECTS: list[Any] = [
    None, "", ISSUER, f"service:{OTHER}", f"Service:{ISSUER}", f"service: {ISSUER}", f"service:{ISSUER} ", "service:",
    f"user:{ISSUER}", f"service:service:{ISSUER}", 1, [], [f"service:{ISSUER}"], {},
]  # fmt: skip


@pytest.mark.parametrize("subject", SUBJECTS, ids=ascii)
def test_the_subject_is_the_issuers_own_service(subject: Any) -> None:
    assert said(sub=subject) is Reason.TOKEN_CLAIMS


NO_TIMES: list[Any] = [None, "", str(NOW_S), f"{NOW_S}.0", "now", "2026-11-24T09:12:34Z", True, False, [], [NOW_S], {}]


@pytest.mark.parametrize("value", NO_TIMES, ids=ascii)
@pytest.mark.parametrize("name", ["iat", "exp", "nbf"])
def test_a_time_is_a_number(name: str, value: Any) -> None:
    """A text of digits is none, and neither is a boolean."""
    assert said(**{name: value}) is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("name", ["iss", "aud", "sub", "roles", "iat", "exp", "jti", "event"])
def test_no_claim_may_be_left_out(name: str) -> None:
    body = claims()
    del body[name]
    expected = {"iss": Reason.TOKEN_ISSUER, "aud": Reason.TOKEN_AUDIENCE, "roles": Reason.TOKEN_ROLE}
    assert reason_of(sign(header(), body)) is expected.get(name, Reason.TOKEN_CLAIMS)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"exp": NOW_S}, Reason.TOKEN_CLAIMS),
        ({"exp": NOW_S - 1}, Reason.TOKEN_CLAIMS),
        ({"exp": NOW_S + 900.001}, Reason.TOKEN_CLAIMS),
        ({"exp": 2**63 - 1}, Reason.TOKEN_CLAIMS),
        ({"exp": 1.7e308}, Reason.TOKEN_CLAIMS),
        ({"iat": -(2**63)}, Reason.TOKEN_CLAIMS),
        ({"iat": 0, "exp": 900}, Reason.TOKEN_EXPIRED),
        ({"iat": -900, "exp": -1}, Reason.TOKEN_EXPIRED),
        ({"iat": NOW_S * 1000, "exp": NOW_S * 1000 + 300}, Reason.TOKEN_NOT_YET_VALID),
        ({"nbf": 1.7e308}, Reason.TOKEN_NOT_YET_VALID),
        ({"nbf": 0}, None),
        ({"iat": NOW_S + 0.5, "exp": NOW_S + 900.5}, None),
    ],
    ids=str,
)
def test_a_life_is_short_and_lies_around_the_append(times: dict[str, Any], reason: Reason | None) -> None:
    """Milliseconds for seconds, one of the commonest mistakes, is a time far ahead."""
    assert said(**times) is reason


@pytest.mark.parametrize("jti", [None, "", "j" * 129, 1, 1.5, True, [], ["j"], {}], ids=ascii)
def test_an_event_has_an_identity(jti: Any) -> None:
    assert said(jti=jti) is Reason.TOKEN_CLAIMS


@pytest.mark.parametrize("body", [None, "", "x", 1, True, [], [event()]], ids=lambda body: type(body).__name__)
def test_an_event_is_an_object(body: Any) -> None:
    assert said(event=body) is Reason.TOKEN_CLAIMS


def test_a_good_signature_is_needed_before_any_claim_is_judged() -> None:
    """A stranger learns nothing about topics, audiences or roles."""
    stranger = private_key("RS256", "stranger")
    wrong: list[dict[str, Any]] = [{"aud": "x"}, {"sub": "x"}, {"roles": []}, {"exp": 0}, {"jti": ""}, {"event": None}]
    for changes in wrong:
        assert reason_of(sign(header(), claims() | changes, stranger)) is Reason.TOKEN_SIGNATURE
    assert reason_of(sign(header(), key=stranger), topic=f"events.{OTHER}") is Reason.TOKEN_SIGNATURE

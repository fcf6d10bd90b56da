"""What `comcenter event validate` says: all that the contract refuses and that can be told without a key."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import registry
from streams import templates
from streams.core.reasons import Reason, Rejected
from streams.core.templates import Templates
from streams.core.token import verify
from streams.precheck import Finding, Precheck, event_of
from tests import forge
from tests.builders import ISSUER, NOW_S, OTHER, claims, event, producers, record, rules, token
from tests.topology.test_ingest import BAD, HEADER, raw

PRECHECK = Precheck(producers(), registry.load(), templates.load())
NEEDS_KEYS_OR_TOPIC = {Reason.TOKEN_SIGNATURE, Reason.TOKEN_UNKNOWN_KEY, Reason.TOKEN_TOPIC}
OF_THE_KEY = {"alg of another key kind"}
"""Refused as `token_alg`, and only the key tells."""


def findings(value: bytes) -> list[Finding]:
    return PRECHECK.token(value, now_s=NOW_S)


def reasons(value: bytes) -> list[Reason]:
    return [finding.reason for finding in findings(value)]


@pytest.mark.parametrize(("name", "reason", "value"), [(*case[:2], case[2]()) for case in BAD], ids=[c[0] for c in BAD])
def test_what_a_worker_refuses_is_found_offline_under_the_same_reason(
    name: str, reason: Reason, value: bytes | None
) -> None:
    """The whole table of refusals at ingest, but for what only a key or the topic can tell."""
    if reason in NEEDS_KEYS_OR_TOPIC or name in OF_THE_KEY:
        assert findings(value or b"") == []
    else:
        assert reason in reasons(value or b"")


def test_a_good_token_has_nothing_against_it() -> None:
    assert findings(token()) == []
    assert event_of(token()) == event()


def test_all_that_is_wrong_is_told_at_once() -> None:
    """A worker stops at the first; someone who mends a producer wants the list."""
    body = claims(
        event(data__details_url=None, data__foo=1),
        aud="x",
        sub="user:1",
        roles=["Student"],
        iat="now",
        jti=7,
    )
    told = [str(finding) for finding in findings(raw(HEADER | {"typ": "JWT"}, body))]
    assert told == [
        "token_type  header `typ` must be `event+jwt`",
        "token_audience  `aud` must contain `auto_com_center`",
        "token_claims  `sub` must be `service:<name>` of this issuer",
        "token_role  `roles` must contain `SystemService`",
        "token_claims  `iat` and `exp` must be numbers",
        "token_claims  `jti` must be a string of 1 to 128 characters",
        "schema_violation  /data: lacks `details_url`",
        "schema_violation  /data: has the unknown member `foo`",
    ]


def test_the_first_finding_is_what_a_worker_would_say() -> None:
    """For a token that is well signed; so that a dead letter and this list can be laid side by side."""
    changes: list[dict[str, Any]] = [{"aud": "x"}, {"sub": "x"}, {"roles": []}, {"exp": NOW_S + 901}, {"jti": ""}]
    for change in changes:
        value = token(claims(**change))
        refused = verify(record(value), rules().tokens)
        assert isinstance(refused, Rejected)
        assert [(one.reason, one.text) for one in findings(value)] == [(refused.reason, refused.detail)]


def test_an_unregistered_issuer_is_told_who_is_registered_and_what_else_is_wrong() -> None:
    value = token(claims(event(data__foo=1), iss="mallory", sub="service:mallory"))
    told = findings(value)
    assert [one.reason for one in told] == [Reason.TOKEN_ISSUER, Reason.SCHEMA_VIOLATION]
    assert ISSUER in told[0].text
    assert OTHER in told[0].text


def test_a_type_that_the_issuer_may_not_send_is_told() -> None:
    body = claims(event("deadline_soon"), iss=OTHER, sub=f"service:{OTHER}")
    assert reasons(token(body)) == [Reason.EVENT_TYPE_UNKNOWN]


def test_a_bare_event_is_judged_whoever_sends_it() -> None:
    assert PRECHECK.event(event()) == []
    assert PRECHECK.event(event("deadline_soon")) == []
    assert [str(one) for one in PRECHECK.event(event(data__match_score=101))] == [
        "schema_violation  /data/match_score: more than maximum 100"
    ]
    assert [one.reason for one in PRECHECK.event(event(recipient__id=None))] == [Reason.RECIPIENT_INVALID]
    assert [one.reason for one in PRECHECK.event(event(recipient__contacts={}))] == [Reason.NO_CHANNEL]
    assert [one.reason for one in PRECHECK.event({})] == [Reason.SCHEMA_VIOLATION]


def test_an_event_without_a_template_is_told() -> None:
    bare = Precheck(producers(), registry.load(), Templates({}))
    assert [one.reason for one in bare.event(event())] == [Reason.TEMPLATE_MISSING]


def test_a_token_in_json_serialization_is_told_apart_from_an_event() -> None:
    (finding,) = PRECHECK.event({"payload": "e30", "signatures": []})
    assert finding.reason is Reason.TOKEN_MALFORMED


def test_no_finding_quotes_a_claim() -> None:
    secret = "ana.ruiz@example.org!"
    for name in ("iss", "aud", "sub", "roles", "iat", "exp", "jti", "event"):
        value = forge.sign(forge.header(), claims() | {name: secret})
        assert secret not in "".join(map(str, findings(value)))

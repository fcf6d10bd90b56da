"""A token has one form: every other spelling of the same thing is refused, well signed or not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from streams.core.reasons import Reason, Rejected
from streams.core.token import Claims, verify
from tests.builders import claims, record, rules, token
from tests.forge import header, over, segment, sign

GOOD = token()
HEADER, PAYLOAD, SIGNATURE = GOOD.split(b".")


def refusal(value: bytes | None) -> Rejected | None:
    outcome = verify(record(value), rules().tokens)
    return outcome if isinstance(outcome, Rejected) else None


def reason_of(value: bytes | None) -> Reason | None:
    """Why it is refused; None if it is accepted."""
    refused = refusal(value)
    return refused.reason if refused else None


def test_the_token_of_these_tests_is_good() -> None:
    assert reason_of(GOOD) is None
    assert reason_of(over(HEADER + b"." + PAYLOAD)) is None


def flattened() -> bytes:
    """The JSON serialization of RFC 7515, section 7.2.2."""
    return json.dumps(dict(zip(("protected", "payload", "signature"), text(), strict=True))).encode()


def general() -> bytes:
    """The JSON serialization of RFC 7515, section 7.2.1."""
    protected, payload, signature = text()
    return json.dumps({"payload": payload, "signatures": [{"protected": protected, "signature": signature}]}).encode()


def text() -> list[str]:
    return [part.decode() for part in (HEADER, PAYLOAD, SIGNATURE)]


JWE = segment({"alg": "dir", "enc": "A256GCM"})
SHAPES: dict[str, bytes] = {
    "one segment": HEADER,
    "two segments": HEADER + b"." + PAYLOAD,
    "four segments": GOOD + b"." + SIGNATURE,
    "a dot before": b"." + GOOD,
    "a dot behind": GOOD + b".",
    "dots alone": b"..",
    "many dots": b"." * 1000,
    "an empty segment between": HEADER + b".." + PAYLOAD + b"." + SIGNATURE,
    "a detached payload": HEADER + b".." + SIGNATURE,
    "no header": b"." + PAYLOAD + b"." + SIGNATURE,
    "a JWE of five segments": b".".join([JWE, b"", segment(b"i" * 12), PAYLOAD, segment(b"t" * 16)]),
    "flattened JSON": flattened(),
    "general JSON": general(),
    "a list of tokens": b"[" + json.dumps(GOOD.decode()).encode() + b"]",
    "in quotes": b'"' + GOOD + b'"',
    "after a scheme": b"Bearer " + GOOD,
    "after a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "in UTF-16": GOOD.decode().encode("utf-16"),
    "with a newline": GOOD + b"\n",
    "with a space": b" " + GOOD,
    "with a NUL": GOOD + b"\0",
    "twice": GOOD + GOOD,
    "in base64 again": base64.urlsafe_b64encode(GOOD),
    "a colon for a dot": GOOD.replace(b".", b":", 1),
    "a full stop of another script": GOOD.decode().replace(".", "\u3002").encode(),
}


@pytest.mark.parametrize("value", SHAPES.values(), ids=list(SHAPES))
def test_a_token_is_three_segments_and_nothing_around_them(value: bytes) -> None:
    assert reason_of(value) is Reason.TOKEN_MALFORMED


def padded(part: bytes) -> bytes:
    return part + b"=" * (-len(part) % 4 or 1)


def trailing_bits(part: bytes) -> bytes:
    """The same bytes with bits set that belong to none: what a lenient decoder reads as the same segment."""
    spare = {2: 4, 3: 2}[len(part) % 4]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = part[:-1] + bytes([alphabet[alphabet.index(part[-1]) | ((1 << spare) - 1)]])
    assert base64.urlsafe_b64decode(changed + b"==") == base64.urlsafe_b64decode(part + b"==")
    assert changed != part
    return changed


def with_spare_bits(part: dict[str, Any]) -> bytes:
    """A part whose segment has bits to spare, thanks to an extra member."""
    found = (segment({**part, "x": "x" * length}) for length in range(3))
    return next(encoded for encoded in found if len(encoded) % 4)


SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "padded": padded,
    "over-padded": lambda part: part + b"====",
    "a space inside": lambda part: part[:4] + b" " + part[4:],
    "a newline inside": lambda part: part[:4] + b"\n" + part[4:],
    "a NUL inside": lambda part: part[:4] + b"\0" + part[4:],
    "a foreign character inside": lambda part: part[:4] + b"!" + part[4:],
    "plus for minus": lambda part: part[:4] + b"+" + part[5:],
    "slash for underscore": lambda part: part[:4] + b"/" + part[5:],
    "percent-encoded": lambda part: b"%" + part[:1].hex().encode() + part[1:],
    "an impossible length": lambda part: part + b"A" * ((1 - len(part)) % 4 or 4),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=list(SPELLINGS))
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_segment_is_unpadded_base64url_of_the_one_alphabet(place: int, spelling: Callable[[bytes], bytes]) -> None:
    """And it helps nothing to sign the other spelling."""
    parts = [HEADER, PAYLOAD, SIGNATURE]
    parts[place] = spelling(parts[place])
    assert reason_of(b".".join(parts)) is Reason.TOKEN_MALFORMED
    if place < 2:
        assert reason_of(over(b".".join(parts[:2]))) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("place", [0, 1, 2])
def test_bits_that_belong_to_no_byte_are_zero(place: int) -> None:
    """Of every segment; signed as they are, so that only the encoding is wrong."""
    head, body = with_spare_bits(header()), with_spare_bits(claims())
    assert reason_of(over(head + b"." + body)) is None
    if place == 2:
        message, _, mark = over(head + b"." + body).rpartition(b".")
        value = message + b"." + trailing_bits(mark)
    else:
        changed = [trailing_bits(part) if at == place else part for at, part in enumerate((head, body))]
        value = over(b".".join(changed))
    assert reason_of(value) is Reason.TOKEN_MALFORMED


def payload(**changes: bytes) -> bytes:
    """The default claims as JSON text, with members whose value is written by hand."""
    members = {name: json.dumps(value).encode() for name, value in claims().items()} | changes
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in members.items()) + b"}"


def twice(name: bytes, value: bytes) -> bytes:
    return payload()[:-1] + b',"%s":%s}' % (name, value)


JSONS: dict[str, bytes] = {
    "a member twice": twice(b"iss", b'"scholarship_agent"'),
    "a member twice in other letters": twice(rb"\u0069ss", b'"mallory"'),
    "a member of the event twice": payload(event=b'{"type":"new_match","type":"new_match"}'),
    "a member twice deep inside": payload(extra=b'[[{"a":{"b":1,"b":1}}]]'),
    "NaN": payload(exp=b"NaN"),
    "NaN where nobody looks": payload(extra=b"[NaN]"),
    "Infinity": payload(exp=b"Infinity"),
    "minus Infinity": payload(iat=b"-Infinity"),
    "a number that becomes Infinity": payload(exp=b"1e400"),
    "an integer beyond 64 bits": payload(exp=b"9223372036854775808"),
    "an integer of a million digits": payload(extra=b"1" * 100_000),
    "a number in hex": payload(exp=b"0x10"),
    "a number with a plus": payload(exp=b"+1"),
    "a number with a leading zero": payload(exp=b"01"),
    "a comma too many": payload()[:-1] + b",}",
    "a comment": payload() + b"/**/",
    "single quotes": payload().replace(b'"', b"'"),
    "text behind it": payload() + b"x",
    "two objects": payload() * 2,
    "a byte order mark": b"\xef\xbb\xbf" + payload(),
    "UTF-16": payload().decode().encode("utf-16-le"),
    "UTF-32": payload().decode().encode("utf-32-le"),
    "Latin-1": payload(extra='"é"'.encode("latin-1")),
    "an overlong encoding": payload(extra=b'"\xc0\xaf"'),
    "a surrogate in UTF-8": payload(extra=b'"\xed\xa0\x80"'),
    "a lone surrogate as an escape": payload(extra=rb'"\ud800"'),
    "a raw control character": payload(extra=b'"\n"'),
    "a NUL behind it": payload() + b"\0",
    "nesting without end": payload(extra=b"[" * 50_000 + b"]" * 50_000),
    "nesting that never closes": payload()[:-1] + b',"x":' + b'{"x":' * 30_000,
    "a list": b"[" + payload() + b"]",
    "a text": json.dumps(payload().decode()).encode(),
    "a number": b"1",
    "null": b"null",
    "nothing": b"",
    "a token in the token": GOOD,
}


@pytest.mark.parametrize("body", JSONS.values(), ids=list(JSONS))
def test_the_payload_is_one_strict_json_object_even_when_it_is_well_signed(body: bytes) -> None:
    """Two readers of one token must see the same thing."""
    assert reason_of(sign(header(), payload())) is None
    assert reason_of(sign(header(), body)) is Reason.TOKEN_MALFORMED


HEADERS: dict[str, bytes] = {
    "alg twice": b'{"alg":"none","alg":"RS256","kid":"rsa","typ":"event+jwt"}',
    "kid twice": rb'{"alg":"RS256","kid":"x","\u006bid":"rsa","typ":"event+jwt"}',
    "typ twice": b'{"alg":"RS256","kid":"rsa","typ":"JWT","typ":"event+jwt"}',
    "NaN": b'{"alg":"RS256","kid":"rsa","typ":"event+jwt","x":NaN}',
    "a list": b'[{"alg":"RS256","kid":"rsa","typ":"event+jwt"}]',
    "nothing": b"",
    "null": b"null",
    "a text": b'"RS256"',
}


@pytest.mark.parametrize("head", HEADERS.values(), ids=list(HEADERS))
def test_the_header_is_one_strict_json_object_too(head: bytes) -> None:
    assert reason_of(sign(head)) is Reason.TOKEN_MALFORMED


def test_what_json_leaves_open_is_accepted() -> None:
    """White space, escapes, order, floats and exponents: another text, the same value."""
    spelt = payload(iss=rb'"\u0073cholarship\u005fagent"', exp=b" 1.7900003e9 ", aud=b'\n[ "auto_com_center" ]\t')
    outcome = verify(record(sign(header(), b" " + spelt + b"\r\n")), rules().tokens)
    assert isinstance(outcome, Claims)


def test_nothing_at_all_is_missing_and_too_much_is_too_large() -> None:
    assert reason_of(None) is Reason.TOKEN_MISSING
    assert reason_of(b"") is Reason.TOKEN_MISSING
    large = sign(header(), claims(extra="x" * 200_000))
    assert reason_of(large) is Reason.TOKEN_TOO_LARGE
    assert reason_of(sign(header(), claims(extra="x" * 190_000))) is None


@pytest.mark.parametrize(("length", "reason"), [(256, Reason.TOKEN_UNKNOWN_KEY), (257, Reason.TOKEN_MALFORMED)])
def test_a_kid_of_more_than_256_characters_is_refused(length: int, reason: Reason) -> None:
    """Kids that aren't known are remembered for a while: a thousand of 190 KB each would fill a worker's memory."""
    assert reason_of(sign(header(kid="é" * length))) is reason
    assert reason_of(sign(header(kid="x" * 190_000))) is Reason.TOKEN_MALFORMED


def test_no_detail_quotes_what_was_refused() -> None:
    """A dead letter's detail may be read by people who may not read the event."""
    secret = "ana.ruiz@example.org"
    for body in (payload(extra=b'"%s' % secret.encode()), twice(secret.encode(), b"1") + b"1", secret.encode()):
        refused = refusal(sign(header(), body))
        assert refused is not None
        assert secret not in refused.detail

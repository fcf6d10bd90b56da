"""Attacks on the signature and on the choice of the key: every one from a real token, with its own reason."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from streams.core.reasons import Reason, Rejected
from streams.core.signing import public_jwk
from streams.core.token import verify
from tests import forge
from tests.builders import ISSUER, OTHER, claims, jwks, private_key, record, rules, token
from tests.forge import header, sign

RSA, EC, ED = private_key("RS256"), private_key("ES256"), private_key("EdDSA")
OWN = {"rsa": (RSA, "RS256"), "ec": (EC, "ES256"), "ed": (ED, "EdDSA")}
STRANGER = private_key("RS256", "stranger")
ED_ORDER = 2**252 + 27742317777372353535851937790883648493
"""The order of Ed25519's group (RFC 8032, section 5.1): S and S + order sign alike, unless the verifier looks."""


def reason_of(value: bytes) -> Reason | None:
    """Why it is refused; None if it is accepted."""
    outcome = verify(record(value), rules().tokens)
    return outcome.reason if isinstance(outcome, Rejected) else None


def signing_input(**changes: Any) -> bytes:
    return forge.segment(header(**changes)) + b"." + forge.segment(claims())


SPKI = PublicFormat.SubjectPublicKeyInfo
SECRETS = {
    "PEM": RSA.public_key().public_bytes(Encoding.PEM, SPKI),
    "PEM without its last newline": RSA.public_key().public_bytes(Encoding.PEM, SPKI).rstrip(),
    "DER": RSA.public_key().public_bytes(Encoding.DER, SPKI),
    "PKCS 1": RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1),
    "JWK set": jwks({"rsa": RSA}),
    "modulus": public_jwk(RSA, kid="rsa")["n"].encode(),
    "nothing": b"",
}


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("bits", [256, 384, 512])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=list(SECRETS))
def test_a_public_key_is_never_a_shared_secret(secret: bytes, bits: int) -> None:
    """Algorithm confusion, in every form in which a forger has the public key."""
    assert reason_of(forge.hmac(signing_input(alg=f"HS{bits}"), secret, bits=bits)) is Reason.TOKEN_ALG


def rsa_pss() -> bytes:
    message = signing_input(alg="PS256")
    algorithm: Any = jwt.get_algorithm_by_name("PS256")
    return message + b"." + forge.segment(algorithm.sign(message, RSA))


def rsa_sha512() -> bytes:
    message = signing_input(alg="RS512")
    algorithm: Any = jwt.get_algorithm_by_name("RS512")
    return message + b"." + forge.segment(algorithm.sign(message, RSA))


NONES: list[Any] = ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", False, 0, [], {}, ["none"]]
ALGORITHMS: list[Any] = ["rs256", "RS256 ", "RS256\0", "es256", "eddsa", "Ed25519", "EDDSA", "RSA", "RS1", "HS256"]


@pytest.mark.parametrize("alg", NONES, ids=repr)
def test_none_is_no_algorithm_however_it_is_spelt(alg: Any) -> None:
    """Without a signature, and with a good one."""
    assert reason_of(signing_input(alg=alg) + b".") is Reason.TOKEN_ALG
    assert reason_of(sign(header(alg=alg))) is Reason.TOKEN_ALG


@pytest.mark.parametrize("alg", [*ALGORITHMS, ["RS256"], {"RS256": 1}, True], ids=repr)
def test_an_algorithm_is_named_exactly(alg: Any) -> None:
    """Also RFC 9864's new name for EdDSA: the contract has one name for each."""
    assert reason_of(sign(header(alg=alg))) is Reason.TOKEN_ALG


def test_a_header_without_an_algorithm_is_refused() -> None:
    assert reason_of(sign(header(alg=None))) is Reason.TOKEN_ALG
    assert reason_of(sign(header() | {"alg": None})) is Reason.TOKEN_ALG


@pytest.mark.parametrize("make", [rsa_pss, rsa_sha512])
def test_a_good_signature_by_an_algorithm_that_the_contract_lacks_is_refused(make: Callable[[], bytes]) -> None:
    assert reason_of(make()) is Reason.TOKEN_ALG


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("kid", OWN)
def test_only_the_keys_own_algorithm_may_be_named(alg: str, kid: str) -> None:
    """Whoever signed: each key of the issuer under each header."""
    own, fits = OWN[kid]
    for key in (RSA, EC, ED):
        with_a_good_algorithm = None if key is own else Reason.TOKEN_SIGNATURE
        expected = with_a_good_algorithm if alg == fits else Reason.TOKEN_ALG
        assert reason_of(sign(header(alg=alg, kid=kid), key=key)) is expected


def changed(kid: str, change: Callable[[bytes], bytes]) -> bytes:
    """A good token whose signature's bytes are changed."""
    key, alg = OWN[kid]
    message = signing_input(alg=alg, kid=kid)
    return message + b"." + forge.segment(change(forge.signature(message, key)))


def as_der(raw: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))


def other_s(raw: bytes) -> bytes:
    """The same Ed25519 signature with S + order (RFC 8032, section 8.4)."""
    return raw[:32] + (int.from_bytes(raw[32:], "little") + ED_ORDER).to_bytes(32, "little")


SIGNATURES: list[tuple[str, Callable[[bytes], bytes]]] = [
    *[(kid, lambda _raw: b"") for kid in OWN],
    *[(kid, lambda raw: bytes(len(raw))) for kid in OWN],
    *[(kid, lambda raw: b"\xff" * len(raw)) for kid in OWN],
    *[(kid, lambda raw: raw[:-1]) for kid in OWN],
    *[(kid, lambda raw: raw + b"\0") for kid in OWN],
    *[(kid, lambda raw: b"\0" + raw) for kid in OWN],
    *[(kid, lambda raw: raw * 100) for kid in OWN],
    ("ec", as_der),
    ("ec", lambda raw: raw[32:] + raw[:32]),
    ("ed", other_s),
]


@pytest.mark.parametrize(("kid", "change"), SIGNATURES)
def test_a_signature_in_another_form_does_not_match(kid: str, change: Callable[[bytes], bytes]) -> None:
    """Empty, all zeros (CVE-2022-21449), cut, grown, in DER, or shifted by the group's order."""
    assert reason_of(changed(kid, lambda raw: raw)) is None
    assert reason_of(changed(kid, change)) is Reason.TOKEN_SIGNATURE


def test_the_der_form_is_the_same_signature() -> None:
    """Else the test above would show nothing."""
    raw = forge.signature(b"x", EC)
    assert decode_dss_signature(as_der(raw)) == (int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))


INJECTED: dict[str, Any] = {
    "jwk": public_jwk(STRANGER, kid="rsa"),
    "jku": "https://mallory.example/jwks.json",
    "x5u": "https://mallory.example/chain.pem",
    "x5c": ["MIIB"],
}


@pytest.mark.parametrize("name", INJECTED)
@pytest.mark.parametrize("kid", ["rsa", "mallory"])
def test_a_token_cannot_bring_its_own_key(name: str, kid: str) -> None:
    """Signed by the key that it brings; and refused as well where the signature is the issuer's own."""
    assert reason_of(sign(header(kid=kid, **{name: INJECTED[name]}), key=STRANGER)) is Reason.TOKEN_MALFORMED
    assert reason_of(sign(header(kid=kid, **{name: INJECTED[name]}))) is Reason.TOKEN_MALFORMED
    assert reason_of(sign(header(kid=kid) | {name: None})) is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize("name", ["JWK", "jwks", "key", "x5t", "x5t#S256", "cert", "secret", "pem"])
def test_a_header_that_means_nothing_here_brings_no_key_either(name: str) -> None:
    assert reason_of(sign(header(**{name: public_jwk(STRANGER, kid="rsa")}), key=STRANGER)) is Reason.TOKEN_SIGNATURE


def test_a_key_in_the_claims_is_no_key() -> None:
    """`cnf` (RFC 7800) and the like are claims as any other."""
    stranger = public_jwk(STRANGER, kid="rsa")
    body = claims(cnf={"jwk": stranger}, jwks={"keys": [stranger]}, jku="https://mallory.example")
    assert reason_of(sign(header(), body, STRANGER)) is Reason.TOKEN_SIGNATURE
    assert reason_of(sign(header(), body)) is None


@pytest.mark.parametrize(
    "members", [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": True}, {"b64": True}, {"b64": False}], ids=str
)
def test_an_extension_that_changes_the_meaning_is_refused(members: dict[str, Any]) -> None:
    """Well signed, and even where it would change nothing (RFC 7515, section 4.1.11; RFC 7797)."""
    assert reason_of(sign(header(**members))) is Reason.TOKEN_MALFORMED


def test_a_compressed_payload_is_refused_before_it_is_unpacked() -> None:
    bomb = zlib.compress(b"0" * 10_000_000)
    assert reason_of(sign(header(zip="DEF"), bomb)) is Reason.TOKEN_MALFORMED
    assert reason_of(sign(header(zip="DEF"))) is Reason.TOKEN_MALFORMED


UNKNOWN_KIDS = [
    "../../dev/null", "/dev/null", "..\\..\\nul", "file:///etc/passwd", "https://mallory.example/key",
    "rsa' OR '1'='1", "rsa'--", "' UNION SELECT 'secret", "rsa;ls", "$(id)", "{{7*7}}", "%72sa",
    "rsa\0", "rsa\n", " rsa", "rsa ", "RSA", "Rsa", "r\u0455a", "\uff52\uff53\uff41", "rsa\u200b", "\ufeffrsa",
    "__class__", "keys", "0", "*", ".", "rsa,ec", '["rsa"]', "k" * 256,
]  # fmt: skip


@pytest.mark.parametrize("kid", UNKNOWN_KIDS, ids=lambda kid: ascii(kid)[:24])
def test_a_kid_is_looked_up_and_nothing_else(kid: str) -> None:
    """No path, no query, no pattern, no folding of case or look-alikes; not even well signed."""
    assert reason_of(sign(header(kid=kid))) is Reason.TOKEN_UNKNOWN_KEY


@pytest.mark.parametrize("kid", [None, "", 0, 1, 1.5, True, [], ["rsa"], {}, {"rsa": "rsa"}], ids=repr)
def test_a_kid_is_a_text(kid: Any) -> None:
    assert reason_of(sign(header() | {"kid": kid})) is Reason.TOKEN_MALFORMED


def test_a_kid_in_another_spelling_of_json_is_the_same_kid() -> None:
    """What counts is what JSON says, not how it is written."""
    assert reason_of(sign(rb'{"alg":"RS256","kid":"\u0072sa","typ":"event\u002bjwt"}')) is None


def test_a_kid_of_another_issuer_is_unknown() -> None:
    """`ed` is a key of the first issuer alone; the second can neither use it nor be spoken for with it."""
    spoken_for = claims(iss=OTHER, sub=f"service:{OTHER}")
    assert reason_of(sign(header(alg="EdDSA", kid="ed"), spoken_for, ED)) is Reason.TOKEN_UNKNOWN_KEY


@pytest.mark.parametrize(("issuer", "signer"), [(ISSUER, "other"), (OTHER, "a")])
def test_a_key_speaks_for_its_own_issuer_only(issuer: str, signer: str) -> None:
    """Both have a key `rsa`; neither signs for the other, in either direction."""
    body = claims(iss=issuer, sub=f"service:{issuer}")
    assert reason_of(token(body, key=private_key("RS256", signer))) is Reason.TOKEN_SIGNATURE


@pytest.mark.parametrize("part", [0, 1])
def test_a_signature_belongs_to_its_token(part: int) -> None:
    """Header or payload of one good token in another one."""
    first, second = (sign(header(x=str(n)), claims(jti=f"event-{n}")).split(b".") for n in (1, 2))
    swapped = list(first)
    swapped[part] = second[part]
    assert reason_of(b".".join(first)) is None
    assert reason_of(b".".join(swapped)) is Reason.TOKEN_SIGNATURE

"""Beside plain PyJWT: whatever our verification accepts, `jwt.decode` accepts as well, with the same key."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import jwt
import pytest

from streams.core.token import Claims, verify
from tests.builders import record, rules
from tests.mutants import KEY, draft, mutate, written

SEED = 20_261_124
RULES = rules().tokens
PUBLIC: Any = KEY.public_key()


def plain_accepts(value: bytes) -> bool:
    """What somebody would write who follows PyJWT's documentation, with our audience and our skew."""
    try:
        jwt.decode(value, PUBLIC, algorithms=["EdDSA"], audience="auto_com_center", leeway=60)
    except jwt.PyJWTError:
        return False
    return True


def ours_accepts(value: bytes) -> bool:
    return isinstance(verify(record(value, appended_s=time.time()), RULES), Claims)


def compare(
    count: int, accepts: Callable[[bytes], bool] = ours_accepts, seed: int = SEED
) -> tuple[Counter[tuple[bool, bool, bool]], list[bytes]]:
    """How many were (mutated, accepted by ours, accepted by plain), and what plain alone refused."""
    random = Random(seed)  # noqa: S311 - a seed that is printed, so that a run can be repeated
    seen: Counter[tuple[bool, bool, bool]] = Counter()
    laxer = []
    for number in range(count):
        made = draft(random, int(time.time()))
        mutated = number % 2 == 1
        value = written(mutate(random, made) if mutated else made)
        ours, plain = accepts(value), plain_accepts(value)
        seen[mutated, ours, plain] += 1
        if ours and not plain:
            laxer.append(value)
    return seen, laxer


@pytest.mark.parametrize(
    "count", [5_000, pytest.param(100_000, marks=[pytest.mark.properties, pytest.mark.timeout(900)])]
)
def test_nothing_that_we_accept_is_refused_by_plain_pyjwt(count: int) -> None:
    """Half of the tokens are mutated and then signed; ours may be stricter, never laxer."""
    seen, laxer = compare(count)
    both = seen[True, True, True]
    neither, stricter = seen[True, False, False], seen[True, False, True]
    print(  # noqa: T201 - the numbers are the point
        f"\n{count} tokens, seed {SEED}: {seen[False, True, True]} unmutated accepted by both; of {count // 2} mutated "
        f"{both} accepted by both, {neither} by neither, {stricter} refused by ours alone, {len(laxer)} by plain alone"
    )
    assert laxer == []
    assert seen[False, True, True] == count - count // 2, "what is not mutated is good"
    assert min(both, neither, stricter) > count // 50, "the mutations reach every side"


def test_a_verification_of_the_signature_alone_would_be_found_out() -> None:
    """The comparison can fail: this one forgets the claims."""

    def signature_alone(value: bytes) -> bool:
        try:
            jwt.PyJWS(algorithms=["EdDSA"]).decode(value, PUBLIC, algorithms=["EdDSA"])
        except jwt.PyJWTError:
            return False
        return True

    _, laxer = compare(200, signature_alone)
    assert laxer

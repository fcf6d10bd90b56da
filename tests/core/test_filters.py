"""How dates, times and sums read in a text."""

from __future__ import annotations

import pytest

from streams.core.filters import DECIMALS, day, moment, money
from streams.core.moments import parse


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2027-03-07", "7 March 2027"),
        ("2026-12-31T23:59:59Z", "31 December 2026"),
        ("2026-12-31t23:59:60z", "31 December 2026"),
        ("2026-01-01T00:30:00+02:00", "1 January 2026"),
    ],
)
def test_a_day_reads_as_people_write_it(value: str, text: str) -> None:
    """In the zone that it was written in."""
    assert day(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-11-20T09:30:00Z", "20 November 2026, 09:30 UTC"),
        ("2026-11-20T09:30:59.999+00:00", "20 November 2026, 09:30 UTC"),
        ("2026-11-20T18:30:00+09:00", "20 November 2026, 18:30 UTC+09:00"),
        ("2026-11-20T03:05:00-06:30", "20 November 2026, 03:05 UTC-06:30"),
        ("2026-12-31T23:59:60Z", "31 December 2026, 23:59 UTC"),
    ],
)
def test_a_moment_tells_its_offset(value: str, text: str) -> None:
    assert moment(value) == text


@pytest.mark.parametrize("value", ["2026-11-20T09:30:00", "2026-11-20", "soon", "0000-01-01T00:00:00Z"])
def test_what_is_no_moment_is_an_error(value: str) -> None:
    """A time without an offset would be told as somebody else's."""
    with pytest.raises(ValueError, match=r".+"):
        parse(value)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (500000, "USD", "USD 5,000.00"),
        (5, "EUR", "EUR 0.05"),
        (0, "JPY", "JPY 0"),
        (1250500, "JPY", "JPY 1,250,500"),
        (1250500, "KWD", "KWD 1,250.500"),
        (12345, "CLF", "CLF 1.2345"),
        (9007199254740991, "USD", "USD 90,071,992,547,409.91"),
    ],
)
def test_a_sum_has_the_decimals_of_its_currency(amount: int, currency: str, text: str) -> None:
    assert money({"amount": amount, "currency": currency}) == text


def test_the_table_of_decimals_holds_what_differs_from_two() -> None:
    assert set(DECIMALS.values()) == {0, 3, 4}

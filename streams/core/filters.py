"""How values of an event read in a text: the filters of the templates. English; dates in the zone they came in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from streams.core.moments import parse

DECIMALS: Final = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
"""Decimals of the currencies that don't have two: column "Minor unit" of ISO 4217, list one
(https://www.six-group.com/en/products-services/financial-information/market-reference-data/data-standards.html).
Locale data is no source for this: CLDR counts the decimals that people write, which for some currencies are fewer."""


def day(value: str) -> str:
    """An RFC 3339 date or date-time as ``7 March 2027``.

    Raises:
        ValueError: not a date.
    """
    found = parse(value) if "T" in value or "t" in value else date.fromisoformat(value)
    return f"{found.day} {found:%B %Y}"


def moment(value: str) -> str:
    """An RFC 3339 date-time as ``7 March 2027, 09:30 UTC`` or ``7 March 2027, 09:30 UTC+01:00``.

    Raises:
        ValueError: not a date-time with an offset.
    """
    found = parse(value)
    return f"{found.day} {found:%B %Y, %H:%M %Z}"


def money(value: Mapping[str, Any]) -> str:
    """``{"amount": 500000, "currency": "USD"}`` as ``USD 5,000.00``; the amount is in the smallest unit.

    Raises:
        ValueError: the amount is not a whole number.
        LookupError: a member is missing.
    """
    amount, currency = value["amount"], value["currency"]
    if not isinstance(amount, int | float) or amount != int(amount):
        raise ValueError("an amount is a whole number")
    decimals = DECIMALS.get(currency, 2)
    return f"{currency} {Decimal(int(amount)).scaleb(-decimals):,.{decimals}f}"

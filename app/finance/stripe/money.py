"""Stripe's amounts: whole numbers of a currency's smallest unit, as Stripe counts them. Pure."""

from decimal import Decimal

WHOLE = frozenset(
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
)
"""Currencies that Stripe counts in whole units. Not by ISO 4217: its ISK and UGX have two decimals, which are 0."""
THOUSANDTHS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


def decimals(currency: str) -> int:
    """How many decimals the amounts of a currency have, in Stripe's counting."""
    if currency in WHOLE:
        return 0
    return 3 if currency in THOUSANDTHS else 2


def amount_of(minor: Decimal | int, currency: str) -> Decimal:
    """An amount in whole units of its currency: 1999 of USD is 19.99, of JPY 1999, of KWD 1.999."""
    return Decimal(minor).scaleb(-decimals(currency))

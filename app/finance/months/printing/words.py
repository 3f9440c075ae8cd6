"""Figures of a report as people read them."""

from decimal import ROUND_HALF_EVEN, Decimal

from models.unpriced import UnpricedCode

PLACES = Decimal("0.0001")
"""Of amounts in tables; below it they are told to be there."""
UNKNOWN = "\N{EN DASH}"
REASONS = {
    "": "no reason was kept",
    UnpricedCode.USAGE_UNREADABLE: "the usage could not be read",
    UnpricedCode.USAGE_MISSING: "nothing says what was used",
    UnpricedCode.MODEL_UNKNOWN: "no price list has the model",
    UnpricedCode.SELLER_UNCERTAIN: "sellers differ in price",
    UnpricedCode.PRICE_MISSING: "a part of it has no price",
}
ROUNDED = "Amounts are USD, rounded half-even to four decimals; the CSV and JSON of this report have all fifteen."


def usd(amount: Decimal | None) -> str:
    """`1,234.5000`; a dash where it is not known."""
    if amount is None:
        return UNKNOWN
    rounded = amount.quantize(PLACES, rounding=ROUND_HALF_EVEN)
    if not rounded and amount:
        return f"< {PLACES}" if amount > 0 else f"> {signed(str(-PLACES))}"
    return signed(f"{rounded:,}") if rounded else "0"


def more(amount: Decimal) -> str:
    """A change, with its sign."""
    return f"+{usd(amount)}" if amount >= PLACES / 2 else usd(amount)


def exactly(amount: Decimal) -> str:
    """With every decimal that it has."""
    text = f"{amount:,f}"
    return signed(text.rstrip("0").rstrip(".") if "." in text else text)


def count(number: int) -> str:
    return signed(f"{number:,}")


def percent(value: Decimal | None, *, sign: bool = False) -> str:
    if value is None:
        return UNKNOWN
    return signed(f"{value:+,.2f} %" if sign and value else f"{value:,.2f} %")


def reason(code: str) -> str:
    return REASONS.get(code, code)


def signed(text: str) -> str:
    """With a minus sign, which a hyphen is not."""
    return text.replace("-", "\N{MINUS SIGN}", 1) if text.startswith("-") else text

"""What kind of value each field of a call is, and the units in which a source may give it."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from models.token_usage import TOKEN_FIELDS
from scripts.transfer import values

Reader = Callable[[Any], Any]

_DURATION = {"ms": Decimal(1), "s": Decimal(1_000), "us": Decimal("0.001")}
_LENGTH = {"s": Decimal(1), "ms": Decimal("0.001"), "min": Decimal(60)}
_MONEY = {"usd": Decimal(1), "cents": Decimal("0.01"), "micros": Decimal("0.000001")}
_SINCE_1970 = {"s": Decimal(1), "ms": Decimal("0.001"), "us": Decimal("0.000001")}

DURATIONS = ("request_duration", "time_to_first_token")
LENGTHS = ("video_seconds", "audio_seconds")

UNITS: dict[str, dict[str, Decimal]] = {
    **dict.fromkeys(DURATIONS, _DURATION),
    **dict.fromkeys(LENGTHS, _LENGTH),
    "cost": _MONEY,
    "created_at": _SINCE_1970,
}
"""By field: how many of the call's own units (ms, seconds, USD; seconds since 1970) each unit is."""

COUNTS = frozenset({*TOKEN_FIELDS, "tokens_used", "images", "characters", "aggregated_requests"})
"""Fields that are whole numbers."""
AMOUNTS = frozenset({*DURATIONS, *LENGTHS, "cost"})
"""Fields that are numbers with a fraction."""

_READERS: dict[str, Reader] = {
    **dict.fromkeys(COUNTS, values.whole),
    **dict.fromkeys(("cached", "success", "estimated_usage", "unreadable_usage", "batch", "synthetic"), values.flag),
    **dict.fromkeys((*DURATIONS, *LENGTHS), values.number),
    "cost": values.dollars,
    "metadata": values.metadata,
}


def reader_of(field: str) -> Reader:
    """What turns a source value into one of `field`; it raises UnreadableError. Dates are read elsewhere."""
    return _READERS.get(field, values.text)


def unit_factor(field: str, unit: str | None) -> Decimal | None:
    """The factor of a value in `unit`. Raises ValueError where the field has no such unit."""
    if unit is None:
        return None
    if (factor := UNITS.get(field, {}).get(unit)) is None:
        known = ", ".join(UNITS.get(field, {})) or "none"
        raise ValueError(f"{field} has no unit {unit!r} (known: {known})")
    return factor

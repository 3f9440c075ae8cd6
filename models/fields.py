"""What a caller may say of a call, field by field: how each kind of value is checked and rounded."""

import math
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    StrictInt,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from models.moments import in_milliseconds

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a caller's clock may run ahead of ours."""
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
MAX_NAME = 256
"""Characters of a name."""
MAX_MILLISECONDS = 1_000_000_000
MAX_COUNT = 1_000_000_000
"""Far over any one call, and nine billion such calls still sum within 64 bits."""
MAX_METADATA_KEYS = 32
MAX_METADATA_BYTES = 4_096

_MICROSECOND = Decimal("0.000001")


def _whole_milliseconds(value: object) -> object:
    """Durations are stored as whole ms, so that their sums are exact. Rounded half-even."""
    # bounded first: 1e999999999 as an integer would have a billion digits
    if isinstance(value, float | Decimal) and math.isfinite(value) and -1 < value <= MAX_MILLISECONDS:
        return round(value)
    return value


def _microseconds(value: Decimal) -> Decimal:
    return value.quantize(_MICROSECOND, rounding=ROUND_HALF_EVEN)


def _stored_precision(value: datetime) -> datetime:
    """MongoDB keeps whole ms, in UTC."""
    try:
        value = value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("moment", "is outside the years 1 to 9999") from None
    return in_milliseconds(value)


def fault_of_moment(moment: datetime) -> str | None:
    """What is wrong with the time of something that is reported; None where nothing is."""
    if moment > datetime.now(UTC) + CLOCK_TOLERANCE:
        minutes = int(CLOCK_TOLERANCE.total_seconds() // 60)
        return f"is more than {minutes} minutes in the future; check the caller's clock"
    return f"is before {OLDEST.date()}" if moment < OLDEST else None


def contradiction(field: str, reason: str) -> PydanticCustomError:
    """A fault that shows only across several fields, attributed to one of them."""
    return PydanticCustomError("contradiction", "{reason}", {"field": field, "reason": reason})


def check_experiment(experiment: str | None, variant: str | None) -> None:
    """Raises PydanticCustomError where one is given without the other."""
    if (experiment is None) != (variant is None):
        missing = "experiment" if experiment is None else "variant"
        raise contradiction(missing, "is missing: an experiment and its variant belong together; give both or none")


def _few_keys(metadata: object) -> object:
    """Before any key is looked at: of a hundred thousand each would have a fault of its own."""
    if isinstance(metadata, dict) and len(metadata) > MAX_METADATA_KEYS:
        raise PydanticCustomError("metadata_too_large", f"at most {MAX_METADATA_KEYS} keys are allowed")
    return metadata


def _checked_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    checked = {key: _scalar(key, value) for key, value in metadata.items()}
    size = sum(len(key.encode()) + len(str(value).encode()) for key, value in checked.items())
    if size > MAX_METADATA_BYTES:
        raise PydanticCustomError("metadata_too_large", f"at most {MAX_METADATA_BYTES} bytes are allowed, not {size}")
    return checked


def _scalar(key: str, value: object) -> object:
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("metadata_value", "{key} must be a finite number", {"key": key})
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise PydanticCustomError("metadata_value", "{key} must fit in 64 bits", {"key": key})
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise PydanticCustomError("metadata_value", "{key} must be valid Unicode", {"key": key}) from None
    elif value is not None and not isinstance(value, bool | int | float):
        message = "{key} must be a string, a number, true, false or null: metadata is flat"
        raise PydanticCustomError("metadata_too_deep", message, {"key": key})
    return value


# no control characters: a name ends up in logs, headers and file names
NAME_PATTERN = r"^[^\x00-\x1f\x7f]+$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=NAME_PATTERN)]
MetadataKey = Annotated[str, StringConstraints(pattern=r"^[^$.\x00-\x1f\x7f][^.\x00-\x1f\x7f]{0,63}$")]
Count = Annotated[StrictInt, Field(ge=0, le=MAX_COUNT)]
Milliseconds = Annotated[int, BeforeValidator(_whole_milliseconds), Field(strict=True, ge=0, le=MAX_MILLISECONDS)]
Seconds = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False), AfterValidator(_microseconds)]
Dollars = Annotated[Decimal, Field(ge=0, le=1_000_000_000, allow_inf_nan=False)]
Moment = Annotated[AwareDatetime, AfterValidator(_stored_precision)]
Text = Annotated[str, StringConstraints(max_length=10_000_000)]
Metadata = Annotated[dict[MetadataKey, Any], BeforeValidator(_few_keys), AfterValidator(_checked_metadata)]

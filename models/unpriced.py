"""Why a call has no price: a short code, by which calls are grouped, and words for a person."""

import re
from enum import StrEnum

MAX_CHARACTERS = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class UnpricedCode(StrEnum):
    """Kinds of reasons, as stored."""

    USAGE_UNREADABLE = "usage_unreadable"
    """The caller's provider said what was used, but not in a form that is known, or in figures that contradict."""
    USAGE_MISSING = "usage_missing"
    """Nothing says what was used, and nothing may be supposed: seconds of audio, a failed call's tokens."""
    MODEL_UNKNOWN = "model_unknown"
    """No price list has the model."""
    SELLER_UNCERTAIN = "seller_uncertain"
    """Several sellers have the model at different prices, and the one that was named is not known."""
    PRICE_MISSING = "price_missing"
    """The model is known, but not a price for all that was used of it."""


def unpriced_reason(code: UnpricedCode, words: str) -> str:
    """As stored and answered: `model_unknown: no price list has "x"`. Words name fields and models, never content."""
    plain = _CONTROL.sub(" ", f"{code}: {words}")
    return plain if len(plain) <= MAX_CHARACTERS else plain[: MAX_CHARACTERS - 1] + "…"


def code_of(reason: str | None) -> str:
    """The code of a stored reason; empty for none, as entries of earlier versions have none."""
    return "" if reason is None else reason.partition(":")[0]

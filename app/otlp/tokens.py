"""The token counts of a span, in the one convention of `TokenUsage`, which is also that of the instrumentations."""

from app.otlp.attributes import TOKENS, TOTAL_TOKENS, Attributes, Names, Value, first
from models import TokenUsage
from models.token_usage import contradictions

MAX_COUNT = 1_000_000_000
"""The limit of `AICall`: more cannot be the count of one call."""
MAX_DIGITS = 10

_UNREADABLE = {"unreadable_usage": True}


def usage_of(attributes: Attributes) -> dict[str, int]:
    """The counts as fields of `AICall`; none where the span has none: the tracker then estimates.

    A count that is not a count, or counts that contradict each other, make the usage unreadable: the call is recorded,
    unpriced. Which of the counts is wrong would be a guess.
    """
    try:
        counts = {field: _count(attributes, names) for field, names in TOKENS.items()}
        total = _count(attributes, TOTAL_TOKENS)
    except ValueError:
        return dict(_UNREADABLE)
    known = {field: count for field, count in counts.items() if count is not None}
    if not any(known.values()) and "input_tokens" not in known and "output_tokens" not in known:
        return {} if total is None else {"tokens_used": total}
    known |= _other_side(known, total)
    usage = TokenUsage(**known)
    if contradictions(usage) or total not in {None, usage.total_tokens}:
        return dict(_UNREADABLE)
    return known


def _other_side(known: dict[str, int], total: int | None) -> dict[str, int]:
    """Input or output, where the span has only the other one and the total. A total that is too small is kept."""
    if total is None:
        return {}
    for side, other in (("input_tokens", "output_tokens"), ("output_tokens", "input_tokens")):
        if side not in known and other in known:
            return {side: max(0, total - known[other])}
    return {}


def _count(attributes: Attributes, names: Names) -> int | None:
    """Raises ValueError where the value is not a count."""
    found = first(attributes, names)
    return None if found is None else _whole(found.value)


def _whole(value: Value) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT:
        return value
    raise ValueError("not a count")

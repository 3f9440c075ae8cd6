"""What a provider's response says about tokens, brought to the one convention of TokenUsage: the only place for it.

The shapes of providers are rows in `shapes.py`, and `places.py` finds a response's usage objects. Here they are read by
the row that fits, held against the provider's own total, and refused when they cannot be right.
"""

import math
from collections import Counter
from decimal import Decimal
from typing import Any

from app.usage.objects import FlatUsage, UnreadableUsageError, follow
from app.usage.pictures import makes_pictures
from app.usage.places import events_of, telling, usages_of
from app.usage.rows import UsageRow
from app.usage.shapes import ROWS
from models.token_usage import TokenUsage, contradictions

__all__ = ["UnreadableUsageError", "read_model", "read_usage"]

_MODELS = (
    ("model",),
    ("modelVersion",),
    ("model_version",),
    ("response", "model"),
    ("response", "modelVersion"),
    ("response", "body", "model"),
    ("result", "message", "model"),
    ("modelOutput", "model"),
    ("message", "model"),
    ("data", "model"),
    ("interaction", "model"),
    ("response_metadata", "model_name"),
    ("response_metadata", "model"),
    ("llm_output", "model_name"),
    ("response", "modelId"),  # AI SDK
    ("model_name",),  # pydantic-ai
)
_MOST = 1_000_000_000
"""What a count of `AICall` takes, far over any one call."""
_DIGITS = 19
_LONG_NAME = 256
_THINKING_IN_TOTAL = "gemini"
_OF_TWO_MINDS = "cached_input_tokens"
_LEAVING_OUT = ("anthropic", "claude", "bedrock")
"""Whose input count version 5 of the AI SDK hands on as it is: without the cache, and with a total to match."""
_WRITTEN_TEXT = (
    "output_tokens_details.text_tokens",
    "output_tokens_details.text",
    "completion_tokens_details.text_tokens",
    "candidates_tokens_details.modality=TEXT.token_count",
    "output_tokens_by_modality.modality=text.tokens",
)
_UNTOLD = "usage: not reported; a streamed OpenAI chat needs stream_options.include_usage"


def read_usage(response: Any, *, provider: str | None = None) -> TokenUsage:
    """Read the tokens of one model call.

    `response` is one response or the list of its stream's events, each a dictionary or an object of a provider's SDK.
    `provider`, a genai-prices id or an OpenTelemetry name, decides only what the shape and the total leave open.

    Raises UnreadableUsageError when no usage is reported (a streamed OpenAI chat reports it only on request), when its
    shape is unknown or holds no tokens (Whisper reports seconds: a count of zero would make that call free), when it
    holds a count under a name that is not known, when a count is not a whole number of tokens, and when parts exceed
    or do not add up to their total. Absent and null counts are zero.
    """
    events = events_of(response)
    told = telling(events)
    return tokens_of(told, usages_of(told), provider=provider, model=model_of(events))


def tokens_of(
    events: list[Any], usages: list[FlatUsage], *, provider: str | None, model: str | None, strict: bool = True
) -> TokenUsage:
    """The same of usage objects that were found in `events`. Where not `strict`, a count under an unknown name is let
    be: it cannot change a price that is stated.
    """
    counts: Counter[str] = Counter()
    for usage in usages:
        counts.update(_counts(usage, (provider or "").lower(), (model or "").lower(), strict=strict))
    if not usages:
        raise UnreadableUsageError(_UNTOLD)
    if counts["output_tokens"] and not any(written in usage for usage in usages for written in _WRITTEN_TEXT):
        _make_pictures(counts, events, model)
    return _checked(TokenUsage(**counts))


def read_model(response: Any) -> str | None:
    """Read the name of the model that answered; in a stream, the last that is named (Azure's first event names "")."""
    return model_of(events_of(response))


def model_of(events: list[Any]) -> str | None:
    for event in reversed(events):
        for place in _MODELS:
            if isinstance(event, dict) and place[0] not in event:
                continue
            name = follow(event, place)
            if isinstance(name, str) and 0 < len(name) <= _LONG_NAME and name.isprintable():
                return name
    return None


def _counts(usage: FlatUsage, provider: str, model: str, *, strict: bool) -> Counter[str]:
    row = _row_of(usage)
    told, besides = _told(usage, row, strict=strict)
    counts = Counter({field: sum(term.values()) for field, term in told.items()})
    total = _value(usage, row.total, "total_tokens")
    reported = counts["input_tokens"], counts["output_tokens"]
    _include_cache(counts, usage, row, total, f"{provider} {model}")
    if row.apart_mark not in usage:
        provider = model = ""
    _include_reasoning(counts, row, total, provider, model)
    if strict and total and "prompt_audio_seconds" not in usage:  # Mistral's total counts audio billed by the second
        _hold_against(total, reported, counts, told, row)
    for field, terms in besides.items():
        counts[field] += sum(terms.values())
    return counts


def _row_of(usage: FlatUsage) -> UsageRow:
    """The first row that fits and whose input and output are not both zero, as one of two objects in one may be."""
    fitting: UsageRow | None = None
    for row in ROWS:
        if not row.marks.isdisjoint(usage):
            if any(leaf for name in row.main if name in usage for leaf in usage[name]):
                return row
            fitting = fitting or row
    if fitting is None:
        names = ", ".join(name for name in usage if not name.endswith("*"))
        raise UnreadableUsageError(f"usage: holds no token count of a known name, only {names[:200]}")
    return fitting


_Told = dict[str, dict[int, int]]


def _told(usage: FlatUsage, row: UsageRow, *, strict: bool) -> tuple[_Told, _Told]:
    """The counts of each field, term by term; terms are different facts, and each counts. What is billed besides the
    provider's own counts is apart.

    Raises UnreadableUsageError where one fact has two values, or a count of an unknown name stands there: it may be
    what the bill is made of. Cached tokens at full price are many times off, and searches at none are free.
    """
    found: dict[tuple[str, int, bool], dict[str, int]] = {}
    for name, leaves in usage.items():
        if (terms := row.read.get(name)) is not None:
            for field, number, besides, whole_name in terms:
                told = found.setdefault((field, number, besides), {})
                told[whole_name] = told.get(whole_name, 0) + _value(usage, name, field)
        elif strict and name[-1:] != "*" and name not in row.evidence and any(map(_is_count, leaves)):
            _refuse(name, row)
    counts: tuple[_Told, _Told] = ({}, {})
    for (field, number, besides), told in found.items():
        counts[besides].setdefault(field, {})[number] = _one_value(field, told, row)
    return counts


def _one_value(field: str, told: dict[str, int], row: UsageRow) -> int:
    if len(told) == 1:
        return next(iter(told.values()))
    values = {name: value for name, value in told.items() if value}
    if len(values) > 1 and len(set(values.values())) > 1:
        if field == "input_tokens" and values.keys() <= set(row.inputs):
            return next(values[name] for name in row.inputs if name in values)
        (one, value), (other, another) = list(values.items())[:2]
        if value == another:
            other, another = next((name, count) for name, count in values.items() if count != value)
        raise UnreadableUsageError(f"{field}: is {value} in {one} and {another} in {other}")
    return next(iter(values.values()), 0)


def _refuse(name: str, row: UsageRow) -> None:
    if not row.lets_be(name):
        of_cache = "cached tokens" if "cach" in name else "something"
        raise UnreadableUsageError(f"{name[:200]}: a count of {of_cache} under a name that is not known here")


def _value(usage: FlatUsage, name: str, field: str) -> int:
    count = 0
    for leaf in usage.get(name, ()):
        count += leaf if type(leaf) is int and 0 <= leaf <= _MOST else whole(leaf, f"{field} ({name})")
    return count


def whole(value: Any, field: str) -> int:
    """A count as a whole number: also where it is written as a text, or as a float.

    Raises UnreadableUsageError where it is not one, is below zero, or is larger than any call is.
    """
    if isinstance(value, str) and len(value) <= _DIGITS and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise UnreadableUsageError(f"{field}: must be a number of tokens, not {type(value).__name__}")
    if not isinstance(value, int) and not (math.isfinite(value) and int(value) == value):
        raise UnreadableUsageError(f"{field}: must be a whole number of tokens, not {value}")
    if value < 0:
        raise UnreadableUsageError(f"{field}: must be zero or more, not {_short(value)}")
    if value > _MOST:
        raise UnreadableUsageError(f"{field}: must be at most {_MOST}, not {_short(value)}")
    return int(value)


def _short(value: Any) -> str:
    return f"{value:.6g}" if abs(value) < 1e300 else "more"  # noqa: PLR2004 - the largest float


def _include_cache(counts: Counter[str], usage: FlatUsage, row: UsageRow, total: int, maker: str) -> None:
    """Make the input include the cache, once. Where the input that was not cached is told, or the provider's own total
    tells what it is the sum of, that holds; else the shape does, unless it is known of two minds.
    """
    cache = counts["cache_read_tokens"] + counts["cache_write_tokens"]
    told, reasoning = counts["input_tokens"], counts["reasoning_tokens"]
    if len(row.inputs) > 1:
        _agree_on_input(usage, row, told, cache)
    fresh = [name for name in row.uncached if name in usage]
    if fresh:
        apart = _is_fresh(counts, _value(usage, fresh[0], "input_tokens"), cache, fresh[0])
    elif not cache:
        return
    else:
        beyond = total - told - counts["output_tokens"] if total else None
        apart = _is_apart(
            row, told, cache, inside=beyond in {0, reasoning}, beside=beyond in {cache, cache + reasoning}
        )
        if not apart and _OF_TWO_MINDS in usage and any(name in maker for name in _LEAVING_OUT):
            raise UnreadableUsageError(f"input_tokens: may leave {_OF_TWO_MINDS} out or not, and nothing tells which")
    if apart:
        counts["input_tokens"] += cache


def _is_apart(row: UsageRow, told: int, cache: int, *, inside: bool, beside: bool) -> bool:
    """Whether the input leaves the cache out, by the shape and by what the total is the sum of."""
    if inside == beside:
        return row.cache_apart
    if inside and row.cache_apart and cache <= told:
        reason = f"{row.total} says that it includes the {cache} tokens of the cache, but their names do not"
        raise UnreadableUsageError(f"input_tokens: {reason}")
    return beside or row.cache_apart


def _is_fresh(counts: Counter[str], fresh: int, cache: int, name: str) -> bool:
    """Whether the input leaves the cache out, by the count of what was not cached."""
    told = counts["input_tokens"]
    if not told:
        counts["input_tokens"] = told = fresh
    if told == fresh:
        return True
    if told != fresh + cache:
        raise UnreadableUsageError(f"input_tokens: is {told}, but {name} and the cache are {fresh} and {cache}")
    return False


def _agree_on_input(usage: FlatUsage, row: UsageRow, told: int, cache: int) -> None:
    for name in row.inputs:
        other = _value(usage, name, "input_tokens")
        if other and other not in {told, told - cache, told + cache}:
            raise UnreadableUsageError(f"input_tokens: is {told}, and {other} in {name}")


def _include_reasoning(counts: Counter[str], row: UsageRow, total: int, provider: str, model: str) -> None:
    """Make the output include reasoning, once. Where the provider's own total tells whether it does, that holds; and
    where reasoning stands apart and goes unnamed, it is what the total holds beyond prompt and answer.
    """
    reasoning = counts["reasoning_tokens"]
    beyond = total - counts["input_tokens"] - counts["output_tokens"]
    at_maker = provider in row.apart_at
    apart = row.reasoning_apart or at_maker
    if total and beyond in {0, reasoning} and (beyond or reasoning <= counts["output_tokens"]):
        apart = beyond == reasoning
    elif not reasoning and beyond > 0 and (at_maker or _THINKING_IN_TOTAL in model):
        reasoning = counts["reasoning_tokens"] = beyond
        apart = True
    if apart:
        counts["output_tokens"] += reasoning


def _hold_against(total: int, reported: tuple[int, int], counts: Counter[str], told: _Told, row: UsageRow) -> None:
    """A total that is not a sum of the parts says that something was not read: an answer that is billed, but looks
    free.
    """
    inputs = {reported[0], counts["input_tokens"], told.get("input_tokens", {}).get(0, 0)}
    outputs = {reported[1], counts["output_tokens"]}
    if total not in {of_input + of_output for of_input in inputs for of_output in outputs}:
        raise UnreadableUsageError(f"{row.total}: is {total}, but input and output are {reported[0]} and {reported[1]}")


def _is_count(leaf: Any) -> bool:
    if isinstance(leaf, str):
        return len(leaf) <= _DIGITS and leaf.isdigit() and leaf.strip("0") != ""
    return isinstance(leaf, int | float | Decimal) and bool(leaf) and not isinstance(leaf, bool)


def _make_pictures(counts: Counter[str], events: list[Any], model: str | None) -> None:
    """What a model that makes images puts out is images, where it does not say otherwise."""
    if counts["output_image_tokens"] or counts["output_audio_tokens"]:
        return
    if makes_pictures(events, model):
        counts["output_image_tokens"] = counts["output_tokens"] - counts["reasoning_tokens"]


def _checked(usage: TokenUsage) -> TokenUsage:
    if any(usage[2:]) and (found := contradictions(usage)):
        raise UnreadableUsageError("; ".join(f"{field}: {reason}" for field, reason in found))
    for field, count in zip(usage._fields, usage, strict=True) if max(usage) > _MOST else ():
        if count > _MOST:
            raise UnreadableUsageError(f"{field}: must be at most {_MOST}, not {_short(count)}")
    return usage

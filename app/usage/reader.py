"""What a provider's response says about tokens, brought to the one convention of TokenUsage: the only place for it.

The shapes of providers are rows in `shapes.py`, and `places.py` finds a response's usage objects. Here they are read by
the row that fits, held against the provider's own total, and refused when they cannot be right.
"""

from collections import Counter
from typing import Any

from app.usage.balance import hold_against, include_cache, include_reasoning
from app.usage.counts import short, told_in, value_of
from app.usage.objects import FlatUsage, UnreadableUsageError, follow
from app.usage.pictures import makes_pictures
from app.usage.places import events_of, telling, usages_of
from app.usage.rows import UsageRow
from app.usage.shapes import ROWS
from models.fields import MAX_COUNT
from models.token_usage import TokenUsage, contradictions

__all__ = ["UnreadableUsageError", "read_usage"]

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
_LONG_NAME = 256
_WRITTEN_TEXT = (
    "output_tokens_details.text_tokens",
    "output_tokens_details.text",
    "completion_tokens_details.text_tokens",
    "candidates_tokens_details.modality=TEXT.token_count",
    "output_tokens_by_modality.modality=text.tokens",
)
NOT_REPORTED = "usage: not reported; a streamed OpenAI chat needs stream_options.include_usage"


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
        raise UnreadableUsageError(NOT_REPORTED)
    if counts["output_tokens"] and not any(written in usage for usage in usages for written in _WRITTEN_TEXT):
        _make_pictures(counts, events, model)
    return _checked(TokenUsage(**counts))


def model_of(events: list[Any]) -> str | None:
    """The name of the model that answered; in a stream, the last that is named (Azure's first event names "")."""
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
    told, besides = told_in(usage, row, strict=strict)
    counts = Counter({field: sum(term.values()) for field, term in told.items()})
    total = value_of(usage, row.total, "total_tokens")
    reported = counts["input_tokens"], counts["output_tokens"]
    include_cache(counts, usage, row, total, f"{provider} {model}")
    if row.apart_mark not in usage:
        provider = model = ""
    include_reasoning(counts, row, total, provider, model)
    if strict and total and "prompt_audio_seconds" not in usage:  # Mistral's total counts audio billed by the second
        hold_against(total, reported, counts, told, row)
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
        raise UnreadableUsageError(f"usage: has no token count under a known name, only {names[:200]}")
    return fitting


def _make_pictures(counts: Counter[str], events: list[Any], model: str | None) -> None:
    """What a model that makes images puts out is images, where it does not say otherwise."""
    if counts["output_image_tokens"] or counts["output_audio_tokens"]:
        return
    if makes_pictures(events, model):
        counts["output_image_tokens"] = counts["output_tokens"] - counts["reasoning_tokens"]


def _checked(usage: TokenUsage) -> TokenUsage:
    if any(usage[2:]) and (found := contradictions(usage)):
        raise UnreadableUsageError("; ".join(f"{field}: {reason}" for field, reason in found))
    for field, count in zip(usage._fields, usage, strict=True) if max(usage) > MAX_COUNT else ():
        if count > MAX_COUNT:
            raise UnreadableUsageError(f"{field}: must be at most {MAX_COUNT}, not {short(count)}")
    return usage

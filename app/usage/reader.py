"""What a provider's response says about tokens, brought to the one convention of TokenUsage: the only place for it.

The shapes of providers are rows in `usage_rows`. Here the usage objects of a response, or of the events of a stream,
are found and merged, read by the row that fits, and refused when they cannot be right.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any

from pydantic import BaseModel

from app.usage.shapes import ROWS, TAGS, Names, UsageRow, names_of, snake_case
from models.token_usage import TokenUsage, contradictions

FlatUsage = dict[str, list[Any]]

# Where a response, or an event of a stream, keeps its usage: the first of these that is an object.
_PLACES = (
    ("usage",),
    ("usageMetadata",),
    ("usage_metadata",),
    ("response", "usage"),  # OpenAI responses and realtime events
    ("message", "usage"),  # Anthropic message_start
    ("data", "usage"),  # assistants events, Mistral's SDK
    ("delta", "usage"),  # Cohere message-end
    ("metadata", "usage"),  # Bedrock ConverseStream
    ("x_groq", "usage"),
    ("meta",),  # Cohere
    ("response", "meta"),
)
# What Bedrock adds to the last event of an InvokeModel stream, beside what the model says itself.
_METRICS = ("amazon-bedrock-invocationMetrics",)
# Counts in the response itself: Titan and Llama on Bedrock, embeddings on Vertex.
_AT_TOP = (
    "inputTextTokenCount",
    "totalOutputTextTokenCount",
    "results",
    "prompt_token_count",
    "generation_token_count",
    "predictions",
    "embeddings",
)
_MODELS = (
    ("model",),
    ("modelVersion",),
    ("model_version",),
    ("response", "model"),
    ("message", "model"),
    ("data", "model"),
)
_RUN_STEP = "thread.run.step"
_SCALAR = (NoneType, str, bytes, int, float, Decimal, Enum)
_DEPTH = 6  # usage objects are four levels deep; anything deeper was not made by a provider


class UnreadableUsageError(ValueError):
    """A response whose tokens cannot be determined. The message names field and reason; the call is unpriced."""


def read_usage(response: Any, *, provider: str | None = None) -> TokenUsage:
    """Read the tokens of one model call.

    `response` is one response or the list of its stream's events, each a dictionary or an object of a provider's SDK.
    `provider`, a genai-prices id or an OpenTelemetry name, decides only what the shape and the total leave open.

    Raises UnreadableUsageError when no usage is reported (a streamed OpenAI chat reports it only on request), when its
    shape is unknown or holds no tokens (Whisper reports seconds: a count of zero would make that call free), when a
    count is not a whole number of tokens, and when parts exceed their total. Absent and null counts are zero.
    """
    counts: Counter[str] = Counter()
    for usage in _usages(_events(response)):
        counts.update(_counts(usage, (provider or "").lower()))
    if not counts:
        raise UnreadableUsageError("usage: not reported; a streamed OpenAI chat needs stream_options.include_usage")
    return _checked(TokenUsage(**counts))


def read_model(response: Any) -> str | None:
    """Read the name of the model that answered; in a stream, the last that is named (Azure's first event names "")."""
    names = (_follow(event, place) for event in reversed(_events(response)) for place in _MODELS)
    return next((name for name in names if isinstance(name, str) and name), None)


def _events(response: Any) -> list[Any]:
    return [_opened(event) for event in (response if isinstance(response, list | tuple) else [response])]


def _usages(events: list[Any]) -> list[FlatUsage]:
    """The usage objects to add up: usually one, of the whole call. But an assistants run gives each step's usage
    before its own total, and a stream that was cut in between has the steps alone.
    """
    usage = _merged(event for event in events if not _is_run_step(event))
    return [usage] if usage else [step for event in events if (step := _merged([event]))]


def _is_run_step(event: Any) -> bool:
    return _RUN_STEP in (_follow(event, ("object",)), _follow(event, ("data", "object")))


def _merged(events: Iterable[Any]) -> FlatUsage:
    """Merge what the events say into one usage object. Providers report running totals, so the last one counts."""
    usage: FlatUsage = {}
    for event in events:
        usage.update(next((found for place in _PLACES if (found := _object_at(event, place))), {}))
        usage.update(_object_at(event, _METRICS))
        for name in _AT_TOP:
            if (found := _follow(event, (name,))) is not None:
                usage.update(flat_usage(found, snake_case(name)))
    return usage


def _object_at(event: Any, place: Names) -> FlatUsage:
    found = _follow(event, place)
    return {} if _is_leaf(found) else flat_usage(found)


def _follow(value: Any, path: Iterable[str]) -> Any:
    for name in path:
        if value is None:
            return None
        value = _opened(value)
        value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
    return value


def _opened(value: Any) -> Any:
    """Make the members of an object of an SDK keys, where they are not plain attributes. A response can hold megabytes
    beside its usage: only an object that has no other way in is dumped whole.
    """
    if isinstance(value, dict):
        return value
    if isinstance(value, BaseModel):
        # Mistral's SDK lists its extra fields among the fields a second time, under a private name
        return {name: member for name, member in {**vars(value), **(value.model_extra or {})}.items() if name[0] != "_"}
    if isinstance(value, Mapping):
        return dict(value)
    kind = type(value)
    if hasattr(kind, "model_dump"):
        return kind.model_dump(value)
    if hasattr(kind, "to_dict"):  # with `pb` it is proto-plus, which gives enums as numbers unless told not to
        return kind.to_dict(value, use_integers_for_enums=False) if hasattr(kind, "pb") else kind.to_dict(value)
    return value


def flat_usage(value: Any, path: str = "") -> FlatUsage:
    """Lay a usage object of any kind out flat: path -> the values there, which are many only below a list or a `*`."""
    flat: FlatUsage = {}
    for name, leaf in _leaves(value, path, _DEPTH):
        parent, dot, _ = name.rpartition(".")
        flat.setdefault(name, []).append(leaf)
        if dot:
            flat.setdefault(f"{parent}.*", []).append(leaf)
    return flat


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if _is_leaf(value):
        yield path, value
    elif depth and isinstance(value, Sequence):
        for item in value:
            for tagged in _paths_of_item(item, path):
                yield from _leaves(item, tagged, depth - 1)
    elif depth:
        for name, member in _members(_opened(value)).items():
            yield from _leaves(member, f"{path}.{name}" if path else name, depth - 1)


def _is_leaf(value: Any) -> bool:
    """A list of numbers is one too: an embedding, which contains no usage."""
    if isinstance(value, _SCALAR):
        return True
    return isinstance(value, Sequence) and bool(value) and isinstance(value[0], int | float)


def _paths_of_item(item: Any, path: str) -> Iterator[str]:
    yield path
    for tag in TAGS:
        value = _follow(item, (tag,))
        if isinstance(value, str | Enum):  # an SDK gives an enum, JSON its name
            yield f"{path}.{tag}={getattr(value, 'name', value)}"


def _members(value: Any) -> dict[str, Any]:
    """The members that are not null. A key in two spellings is one member: otherwise it would count twice."""
    if not isinstance(value, dict):
        value = {name: getattr(value, name, None) for name in dir(value) if name[0].islower()}
    members: dict[str, Any] = {}
    for key, member in value.items():
        if member is not None:
            name = snake_case(str(key))
            members[name] = members.get(name) or member
    return members


def _counts(usage: FlatUsage, provider: str) -> dict[str, int]:
    row = next((row for row in ROWS if any(mark in usage for mark in row.marks)), None)
    if row is None:
        names = ", ".join(name for name in usage if not name.endswith("*"))
        raise UnreadableUsageError(f"usage: has no token count under a known name, only {names[:200]}")
    _refuse_unread_cache(usage, row)
    counts = {
        field: sum(_count(usage, term, field) for term in terms)  # terms are different facts: each counts
        for field, terms in row.counts.items()
    }
    _include_reasoning(counts, row, _count(usage, row.total, "total_tokens"), provider)
    return counts


def _count(usage: FlatUsage, term: str | Names, field: str) -> int:
    told = [sum(_whole(value, f"{field} ({name})") for value in usage.get(name, ())) for name in names_of(term)]
    return next((count for count in told if count), 0)


def _whole(value: Any, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise UnreadableUsageError(f"{field}: must be a number of tokens, not {type(value).__name__}")
    if not isinstance(value, int) and not (math.isfinite(value) and int(value) == value):
        raise UnreadableUsageError(f"{field}: must be a whole number of tokens, not {value}")
    if value < 0:
        raise UnreadableUsageError(f"{field}: must be zero or more, not {value}")
    return int(value)


def _include_reasoning(counts: dict[str, int], row: UsageRow, total: int, provider: str) -> None:
    """Make the output include reasoning, once. Where the provider's own total shows whether it does, that decides; and
    where reasoning is separate and not reported, it is what the total has beyond prompt and answer.
    """
    reasoning = counts.get("reasoning_tokens", 0)
    beyond = total - counts["input_tokens"] - counts.get("output_tokens", 0)
    apart = row.reasoning_apart or provider in row.apart_at
    if total and beyond in (0, reasoning):
        apart = beyond == reasoning
    if not reasoning and provider in row.apart_at and beyond > 0:
        reasoning = counts["reasoning_tokens"] = beyond
    if apart:
        counts["output_tokens"] += reasoning


def _refuse_unread_cache(usage: FlatUsage, row: UsageRow) -> None:
    """A cache count under an unknown name would be priced as if there were no cache, many times off."""
    for name, leaves in usage.items():
        if "cach" in name and "tok" in name and any(map(_is_count, leaves)) and not row.reads(name):
            raise UnreadableUsageError(f"{name}: a count of cached tokens under an unknown name")


def _is_count(leaf: Any) -> bool:
    return isinstance(leaf, int | float | Decimal) and bool(leaf)


def _checked(usage: TokenUsage) -> TokenUsage:
    if found := contradictions(usage):
        raise UnreadableUsageError("; ".join(f"{field}: {reason}" for field, reason in found))
    return usage

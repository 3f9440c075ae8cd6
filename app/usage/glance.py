"""Usage of the forms that nearly all responses have, read at a glance: in a tenth of the time of `reader.py`, with the
same result.

A form names every member that it may have, and what that member may be. Where anything else stands there, or counts do
not add up as they should, nothing is said here, and the reader looks at it with all its care.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from app.usage.pictures import is_maker
from app.usage.places import ORDINARY_TIERS
from models.fields import MAX_NAME

_MOST = 100_000_000
"""Of one count: sums of some of them are still below `MAX_COUNT`."""
_INPUT, _OUTPUT, _READ, _WRITTEN = "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"
_HOUR, _REASONING, _TOTAL = "cache_write_1h_tokens", "reasoning_tokens", "total"
_MINUTES, _ANY, _ZERO = "cache_write_5m_tokens", "any", "zero"
"""Members that are no fields of a call: some writes, a count that changes no price, and one that is not there."""
_NUMBER = (int, float, Decimal)
_TIERS = frozenset({*ORDINARY_TIERS, *(tier.upper() for tier in ORDINARY_TIERS)})

Members = Mapping[str, Any]
"""By name: a count as one of the words above, the texts that change no price, the types of a number that is no count,
or the members of an object of its own.
"""


class _Form(NamedTuple):
    members: Members
    cache_apart: bool = False
    """Cache reads and writes stand beside the input, not inside it."""
    reasoning_apart: bool = False
    """Reasoning stands beside the output, not inside it."""


_SOUND = dict.fromkeys(("audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"), _ZERO)
_CHAT = _Form(
    {
        "prompt_tokens": _INPUT,
        "completion_tokens": _OUTPUT,
        "total_tokens": _TOTAL,
        "cached_tokens": _ZERO,
        "prompt_tokens_details": {"cached_tokens": _READ, "audio_tokens": _ZERO},
        "completion_tokens_details": {"reasoning_tokens": _REASONING, **_SOUND},
        **dict.fromkeys(("queue_time", "prompt_time", "completion_time", "total_time"), _NUMBER),  # Groq
    }
)
_RESPONSES = _Form(
    {
        "input_tokens": _INPUT,
        "output_tokens": _OUTPUT,
        "total_tokens": _TOTAL,
        "input_tokens_details": {"cached_tokens": _READ, "cache_write_tokens": _ZERO},
        "output_tokens_details": {"reasoning_tokens": _REASONING},
    }
)
_MESSAGES = _Form(
    {
        "input_tokens": _INPUT,
        "output_tokens": _OUTPUT,
        "total_tokens": _TOTAL,
        "cache_read_input_tokens": _READ,
        "cache_creation_input_tokens": _WRITTEN,
        "cache_creation": {"ephemeral_5m_input_tokens": _MINUTES, "ephemeral_1h_input_tokens": _HOUR},
        "output_tokens_details": {"thinking_tokens": _ANY},
        "server_tool_use": {"web_search_requests": _ZERO, "web_fetch_requests": _ZERO},
        "service_tier": _TIERS,
        "inference_geo": frozenset({"global", "not_available"}),
    },
    cache_apart=True,
)
_CONVERSE = _Form(
    {
        "inputTokens": _INPUT,
        "outputTokens": _OUTPUT,
        "totalTokens": _TOTAL,
        "serverToolUsage": {},
        **dict.fromkeys(("cacheReadInputTokens", "cacheWriteInputTokens"), _ZERO),
        **dict.fromkeys(("cacheReadInputTokenCount", "cacheWriteInputTokenCount"), _ZERO),
    }
)
_BY_MODALITY = [{"modality": frozenset({"TEXT"}), "tokenCount": _ANY}]
_IN_JSON: Members = {
    "promptTokenCount": _INPUT,
    "candidatesTokenCount": _OUTPUT,
    "thoughtsTokenCount": _REASONING,
    "cachedContentTokenCount": _READ,
    "totalTokenCount": _TOTAL,
    "serviceTier": _TIERS,
    "trafficType": _TIERS,
    **dict.fromkeys(("promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails"), _BY_MODALITY),
}
_GEMINI = _Form(_IN_JSON, reasoning_apart=True)

_FORMS = (
    ("prompt_tokens", _CHAT),
    ("input_tokens_details", _RESPONSES),
    ("input_tokens", _MESSAGES),
    ("inputTokens", _CONVERSE),
    ("promptTokenCount", _GEMINI),
)
"""By a member that each of the form has; the first that fits."""
_PLACES = ("usage", "usageMetadata")
_MODELS = ("model", "modelVersion")
_WORDS: Mapping[str, frozenset[str]] = {
    "object": frozenset({"chat.completion", "chat.completion.chunk", "response", "list"}),
    "type": frozenset({"message", "response"}),
    "service_tier": _TIERS,
}
_SILENT = ("id", "responseId", "created", "created_at", "createTime", "role", "status", "system_fingerprint")
_RESPONSE = frozenset({*_PLACES, *_MODELS, *_WORDS, *_SILENT, "finish_reason", "stop_reason", "stop_sequence"})
"""Members of a response of which none says anything of the bill, but the usage and the model."""


def glance(events: Sequence[Any], model: str | None) -> dict[str, Any] | None:
    """What `reported_of` says of the events of a response, where they are of a form that is known here."""
    event = events[0] if len(events) == 1 else _of_pair(events)
    if type(event) is not dict or not event.keys() <= _RESPONSE or not _is_ordinary(event):
        return None
    named = [name for place in _MODELS if (name := event.get(place)) is not None]
    usages = [usage for place in _PLACES if (usage := event.get(place)) is not None]
    if len(named) > 1 or len(usages) != 1 or type(usages[0]) is not dict:
        return None
    if named and not (type(named[0]) is str and 0 < len(named[0]) <= MAX_NAME and named[0].isprintable()):
        return None
    answered = named[0] if named else model
    if (answered and is_maker(answered)) or (counts := _counts(usages[0])) is None:
        return None
    return {"model": answered, **counts} if named else counts


def _is_ordinary(event: dict[str, Any]) -> bool:
    words = [(word, usual) for name, usual in _WORDS.items() if (word := event.get(name)) is not None]
    return all(type(word) is str and word in usual for word, usual in words)


def _of_pair(events: Sequence[Any]) -> dict[str, Any] | None:
    """Anthropic's streams: the beginning has the input, and the end all of the output."""
    if len(events) != 2 or type(events[0]) is not dict or events[0].keys() != {"usage"}:  # noqa: PLR2004 - a pair
        return None
    first, last = events[0]["usage"], events[1].get("usage") if type(events[1]) is dict else None
    if type(first) is not dict or type(last) is not dict or not first.keys() <= _MESSAGES.members.keys():
        return None
    if type(output := last.get("output_tokens")) is not int or output < 1:
        return None
    if any(value is not None and value != first.get(name) for name, value in last.items() if name not in _OF_THE_END):
        return None
    return {**events[1], "usage": {**first, **{name: last[name] for name in _OF_THE_END if name in last}}}


_OF_THE_END = frozenset({"output_tokens", "output_tokens_details"})


def _counts(usage: dict[str, Any]) -> dict[str, Any] | None:
    form = next((form for mark, form in _FORMS if mark in usage), None)
    counts = {_INPUT: 0, _OUTPUT: 0}
    if form is None or not _take(form.members, usage, counts):
        return None
    read, written = counts.get(_READ, 0), counts.get(_WRITTEN, 0)
    hour, minutes = counts.get(_HOUR, 0), counts.pop(_MINUTES, 0)
    reasoning, total = counts.get(_REASONING, 0), counts.pop(_TOTAL, None)
    if form.cache_apart:
        counts[_INPUT] += read + written
    if form.reasoning_apart:
        counts[_OUTPUT] += reasoning
    if total is None:
        adds_up = form.cache_apart or not (form.reasoning_apart or read or reasoning)
    else:
        adds_up = total == counts[_INPUT] + counts[_OUTPUT]
    parts_fit = read + written <= counts[_INPUT] and reasoning <= counts[_OUTPUT]
    writes_fit = hour + minutes in (0, written)
    return counts if adds_up and parts_fit and writes_fit else None


def _take(members: Members, found: dict[str, Any], counts: dict[str, int]) -> bool:
    """Whether `found` has no members but those, as they are; its counts are put among the others."""
    for name, value in found.items():
        if value is None:
            continue
        meant = members.get(name)
        if type(meant) is str:
            if type(value) is not int or not 0 <= value <= _MOST or (value and meant is _ZERO):
                return False
            if value and meant is not _ANY:
                counts[meant] = value
        elif meant is None or not _fits(meant, value, counts):
            return False
    return True


def _fits(meant: Any, value: Any, counts: dict[str, int]) -> bool:
    """Whether a member that is no count is as it should be."""
    if type(meant) is frozenset:
        return type(value) is str and value in meant
    if type(meant) is dict:
        return type(value) is dict and _take(meant, value, counts)
    if type(meant) is list:
        return type(value) is list and all(type(item) is dict and _take(meant[0], item, counts) for item in value)
    return type(value) in meant

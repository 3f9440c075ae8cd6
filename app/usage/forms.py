"""The forms of usage objects that nearly all responses have: each names every member that it may have, and what that
member may be.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from app.usage.objects import snake_case
from app.usage.places import ORDINARY_TIERS

_MOST = 100_000_000
"""Of one count: sums of some of them are still below `MAX_COUNT`."""
_INPUT, _OUTPUT, _READ, _WRITTEN = "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"
_HOUR, _REASONING, _TOTAL = "cache_write_1h_tokens", "reasoning_tokens", "total"
_MINUTES, _ANY, _ZERO = "cache_write_5m_tokens", "any", "zero"
"""Members that are no fields of a call: some writes, a count that changes no price, and one that is not there."""
_NUMBER = (int, float, Decimal)
USUAL_TIERS = frozenset({*ORDINARY_TIERS, *(tier.upper() for tier in ORDINARY_TIERS)})

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
        "service_tier": USUAL_TIERS,
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
_IN_JSON: Members = {
    "promptTokenCount": _INPUT,
    "candidatesTokenCount": _OUTPUT,
    "thoughtsTokenCount": _REASONING,
    "cachedContentTokenCount": _READ,
    "totalTokenCount": _TOTAL,
    "serviceTier": USUAL_TIERS,
    "trafficType": USUAL_TIERS,
}
_MODALITY = frozenset({"TEXT"})
_DETAILS = ("promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails")
_GEMINI = _Form(
    {**_IN_JSON} | {name: [{"modality": _MODALITY, "tokenCount": _ANY}] for name in _DETAILS},
    reasoning_apart=True,
)
_GEMINI_SDK = _Form(
    {snake_case(name): meant for name, meant in _IN_JSON.items()}
    | {snake_case(name): [{"modality": _MODALITY, "token_count": _ANY}] for name in _DETAILS},
    reasoning_apart=True,
)
_FORMS = (
    ("prompt_tokens", _CHAT),
    ("input_tokens", _MESSAGES),
    ("inputTokens", _CONVERSE),
    ("promptTokenCount", _GEMINI),
    ("prompt_token_count", _GEMINI_SDK),
)
"""By the name of the input, which each has."""


def counts_of(usages: Sequence[dict[str, Any]]) -> dict[str, int] | None:
    """The counts that a usage object of a known form tells, as fields of `AICall`; None of any other. Of several, which
    a stream has told one after the other, each has to have all members of those before: then the last holds.
    """
    usage = usages[-1]
    form = next((form for name, form in _FORMS if usage.get(name) is not None), None)
    if form is _MESSAGES and "input_tokens_details" in usage:
        form = _RESPONSES
    counts = {_INPUT: 0, _OUTPUT: 0}
    if form is None or not _take(form.members, usage, counts):
        return None
    for before, after in pairwise(usages):
        if not (_take(form.members, before, {}) and _has_all(after, before) and any(counts.values())):
            return None
    return _added_up(form, counts, details_of_writes=bool(usage.get("cache_creation")))


def is_of_messages(usage: dict[str, Any]) -> bool:
    """Whether this has no members but those of Anthropic's usage, as they are."""
    return _take(_MESSAGES.members, usage, {})


def _added_up(form: _Form, counts: dict[str, int], *, details_of_writes: bool) -> dict[str, int] | None:
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
    writes_fit = hour + minutes == written or not details_of_writes
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


def _has_all(after: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether nothing of an earlier usage stays beside a later one."""
    for name, value in before.items():
        if value is not None:
            later: Any = after.get(name)
            if type(later) is not type(value) or (value and later == []):
                return False
            if type(value) is dict and not _has_all(later, value):
                return False
    return True

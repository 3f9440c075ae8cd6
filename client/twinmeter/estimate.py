"""A call whose usage nobody knows is taken to have used all that was held for it: it may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AT_MOST = "_at_most"
"""Among the fields of a call with a reservation, until it is reported: the most that was asked for."""
INTERRUPTED = "interrupted before the answer was complete"
"""The error of a call that its caller gave up: it may have used anything."""
OVERHEAD_TOKENS = 1_000
"""Beside the bytes of its texts: what the server adds to them when it is asked."""

_MEDIA = ("images", "characters", "video_seconds", "audio_seconds")
_USED = (*_MEDIA, "tokens_used", "input_tokens", "output_tokens", "cost", "usage")
_NOT_BILLED = frozenset({"error", "rate_limited"})
_GUESSES = ("input_text", "output_text", "unreadable_usage", "unreadable_reason")


def most_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a call may have used by what was asked for it; empty where that leaves something open."""
    inputs = asked.get("input_tokens")
    if inputs is None and asked.get("input_bytes") is not None:
        inputs = asked["input_bytes"] + OVERHEAD_TOKENS
    outputs = asked.get("max_output_tokens")
    if inputs is None or outputs is None:
        return {}
    media = {name: asked[name] for name in _MEDIA if asked.get(name)}
    return {**media, "input_tokens": inputs, "output_tokens": outputs, "estimated_usage": True}


def estimated(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a call that is reported, with what it is taken to have used where that is not known."""
    told = {name: value for name, value in fields.items() if name != AT_MOST}
    most = fields[AT_MOST]
    if not most or _is_known(told) or told.get("cached") or _is_free(told):
        return told
    return {**{name: value for name, value in told.items() if name not in _GUESSES}, **most}


def _is_known(told: Mapping[str, Any]) -> bool:
    if any(told.get(name) is not None for name in _USED):
        return True
    from twinmeter.usage import tells_usage  # noqa: PLC0415 - a call with a response has loaded it

    response = told.get("response")
    return any(map(tells_usage, response if isinstance(response, list) else [response]))


def _is_free(told: Mapping[str, Any]) -> bool:
    """Whether it failed before it began."""
    status = told.get("status") or ("error" if told.get("success") is False else None)
    has_begun = told.get("error_message") == INTERRUPTED or told.get("output_text")
    return status in _NOT_BILLED and not has_begun

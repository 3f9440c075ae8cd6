"""The most that a request can take, by what it says itself: room for that is held before it is sent.

A text has no more tokens than bytes, and the names around it cover what a provider adds to each message. Where there
are pictures or files too, or what the provider looks up by itself, nothing is said of the input: the server decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_OUTPUT = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_ANSWERS = ("n", "best_of", "candidate_count")
_PICTURES = ("n", "number_of_images")
_LOOKS = ("size", "quality")
_TIERS = frozenset({"default", "flex", "priority"})
"""That a call is served by where it asks for them, or by a cheaper one."""
_ELSEWHERE = frozenset({"previous_response_id", "conversation", "conversation_id", "cached_content", "prompt_id"})
"""What a request with one of these is about lies at the provider."""
_NOT_TEXT = frozenset(
    {
        *("image", "images", "image_url", "input_image", "source", "file", "file_id", "input_file", "input_audio"),
        *("inline_data", "inlineData", "file_data", "fileData", "document", "document_url", "mask", "video_metadata"),
    }
)
_OWN_TOOLS = frozenset({None, "function", "custom"})
"""Kinds of tools that the caller runs himself."""
DEEPEST = 12


class _UnknownError(Exception):
    """There is something whose tokens cannot be told by its length."""


def bounds_of(request: Mapping[str, Any], service_type: str | None = None) -> dict[str, Any]:
    """Bounds as `twinmeter.reserve` takes them. Of nothing is said more than is certain."""
    asked = {**_members(request.get("config")), **{name: value for name, value in request.items() if name != "config"}}
    bounds: dict[str, Any] = {}
    output = next((asked[name] for name in _OUTPUT if _is_count(asked.get(name))), None)
    if output is not None:
        bounds["output_tokens"] = output * max(asked[name] if _is_count(asked.get(name)) else 1 for name in _ANSWERS)
    tier = asked.get("service_tier")
    if isinstance(tier, str) and tier in _TIERS:
        bounds["service_tier"] = tier
    if service_type == "embedding":
        bounds["output_tokens"] = 0
    if service_type == "image":
        bounds["images"] = max(asked[name] if _is_count(asked.get(name)) else 1 for name in _PICTURES)
        bounds.update({name: asked[name] for name in _LOOKS if asked.get(name, "auto") != "auto"})
    with suppress(_UnknownError):
        bounds["input_bytes"] = _bytes_of(asked, 0)
    return bounds


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _bytes_of(value: Any, depth: int) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "replace"))
    if value is None or isinstance(value, (bool, int, float)):
        return 8
    if depth >= DEEPEST:
        raise _UnknownError
    if isinstance(value, (list, tuple)):
        return sum(_bytes_of(item, depth + 1) + 1 for item in value)
    members = _members(value)
    if not members and not isinstance(value, Mapping):
        raise _UnknownError
    return sum(_member_bytes(str(name), member, depth) for name, member in members.items())


def _member_bytes(name: str, member: Any, depth: int) -> int:
    if member is None or type(member).__name__ in {"NotGiven", "Omit", "Unset"}:
        return 0
    if name in _ELSEWHERE or name in _NOT_TEXT:
        raise _UnknownError
    if name == "tools" and isinstance(member, (list, tuple)):
        for tool in member:
            if _members(tool).get("type") not in _OWN_TOOLS:
                raise _UnknownError
    return len(name) + 4 + _bytes_of(member, depth + 1)


def _members(value: Any) -> Mapping[str, Any]:
    """Of a mapping, or of a model of Pydantic's, as SDKs take either."""
    if isinstance(value, Mapping):
        return value
    fields = getattr(type(value), "model_fields", None)
    return {name: getattr(value, name, None) for name in fields} if isinstance(fields, Mapping) else {}

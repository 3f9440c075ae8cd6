"""What an answer says of its usage, without its texts: small ones whole, of large ones what stands around the texts."""

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from app.usage.pictures import is_maker

SMALL = 16_384
"""Bytes of JSON that are decoded as they are."""
SMALL_MEMBER = 8_192
HEAD, TAIL = 2_048, 65_536
"""Bytes that are kept of what is too large to be kept: the usage is the last that any provider tells."""
USAGES = frozenset({"usage", "usageMetadata"})
_OBJECTS = {name: re.compile(rf'"{name}"\s*:\s*(?={{)') for name in (*USAGES, "tool_usage")}
_DRAWN = b'"image_generation_call"'
_WORD = re.compile(r'"(type|model|modelVersion|service_tier|size|quality|object)"\s*:\s*"([^"\\]{1,256})"')
_CREATED = re.compile(r'"created"\s*:\s*(\d{1,12})')
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_JSON = json.JSONDecoder()


_NULL = Raw(b"null")


class _Datum(Struct):
    b64_json: Raw = _NULL
    url: Raw = _NULL
    embedding: Raw = _NULL


class _Item(Struct):
    type: Any = None
    status: Any = None
    action: Any = None


class _Candidate(Struct):
    content: Raw = _NULL
    groundingMetadata: Any = None  # noqa: N815 - Google's name


def decoded(body: bytes) -> Any:
    """The answer that a body is, without what is large in it. Raises msgspec.DecodeError for what is no JSON, and
    RecursionError for what is nested without end.

    Some servers write what is none by the letter, and clients read it: `NaN`, `-Infinity`, 1e309, half of a character.
    """
    try:
        return _decoded(body)
    except msgspec.DecodeError:
        try:
            return json.loads(body)
        except ValueError:
            pass
        raise


def _decoded(body: bytes) -> Any:
    if len(body) <= SMALL:
        return msgspec.json.decode(body)
    try:
        members = _OBJECT.decode(body)
    except msgspec.ValidationError:
        return msgspec.json.decode(body)
    return {name: member for name, raw in members.items() if (member := _member(name, raw)) is not _LEFT_OUT}


_LEFT_OUT = object()


def _member(name: str, raw: Raw) -> Any:
    if len(memoryview(raw)) <= SMALL_MEMBER:
        return msgspec.json.decode(raw)
    try:
        return _LARGE[name](raw) if name in _LARGE else _LEFT_OUT
    except msgspec.ValidationError:
        return _LEFT_OUT


def _data(raw: Raw) -> list[dict[str, Any]]:
    """Pictures and embeddings: only what each is."""
    names = ("b64_json", "url", "embedding")
    return [{name: "" for name in names if getattr(each, name) != _NULL} for each in _DATA.decode(raw)]


def _output(raw: Raw) -> list[dict[str, Any]]:
    return [{"type": item.type, "status": item.status, "action": item.action} for item in _OUTPUT.decode(raw)]


def _candidates(raw: Raw) -> list[dict[str, Any]]:
    return [_candidate(each) for each in _CANDIDATES.decode(raw)]


def _candidate(candidate: _Candidate) -> dict[str, Any]:
    content = bytes(candidate.content)
    part: dict[str, Any] = {"inlineData": {}} if b'"inlineData"' in content or b'"inline_data"' in content else {}
    return {"content": {"parts": [part]}, "groundingMetadata": candidate.groundingMetadata}


_DATA = msgspec.json.Decoder(list[_Datum])
_OUTPUT = msgspec.json.Decoder(list[_Item])
_CANDIDATES = msgspec.json.Decoder(list[_Candidate])
_LARGE: dict[str, Callable[[Raw], Any]] = {
    "data": _data,
    "output": _output,
    "candidates": _candidates,
    "segments": lambda _: [],
    "text": lambda _: "",
    "response": lambda raw: decoded(bytes(raw)),
    "message": lambda raw: decoded(bytes(raw)),
}
"""Members that may be large, and of which it matters that they are there, or what is in them."""


_TEXTS = frozenset({"choices", "content", "obfuscation", "system_fingerprint", "sequence_number", "stop_details"})
"""Members of an answer or event that say nothing of the bill, and are in the way of who reads it at a glance."""
_SETTINGS = frozenset(
    {
        *(
            "instructions",
            "tools",
            "tool_choice",
            "text",
            "reasoning",
            "truncation",
            "temperature",
            "top_p",
            "metadata",
        ),
        *("parallel_tool_calls", "max_output_tokens", "max_tool_calls", "previous_response_id", "user", "store"),
        *("background", "completed_at", "incomplete_details", "prompt_cache_key", "prompt_cache_retention", "prompt"),
        *("safety_identifier", "top_logprobs", "context_management", "conversation", "frequency_penalty"),
        *("presence_penalty", "billing", "moderation"),
    }
)
"""Members of OpenAI's responses that repeat what was asked for."""
_OWN_ITEMS = frozenset({"message", "reasoning", "function_call", "custom_tool_call", "compaction"})
"""What of a response's output the model makes itself: nothing else is billed for it."""


def lean(event: Any, model: str) -> Any:
    """An answer of `model`, or an event, with what may say something of the bill."""
    if type(event) is not dict:
        return event
    told = {name: value for name, value in event.items() if name not in _TEXTS}
    for name in ("response", "message"):
        if name in told:
            told[name] = lean(told[name], model)
    if told.get("object") == "response":
        told = {name: value for name, value in told.items() if name not in _SETTINGS}
    candidates = told.get("candidates")
    if type(candidates) is list and not is_maker(f"{told.get('modelVersion')} {model}"):
        told["candidates"] = [each for each in candidates if _matters(each)]
    output, delta = told.get("output"), told.get("delta")
    if type(output) is list and all(type(item) is dict and item.get("type") in _OWN_ITEMS for item in output):
        del told["output"]
    if "delta" in told and not (type(delta) is dict and "usage" in delta):
        del told["delta"]
    if "error" in told and told["error"] is None:
        del told["error"]
    return told


def _matters(candidate: Any) -> bool:
    """Whether a candidate of Gemini's tells a search, or that it is a picture."""
    if type(candidate) is not dict or not _GROUNDED.isdisjoint(candidate):
        return True
    content = candidate.get("content")
    parts = content.get("parts") if type(content) is dict else None
    return type(parts) is list and not all(type(part) is dict and _INLINE.isdisjoint(part) for part in parts)


_GROUNDED = frozenset({"groundingMetadata", "grounding_metadata"})
_INLINE = frozenset({"inlineData", "inline_data"})


def around(head: bytes, tail: bytes) -> dict[str, Any]:
    """The same of what was too large to be kept, from its beginning and its end."""
    first, last = head.decode(errors="replace"), tail.decode(errors="replace")
    told: dict[str, Any] = {}
    for text in (first, last):
        for name, word in _WORD.findall(text):
            told.setdefault(name, word)
        if (created := _CREATED.search(text)) is not None:
            told.setdefault("created", int(created[1]))
    if _DRAWN in head or _DRAWN in tail:
        told["output"] = [{"type": "image_generation_call"}]
    for name, pattern in _OBJECTS.items():
        for found in pattern.finditer(last):
            try:
                told[name] = _JSON.raw_decode(last, found.end())[0]
            except ValueError:
                continue
    return told

"""What a response, or an event of a stream, tells beside its texts, at the places where it tells it.

Members keep their places, so that the server reads of it what it would read of the whole. Texts, pictures and vectors
are left out: an `x` stands where only that there is something matters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Callable

MOST_VALUES = 1_000
DEEPEST = 6
"""Usage objects are four deep; the server looks no deeper than this either."""
LONGEST_WORD = 100
LONGEST_NAME = 256
"""Characters of the name of a model."""
LONGEST_NUMBER = 40
_SOMETHING = "x"
"""Where a text was."""

Fields = dict[str, Any]


class TooLargeError(Exception):
    """There is more than is looked at."""


class Allowance:
    """How many values more are looked at."""

    __slots__ = ("_left",)

    def __init__(self, values: int = MOST_VALUES) -> None:
        self._left = values

    def take(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise TooLargeError


def told_of(event: Any) -> Fields:
    """What a response or an event tells, at its places; empty where there is nothing to tell."""
    return _nested(event, Allowance(), DEEPEST) or {}


def step(found: Any, name: str | int) -> Any:
    """The member, or the item; None where there is none."""
    if isinstance(name, int):
        return found[name] if isinstance(found, (list, tuple)) and len(found) > name else None
    return found.get(name) if isinstance(found, dict) else getattr(found, name, None)


def is_trivial(told: Fields) -> bool:
    """Whether it says nothing of a model or a bill."""
    return not told.keys() - _TRIVIAL


def _nested(value: Any, allowance: Allowance, depth: int) -> Any:
    """A response or an event, or one that lies in it."""
    members = members_of(value)
    if members is None or depth <= 0:
        return None
    told: Fields = {}
    is_bare = depth == DEEPEST and _is_usage(members)
    for name, member in members.items():
        if member is None or type(name) is not str:
            continue
        read = _INNER.get(name) or (_counted if "oken" in name or is_bare else None)
        if name in _SIMPLE:
            found = _SIMPLE[name](member)
        elif read is None or (is_bare and isinstance(member, str)):
            continue
        else:
            found = read(_without_text(name, member), allowance, depth - 1)
        if found is None or (read is _nested and name != "result" and is_trivial(found)):
            continue
        told[name] = found
    hidden = None if isinstance(value, dict) else getattr(value, "_hidden_params", None)
    if isinstance(hidden, dict) and isinstance(hidden.get("response_cost"), (int, float)):
        told["_hidden_params"] = {"response_cost": hidden["response_cost"]}
    return told or None


def _is_usage(members: dict[Any, Any]) -> bool:
    """Whether these are the counts themselves, and not a response that has them somewhere."""
    return _PLACES.isdisjoint(members) and any(type(name) is str and name.lower().endswith(_COUNTS) for name in members)


def members_of(value: Any) -> dict[Any, Any] | None:
    """The members of a dict, or of an object of an SDK; None of what has none."""
    if isinstance(value, dict):
        return value
    if value is None or isinstance(value, (str, bytes, int, float, list, tuple, Enum, Decimal)):
        return None
    return dict(value) if isinstance(value, Mapping) else _attributes(value)


def _attributes(value: Any) -> dict[Any, Any]:
    try:
        own = vars(value)
    except TypeError:  # it has slots
        return _dumped(value) or {name: getattr(value, name, None) for name in dir(value) if name[:1].islower()}
    extra = getattr(value, "__pydantic_extra__", None)
    if extra:
        return {**own, **extra}
    is_closed = bool(own) and all(type(name) is str and name[:1] == "_" for name in own)
    return (_dumped(value) or own) if is_closed else own


def _dumped(value: Any) -> dict[Any, Any] | None:
    for method in ("model_dump", "to_dict"):
        convert = getattr(type(value), method, None)
        if convert is not None:
            # with `pb` it is proto-plus, which gives enums as numbers unless told not to
            found = convert(value, use_integers_for_enums=False) if hasattr(type(value), "pb") else convert(value)
            return found if isinstance(found, dict) else None
    return None


def _word(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str) else value.name
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return value if 0 < len(value) <= LONGEST_NAME and value.isprintable() else None
    return None


def _number(value: Any) -> Any:
    if isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == int(value) else str(value)
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER:
        return value if value.replace(".", "", 1).isdigit() else None
    return None


def _counted(value: Any, allowance: Allowance, depth: int) -> Any:
    """A usage object, whole: numbers, and the words beside them."""
    kind = type(value)
    if kind is int or kind is bool or value is None:
        return value
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, (str, int)) else value.name
    if isinstance(value, str):
        return value if len(value) <= LONGEST_WORD and value.isprintable() else _SOMETHING
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    return _inside(value, allowance, depth) if depth > 0 else None


def _inside(value: Any, allowance: Allowance, depth: int) -> Any:
    if not isinstance(value, (list, tuple)):
        found = _members_counted(members_of(value) or {}, allowance, depth)
        # an object without members stands for what is not there, as Mistral's UNSET
        return found if found or isinstance(value, dict) else None
    allowance.take(len(value))
    is_vector = bool(value) and isinstance(value[0], (int, float))
    return list(value[:1]) if is_vector else [_counted(_without_text("", item), allowance, depth - 1) for item in value]


def _without_text(name: Any, value: Any) -> Any:
    """The same, but for a text whose name is none of a word: a short answer, or a key, looks like one."""
    is_text = isinstance(value, str) and not isinstance(value, Enum)
    return _SOMETHING if is_text and name not in _WORDS and not _NUMERAL.fullmatch(value) else value


def _members_counted(members: dict[Any, Any], allowance: Allowance, depth: int) -> Fields:
    allowance.take(len(members))
    told: Fields = {}
    for name, member in members.items():
        # the server knows a count's kind by the name of the enum's member
        is_tag = isinstance(member, Enum) and name in _TAGS
        found = member.name if is_tag else _counted(_without_text(name, member), allowance, depth - 1)
        if found is not None and str(name)[:1] != "_":
            told[str(name)[:LONGEST_WORD]] = found
    return told


def _presence(value: Any) -> Any:
    """That there is something."""
    if isinstance(value, (list, tuple)):
        return [{}] * min(len(value), 2)
    return {} if isinstance(value, dict) else "x"


def _text(value: Any) -> Any:
    return "" if isinstance(value, str) else None


def _alignment(value: Any) -> Any:
    """Of ElevenLabs: what was spoken, character by character."""
    spoken = step(value, "characters")
    return {"characters": ["x"] * len(spoken)} if isinstance(spoken, list) else None


def _data(value: Any, allowance: Allowance, depth: int) -> Any:
    """Pictures are counted; of vectors one says that they are."""
    if not isinstance(value, (list, tuple)):
        return _nested(value, allowance, depth)
    if value and step(value[0], "embedding") is not None:
        return [{"embedding": []}]
    return [picture for item in value if (picture := _picture(item))] or None


def _picture(item: Any) -> Fields | None:
    return next(({name: ""} for name in ("url", "b64_json") if step(item, name) is not None), None)


def _output(value: Any, allowance: Allowance, depth: int) -> Any:
    """Of what a response of OpenAI's put out, the calls of tools: some are billed."""
    if not isinstance(value, (list, tuple)):
        return _nested(value, allowance, depth)
    calls = []
    for item in value:
        kind = step(item, "type")
        if isinstance(kind, str) and kind.endswith("_call") and kind != "function_call":
            action = step(step(item, "action"), "type")
            call = {"type": kind, "status": step(item, "status"), "action": {"type": action} if action else None}
            calls.append({name: member for name, member in call.items() if member is not None})
    return calls or None


def _candidates(value: Any) -> Any:
    """Of Gemini's: the searches, and whether there are pictures among the parts."""
    if not isinstance(value, (list, tuple)):
        return None
    told = []
    for candidate in value:
        grounding = step(candidate, "groundingMetadata") or step(candidate, "grounding_metadata")
        parts = _listed(step(step(candidate, "content"), "parts"))
        found: Fields = {"groundingMetadata": _grounding(grounding)} if grounding else {}
        if any(step(part, name) is not None for part in parts for name in ("inlineData", "inline_data")):
            found["content"] = {"parts": [{"inlineData": {}}]}
        elif parts:
            found["content"] = {"parts": [{"text": ""}]}
        told.append(found)
    return told if any(told) else None


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else ()


def _grounding(value: Any) -> Any:
    queries = _listed(step(value, "webSearchQueries") or step(value, "web_search_queries"))
    return {"webSearchQueries": ["x" for query in queries if query]}


MODELS = ("model", "modelVersion", "model_version", "model_name", "modelId")
NESTED = frozenset(
    {
        *("response", "body", "result", "message", "modelOutput", "data", "metadata", "interaction", "llm_output"),
        *("response_metadata", "delta", "payload", "info", "context_wrapper", "raw", "meta", "metrics"),
    }
)
"""Where a response may have another in it."""
_SIMPLE: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys((*MODELS, "id", "object", "type", "status", "size", "quality", "task"), _word),
    **dict.fromkeys(("custom_id", "recordId"), _word),
    **dict.fromkeys(("created", "status_code", "is_byok", "response_cost", "total_cost_usd", "costUSD"), _number),
    **dict.fromkeys(("duration", "seconds", "audio_duration", "audio_duration_secs", "audio_seconds"), _number),
    **dict.fromkeys(("characters", "input_characters", "character_count", "billable_characters"), _number),
    **dict.fromkeys(("segments", "channels", "models", "request", "modelInput", "steps", "key"), _presence),
    "audio_base64": _presence,
    "text": _text,
    "alignment": _alignment,
    "candidates": _candidates,
    "groundingMetadata": _grounding,
}
_INNER: dict[str, Callable[[Any, Allowance, int], Any]] = {
    **dict.fromkeys(("usage", "usageMetadata", "usage_metadata", "totalUsage", "token_usage", "x_groq"), _counted),
    **dict.fromkeys(("tool_usage", "request_counts", "prompt_eval_count", "eval_count", "results"), _counted),
    **dict.fromkeys(("embeddings", "predictions", "amazon-bedrock-invocationMetrics", "billed_units"), _counted),
    **dict.fromkeys(("accumulated_usage", "tokens", "hidden_params", "_hidden_params", "performanceConfig"), _counted),
    **dict.fromkeys(("providerMetadata", "provider_metadata", "experimental_providerMetadata"), _counted),
    **dict.fromkeys(("service_tier", "serviceTier"), _counted),
    **dict.fromkeys(NESTED, _nested),
    "data": _data,
    "output": _output,
}
"""What is read of a member, by its name; of those in `_INNER`, with how many values and how deep it is looked."""
_PLACES = frozenset({"usage", "usageMetadata", "usage_metadata", "totalUsage", "token_usage", *NESTED})
_COUNTS = ("_tokens", "tokens", "_token_count", "tokencount")
_TAGS = frozenset({"modality", "ttl", "type"})
_WORDS = frozenset(
    {
        *(*_TAGS, "model", "service_tier", "serviceTier", "traffic_type", "trafficType", "speed", "inference_geo"),
        *("currency", "inferenceGeo", "latency"),
    }
)
"""Members of usage objects whose words the server reads."""
_NUMERAL = re.compile(r"[0-9.eE+-]{1,40}")
_TRIVIAL = frozenset({"id", "object", "type", "status", "created", "text", "task"})
"""What by itself says nothing of a model or a bill."""

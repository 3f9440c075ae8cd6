"""Where a response, or the events of a stream, say what was used: found, and merged into one usage object a call."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from app.usage.ai_sdk import with_metadata
from app.usage.objects import (
    FlatUsage,
    Names,
    UnreadableUsageError,
    flat_at,
    flat_usage,
    follow,
    is_leaf,
    opened,
    snake_case,
    sum_of,
    word_of,
)
from app.usage.shapes import BARE, SYNONYMS, TOTALS

# The first of these that is an object.
_PLACES = (
    ("totalUsage",),  # AI SDK: all steps of a call, where `usage` is the last of them
    ("usage",),
    ("usageMetadata",),
    ("usage_metadata",),
    ("response", "usage"),  # OpenAI responses and realtime events
    ("response", "body", "usage"),  # a line of OpenAI's batch output
    ("response", "usageMetadata"),  # of Gemini's and Vertex's
    ("response", "usage_metadata"),
    ("result", "message", "usage"),  # of Anthropic's
    ("modelOutput", "usage"),  # of Bedrock's
    ("message", "usage"),  # Anthropic message_start, Claude Code
    ("data", "usage"),  # assistants events, Mistral's SDK
    ("delta", "usage"),  # Cohere message-end
    ("metadata", "usage"),  # Bedrock ConverseStream
    ("interaction", "usage"),  # Gemini Interactions
    ("response_metadata", "token_usage"),  # LangChain
    ("response_metadata", "usage"),
    ("llm_output", "token_usage"),
    ("llm_output", "usage"),
    ("x_groq", "usage"),
    ("result", "usage"),  # Cloudflare
    ("token_usage",),  # CrewAI
    ("context_wrapper", "usage"),  # OpenAI Agents
    ("metrics", "accumulated_usage"),  # Strands
    ("raw", "usage"),  # LlamaIndex
    ("meta", "usage"),  # Haystack
    ("meta",),  # Cohere
    ("response", "meta"),
)
# Codex, event by event: what the last turn used, and all of the session until then.
_LAST_TURN = (("payload", "info", "last_token_usage"), ("info", "last_token_usage"), ("last_token_usage",))
_SESSION = (("payload", "info", "total_token_usage"), ("info", "total_token_usage"), ("total_token_usage",))
_TWINS = (("usage",), ("usageMetadata",), ("usage_metadata",), ("x_groq", "usage"))
"""Places of one and the same fact: where two are there, they agree."""
# What Bedrock adds to the last event of an InvokeModel stream, beside what the model says itself.
_METRICS = "amazon-bedrock-invocationMetrics"
_REPEATED = ("input_token_count", "output_token_count")
# Counts that stand in the response itself: Titan and Llama on Bedrock, embeddings on Vertex, Ollama.
_AT_TOP = (
    "inputTextTokenCount",
    "totalOutputTextTokenCount",
    "results",
    "prompt_token_count",
    "generation_token_count",
    "predictions",
    "embeddings",
    "prompt_eval_count",
    "eval_count",
)
ORDINARY_TIERS = frozenset({"", "default", "standard", "auto", "on_demand", "on-demand", "unspecified"})
_TELLING = frozenset(place[0] for place in (*_PLACES, *_LAST_TURN, *_SESSION)) | {
    *_AT_TOP,
    _METRICS,
    *("service_tier", "serviceTier", "performanceConfig", "output", "candidates", "groundingMetadata", "tool_usage"),
    *("custom_id", "modelOutput", "result", "request_counts", "alignment", "duration", "seconds", "audio_duration"),
    *("audio_duration_secs", "response_cost", "total_cost_usd", "costUSD", "providerMetadata", "provider_metadata"),
    *("experimental_providerMetadata", "_hidden_params", "hidden_params"),
}
"""The members of an event by which it may tell something."""
_APART = frozenset({_METRICS, *_AT_TOP})
_RUN_STEP = "thread.run.step"
_STEPS = frozenset({"finish-step", "step-finish"})
_ANSWERS = frozenset({"response.done", "response.completed", "response.incomplete", "response.failed"})
_OF_ANOTHER_MODEL = "input_audio_transcription.completed"
_TOTAL = "total_tokens"


def events_of(response: Any) -> list[Any]:
    return [opened(event) for event in (response if isinstance(response, list | tuple) else [response])]


def telling(events: list[Any]) -> list[Any]:
    """Those of a stream's events that may say something of what was used: of a thousand, most only hold a word."""
    if len(events) <= 1:
        return events
    return [event for event in events if not isinstance(event, dict) or _tells(event)]


def _tells(event: dict[str, Any]) -> bool:
    for key, member in event.items():
        if member is None or (type(member) is str and member in ORDINARY_TIERS):
            continue
        if key in _TELLING:
            if key != "delta" or follow(member, ("usage",)) is not None:
                return True
        elif type(key) is str and "oken" in key:
            return True
    return False


def usages_of(events: list[Any]) -> list[FlatUsage]:
    """The usage objects to add up: a single one, of the whole call. But an assistants run, and the AI SDK's, give each
    step's usage before their own total, and a stream that was cut in between has the steps alone; a realtime session
    has a usage for each answer and none of the whole, and so have a Claude Code transcript and a batch's output.

    Raises UnreadableUsageError where one usage is told twice and differently, or is larger than any can be.
    """
    if len(events) == 1:
        usage = _merged(events)
        return [usage] if usage else []
    whole: list[Any] = []
    parts: dict[Any, list[Any]] = {}
    for number, event in enumerate(events):
        part = answer_of(event, number)
        if part is not None:
            parts.setdefault(part, []).append(event)
        elif not is_of_another_model(event):
            whole.append(event)
    usage = _merged(whole, of_many=True)
    return [usage] if usage else [part for group in parts.values() if (part := _merged(group))]


def answer_of(event: Any, number: int) -> Any:
    """Which of several answers the event is the usage of; None for one that belongs to the whole."""
    kind = word_of(follow(event, ("type",)))
    if kind in _ANSWERS:
        return follow(event, ("response", "id")) or number
    if kind == "assistant":
        return follow(event, ("message", "id")) or number
    if kind in _STEPS or is_batch_line(event) or _is_addend(event):
        return number
    if _RUN_STEP in (follow(event, ("object",)), follow(event, ("data", "object"))):
        return number
    return None


def _is_addend(event: Any) -> bool:
    """LangChain's chunks are made to be added up: the first may have the input, and the last the output alone."""
    usage = follow(event, ("usage_metadata",))
    return usage is not None and not is_leaf(usage) and isinstance(follow(usage, ("input_tokens",)), int)


def is_of_another_model(event: Any) -> bool:
    """A realtime session's transcription of what was said, which a model of its own makes."""
    kind = follow(event, ("type",))
    return isinstance(kind, str) and kind.endswith(_OF_ANOTHER_MODEL)


def is_batch_line(event: Any) -> bool:
    """A line of a provider's batch output: OpenAI's and Mistral's, Anthropic's, Gemini's, Vertex's, Bedrock's."""
    if not isinstance(event, dict):
        return follow(event, ("custom_id",)) is not None and follow(event, ("result",)) is not None
    if "custom_id" in event:
        return "response" in event or "result" in event
    if "modelOutput" in event:
        return "recordId" in event or "modelInput" in event
    return ("request" in event or "key" in event) and follow(event, ("response", "usageMetadata")) is not None


def _merged(events: Iterable[Any], *, of_many: bool = False) -> FlatUsage:
    """Merge what the events say into one usage object. Providers report running totals, so the last word holds."""
    usage: FlatUsage = {}
    metrics: FlatUsage = {}
    for event in events:
        _take(usage, _usage_in(event, of_many=of_many))
        metrics.update(_object_at(event, (_METRICS,)))
        for name in _AT_TOP:
            if (found := follow(event, (name,))) is not None:
                usage.update(flat_usage(found, snake_case(name)))
    if not usage:
        return metrics
    return {**{name: leaves for name, leaves in metrics.items() if name not in _REPEATED}, **usage}


def _take(usage: FlatUsage, later: FlatUsage) -> None:
    """A later event's word replaces the same fact's under another name, and a total of what was so far. An event whose
    counts are all zero has nothing to say.
    """
    if not usage or not later:
        usage.update(later)
        return
    if not any(leaf for leaves in later.values() for leaf in leaves if isinstance(leaf, int | float | Decimal)):
        return
    for name in later.keys() & SYNONYMS.keys():
        for other in (SYNONYMS[name] & usage.keys()) - later.keys():
            if usage[other] != later[name] and sum_of(usage[other]) != sum_of(later[name]):
                _forget(usage, other)
    if usage.keys() & SYNONYMS.keys() and not any(total in later for total in TOTALS):
        for total in TOTALS:
            usage.pop(total, None)
    usage.update(later)


def _forget(usage: FlatUsage, name: str) -> None:
    del usage[name]
    if name.endswith(".*"):
        for below in [other for other in usage if other.startswith(name[:-1])]:
            del usage[below]


def _usage_in(event: Any, *, of_many: bool) -> FlatUsage:
    if event is None or is_leaf(event):
        return {}
    places = (*_PLACES, *(_SESSION if of_many else _LAST_TURN), *(_LAST_TURN if of_many else _SESSION))
    for place in places:
        found = _object_at(event, place)
        if found:
            if place in _TWINS:
                _check_twins(event, place, found)
            return with_metadata(event, found)
    if isinstance(event, dict) and not BARE.isdisjoint(snake_case(key) for key in event if type(key) is str):
        return flat_usage({key: member for key, member in event.items() if key not in _APART})  # a usage of its own
    return {}


def _object_at(event: Any, place: Names) -> FlatUsage:
    usage = flat_at(event, place)
    if _TOTAL in usage and len(usage) == 1 and follow(event, ("data",)) and _are_embeddings(follow(event, ("data",))):
        return {"prompt_tokens": usage[_TOTAL]}  # Voyage and Jina: there is nothing else that could have been used
    return usage


def _are_embeddings(data: Any) -> bool:
    return isinstance(data, list | tuple) and all(follow(item, ("embedding",)) is not None for item in data)


def _check_twins(event: Any, place: Names, found: FlatUsage) -> None:
    for twin in _TWINS[_TWINS.index(place) + 1 :]:
        again = _object_at(event, twin)
        for name in found.keys() & again.keys():
            one, other = sum_of(found[name]), sum_of(again[name])
            if one and other and one != other:
                raise UnreadableUsageError(f"{name}: is {one} in {'.'.join(place)} and {other} in {'.'.join(twin)}")

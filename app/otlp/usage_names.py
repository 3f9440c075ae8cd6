"""What the name of a usage attribute means, told by its words.

Instrumentations have dozens of spellings for some twenty facts: `gen_ai.usage.cache_read.input_tokens`,
`gen_ai.usage.details.cache_read_tokens`, `ai.usage.cachedInputTokens`, `llm.token_count.prompt_details.cache_read`. So
what stands after `usage` or `token_count` is taken apart into words, words that add nothing are left out, synonyms
become one, and the set of words is looked up. A name with any other word is not understood, and its call is unpriced.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


class Kind(Enum):
    """What becomes of an attribute's value."""

    COUNT = "count"
    """A whole number for the field of `TokenUsage`, or for evidence, that stands in `field`."""
    AMOUNT = "amount"
    """A number for a field of `AICall` that is no token count: characters, images, seconds."""
    COST = "cost"
    """What the call cost in all, in USD."""
    TIER = "tier"
    """A word for the service tier."""
    REGION = "region"
    """A word for where the model ran."""
    TIER_COUNT = "tier count"
    """A count that repeats another one, and tells by its name which tier it was billed at."""
    ASIDE = "aside"
    """Repeats or splits up other counts, or is not billed; or an object, whose members are asked about."""
    UNKNOWN = "unknown"
    """Usage of a kind that nothing here knows."""


class Meaning(NamedTuple):
    kind: Kind
    field: str = ""


TOTAL, UNCACHED, WRITE_5M, TOOL_USE = "total", "uncached", "cache_write_5m", "tool_use"
"""Counts that are no fields of `TokenUsage`: evidence of what the others include, or parts to add."""

MAX_NAME = 128
"""Of an attribute: no instrumentation has a longer one, and what is remembered of names stays small."""
_REMEMBERED = 4_096

_ASIDE = Meaning(Kind.ASIDE)
_UNKNOWN = Meaning(Kind.UNKNOWN)
_COST = Meaning(Kind.COST)

# whose attributes are about model calls; others may count the usage of a disk
_NAMESPACES = frozenset({
    "gen_ai", "genai", "llm", "ai", "embedding", "langfuse", "langsmith", "traceloop", "litellm", "openai", "anthropic",
    "google", "openrouter", "aws", "azure", "mistral", "cohere", "groq", "xai", "deepseek",
})  # fmt: skip
# what was asked for, or what the application says of itself: never what was used
_NOT_USED = frozenset({
    "request", "settings", "metadata", "association", "invocation_parameters", "prompts", "messages", "tool", "tools",
    "budget", "limit", "limits", "max",
})  # fmt: skip
_USAGE = frozenset({"usage", "usage_details", "usage_metadata", "token_count", "token_counts", "token_usage"})
_AT_TOP: tuple[list[str], ...] = ([], ["response"])
"""Where a count of tokens is usage without saying so. Deeper ones may be of anything: pydantic-ai tells of the whole
conversation's cache in `pydantic_ai.cache.established_tokens`."""
_COSTS = frozenset({"cost", "costs", "cost_details", "response_cost", "total_cost", "cost_usd", "total_cost_usd"})

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOISE = frozenset({
    "tokens", "token", "count", "counts", "details", "detail", "usage", "num", "number", "content", "ephemeral",
    "modality", "raw",
})  # fmt: skip
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "prompt": ("input",),
    "completion": ("output",),
    "candidates": ("output",),
    "cached": ("cache", "read"),
    "hit": ("read",),
    "reads": ("read",),
    "creation": ("write",),
    "writes": ("write",),
    "written": ("write",),
    "thoughts": ("reasoning",),
    "thinking": ("reasoning",),
    "searches": ("search",),
    "queries": ("requests",),
    "character": ("characters",),
    "second": ("seconds",),
    "secs": ("seconds",),
}

# field of TokenUsage, or evidence: every set of words that means it
_COUNTS: dict[str, tuple[str, ...]] = {
    "input_tokens": ("input", "input total"),
    "output_tokens": ("output", "output total"),
    "cache_read_tokens": ("cache read",),
    "cache_write_tokens": ("cache write",),
    "cache_write_1h_tokens": ("cache write 1h", "1h"),
    WRITE_5M: ("cache write 5m", "5m"),
    "reasoning_tokens": ("reasoning",),
    "input_audio_tokens": ("input audio",),
    "output_audio_tokens": ("output audio",),
    "cache_audio_read_tokens": ("audio cache read", "audio cache"),
    "input_image_tokens": ("input image",),
    "output_image_tokens": ("output image",),
    "cache_image_read_tokens": ("image cache read", "image cache"),
    "input_video_tokens": ("input video",),
    "web_searches": ("web search requests", "web search", "server tool use web search requests", "search requests"),
    TOTAL: ("total", ""),
    UNCACHED: ("no cache", "non cache read", "uncached", "cache miss"),
    TOOL_USE: ("tool use input",),
}
_AMOUNTS: dict[str, tuple[str, ...]] = {
    "characters": ("characters", "input characters", "total characters"),
    "images": ("images", "generated images", "output images"),
    "audio_seconds": (
        "seconds", "duration", "duration seconds", "audio seconds", "audio duration", "audio duration seconds",
        "input audio seconds",
    ),
}  # fmt: skip
_ASIDES = (
    "text", "input text", "output text", "text cache", "text cache read", "input document",
    "accepted prediction", "output accepted prediction", "rejected prediction", "output rejected prediction",
    "requests", "tool calls", "server tool use web fetch requests", "web fetch requests", "type",
)  # fmt: skip
_TIERS = frozenset({"priority", "flex"})
_WHOLE_COSTS = ("cost", "total cost", "cost usd", "total cost usd", "response cost", "cost amount")
# names of nothing but these words are parts of a cost, or times
_OF_COSTS = frozenset({
    "cost", "costs", "input", "output", "cache", "read", "write", "reasoning", "audio", "image", "text", "upstream",
    "inference", "total", "usd", "response", "request", "search", "amount",
})  # fmt: skip
_OF_TIMES = frozenset({"time", "latency", "ttft", "ms", "queue", "input", "output", "total", "first", "seconds"})
_WORDS = {
    "service_tier": Meaning(Kind.TIER, "service_tier"),
    "speed": Meaning(Kind.TIER, "speed"),
    "inference_geo": Meaning(Kind.REGION),
}
"""What a name ends with that has a word for a value."""
PROVIDER_METADATA = "ai.response.providerMetadata"
"""Of the Vercel AI SDK: a JSON text of what providers say beside the SDK's own counts, answers among it."""
IN_METADATA: dict[str, Meaning] = {
    "anthropic.cacheCreationInputTokens": Meaning(Kind.COUNT, "cache_write_tokens"),
    "anthropic.usage.input_tokens": Meaning(Kind.COUNT, UNCACHED),
    "anthropic.usage.cache_read_input_tokens": Meaning(Kind.COUNT, "cache_read_tokens"),
    "anthropic.usage.cache_creation_input_tokens": Meaning(Kind.COUNT, "cache_write_tokens"),
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": Meaning(Kind.COUNT, "cache_write_1h_tokens"),
    "anthropic.usage.server_tool_use.web_search_requests": Meaning(Kind.COUNT, "web_searches"),
    "anthropic.usage.service_tier": Meaning(Kind.TIER, "service_tier"),
    "anthropic.usage.speed": Meaning(Kind.TIER, "speed"),
    "anthropic.usage.inference_geo": Meaning(Kind.REGION),
    "bedrock.usage.cacheReadInputTokens": Meaning(Kind.COUNT, "cache_read_tokens"),
    "bedrock.usage.cacheWriteInputTokens": Meaning(Kind.COUNT, "cache_write_tokens"),
    "openai.cachedPromptTokens": Meaning(Kind.COUNT, "cache_read_tokens"),
    "openai.serviceTier": Meaning(Kind.TIER, "service_tier"),
    "azure.cachedPromptTokens": Meaning(Kind.COUNT, "cache_read_tokens"),
    "azure.serviceTier": Meaning(Kind.TIER, "service_tier"),
    "deepseek.promptCacheHitTokens": Meaning(Kind.COUNT, "cache_read_tokens"),
    "google.usageMetadata.cachedContentTokenCount": Meaning(Kind.COUNT, "cache_read_tokens"),
    "openrouter.usage.cost": _COST,
    "gateway.cost": _COST,
}
"""By path within it: nothing else of it is looked at."""
_EXACT = {
    "gen_ai.response.audio.duration": Meaning(Kind.AMOUNT, "audio_seconds"),
    "gen_ai.request.audio_duration": Meaning(Kind.AMOUNT, "audio_seconds"),
    "response_cost": _COST,
    **{f"{PROVIDER_METADATA}.{path}": meaning for path, meaning in IN_METADATA.items()},
}


def _table() -> dict[frozenset[str], Meaning]:
    rows = [(words, _ASIDE) for words in _ASIDES]
    rows += [(words, _COST) for words in _WHOLE_COSTS]
    for kind, fields in ((Kind.COUNT, _COUNTS), (Kind.AMOUNT, _AMOUNTS)):
        rows += [(words, Meaning(kind, field)) for field, names in fields.items() for words in names]
    return {frozenset(words.split()): meaning for words, meaning in rows}


_MEANINGS = _table()


def meaning_of(attribute: str) -> Meaning | None:
    """What `attribute` says of a call's usage or bill; None where it is about something else."""
    if len(attribute) <= MAX_NAME:
        return _remembered(attribute)
    return _UNKNOWN if _meaning(attribute[:MAX_NAME]) else None


@lru_cache(_REMEMBERED)
def _remembered(attribute: str) -> Meaning | None:
    return _EXACT.get(attribute) or _meaning(attribute)


def _meaning(attribute: str) -> Meaning | None:
    namespace, *segments = [_HUMP.sub("_", segment).lower() for segment in attribute.split(".")]
    if namespace not in _NAMESPACES or not segments:
        return None
    for number, segment in enumerate(segments):
        if segment in _NOT_USED:
            return None
        if segment in _USAGE or segment in _COSTS:
            rest = segments[number + 1 :] if segment in _USAGE else segments[number:]
            return _WORDS.get(segments[-1]) or _of_words(rest)
    *around, last = segments
    counts = around in _AT_TOP and last.endswith(("tokens", "token_count")) and _NOT_USED.isdisjoint(last.split("_"))
    return _WORDS.get(last) or (_of_words([last]) if counts else None)


def _of_words(segments: list[str]) -> Meaning:
    if not segments:  # an object
        return _ASIDE
    said = {word for segment in segments for word in segment.split("_")} - _NOISE
    words = _without_the_obvious({word for each in said for word in _SYNONYMS.get(each, (each,))})
    if known := _MEANINGS.get(frozenset(words)):
        return known
    if words & _TIERS and _MEANINGS.get(frozenset(words - _TIERS)):
        return Meaning(Kind.TIER_COUNT, min(words & _TIERS))
    repeats = (words <= _OF_COSTS and words & _COSTS) or (words <= _OF_TIMES and words - {"total", "input", "output"})
    return _ASIDE if repeats else _UNKNOWN


def _without_the_obvious(words: set[str]) -> set[str]:
    """Caches are of input and reasoning is output: most names say so as well, some do not."""
    if not words.isdisjoint({"cache", "uncached", "1h", "5m"}):
        return words - {"input"}
    return words - {"output"} if "reasoning" in words else words

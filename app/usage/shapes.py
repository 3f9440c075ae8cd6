"""How the usage objects of providers name their counts: a table with one row per shape.

For each count of TokenUsage a row gives the terms to add up. A term is a name, or several names that providers give to
the same fact, of which the first that is not zero is used: so a fact reported twice counts once. Names are paths as
`flat_usage` in `token_usage` writes them: keys in the spelling of `snake_case`, joined by dots; `list.count` is the
sum over a list, `list.tag=value.count` the sum over the items so tagged, and `object.*` the sum of all in an object.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

Names = tuple[str, ...]
Terms = tuple[str | Names, ...]

TAGS = ("modality", "ttl", "type")
"""What distinguishes the items of a list, in every shape here."""

_HUMP = re.compile(r"(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class UsageRow:
    marks: Names
    """A usage object is of this shape when it has any of these; the first row that fits is taken."""
    counts: Mapping[str, Terms]
    total: str = ""
    """The provider's own sum of everything: evidence of what the output includes, never a source of counts."""
    reasoning_apart: bool = False
    """Reasoning is separate from the output count, not part of it."""
    apart_at: frozenset[str] = frozenset()
    """Providers where it does although the shape says otherwise."""
    aside: Names = ()
    """Patterns of cache counts that only repeat, or split up, what `counts` reads."""

    def reads(self, name: str) -> bool:
        read = {name for terms in self.counts.values() for term in terms for name in names_of(term)}
        return name in read or any(fnmatchcase(name, pattern) for pattern in self.aside)


def names_of(term: str | Names) -> Names:
    return (term,) if isinstance(term, str) else term


def snake_case(key: str) -> str:
    """One spelling for all: Gemini and Bedrock write camelCase in JSON and snake_case in their SDKs, and OpenAI says
    both `prompt_tokens_details` (chat) and `prompt_token_details` (runs, realtime, transcription).
    """
    if not key.islower():
        key = _HUMP.sub("_", key).lower()
    return f"{key.removesuffix('_token_details')}_tokens_details" if key.endswith("_token_details") else key


def _modality(details: Names, *modalities: str) -> Terms:
    return tuple(f"{name}.modality={modality}.token_count" for name in details for modality in modalities)


# Chat completions, embeddings and assistants runs of OpenAI and Azure, and those who follow them: Groq, Mistral,
# DeepSeek, Cerebras, Together, OpenRouter, xAI, LiteLLM. Cache reads and writes are inside prompt_tokens.
_CHAT = UsageRow(
    marks=("prompt_tokens", "completion_tokens"),
    counts={
        "input_tokens": ("prompt_tokens",),
        "output_tokens": ("completion_tokens",),
        "cache_read_tokens": (
            (
                "prompt_tokens_details.cached_tokens",
                "prompt_cache_hit_tokens",  # DeepSeek
                "num_cached_tokens",  # Mistral
                "cached_tokens",  # Together
                "cached_prompt_text_tokens",  # xAI's SDK
                "cache_read_input_tokens",  # LiteLLM
            ),
        ),
        "cache_write_tokens": (
            (
                "prompt_tokens_details.cache_write_tokens",
                "prompt_tokens_details.cache_creation_tokens",  # LiteLLM
                "cache_creation_input_tokens",
            ),
        ),
        "cache_write_1h_tokens": ("prompt_tokens_details.cache_creation_tokens_details.ephemeral_1h_input_tokens",),
        "reasoning_tokens": (("completion_tokens_details.reasoning_tokens", "reasoning_tokens"),),
        "input_audio_tokens": ("prompt_tokens_details.audio_tokens",),
        "output_audio_tokens": ("completion_tokens_details.audio_tokens",),
        "input_image_tokens": (("prompt_tokens_details.image_tokens", "prompt_image_tokens"),),
        "output_image_tokens": ("completion_tokens_details.image_tokens",),
        "input_video_tokens": ("prompt_tokens_details.video_tokens",),
        "web_searches": ("server_tool_use.web_search_requests",),
    },
    total="total_tokens",
    # xAI documents it. Gemini's OpenAI endpoint does the same, and tells its thinking in the total alone.
    apart_at=frozenset({"x-ai", "x_ai", "xai", "google", "gemini", "gcp.gemini", "gcp.vertex_ai"}),
    aside=("prompt_cache_miss_tokens", "prompt_tokens_details.cache*_details.*"),
)

# OpenAI responses, images, transcription and realtime: cache reads and writes are inside input_tokens.
_CACHED = "input_tokens_details.cached_tokens_details"
_RESPONSES = UsageRow(
    marks=("input_tokens_details.*",),
    counts={
        "input_tokens": ("input_tokens",),
        "output_tokens": ("output_tokens",),
        "cache_read_tokens": (("input_tokens_details.cached_tokens", "cached_tokens"),),
        "cache_write_tokens": ("input_tokens_details.cache_write_tokens",),
        "reasoning_tokens": ("output_tokens_details.reasoning_tokens",),
        "input_audio_tokens": ("input_tokens_details.audio_tokens",),
        "output_audio_tokens": ("output_tokens_details.audio_tokens",),
        "cache_audio_read_tokens": (f"{_CACHED}.audio_tokens",),
        "input_image_tokens": ("input_tokens_details.image_tokens",),
        "output_image_tokens": ("output_tokens_details.image_tokens",),
        "cache_image_read_tokens": ((f"{_CACHED}.image_tokens", "cached_tokens_details.cached_image_tokens"),),
    },
    total="total_tokens",
    aside=("input_tokens_details.cache*_details.*", "cached_tokens_details.*"),
)

# Anthropic messages, on Bedrock, Vertex and Azure too, Bedrock Converse and Nova: cache reads and writes are beside
# input_tokens. A compaction is billed at the model's price but left out of Anthropic's own totals; an advisor is billed
# at another model's price, so it is another call. thinking_tokens is not read: Anthropic calls it approximate, and
# every count here is exact. Those tokens are inside output_tokens, at the same price.
_READ = ("cache_read_input_tokens", "cache_read_input_token_count")
_WRITTEN = (
    "cache_creation_input_tokens",
    "cache_write_input_tokens",
    "cache_write_input_token_count",
    "cache_creation.*",
    "cache_details.input_tokens",
)
_COMPACTION = "iterations.type=compaction"
_COMPACTION_READ = f"{_COMPACTION}.cache_read_input_tokens"
_COMPACTION_WRITTEN = f"{_COMPACTION}.cache_creation_input_tokens"
_MESSAGES = UsageRow(
    marks=("input_tokens", "output_tokens"),
    counts={
        "input_tokens": (
            "input_tokens",
            _READ,
            _WRITTEN,
            f"{_COMPACTION}.input_tokens",
            _COMPACTION_READ,
            _COMPACTION_WRITTEN,
        ),
        "output_tokens": ("output_tokens", f"{_COMPACTION}.output_tokens"),
        "cache_read_tokens": (_READ, _COMPACTION_READ),
        "cache_write_tokens": (_WRITTEN, _COMPACTION_WRITTEN),
        "cache_write_1h_tokens": (
            ("cache_creation.ephemeral_1h_input_tokens", "cache_details.ttl=1h.input_tokens"),
            f"{_COMPACTION}.cache_creation.ephemeral_1h_input_tokens",
        ),
        "reasoning_tokens": ("output_tokens_details.reasoning_tokens",),
        "web_searches": ("server_tool_use.web_search_requests",),
    },
    total="total_tokens",
    aside=("cache_creation.*", "cache_details.*", "iterations.*"),
)

# Gemini on AI Studio and Vertex, its embeddings, Gemini Live (response_token_count), and Llama on Bedrock, whose counts
# have Gemini's names. Cached content is inside the prompt; tool results are beside it, thoughts beside the candidates.
# A DOCUMENT is a PDF, read and priced as images of its pages.
_PROMPT = ("prompt_tokens_details", "tool_use_prompt_tokens_details")
_CACHE = ("cache_tokens_details",)
_CANDIDATES = ("candidates_tokens_details", "response_tokens_details")
_OUTPUT = ("candidates_token_count", "response_token_count", "generation_token_count")
_GEMINI = UsageRow(
    marks=("prompt_token_count", "thoughts_token_count", *_OUTPUT),
    counts={
        "input_tokens": ("prompt_token_count", "tool_use_prompt_token_count"),
        "output_tokens": (_OUTPUT,),
        "cache_read_tokens": ("cached_content_token_count",),
        "reasoning_tokens": ("thoughts_token_count",),
        "input_audio_tokens": _modality(_PROMPT, "AUDIO"),
        "output_audio_tokens": _modality(_CANDIDATES, "AUDIO"),
        "cache_audio_read_tokens": _modality(_CACHE, "AUDIO"),
        "input_image_tokens": _modality(_PROMPT, "IMAGE", "DOCUMENT"),
        "output_image_tokens": _modality(_CANDIDATES, "IMAGE"),
        "cache_image_read_tokens": _modality(_CACHE, "IMAGE", "DOCUMENT"),
        "input_video_tokens": _modality(_PROMPT, "VIDEO"),
    },
    total="total_token_count",
    reasoning_apart=True,
    aside=("cache_tokens_details.*",),
)

_TITAN = UsageRow(
    marks=("input_text_token_count", "total_output_text_token_count"),
    counts={
        "input_tokens": ("input_text_token_count",),
        "output_tokens": (("total_output_text_token_count", "results.token_count"),),
    },
)

# Cohere bills billed_units, which leave out what its own template adds to the prompt. cached_tokens is a part of
# `tokens`, so it says nothing of the billed ones.
_COHERE_BILLED = UsageRow(
    marks=("billed_units.input_tokens", "billed_units.output_tokens"),
    counts={"input_tokens": ("billed_units.input_tokens",), "output_tokens": ("billed_units.output_tokens",)},
    aside=("cached_tokens",),
)
_COHERE_TOKENS = UsageRow(
    marks=("tokens.input_tokens", "tokens.output_tokens"),
    counts={
        "input_tokens": ("tokens.input_tokens",),
        "output_tokens": ("tokens.output_tokens",),
        "cache_read_tokens": ("cached_tokens",),
    },
)

_EMBEDDED = ("predictions.embeddings.statistics.token_count", "embeddings.statistics.token_count")
_VERTEX_EMBEDDINGS = UsageRow(marks=_EMBEDDED, counts={"input_tokens": (_EMBEDDED,)})

# amazon-bedrock-invocationMetrics, at the end of every InvokeModel stream. Last, because it repeats what a model that
# reports usage itself has said. Cache reads and writes are beside the input.
_BEDROCK_METRICS = UsageRow(
    marks=("input_token_count", "output_token_count"),
    counts={
        "input_tokens": ("input_token_count", "cache_read_input_token_count", "cache_write_input_token_count"),
        "output_tokens": ("output_token_count",),
        "cache_read_tokens": ("cache_read_input_token_count",),
        "cache_write_tokens": ("cache_write_input_token_count",),
    },
)

ROWS = (
    _CHAT,
    _RESPONSES,
    _MESSAGES,
    _GEMINI,
    _TITAN,
    _COHERE_BILLED,
    _COHERE_TOKENS,
    _VERTEX_EMBEDDINGS,
    _BEDROCK_METRICS,
)

"""How the usage objects of providers and frameworks name their counts: a table of rows, one a shape.

For each count of TokenUsage a row gives the terms to add up. A term is a name, or the names that are given to one and
the same fact, of which the first that is not zero holds: so a fact told twice counts once, and two values of it are a
contradiction. Names are paths as `flat_usage` in `objects.py` writes them: keys in the spelling of `snake_case`, joined
by dots; `list.count` is the sum over a list, `list.tag=value.count` the sum over the items so tagged, `object.*` the
sum of all in an object, and `one+other` the sum of two names.
"""

from app.usage.rows import UsageRow, in_details, of, of_modality, out_details

# Cohere bills billed_units, which leave out what its own template adds to the prompt. cached_tokens is a part of
# `tokens`, so it says nothing of the billed ones.
_COHERE_BILLED = UsageRow(
    marks=of("billed_units.input_tokens", "billed_units.output_tokens"),
    counts={"input_tokens": ("billed_units.input_tokens",), "output_tokens": ("billed_units.output_tokens",)},
    aside=("cached_tokens", "tokens.*"),
)
_COHERE_TOKENS = UsageRow(
    marks=of("tokens.input_tokens", "tokens.output_tokens"),
    counts={
        "input_tokens": ("tokens.input_tokens",),
        "output_tokens": ("tokens.output_tokens",),
        "cache_read_tokens": ("cached_tokens",),
    },
)

# Cache reads and writes inside the input, reasoning inside the output. Chat completions, embeddings and assistants runs
# of OpenAI, and those who follow them: Azure, Groq, Mistral, DeepSeek, Cerebras, Together, OpenRouter, xAI, Qwen, and
# LiteLLM. OpenAI's responses, images, transcription and realtime. LangChain's usage_metadata, which names a tier's
# tokens apart, and whose writes by their time stand beside a cache_creation of zero; the AI SDK's objects (cachedInput-
# Tokens in version 5, inputTokenDetails in 6); pydantic-ai's RunUsage, Codex's token_count, OpenAI Agents' Usage.
_INCLUSIVE = UsageRow(
    marks=of(
        "prompt_tokens",
        "completion_tokens",
        "input_tokens_details.*",
        "prompt_tokens_details.*",
        "cached_tokens",
        "cached_input_tokens",
        "cached_prompt_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_output_tokens",
        "input_audio_tokens",
        "output_audio_tokens",
    ),
    counts={
        "input_tokens": (("prompt_tokens", "input_tokens"),),
        "output_tokens": (("completion_tokens", "output_tokens"),),
        "cache_read_tokens": (
            (
                *in_details("cached_tokens", "cache_read_tokens", "cache_read_input_tokens"),
                *in_details("cache_read", "flex_cache_read", "priority_cache_read"),  # LangChain
                "prompt_cache_hit_tokens",  # DeepSeek
                "num_cached_tokens",  # Mistral
                "cached_tokens",  # Together
                "cached_prompt_text_tokens",  # xAI's SDK
                "cached_prompt_tokens",  # AI SDK 4, in its provider metadata
                "cache_read_input_tokens",  # LiteLLM
                "cached_input_tokens",  # Codex, AI SDK 5
                "cache_read_tokens",  # pydantic-ai
            ),
        ),
        "cache_write_tokens": (
            (
                *in_details("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens"),
                *in_details("cache_creation.*"),  # Qwen
                *in_details("cache_creation"),
                "input_tokens_details.ephemeral_5m_input_tokens+input_tokens_details.ephemeral_1h_input_tokens",
                "cache_creation_input_tokens",
                "cache_write_input_tokens",
                "cache_write_tokens",
            ),
        ),
        "cache_write_1h_tokens": (
            (
                *in_details("cache_creation_tokens_details.ephemeral_1h_input_tokens"),
                *in_details("cache_creation.ephemeral_1h_input_tokens", "ephemeral_1h_input_tokens"),
            ),
        ),
        "reasoning_tokens": (
            (
                *out_details("reasoning_tokens", "reasoning", "flex_reasoning", "priority_reasoning"),
                "reasoning_tokens",
                "reasoning_output_tokens",
                "details.reasoning_tokens",
            ),
        ),
        "input_audio_tokens": ((*in_details("audio_tokens", "audio"), "input_audio_tokens"),),
        "output_audio_tokens": ((*out_details("audio_tokens", "audio"), "output_audio_tokens"),),
        "cache_audio_read_tokens": ((*in_details("cached_tokens_details.audio_tokens"), "cache_audio_read_tokens"),),
        "input_image_tokens": ((*in_details("image_tokens", "image"), "prompt_image_tokens"),),
        "output_image_tokens": (out_details("image_tokens", "image"),),
        "cache_image_read_tokens": (
            (*in_details("cached_tokens_details.image_tokens"), "cached_tokens_details.cached_image_tokens"),
        ),
        "input_video_tokens": (in_details("video_tokens", "video"),),
        "web_searches": (
            ("server_tool_use.web_search_requests", "prompt_tokens_details.web_search_requests"),  # LiteLLM has both
            "num_sources_used",  # xAI's live search, billed by the source
            "server_side_tool_usage_details.web_search_calls",
            "server_side_tool_usage_details.x_search_calls",
            "plugins.search.count",  # Qwen
        ),
    },
    total="total_tokens",
    uncached=(*in_details("no_cache_tokens", "uncached_tokens"), "prompt_cache_miss_tokens", "uncached_input_tokens"),
    # xAI documents it. Gemini's OpenAI endpoint does the same, and tells its thinking in the total alone.
    apart_at=frozenset({"x-ai", "x_ai", "xai", "google", "gemini", "gcp.gemini", "gcp.vertex_ai", "perplexity"}),
    apart_mark="completion_tokens",
    aside=(
        "*_tokens_details.text_tokens",
        "*_tokens_details.text",
        "*_tokens_details.flex",
        "*_tokens_details.priority",
        "*_tokens_details.*_prediction_tokens",
        "*_tokens_details.cache*_details.*",
        "*_tokens_details.cache_creation.ephemeral_*",
        "cached_tokens_details.cached_*_tokens",
        "text_tokens",
        "requests",
        "tool_calls",
        "request_usage_entries.*",
        "num_search_queries",  # read with the model: a search is in the request's price of most
        "num_server_side_tools_used",
        "server_tool_use.web_fetch_requests",
        "details.*_prediction_tokens",
        "details.cache*_tokens",
        "details.*put_tokens",
        "details.text_*",
        "details.*audio_tokens",
        "details.*_prompt_tokens",
        "details.*_candidates_tokens",
        "details.thoughts_tokens",
        "raw.*",  # the AI SDK hands on what the provider said
        "native_usage.*",  # and so does Spring AI
        "successful_requests",
    ),
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
    marks=of("input_tokens", "output_tokens"),
    counts={
        "input_tokens": ("input_tokens",),
        "output_tokens": ("output_tokens",),
        "cache_read_tokens": (_READ,),
        "cache_write_tokens": (_WRITTEN,),
        "cache_write_1h_tokens": (("cache_creation.ephemeral_1h_input_tokens", "cache_details.ttl=1h.input_tokens"),),
        "reasoning_tokens": (("output_tokens_details.reasoning_tokens", "reasoning_tokens"),),
        "web_searches": ("server_tool_use.web_search_requests",),
    },
    besides={
        "input_tokens": (f"{_COMPACTION}.input_tokens", _COMPACTION_READ, _COMPACTION_WRITTEN),
        "output_tokens": (f"{_COMPACTION}.output_tokens",),
        "cache_read_tokens": (_COMPACTION_READ,),
        "cache_write_tokens": (_COMPACTION_WRITTEN,),
        "cache_write_1h_tokens": (f"{_COMPACTION}.cache_creation.ephemeral_1h_input_tokens",),
    },
    total="total_tokens",
    uncached=("uncached_input_tokens",),
    cache_apart=True,
    aside=(
        "cache_creation.ephemeral_*_input_tokens",
        "cache_details.input_tokens",
        "cache_details.ttl=*.input_tokens",
        "iterations.*",
        "output_tokens_details.thinking_tokens",
        "output_tokens_details.text_tokens",
        "server_tool_use.web_fetch_requests",
        "server_tool_use.tool_search_requests",
        "server_tool_use.code_execution_requests",  # billed by the hour of its container
        "requests",
        "tool_calls",
        "request_usage_entries.*",
        "details.*put_tokens",
        "raw.*",
    ),
)

# Gemini on AI Studio and Vertex, its embeddings, Gemini Live (response_token_count), and Llama on Bedrock, whose counts
# have Gemini's names. Cached content is inside the prompt; tool results are beside it, thoughts beside the candidates.
# A DOCUMENT is a PDF, read and priced as images of its pages.
_PROMPT = ("prompt_tokens_details", "tool_use_prompt_tokens_details")
_CACHE = ("cache_tokens_details",)
_CANDIDATES = ("candidates_tokens_details", "response_tokens_details")
_OUTPUT = ("candidates_token_count", "response_token_count", "generation_token_count")
_GEMINI = UsageRow(
    marks=of("prompt_token_count", "thoughts_token_count", *_OUTPUT),
    counts={
        "input_tokens": ("prompt_token_count", "tool_use_prompt_token_count"),
        "output_tokens": (_OUTPUT,),
        "cache_read_tokens": ("cached_content_token_count",),
        "reasoning_tokens": ("thoughts_token_count",),
        "input_audio_tokens": of_modality(_PROMPT, "AUDIO"),
        "output_audio_tokens": of_modality(_CANDIDATES, "AUDIO"),
        "cache_audio_read_tokens": of_modality(_CACHE, "AUDIO"),
        "input_image_tokens": of_modality(_PROMPT, "IMAGE", "DOCUMENT"),
        "output_image_tokens": of_modality(_CANDIDATES, "IMAGE"),
        "cache_image_read_tokens": of_modality(_CACHE, "IMAGE", "DOCUMENT"),
        "input_video_tokens": of_modality(_PROMPT, "VIDEO"),
    },
    total="total_token_count",
    reasoning_apart=True,
    aside=(
        "*_tokens_details.token_count",
        "*_tokens_details.modality=TEXT.token_count",
        "*_tokens_details.modality=MODALITY_UNSPECIFIED.token_count",
        "cache_tokens_details.modality=VIDEO.token_count",
    ),
)

# Gemini's Interactions. Its modalities are in lower case.
_BY = ("input_tokens_by_modality", "tool_use_tokens_by_modality")
_INTERACTIONS = UsageRow(
    marks=of("total_input_tokens", "total_output_tokens", "total_thought_tokens"),
    counts={
        "input_tokens": ("total_input_tokens", "total_tool_use_tokens"),
        "output_tokens": ("total_output_tokens",),
        "cache_read_tokens": ("total_cached_tokens",),
        "reasoning_tokens": (("total_thought_tokens", "total_reasoning_tokens"),),
        "input_audio_tokens": of_modality(_BY, "audio", count="tokens"),
        "output_audio_tokens": of_modality(("output_tokens_by_modality",), "audio", count="tokens"),
        "cache_audio_read_tokens": of_modality(("cached_tokens_by_modality",), "audio", count="tokens"),
        "input_image_tokens": of_modality(_BY, "image", "document", count="tokens"),
        "output_image_tokens": of_modality(("output_tokens_by_modality",), "image", count="tokens"),
        "cache_image_read_tokens": of_modality(("cached_tokens_by_modality",), "image", "document", count="tokens"),
        "input_video_tokens": of_modality(_BY, "video", count="tokens"),
        "web_searches": ("grounding_tool_count.type=google_search.count",),
    },
    total="total_tokens",
    reasoning_apart=True,
    aside=(
        "*_by_modality.tokens",
        "*_by_modality.modality=text.tokens",
        "cached_tokens_by_modality.modality=video.tokens",
        "grounding_tool_count.count",
    ),
)

_TITAN = UsageRow(
    marks=of("input_text_token_count", "total_output_text_token_count"),
    counts={
        "input_tokens": ("input_text_token_count",),
        "output_tokens": (("total_output_text_token_count", "results.token_count"),),
    },
)

# What a provider hands the AI SDK from its version 6 on.
_AI_SDK_PROVIDER = UsageRow(
    marks=of("input_tokens.total", "input_tokens.no_cache", "output_tokens.total"),
    counts={
        "input_tokens": ("input_tokens.total",),
        "output_tokens": ("output_tokens.total",),
        "cache_read_tokens": ("input_tokens.cache_read",),
        "cache_write_tokens": ("input_tokens.cache_write",),
        "reasoning_tokens": ("output_tokens.reasoning",),
    },
    uncached=("input_tokens.no_cache",),
    aside=("output_tokens.text", "raw.*"),
)

_EMBEDDED = ("predictions.embeddings.statistics.token_count", "embeddings.statistics.token_count")
_VERTEX_EMBEDDINGS = UsageRow(marks=of(*_EMBEDDED), counts={"input_tokens": (_EMBEDDED,)})

# amazon-bedrock-invocationMetrics, at the end of every InvokeModel stream. Last, because it repeats what a model that
# reports usage itself has said. Cache reads and writes are beside the input.
_BEDROCK_METRICS = UsageRow(
    marks=of("input_token_count", "output_token_count"),
    counts={
        "input_tokens": ("input_token_count",),
        "output_tokens": ("output_token_count",),
        "cache_read_tokens": ("cache_read_input_token_count",),
        "cache_write_tokens": ("cache_write_input_token_count",),
    },
    cache_apart=True,
)

# Ollama's own interface.
_OLLAMA = UsageRow(
    marks=of("prompt_eval_count", "eval_count"),
    counts={"input_tokens": ("prompt_eval_count",), "output_tokens": ("eval_count",)},
)

ROWS = (
    _GEMINI,
    _COHERE_BILLED,
    _COHERE_TOKENS,
    _INCLUSIVE,
    _INTERACTIONS,
    _MESSAGES,
    _AI_SDK_PROVIDER,
    _TITAN,
    _VERTEX_EMBEDDINGS,
    _OLLAMA,
    _BEDROCK_METRICS,
)

SYNONYMS: dict[str, set[str]] = {}
"""Each name of a fact that has several: all of them, in whichever row."""
for _row in ROWS:
    for _name, _others in _row.synonyms():
        SYNONYMS.setdefault(_name, set()).update(_others)

TOTALS = tuple(row.total for row in ROWS if row.total)
BARE = frozenset(mark for row in ROWS for mark in row.marks if "." not in mark)
"""Names by which a usage object of its own is known."""

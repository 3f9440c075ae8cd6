import pytest

from app.otlp.usage_names import MAX_NAME, Kind, meaning_of

COUNTS = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.promptTokens",
        "ai.usage.inputTokens",
        "gen_ai.token.usage.input",
        "gen_ai.usage.details.input_tokens",
        "langfuse.observation.usage_details.input",
    ),
    "output_tokens": (
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.completionTokens",
        "ai.usage.outputTokens",
        "gen_ai.usage.details.candidates_token_count",
    ),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.cached_tokens",
        "gen_ai.usage.cached_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.details.cached_content_tokens",
        "gen_ai.usage.prompt_tokens_details.cached_tokens",
        "gen_ai.usage.prompt_cache_hit_tokens",
        "gen_ai.usage.input_token_details.cache_read",
        "llm.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
        "ai.usage.cachedInputTokens",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "langfuse.observation.usage_details.input_cache_read",
        "langfuse.observation.usage_details.input_cached_tokens",
        "gen_ai.response.cached_tokens",
        "ai.response.providerMetadata.openai.cachedPromptTokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.usage.prompt_tokens_details.cache_creation_tokens",
        "llm.token_count.prompt_details.cache_creation",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
        "ai.usage.cacheCreationInputTokens",
    ),
    "cache_write_1h_tokens": (
        "gen_ai.usage.cache_creation.ephemeral_1h_input_tokens",
        "llm.token_count.prompt_details.cache_write_1h",
    ),
    "cache_write_5m": ("gen_ai.usage.cache_creation.ephemeral_5m_input_tokens",),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.thoughts_tokens",
        "gen_ai.usage.completion_tokens_details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.outputTokenDetails.reasoningTokens",
    ),
    "input_audio_tokens": ("llm.token_count.prompt_details.audio", "gen_ai.usage.details.input_audio_tokens"),
    "output_audio_tokens": ("gen_ai.usage.completion_tokens_details.audio_tokens",),
    "cache_audio_read_tokens": (
        "gen_ai.usage.details.cache_audio_read_tokens",
        "gen_ai.usage.details.audio_cache_tokens",
    ),
    "web_searches": ("gen_ai.usage.server_tool_use.web_search_requests", "gen_ai.usage.num_search_queries"),
    "total": ("gen_ai.usage.total_tokens", "llm.token_count.total", "ai.usage.totalTokens", "ai.usage.tokens"),
    "uncached": ("ai.usage.inputTokenDetails.noCacheTokens", "gen_ai.usage.prompt_cache_miss_tokens"),
}


@pytest.mark.parametrize(("field", "name"), [(field, name) for field, names in COUNTS.items() for name in names])
def test_a_count_is_known_by_its_words(field: str, name: str) -> None:
    assert meaning_of(name) == (Kind.COUNT, field)


@pytest.mark.parametrize(
    ("name", "kind", "field"),
    [
        ("gen_ai.usage.characters", Kind.AMOUNT, "characters"),
        ("gen_ai.usage.audio_seconds", Kind.AMOUNT, "audio_seconds"),
        ("gen_ai.usage.duration", Kind.AMOUNT, "audio_seconds"),
        ("gen_ai.usage.cost", Kind.COST, ""),
        ("gen_ai.usage.total_cost", Kind.COST, ""),
        ("gen_ai.cost.total_cost", Kind.COST, ""),
        ("llm.cost.total", Kind.COST, ""),
        ("litellm.response_cost", Kind.COST, ""),
        ("langfuse.observation.cost_details.total", Kind.COST, ""),
        ("llm.cost.prompt", Kind.ASIDE, ""),
        ("llm.cost.prompt_details.cache_read", Kind.ASIDE, ""),
        ("gen_ai.usage.details.text_tokens", Kind.ASIDE, ""),
        ("gen_ai.usage.details.text_prompt_tokens", Kind.ASIDE, ""),
        ("gen_ai.usage.details.accepted_prediction_tokens", Kind.ASIDE, ""),
        ("gen_ai.usage.queue_time", Kind.ASIDE, ""),
        ("gen_ai.usage.token_type", Kind.ASIDE, ""),
        ("openai.response.service_tier", Kind.TIER, "service_tier"),
        ("gen_ai.openai.response.service_tier", Kind.TIER, "service_tier"),
        ("gen_ai.response.service_tier", Kind.TIER, "service_tier"),
        ("gen_ai.usage.service_tier", Kind.TIER, "service_tier"),
        ("gen_ai.usage.speed", Kind.TIER, "speed"),
        ("gen_ai.usage.input_token_details.priority", Kind.TIER_COUNT, "priority"),
        ("gen_ai.usage.inference_geo", Kind.REGION, ""),
    ],
)
def test_what_is_no_count_is_known_too(name: str, kind: Kind, field: str) -> None:
    assert meaning_of(name) == (kind, field)


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.usage.frobnicated_tokens",
        "gen_ai.usage.details.hologram",
        "gen_ai.usage.hologram_cost",
        "gen_ai.usage.priority_hologram",
        "gen_ai.usage.tool.hologram",
        "gen_ai.usage.cache",
        "llm.token_count.prompt_details.hologram",
        "llm.token_count.prompt_details.cache_input",
        "ai.usage.hologramTokens",
        "gen_ai.response.hologram_tokens",
        "langfuse.observation.usage_details.hologram",
        "gen_ai.usage." + "x" * MAX_NAME,
    ],
)
def test_usage_under_a_name_of_other_words_is_not_understood(name: str) -> None:
    assert meaning_of(name) == (Kind.UNKNOWN, "")


@pytest.mark.parametrize(
    "name",
    [
        "gen_ai.request.max_tokens",
        "llm.request.max_output_tokens",
        "ai.settings.maxOutputTokens",
        "gen_ai.max_tokens",
        "ai.telemetry.metadata.inputTokens",
        "traceloop.association.properties.tokens",
        "openai.request.service_tier",
        "ai.response.avgOutputTokensPerSecond",
        "gen_ai.prompt.0.content",
        "gen_ai.system",
        "disk.usage.bytes",
        "usage.tokens",
        "operation.cost",
        "pydantic_ai.cache.established_tokens",
        "gen_ai.aggregated_usage.input_tokens",
        "gen_ai.conversation.cached_tokens",
        "",
        "x" * 5_000_000,
    ],
    ids=lambda name: name[:40],
)
def test_what_is_not_of_usage_means_nothing_here(name: str) -> None:
    assert meaning_of(name) is None

"""The attributes that are read, by name, and their values as Python. An attribute not listed here is never read.

Names are those of OpenTelemetry's GenAI conventions, newest first, then of openllmetry, OpenInference, Langfuse and the
Vercel AI SDK. Where a table has several names for one thing, the first that a span has is used.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from pydantic import TypeAdapter, ValidationError

from models.fields import Name

Value = str | bool | int | float | None
"""None is a value that exists in a form that is not read here: a list, a map, bytes."""
Attributes = Mapping[str, Value]
Names = tuple[str, ...]

OPERATION: Names = ("gen_ai.operation.name",)
OPENINFERENCE_KIND: Names = ("openinference.span.kind",)
TRACELOOP_KIND: Names = ("traceloop.span.kind",)
REQUEST_TYPE: Names = ("llm.request.type",)

# llm.provider hosts the model, llm.system made it
PROVIDER: Names = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "llm.vendor")
RESPONSE_MODEL: Names = ("gen_ai.response.model", "llm.response.model_name", "llm.response.model")
REQUEST_MODEL: Names = (
    "gen_ai.request.model",
    "llm.model_name",
    "embedding.model_name",
    "llm.request.model_name",
    "llm.request.model",
)
RESPONSE_ID: Names = ("gen_ai.response.id",)
PARAMETERS: Names = ("llm.invocation_parameters", "embedding.invocation_parameters")
"""The request as JSON without its messages: a model or a user may be named nowhere else."""

TOKENS: dict[str, Names] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
    ),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    "input_audio_tokens": ("gen_ai.usage.audio.input_tokens", "llm.token_count.prompt_details.audio"),
    "output_audio_tokens": ("gen_ai.usage.audio.output_tokens", "llm.token_count.completion_details.audio"),
    "cache_audio_read_tokens": ("gen_ai.usage.audio.cache_read.input_tokens",),
    "input_image_tokens": ("gen_ai.usage.image.input_tokens",),
    "output_image_tokens": ("gen_ai.usage.image.output_tokens",),
    "cache_image_read_tokens": ("gen_ai.usage.image.cache_read.input_tokens",),
    "input_video_tokens": ("gen_ai.usage.video.input_tokens",),
}
"""Fields of `TokenUsage`."""
TOTAL_TOKENS: Names = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total")

ERROR_TYPE: Names = ("error.type",)
FIRST_TOKEN_SECONDS: Names = ("gen_ai.response.time_to_first_chunk",)
FIRST_TOKEN_MS: Names = ("ai.response.msToFirstChunk",)
SERVICE_TIER: Names = ("openai.response.service_tier", "gen_ai.openai.response.service_tier")
REGION: Names = ("cloud.region",)
"""Of the span, which is the model's; the resource's is where the application runs."""
SERVICE: Names = ("service.name",)
ENVIRONMENT: Names = ("deployment.environment.name", "deployment.environment")

CONTEXT: dict[str, Names] = {
    "user_id": (
        "twinmeter.user_id",
        "user.id",
        "enduser.id",
        "gen_ai.user",
        "llm.user",
        "langfuse.user.id",
        "traceloop.association.properties.user_id",
    ),
    "conversation_id": (
        "twinmeter.conversation_id",
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "traceloop.association.properties.conversation_id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
    ),
    "content_type": ("twinmeter.content_type",),
    "endpoint": ("twinmeter.endpoint",),
    "synthetic": ("twinmeter.synthetic",),
}
"""Fields of `AICall` that a span may leave to the spans around it, or to its resource."""

KNOWN = frozenset().union(
    OPERATION, OPENINFERENCE_KIND, TRACELOOP_KIND, REQUEST_TYPE, PROVIDER, RESPONSE_MODEL, REQUEST_MODEL, RESPONSE_ID,
    PARAMETERS, *TOKENS.values(), TOTAL_TOKENS, ERROR_TYPE, FIRST_TOKEN_SECONDS, FIRST_TOKEN_MS, SERVICE_TIER, REGION,
    SERVICE, ENVIRONMENT, *CONTEXT.values(),
)  # fmt: skip

_SCALARS = frozenset({"string_value", "bool_value", "int_value", "double_value"})
_name = TypeAdapter[str](Name)


class Found(NamedTuple):
    """What a span says, and under which name."""

    attribute: str
    value: Value


class UnusableSpanError(Exception):
    """An inference span that cannot be recorded. The message says why; it quotes no value."""


def read(pairs: Iterable[KeyValue]) -> dict[str, Value]:
    """The known attributes of a span or a resource. One without a value counts as absent."""
    found: dict[str, Value] = {}
    for pair in pairs:
        if pair.key in KNOWN and (kind := pair.value.WhichOneof("value")) is not None:
            found[pair.key] = getattr(pair.value, kind) if kind in _SCALARS else None
    return found


def first(attributes: Attributes, names: Names) -> Found | None:
    """The first of `names` that is there. An empty string counts as absent."""
    for name in names:
        if attributes.get(name, "") != "":
            return Found(name, attributes[name])
    return None


def text(found: Found | None) -> str | None:
    """What was found, where it is a string or an integer, as ids sometimes are."""
    if found is None or isinstance(found.value, bool) or not isinstance(found.value, str | int):
        return None
    return str(found.value)


def name(found: Found | None) -> str | None:
    """What was found, as a name that `AICall` accepts. Raises UnusableSpanError where it is not one."""
    if found is None:
        return None
    try:
        return _name.validate_python(text(found))
    except ValidationError:
        reason = "must be a string of 1 to 256 characters without control characters"
        raise UnusableSpanError(f"{found.attribute} {reason}") from None


def short_text(found: Found | None) -> str | None:
    """What was found, where it is a name; else None, for what a call can do without."""
    try:
        return name(found)
    except UnusableSpanError:
        return None

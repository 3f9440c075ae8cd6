"""Which spans are AI calls, what kind of model they called, and whose."""

from typing import NamedTuple

from app.otlp.attributes import (
    OPENINFERENCE_KIND,
    OPERATION,
    PROVIDER,
    REQUEST_MODEL,
    REQUEST_TYPE,
    RESPONSE_MODEL,
    TRACELOOP_KIND,
    Attributes,
    Names,
    first,
    name,
    text,
)
from models import ServiceType


class Operation(NamedTuple):
    """What an inference span counts as, unless its attributes say more."""

    content_type: str
    service_type: ServiceType | None = None
    """For everything but text, which the content type distinguishes better."""


_TEXT = Operation("chat")
_EMBEDDING = Operation("embedding", ServiceType.EMBEDDING)
_IMAGE = Operation("image-generation", ServiceType.IMAGE)
_VIDEO = Operation("video-generation", ServiceType.VIDEO)
_TRANSCRIPTION = Operation("transcription", ServiceType.AUDIO)
_SPEECH = Operation("speech", ServiceType.AUDIO)

# the conventions have the first four; the rest are what gateways and frameworks call theirs
_OPERATIONS = {
    "chat": _TEXT,
    "text_completion": _TEXT,
    "generate_content": _TEXT,
    "embeddings": _EMBEDDING,
    "image_generation": _IMAGE,
    "generate_image": _IMAGE,
    "video_generation": _VIDEO,
    "transcription": _TRANSCRIPTION,
    "audio_transcription": _TRANSCRIPTION,
    "speech": _SPEECH,
    "text_to_speech": _SPEECH,
}
_OPENINFERENCE_KINDS = {"llm": _TEXT, "embedding": _EMBEDDING}
_REQUEST_TYPES = {"chat": _TEXT, "completion": _TEXT, "embedding": _EMBEDDING}

_TABLES: tuple[tuple[Names, dict[str, Operation]], ...] = (
    (OPERATION, _OPERATIONS),
    (OPENINFERENCE_KIND, _OPENINFERENCE_KINDS),
    (REQUEST_TYPE, _REQUEST_TYPES),
)

# what only surrounds calls, or retrieves an earlier response: its token counts belong to others
_SURROUNDING: tuple[tuple[Names, frozenset[str]], ...] = (
    (
        OPERATION,
        frozenset({
            "create_agent", "invoke_agent", "execute_tool", "invoke_workflow", "execute_task", "handoff",
            "retrieval", "fetch_response",
        }),
    ),
    (TRACELOOP_KIND, frozenset({"workflow", "task", "agent", "tool"})),
    (
        OPENINFERENCE_KIND,
        frozenset({"agent", "chain", "tool", "retriever", "reranker", "guardrail", "evaluator", "prompt"}),
    ),
)  # fmt: skip

# To the ids of genai-prices. Some of these it knows itself, but only where it knows the model; a provider has one name
# here, whatever the model. And some it takes for another: it finds "openai" in "azure.ai.openai".
_PROVIDERS = {
    "gcp.gen_ai": "google",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "gemini": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "aws.bedrock": "aws",
    "bedrock": "aws",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "az.ai.openai": "azure",
    "az.ai.inference": "azure",
    "azure_openai": "azure",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot_ai": "moonshotai",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
}
# frameworks that name themselves, and placeholder names: the model says more
_NO_PROVIDERS = frozenset({"_other", "unknown", "langchain", "crewai"})


def operation_of(attributes: Attributes) -> Operation | None:
    """What the span counts as; None where it is not an AI call, or surrounds some.

    A span with a provider and a model, but without a kind, is a chat: the Vercel AI SDK and older versions of
    openllmetry send such spans.
    """
    if any(_word(attributes, names) in words for names, words in _SURROUNDING):
        return None
    said = [(_word(attributes, names), table) for names, table in _TABLES]
    for word, table in said:
        if word in table:
            return table[word]
    silent = not any(word for word, _ in said)
    return _TEXT if silent and _names_a_model_call(attributes) else None


def provider_of(attributes: Attributes) -> str | None:
    """The provider under its name in the price tables. Raises UnusableSpanError."""
    said = name(first(attributes, PROVIDER))
    if said is None or said.lower() in _NO_PROVIDERS:
        return None
    return _PROVIDERS.get(said.lower(), said)


def _word(attributes: Attributes, names: Names) -> str:
    return (text(first(attributes, names)) or "").lower()


def _names_a_model_call(attributes: Attributes) -> bool:
    return bool(first(attributes, PROVIDER) and first(attributes, RESPONSE_MODEL + REQUEST_MODEL))

"""Which spans are AI calls, what kind of model they called, and whose."""

from typing import NamedTuple

from app.otlp.attributes import (
    AI_SDK_OPERATION,
    LANGFUSE_TYPE,
    LANGSMITH_KIND,
    MODEL,
    OPENINFERENCE_KIND,
    OPERATION,
    PROVIDER,
    REQUEST_TYPE,
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
# the Vercel AI SDK's calls; its own function around each does not count: it may make several
_AI_SDK_OPERATIONS = {
    "ai.generatetext.dogenerate": _TEXT,
    "ai.streamtext.dostream": _TEXT,
    "ai.generateobject.dogenerate": _TEXT,
    "ai.streamobject.dostream": _TEXT,
    "ai.embed.doembed": _EMBEDDING,
    "ai.embedmany.doembed": _EMBEDDING,
    "ai.generateimage.dogenerate": _IMAGE,
    "ai.generatespeech.dogenerate": _SPEECH,
    "ai.transcribe.dogenerate": _TRANSCRIPTION,
}
_LANGFUSE_TYPES = {"generation": _TEXT, "embedding": _EMBEDDING}
_LANGSMITH_KINDS = {"llm": _TEXT, "embedding": _EMBEDDING}

_TABLES: tuple[tuple[Names, dict[str, Operation]], ...] = (
    (OPERATION, _OPERATIONS),
    (OPENINFERENCE_KIND, _OPENINFERENCE_KINDS),
    (REQUEST_TYPE, _REQUEST_TYPES),
    (AI_SDK_OPERATION, _AI_SDK_OPERATIONS),
    (LANGFUSE_TYPE, _LANGFUSE_TYPES),
    (LANGSMITH_KIND, _LANGSMITH_KINDS),
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

    A span with a provider and a model, and without a word on what it is, is a chat: older versions of openllmetry send
    such.
    """
    if not attributes:
        return None
    for names, words in _SURROUNDING:
        if _word(attributes, names) in words:
            return None
    silent = True
    for names, table in _TABLES:
        if word := _word(attributes, names):
            if word in table:
                return table[word]
            silent = False
    return _TEXT if silent and _names_a_model_call(attributes) else None


def provider_of(attributes: Attributes) -> str | None:
    """The provider under its name in the price tables. Raises UnusableSpanError."""
    said = name(first(attributes, PROVIDER))
    if said is None or said.lower() in _NO_PROVIDERS:
        return None
    return _PROVIDERS.get(said.lower(), said.lower())


def _word(attributes: Attributes, names: Names) -> str:
    word = (text(first(attributes, names)) or "").lower()
    return _of_the_ai_sdk(word) if names is AI_SDK_OPERATION else word


def _of_the_ai_sdk(word: str) -> str:
    """It puts the application's name of the function behind its own; and others have an `operation.name` as well."""
    return word.partition(" ")[0] if word.startswith("ai.") else ""


def _names_a_model_call(attributes: Attributes) -> bool:
    return bool(first(attributes, PROVIDER) and first(attributes, MODEL))

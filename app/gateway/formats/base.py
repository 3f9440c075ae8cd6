"""What the gateway needs to know of an API, whichever it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from app.gateway.formats.answered import most_answered
from app.gateway.formats.sent import NOTHING, Pictures, Sent
from models import ServiceType

Headers = list[tuple[bytes, bytes]]


class Api(StrEnum):
    """Whose form requests and answers have."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"


class Operation(StrEnum):
    """What is asked of a provider. The value is the ledger's `endpoint`."""

    CHAT = "chat/completions"
    RESPONSES = "responses"
    EMBEDDINGS = "embeddings"
    IMAGES = "images/generations"
    IMAGE_EDITS = "images/edits"
    TRANSCRIPTIONS = "audio/transcriptions"
    TRANSLATIONS = "audio/translations"
    SPEECH = "audio/speech"
    VIDEOS = "videos"
    """The making of one is begun; what becomes of it is asked elsewhere."""
    MESSAGES = "messages"
    COUNT_TOKENS = "messages/count_tokens"
    GENERATE = "generateContent"
    STREAM_GENERATE = "streamGenerateContent"
    COUNT_CONTENT_TOKENS = "countTokens"
    EMBED_CONTENT = "embedContent"
    BATCH_EMBED_CONTENTS = "batchEmbedContents"


class Source(Protocol):
    """A body whose fields are known by their places."""

    def replaced(self, values: Mapping[str, bytes]) -> bytes:
        """The same bytes but for the values of these fields."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for: no text of it."""

    api: Api
    operation: Operation
    model: str
    stream: bool
    user: str | None
    """The end user that the body names, as it does: not yet a name that the ledger can have."""
    asks_usage: bool
    """Whether a stream is to end with its usage because the client asked for it."""
    asked: Mapping[str, Any]
    """Fields of `app.limits.asks.Ask` that bound what the call may use, whichever model answers; `asked_of` has all."""
    repeatable: bool
    """Whether the same request may be given the same answer: temperature 0, no randomness that was asked for."""
    tools: bool
    service_type: ServiceType
    content_type: str
    """The ledger's, of a call whose client names none."""
    others: tuple[str, ...] = ()
    """Models that the upstream may ask in the place of that one, such as by OpenRouter's `models`."""
    counted: bool = True
    """False for a question that no model answers, such as how many tokens a text has: it is no call of the ledger."""
    sent: Sent = NOTHING
    pictures: Pictures | None = None
    source: Source | None = field(default=None, repr=False, compare=False)
    """The body, as it was read."""

    @property
    def leaves_answer_open(self) -> bool:
        """Whether it does not say how long the answer may be."""
        return self.service_type is ServiceType.CHAT and "max_output_tokens" not in self.asked

    def asked_of(self, model: str) -> Mapping[str, Any]:
        """`asked`, where another model than the one that was asked for is to answer: an alias's, a fallback's."""
        if self.pictures is not None:
            made = self.pictures.most_tokens(model)
        elif self.leaves_answer_open:
            made = most_answered(model)
        else:
            made = None
        most = {"input_bytes": self.sent.most_tokens(model), "max_output_tokens": made}
        return {**self.asked, **{name: count for name, count in most.items() if count is not None}}


@dataclass(slots=True)
class GatewayError(Exception):
    """Why the gateway itself answers instead of a provider. `Format.refusal` gives it the shape of an API."""

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after: int | None = None
    """Seconds."""
    should_retry: bool | None = None
    """What `x-should-retry` tells the SDKs; None to say nothing."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Members of the error beside those that every API has."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the answer, beside those that every error of ours has."""

    def __str__(self) -> str:
        return self.message


class Reading(Protocol):
    """One answer as it passes: its usage is read beside it, and its end is held back. Of its texts nothing is kept."""

    @property
    def complete(self) -> bool:
        """Whether the answer came to the end that its API gives a whole one. Known for sure once `end` was called."""

    @property
    def output_begun(self) -> bool:
        """Whether something has come that a client takes for output; what came before says only that it begins."""

    @property
    def failure(self) -> str | None:
        """What the provider calls it where it says itself that it has failed, in an error's body or in the middle of a
        stream: one word of its own, such as `overloaded_error`, or `error`.
        """

    def feed(self, chunk: bytes) -> bytes:
        """What may be sent on now."""

    def end(self) -> bytes:
        """What was held back, once the answer has ended."""

    def reported(self, provider: str | None = None, model: str | None = None) -> dict[str, Any]:
        """Fields of `AICall` that the answer says: its model, tokens, tier, images; estimated where it says nothing, or
        broke off. Asked after `end`. `provider` is whose upstream it is, where that is known, `model` what the upstream
        was asked for.
        """


class Format(Protocol):
    """One API."""

    api: Api
    keep_alive: bytes
    """What a stream may be sent between two events so that nobody takes it for dead."""

    def read(self, operation: Operation, path_model: str | None, content_type: str, body: bytes) -> Wanted:
        """What a request asks for. `path_model` is the model of an address that names it. Raises GatewayError."""

    def body_for(self, wanted: Wanted, body: bytes, model: str) -> bytes:
        """The body for an upstream: the same bytes but for the model's name, and for usage that has to be asked for.

        For an upstream that does not know how to be asked, `dataclasses.replace(wanted, asks_usage=True)` leaves both
        the question and its answer as they are.
        """

    def path_for(self, operation: Operation, model: str) -> str:
        """Where an upstream takes it, below its base URL: begins with a slash, and may have a query."""

    def headers_for(self, key: str) -> list[tuple[str, str]]:
        """What an upstream wants to see of its key, and of its API's version."""

    def refusal(self, error: GatewayError, request_id: str) -> tuple[Headers, bytes]:
        """Headers and body of an error of ours."""

    def stream_error(self, error: GatewayError, request_id: str, operation: Operation | None = None) -> bytes:
        """The event that tells who reads a stream of events that it has failed; nothing may follow it."""

    def reading(self, wanted: Wanted, status: int, content_type: str) -> Reading:
        """For one answer of an upstream."""

"""What a neutral request may say."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from app.gateway.formats.base import GatewayError
from models.fields import MAX_NAME


class Alias(StrEnum):
    """An address below `/v1`."""

    GENERATE = "generate"
    CHAT = "chat"
    CHAT_STREAM = "chat/stream"
    IMAGES = "images/generate"
    VIDEOS = "videos/generate"

    @property
    def kind(self) -> Literal["chat", "image", "video"]:
        """Whose default model it has."""
        return "image" if self is Alias.IMAGES else "video" if self is Alias.VIDEOS else "chat"


Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Message(Struct, forbid_unknown_fields=True):
    """One of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Body(Struct, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """Of all of them."""

    model: Name | None = None
    user_id: Name | None = None
    content_type: Name | None = None


class ChatBody(Body, kw_only=True):
    """A prompt, or a conversation."""

    prompt: str | None = None
    messages: list[Message] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None

    @property
    def conversation(self) -> list[Message]:
        """Raises GatewayError unless there is one of both, and something to answer."""
        if (self.prompt is None) is (self.messages is None):
            raise _invalid("prompt", "or messages is required, and not both")
        found = [Message("user", self.prompt)] if self.prompt is not None else self.messages or []
        if all(message.role == "system" for message in found):
            raise _invalid("messages", "has nothing to answer: a message of the role user")
        return found


class ImageBody(Body, kw_only=True):
    """What pictures are to show."""

    prompt: str
    count: Annotated[int, Meta(ge=1, le=10)] = 1
    size: Name | None = None
    quality: Name | None = None


class VideoBody(Body, kw_only=True):
    """What a video is to show."""

    prompt: str
    seconds: Annotated[int, Meta(ge=1, le=600)] = 4
    size: Name = "1280x720"


_BODIES: dict[str, msgspec.json.Decoder[ChatBody | ImageBody | VideoBody]] = {
    "chat": msgspec.json.Decoder(ChatBody),
    "image": msgspec.json.Decoder(ImageBody),
    "video": msgspec.json.Decoder(VideoBody),
}


def read(alias: Alias, content: bytes) -> ChatBody | ImageBody | VideoBody:
    """Raises GatewayError, which names the field and not its value."""
    try:
        return _BODIES[alias.kind].decode(content)
    except msgspec.ValidationError as error:
        raise GatewayError(400, "invalid_request", _told(str(error)), should_retry=False) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise GatewayError(400, "invalid_json", "the request's body is no valid JSON", should_retry=False) from None


def _told(message: str) -> str:
    """What msgspec says, without a value of the sender's."""
    what, at, where = message.partition(" - at ")
    what = "must be system, user or assistant" if what.startswith("Invalid enum value") else what
    return f"{what}{at}{where}"[:300]


def _invalid(field: str, message: str) -> GatewayError:
    return GatewayError(400, "invalid_request", f"{field} {message}", param=field, should_retry=False)


ANSWERS = msgspec.json.Encoder(decimal_format="number")
"""Of our own answers: amounts are exact, and numbers."""
Amount = Decimal | int | None

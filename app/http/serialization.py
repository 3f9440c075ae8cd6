"""JSON in and out without a float in between: money is a plain JSON number, exact to the last digit."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.serialization import default_serializer
from pydantic import BaseModel

from app.errors import InvalidRequestError, UnsupportedMediaTypeError
from models.money import plain

JSON = re.compile(r"application/(.+\+)?json")
"""Media types that are JSON."""
_decoder = msgspec.json.Decoder(float_hook=Decimal)


def decode(body: bytes) -> Any:
    """`body` as Python values; a number with a fraction is a Decimal. Raises InvalidRequestError."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError) as error:
        raise InvalidRequestError(f"the body is not valid JSON: {error}") from error
    except RecursionError:
        raise InvalidRequestError("the body is nested too deeply") from None


def encode(content: Any, fallback: Any = default_serializer) -> bytes:
    """`content` as JSON: Decimals as plain numbers, never `3E-7`; times as RFC 3339 in UTC; models by alias."""
    return msgspec.json.encode(_exact(content), enc_hook=fallback)


def _exact(content: Any) -> Any:
    if isinstance(content, BaseModel):
        content = content.model_dump(by_alias=True)
    if isinstance(content, dict):
        return {key: _exact(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_exact(value) for value in content]
    convert = _AS_TEXT.get(type(content))
    return convert(content) if convert else content


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_AS_TEXT: dict[type, Callable[[Any], Any]] = {
    Decimal: lambda number: msgspec.Raw(plain(number).encode()),
    datetime: _instant,
    date: date.isoformat,
}


Content = TypeVar("Content")


class ExactResponse(Response[Content]):
    """The response class of the whole application."""

    def render(self, content: Any, media_type: str, enc_hook: Any = default_serializer) -> bytes:
        if JSON.match(media_type or MediaType.JSON) and not isinstance(content, bytes):
            return encode(content, enc_hook)
        return super().render(content, media_type, enc_hook)


class ExactRequest(Request[Any, Any, Any]):
    """The request class of the whole application."""

    async def json(self) -> Any:
        """The body as `decode` reads it. Raises UnsupportedMediaTypeError where it is not declared as JSON."""
        media_type, _ = self.content_type
        if not JSON.fullmatch(media_type):
            raise UnsupportedMediaTypeError(f"send application/json, not {media_type or 'a body without a type'}")
        return decode(await self.body())

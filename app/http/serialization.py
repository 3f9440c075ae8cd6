"""JSON in and out without a float in between: money is a plain JSON number, exact to the last digit."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.serialization import default_serializer
from pydantic import BaseModel

from app.errors import InvalidRequestError, UnsupportedMediaTypeError, invalid
from app.http.exact import exact
from app.process import in_turns
from models.faults import shortened

JSON = re.compile(r"application/(.+\+)?json")
"""Media types that are JSON."""
MAX_MEMBERS = 100
"""Fields that an object of a request may have: twice what a call has."""
GLANCED_MEMBERS = 5_000
MAX_MEMBER_BYTES = 64_000
"""What fields may have together that are no texts: a list of a million numbers takes longer to make than all else."""
MAX_ESCAPES = 9
"""Backslashes before a quotation mark that are looked at. An odd number, so that more of them hide no field."""
MANY = 20
"""Items of an answer that are encoded in one go."""
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def decode(body: bytes | msgspec.Raw) -> Any:
    """`body` as Python values; a number with a fraction is a Decimal. Raises InvalidRequestError."""
    return _decoded(_decoder, body)


def decode_flat(body: bytes | msgspec.Raw) -> Any:
    """As `decode`, of an object of few fields, which are short or texts: in a few ms, whatever a megabyte holds."""
    if len(body) <= MAX_MEMBER_BYTES:
        content = decode(body)
        if isinstance(content, dict):
            _check_number(content)
        return content
    _check_at_a_glance(bytes(body))
    members = _decoded(_members, body)
    _check_number(members)
    size = 0
    for name, member in members.items():
        size += 0 if bytes(memoryview(member)[:1]) == b'"' else len(member)
        if size > MAX_MEMBER_BYTES:
            raise invalid(shortened(name), f"has more than {MAX_MEMBER_BYTES:,} bytes, or all fields but texts have")
    return {name: decode(member) for name, member in members.items()}


def _check_at_a_glance(body: bytes) -> None:
    """Refuses thousands of fields, in a tenth of the time that it takes to list them. A text may hold JSON: its
    quotation marks have an odd number of backslashes before them.
    """
    dense = body.translate(None, b" \t\r\n")
    if sum((-1) ** number * dense.count(b"\\" * number + b'":') for number in range(MAX_ESCAPES)) > GLANCED_MEMBERS:
        raise InvalidRequestError(f"the body has thousands of fields; at most {MAX_MEMBERS} can be meant")


def _check_number(members: Mapping[str, Any]) -> None:
    if len(members) > MAX_MEMBERS:
        raise InvalidRequestError(f"the body has {len(members):,} fields; at most {MAX_MEMBERS} can be meant")


def _decoded(decoder: msgspec.json.Decoder[Any], body: bytes | msgspec.Raw) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        wrong = "must be a JSON object" if decoder is _members else "has a number that is out of range"
        raise InvalidRequestError(f"the body {wrong}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError) as error:
        raise InvalidRequestError(f"the body is not valid JSON: {error}") from error
    except RecursionError:
        raise InvalidRequestError("the body is nested too deeply") from None


def encode(content: Any, fallback: Any = default_serializer) -> bytes:
    """`content` as JSON: Decimals as plain numbers, never `3E-7`; times as RFC 3339 in UTC; models by alias."""
    return msgspec.json.encode(exact(content), enc_hook=fallback)


def encoded_parts(content: Any, fallback: Any = default_serializer) -> Iterator[bytes]:
    """As `encode`, piece by piece, so that a long answer can be made in turns."""
    if isinstance(content, list | tuple):
        yield b"["
        for number, item in enumerate(content):
            if number:
                yield b","
            yield from encoded_parts(item, fallback) if is_long(item) else (encode(item, fallback),)
        yield b"]"
    elif isinstance(content, BaseModel) and is_long(content):
        yield b"{"
        for number, (name, field) in enumerate(type(content).model_fields.items()):
            yield b"," * (number > 0) + encode(field.serialization_alias or name) + b":"
            yield from encoded_parts(getattr(content, name), fallback)
        yield b"}"
    else:
        yield encode(content, fallback)


def is_long(content: Any) -> bool:
    """Whether an answer is, or holds, a list that takes its time."""
    if isinstance(content, BaseModel):
        return any(is_long(value) for value in content.__dict__.values() if isinstance(value, list | tuple | BaseModel))
    return isinstance(content, list | tuple) and (len(content) > MANY or any(map(is_long, content)))


async def in_turns_encoded(response: Response[Any]) -> Response[Any]:
    """After a request: a long answer in JSON is encoded while others have their turn."""
    if isinstance(response, ExactResponse) and is_long(response.content):
        parts = in_turns(encoded_parts(response.content))
        response.content = b"".join([part async for part in parts])
    return response


Content = TypeVar("Content")


class ExactResponse(Response[Content]):
    """The response class of the whole application."""

    def render(self, content: Any, media_type: str, enc_hook: Any = default_serializer) -> bytes:
        if JSON.match(media_type or MediaType.JSON) and not isinstance(content, bytes):
            return encode(content, enc_hook)
        return super().render(content, media_type, enc_hook)


def encoded(
    content: bytes, status: int, headers: Mapping[str, str], media_type: str = MediaType.JSON
) -> ExactResponse[Any]:
    """An answer that is JSON already."""
    return ExactResponse(content, media_type=media_type, status_code=status, headers=dict(headers))


class ExactRequest(Request[Any, Any, Any]):
    """The request class of the whole application."""

    async def json(self) -> Any:
        """The body as `decode` reads it. Raises UnsupportedMediaTypeError where it is not declared as JSON."""
        media_type, _ = self.content_type
        if not JSON.fullmatch(media_type):
            raise UnsupportedMediaTypeError(f"send application/json, not {media_type or 'a body without a type'}")
        return decode_flat(await self.body())

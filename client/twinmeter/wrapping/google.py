"""Google's `google-genai`: Gemini, Imagen and embeddings, of the developer API and of Vertex."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import wraps
from typing import Any, Callable

from twinmeter.observation import Observation, guarded
from twinmeter.wrapping.operations import CHAT, EMBEDDING, IMAGE, Operation, Starting

PROVIDER = "google"
Start = Callable[[Mapping[str, Any]], Starting]

# Below what an application calls: automatic calls of functions make several requests of one call, and each is billed.
_ANSWERS = {
    "_generate_content": CHAT,
    "_embed_content": EMBEDDING,
    "_generate_images": IMAGE,
    "_edit_image": IMAGE,
    "_upscale_image": IMAGE,
}
_STREAM = "_generate_content_stream"


def wrap(client: Any, fields: Mapping[str, Any]) -> None:
    """Watch what `client.models` and `client.aio.models` ask for; chats ask through them. Raises TypeError."""
    kinds = {kind.__name__ for kind in type(client).__mro__}
    if kinds.isdisjoint({"Client", "AsyncClient"}):
        raise TypeError("of google-genai, Client and its aio can be wrapped")
    if "AsyncClient" in kinds:
        _watch(client.models, fields, answer=_answer_awaited, stream=_stream_awaited)
    else:
        _watch(client.models, fields, answer=_answer, stream=_stream)
        _watch(client.aio.models, fields, answer=_answer_awaited, stream=_stream_awaited)


def _watch(models: Any, fields: Mapping[str, Any], *, answer: Callable[..., Any], stream: Callable[..., Any]) -> None:
    for inner, operation in _ANSWERS.items():
        name = inner if hasattr(models, inner) else inner[1:]  # older versions do not have each in two
        if hasattr(models, name):
            setattr(models, name, answer(getattr(models, name), _starting(operation, fields)))
    setattr(models, _STREAM, stream(getattr(models, _STREAM), _starting(CHAT, fields)))


def _starting(operation: Operation, fields: Mapping[str, Any]) -> Start:
    def start(request: Mapping[str, Any]) -> Starting:
        return Starting(operation, fields, request.get("model"), request, provider=PROVIDER)

    return start


def _returned(observation: Observation, response: Any) -> None:
    observation.returned(_told_of(response) or response)


@guarded
def _told_of(response: Any) -> dict[str, Any] | None:
    """What a response says where other providers do; None where it does so itself."""
    images = getattr(response, "generated_images", None)
    if isinstance(images, list):
        made = [{"url": ""} for image in images if getattr(image, "image", None) is not None]
        return {"created": 0, "data": made}
    raw = getattr(getattr(response, "sdk_http_response", None), "body", None)  # where `should_return_http_response`
    told = json.loads(raw) if isinstance(raw, str) else None
    return told if isinstance(told, dict) else None


def _answer(ask: Callable[..., Any], start: Start) -> Callable[..., Any]:
    @wraps(ask)
    def asked(*args: Any, **request: Any) -> Any:
        starting = start(request)
        starting.ask()
        observation = starting.observation()
        try:
            response = ask(*args, **request)
        except BaseException as error:
            observation.failed(error)
            raise
        _returned(observation, response)
        return response

    return asked


def _answer_awaited(ask: Callable[..., Any], start: Start) -> Callable[..., Any]:
    @wraps(ask)
    async def asked(*args: Any, **request: Any) -> Any:
        starting = start(request)
        await starting.ask_later()
        observation = starting.observation()
        try:
            response = await ask(*args, **request)
        except BaseException as error:
            observation.failed(error)
            raise
        _returned(observation, response)
        return response

    return asked


def _stream(ask: Callable[..., Any], start: Start) -> Callable[..., Any]:
    @wraps(ask)
    def asked(*args: Any, **request: Any) -> Iterator[Any]:
        starting = start(request)
        starting.ask()
        observation = starting.observation()
        observation.streams()
        try:
            for chunk in ask(*args, **request):
                observation.chunk(chunk)
                yield chunk
        except BaseException as error:  # also that the application left it
            observation.failed(error)
            raise
        observation.ended()

    return asked


def _stream_awaited(ask: Callable[..., Any], start: Start) -> Callable[..., Any]:
    @wraps(ask)
    async def asked(*args: Any, **request: Any) -> AsyncIterator[Any]:
        starting = start(request)
        await starting.ask_later()
        observation = starting.observation()
        observation.streams()
        try:
            chunks = await ask(*args, **request)
        except BaseException as error:
            observation.failed(error)
            raise
        return _chunks(chunks, observation)

    return asked


async def _chunks(chunks: AsyncIterator[Any], observation: Observation) -> AsyncIterator[Any]:
    try:
        async for chunk in chunks:
            observation.chunk(chunk)
            yield chunk
    except BaseException as error:
        observation.failed(error)
        raise
    observation.ended()

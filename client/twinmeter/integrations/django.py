"""Django, sync and async: the calls of a request are its user's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Callable

from twinmeter.integrations.request_fields import Asked, Body, RequestFields, is_signed_in, within


def signed_in(request: Any) -> Any:
    """The primary key of whom `AuthenticationMiddleware` has found."""
    user = getattr(request, "_acached_user", None) or getattr(request, "user", None)
    return user.pk if user is not None and is_signed_in(user) else None


def django(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A middleware, after Django's own: `MIDDLEWARE = [..., "twinmeter.django"]`.

    The settings `TWINMETER_USER`, `TWINMETER_CONTENT_TYPE` and `TWINMETER_CONVERSATION` are texts, or functions of the
    request. They are asked when a call is made: a sync view that calls no model does not load its user.
    """
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction  # noqa: PLC0415 - Django has it
    from django.conf import settings  # noqa: PLC0415

    names = {"user_id": "USER", "content_type": "CONTENT_TYPE", "conversation_id": "CONVERSATION"}
    asked: dict[str, Asked] = {field: getattr(settings, f"TWINMETER_{name}", None) for field, name in names.items()}
    asked["user_id"] = asked["user_id"] or signed_in

    def answer(request: Any) -> Any:
        fields = RequestFields(request, asked)
        with within(fields):
            return _streamed(get_response(request), fields)

    async def answer_awaited(request: Any) -> Any:
        if asked["user_id"] is signed_in and settings.SESSION_COOKIE_NAME in request.COOKIES:
            with suppress(Exception):  # later it could not be asked: in a coroutine, Django refuses to load a user
                await request.auser()
        fields = RequestFields(request, asked)
        with within(fields):
            return _streamed(await get_response(request), fields)

    return markcoroutinefunction(answer_awaited) if iscoroutinefunction(get_response) else answer


django.sync_capable = django.async_capable = True  # type: ignore[attr-defined]


def _streamed(response: Any, fields: RequestFields) -> Any:
    """The response, whose body, where it is made while it is sent, is within the fields too."""
    if getattr(response, "streaming", False) and not getattr(response, "file_to_stream", None):
        body = response.streaming_content
        response.streaming_content = _awaited(body, fields) if response.is_async else Body(iter(body), fields)
    return response


async def _awaited(body: AsyncIterator[bytes], fields: RequestFields) -> AsyncIterator[bytes]:
    while True:
        with within(fields):
            try:
                chunk = await body.__anext__()
            except StopAsyncIteration:
                return
        yield chunk

"""Flask, and whatever else speaks WSGI: the calls of a request are its user's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Callable

from twinmeter.integrations.request_fields import Asked, Body, RequestFields, within


def remote_user(environ: dict[str, Any]) -> Any:
    """Whom the web server has let in, where it does that."""
    return environ.get("REMOTE_USER") or None


class wsgi:  # noqa: N801 - it is used as a function
    """Around a WSGI application: `app.wsgi_app = twinmeter.wsgi(app.wsgi_app, user=lambda environ: ...)`.

    `user`, `content_type` and `conversation` are texts, or functions of the environ. They are asked when a call is
    made, inside the view, so that of Flask `session`, `g` and `current_user` are there.
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        *,
        user: Asked = remote_user,
        content_type: Asked = None,
        conversation: Asked = None,
    ) -> None:
        self._app = app
        self._asked = {"user_id": user, "content_type": content_type, "conversation_id": conversation}

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        fields = RequestFields(environ, self._asked)
        with within(fields):
            body = self._app(environ, start_response)
        file = environ.get("wsgi.file_wrapper")  # servers send one without reading it
        if not isinstance(body, Iterator) or (isinstance(file, type) and isinstance(body, file)):
            return body
        return Body(body, fields)

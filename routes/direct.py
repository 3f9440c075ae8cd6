"""The ordinary report of one call, answered without routing, which costs as much as all else such a request needs.

Ordinary is a small JSON body of a caller who is known already, with a valid call that there is room for. Every other
request goes on to the route, `TrackController.track`, as if this were not here: until then nothing was done with it but
reading the beginning of its body, which the route is given again. So each refusal has one place, and each rule too:
what decides here are the functions that the route asks.
"""

import re
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from litestar.datastructures import State
from litestar.types import ASGIApp, Receive, Scope, Send

from app.auth import principals
from app.auth.middleware import credential_in, known_principal
from app.auth.ownership import USER_HEADER
from app.auth.principals import Principal
from app.errors import AppError
from app.http.middleware import RequestLimits, admit, in_time
from app.http.serialization import decode_flat
from app.tracking.tracker import Call, Tracker
from models.fields import MAX_NAME
from routes.ingest import Patience, call_of, patience_with, sender_of
from routes.track import IDEMPOTENCY_KEY, TRACK, Answer, tracked, with_key

MAX_BYTES = 64_000
"""Of a body. What is larger comes in pieces, and is worth its routing."""
MEDIA_TYPES = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})

_USER, _KEY = USER_HEADER.encode(), IDEMPOTENCY_KEY.lower().encode()
_READ = frozenset({b"authorization", b"content-type", b"content-length", b"prefer", _USER, _KEY})
"""Headers that say something here. One that comes twice is for the route."""
_FOR_THE_ROUTE = frozenset({b"content-encoding", b"transfer-encoding"})
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]*")
_LENGTH = re.compile(r"[0-9]{1,5}")
_JSON = (b"content-type", b"application/json")


class _Asked(NamedTuple):
    """A request that is ordinary as far as its head tells."""

    caller: Principal
    length: int
    patience: Patience
    user: str | None
    key: str | None


class DirectTrack:
    """In front of the router."""

    def __init__(self, routed: ASGIApp, state: State, limits: RequestLimits) -> None:
        self._routed = routed
        self._state = state
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["path"] == scope.get("root_path", "") + TRACK and scope.get("method") == "POST"
        if not is_ours or (asked := self._asked(scope["headers"])) is None:
            return await self._routed(scope, receive, send)
        since, body = time.perf_counter(), _Body(in_time(receive))
        if (call := await self._call(asked, body)) is not None:
            with self._limits.handling(scope, TRACK, since=since):
                try:
                    answer = await tracked(call, asked.caller, self._state.tracker, asked.patience)
                except Exception as error:  # noqa: BLE001 - the route's own handlers answer it, and log it
                    body.error = error
                else:
                    return await _send(answer, send)
        return await self._routed(scope, body.again, send)

    def _asked(self, raw: Iterable[tuple[bytes, bytes]]) -> _Asked | None:
        headers = _ordinary(raw)
        if headers is None or headers.get(b"content-type") not in MEDIA_TYPES:
            return None
        length, user, key = headers.get(b"content-length", ""), headers.get(_USER), headers.get(_KEY)
        if not _LENGTH.fullmatch(length) or int(length) > MAX_BYTES or max(len(user or ""), len(key or "")) > MAX_NAME:
            return None
        credential = credential_in(headers.get(b"authorization", ""))
        caller = known_principal(credential, self._state) if credential else None
        if caller is None or principals.Scope.INGEST not in caller.scopes:
            return None
        return _Asked(caller, int(length), patience_with(self._state, headers.get(b"prefer")), user, key)

    async def _call(self, asked: _Asked, body: "_Body") -> Call | None:
        """A call that was admitted; None where the route has to say what is wrong."""
        sender = sender_of(asked.caller)
        try:
            with self._state.body_budget.claimed(sender, asked.length):
                content = await body.whole(asked.length)
            if content is None:
                return None
            tracker: Tracker = self._state.tracker
            call = call_of(with_key(decode_flat(content), asked.key), tracker, asked.caller, asked.user)
            if isinstance(call, list) or not tracker.accepts(sender, 1, asked.patience.seconds):
                return None
            admit(asked.caller, self._state)  # last of all, because it counts
        except AppError:
            return None
        return call


class _Body:
    """The body of a request, which can be received again."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._first: Any = None
        self.error: Exception | None = None
        """What the next one to ask for it meets."""

    async def whole(self, length: int) -> bytes | None:
        """None where it does not come in one piece."""
        self._first = await self._receive()
        body: bytes = self._first.get("body", b"")
        return None if self._first.get("more_body", False) or len(body) != length else body

    async def again(self) -> Any:
        if self.error is not None:
            raise self.error
        first, self._first = self._first, None
        return await self._receive() if first is None else first


def _ordinary(raw: Iterable[tuple[bytes, bytes]]) -> dict[bytes, str] | None:
    """The headers that say something here; None where one of them, or of those that are not, is for the route."""
    said: dict[bytes, str] = {}
    for name, value in raw:
        if name in _READ:
            if name in said:
                return None
            said[name] = value.decode("latin-1")
        elif name in _FOR_THE_ROUTE or (name == b"host" and not _HOST.fullmatch(value)):
            return None
    return said


async def _send(answer: Answer, send: Send) -> None:
    body = answer.content
    headers = [_JSON, (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})

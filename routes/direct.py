"""The ordinary report of one call, and the ordinary ask for one, answered without routing, which costs as much as all
else such a request needs.

Ordinary is a small JSON body of a caller who is known already, with a valid call that there is room for, or a valid
ask. Every other request goes on to its route, as if this were not here: until then nothing was done with it but reading
the beginning of its body, which the route is given again. So each refusal has one place, and each rule too: what
decides here are the functions that the routes ask.
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
from routes.limit_rows import NewCheck, NewReservation
from routes.limits import CHECK, RESERVATIONS, ask_of, checked, reserved
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


class _Asked(NamedTuple):
    """A request that is ordinary as far as its head tells."""

    caller: Principal
    length: int
    patience: Patience
    user: str | None
    key: str | None


class _TrackDoor:
    """As `TrackController.track`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def read(self, content: bytes, asked: _Asked) -> Call | None:
        tracker: Tracker = self._state.tracker
        call = call_of(with_key(decode_flat(content), asked.key), tracker, asked.caller, asked.user)
        if isinstance(call, list) or not tracker.accepts(sender_of(asked.caller), 1, asked.patience.seconds):
            return None
        return call

    async def answer(self, call: Call, asked: _Asked) -> Answer:
        return await tracked(call, asked.caller, self._state.tracker, asked.patience)


class _CheckDoor:
    """As `LimitController.check`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def read(self, content: bytes, asked: _Asked) -> NewCheck:
        return ask_of(decode_flat(content), NewCheck, asked.caller, asked.user)

    async def answer(self, ask: NewCheck, asked: _Asked) -> Answer:
        return await checked(ask, asked.caller, self._state.tracker.asking, asked.patience)


class _ReservationDoor:
    """As `LimitController.reserve`."""

    def __init__(self, state: State) -> None:
        self._state = state

    def read(self, content: bytes, asked: _Asked) -> NewReservation:
        return ask_of(decode_flat(content), NewReservation, asked.caller, asked.user, asked.key)

    async def answer(self, ask: NewReservation, asked: _Asked) -> Answer:
        return await reserved(ask, asked.caller, self._state.tracker.asking, asked.patience)


class Direct:
    """In front of the router."""

    def __init__(self, routed: ASGIApp, state: State, limits: RequestLimits) -> None:
        self._routed = routed
        self._state = state
        self._limits = limits
        self._doors: dict[str, Any] = {
            TRACK: _TrackDoor(state),
            CHECK: _CheckDoor(state),
            RESERVATIONS: _ReservationDoor(state),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, prefix = scope["path"], scope.get("root_path", "")
        path = path[len(prefix) :] if path.startswith(prefix) else ""
        door = self._doors.get(path) if scope.get("method") == "POST" else None
        if door is None or (asked := self._asked(scope["headers"])) is None:
            return await self._routed(scope, receive, send)
        since, body = time.perf_counter(), _Body(in_time(receive))
        if (read := await self._read(door, asked, body)) is not None:
            with self._limits.handling(scope, path, since=since):
                try:
                    answer = await door.answer(read, asked)
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

    async def _read(self, door: Any, asked: _Asked, body: "_Body") -> Any:
        """What is sent, admitted; None where the route has to say what is wrong."""
        try:
            with self._state.body_budget.claimed(sender_of(asked.caller), asked.length):
                content = await body.whole(asked.length)
            if content is None or (read := door.read(content, asked)) is None:
                return None
            admit(asked.caller, self._state)  # last of all, because it counts
        except AppError:
            return None
        return read


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
    headers = [(b"content-type", answer.media_type.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})

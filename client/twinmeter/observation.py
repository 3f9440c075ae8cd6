"""One model call that is under way: what came of it, and how long it took. It is reported once, when it is over."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextvars import Context, ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from twinmeter.client import current
from twinmeter.decisions import QuotaExceeded
from twinmeter.estimate import AT_MOST, INTERRUPTED
from twinmeter.usage import Events, fields_of, names_model

if TYPE_CHECKING:
    from twinmeter.report import Report

UNKNOWN_MODEL = "unknown"
NOT_SEEN = "usage: not seen, by a fault of the client"
TOO_MANY_REQUESTS = 429
_OF_ONE_CALL = ("request_id", "reservation_id", AT_MOST)
_CANCELLED = frozenset({"CancelledError", "GeneratorExit", "Cancelled"})

Method = TypeVar("Method", bound=Callable[..., Any])


def guarded(method: Method) -> Method:
    """A fault of the client stays in the client: it is logged once, and None returned."""
    return _harmless(method, lambda kind, message: current().say(kind, message))


def guarded_whole(method: Method) -> Method:
    """The same where such a fault costs the report of a call: it is counted as lost too."""
    return _harmless(method, lambda kind, message: current().lose(kind, message))


def _harmless(method: Method, tell: Callable[[str, str], None]) -> Method:
    @wraps(method)
    def harmless(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            # only its kind: the message may quote what could not be read
            name = type(error).__name__
            tell(f"{method.__name__} {name}", f"a call is not seen whole: {method.__name__} raises {name}")
            return None

    return harmless  # type: ignore[return-value]


class Observation:
    """Begins when it is made. No method raises, and after the first end nothing more is taken."""

    def __init__(self, known: Mapping[str, Any], *, model: str | None = None) -> None:
        """`known`: fields of `twinmeter.track` that hold whatever comes of the call, and before what a response says.
        `model`: what was asked for; it is told where no response names another.
        """
        self._known = known
        self._model = model
        self._facts: dict[str, Any] = {}
        self._events: Events | None = None
        self._stream_ended = False
        self._is_cut = False
        self._is_over = False
        self._first_text: float | None = None
        self._process = os.getpid()
        self.is_pulling = False
        """Whether the next event of the stream is being waited for."""
        self.wants_receipt = False
        self.report: Report | None = None
        """The report, once the call is over, where its receipt is wanted."""
        self._started = time.perf_counter()

    @guarded
    def read(self, response: Any, **facts: Any) -> None:
        """Take the usage of a complete response. `facts` are further fields, and come before what it says."""
        self._facts = {**fields_of(response), **facts}

    def knows(self, facts: Mapping[str, Any]) -> None:
        """Take fields that hold now that the call was answered."""
        self._facts = {**self._facts, **facts}

    @guarded
    def chunk(self, chunk: Any) -> None:
        """Take an event of the stream."""
        if self._events is None:
            self._events = Events()
        if self._events.add(chunk) and self._first_text is None:
            self._first_text = time.perf_counter()

    @guarded
    def streams(self) -> None:
        """The answer is a stream, of which nothing has come yet."""
        if self._events is None:
            self._events = Events()

    def returned(self, response: Any, **facts: Any) -> None:
        """The call is over, with a complete response."""
        if not self._is_over:
            self.read(response, **facts)
            self.over()

    def ended(self) -> None:
        """The stream is at its end, and with it the call."""
        self._stream_ended = True
        self.over()

    def all_came(self) -> None:
        """The stream is at its end; the call is not over yet."""
        self._stream_ended = True

    def interrupted(self) -> None:
        """The answer was left before its end."""
        self._is_cut = True
        self.over()

    def not_seen(self) -> None:
        """The call is over, or goes on where it cannot be seen: what it used is not known."""
        self._facts, self._events = {"unreadable_usage": True, "unreadable_reason": NOT_SEEN}, None
        self.over()

    def failed(self, error: BaseException) -> None:
        """The call came to nothing."""
        self._read_answer(error)
        self.over(error)

    @guarded
    def _read_answer(self, error: BaseException) -> None:
        answer = getattr(error, "completion", None)  # OpenAI's: a complete answer that cannot be parsed
        if answer is not None and self._events is None and not self._facts:
            self.read(answer)

    @guarded_whole
    def over(self, error: BaseException | None = None) -> None:
        """Report the call, unless that was done, or another process is at it: a fork has copies of what is open."""
        if self._is_over or os.getpid() != self._process:
            return
        self._is_over = True
        if self._was_refused(error):
            return
        read = self._read()
        fields: dict[str, Any] = {"request_duration": self._since_start(time.perf_counter())}
        if self._first_text is not None:
            fields["time_to_first_token"] = self._since_start(self._first_text)
        fields = {**fields, **read, **self._known, **self._outcome(error)}
        if fields.get("model") is None and not names_model(read):
            fields["model"] = self._model or UNKNOWN_MODEL
        # what is known of the caller was taken at the beginning: here may be the end of another block's call
        if self.wants_receipt:
            self.report = Context().run(current().report, fields, wait=False)
        else:
            Context().run(current().track, fields)

    def _was_refused(self, error: BaseException | None) -> bool:
        """Whether it was refused before it was made, by a limit: then there is no call."""
        is_untold = not self._facts and self._events is None and self._known.get("reservation_id") is None
        return is_untold and isinstance(error, QuotaExceeded)

    def _read(self) -> dict[str, Any]:
        return self._facts if self._events is None else {**self._events.fields(), **self._facts}

    def _outcome(self, error: BaseException | None) -> dict[str, Any]:
        if error is not None:
            return {"status": status_of(error), "error_message": described(error)}
        if self._is_cut or (self._events is not None and not self._stream_ended):
            return {"status": "error", "error_message": INTERRUPTED}
        return {}

    def _since_start(self, moment: float) -> float:
        """In milliseconds."""
        return (moment - self._started) * 1000


def status_of(error: BaseException) -> str:
    """From what the SDKs of all providers have in common: a time-out in the name, 429 as the status."""
    name = type(error).__name__.lower()
    if isinstance(error, TimeoutError) or "timeout" in name:
        return "timeout"
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    return "rate_limited" if status == TOO_MANY_REQUESTS or "ratelimit" in name else "error"


def described(error: BaseException) -> str:
    """Only the kind of error: a provider's message may quote the prompt."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return type(error).__name__ if _CANCELLED.isdisjoint(names) else INTERRUPTED


class Block:
    """A block of `twinmeter.call`, for wrapped clients that are called in it."""

    __slots__ = ("fields", "is_reported")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.is_reported = False
        """Whether a wrapped client reports what is called in it, so that the block does not do so again."""

    def hand_over(self) -> Mapping[str, Any]:
        """Its fields, for a call that a wrapped client reports. Its request id and reservation are of one call."""
        fields = dict(self.fields)
        if self.is_reported:
            for name in _OF_ONE_CALL:
                fields.pop(name, None)
        self.is_reported = True
        return fields


around: ContextVar[Block | None] = ContextVar("twinmeter.call", default=None)

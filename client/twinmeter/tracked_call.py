"""Timing a model call and reporting it, whatever its outcome, without changing the caller's own code."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, TypeVar

from twinmeter.context import current_fields, with_reservation
from twinmeter.observation import Block, Observation, around, guarded
from twinmeter.streams import Watched

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import TracebackType

    from typing_extensions import Self

    from twinmeter.enforcement import Enforced, OnRefused
    from twinmeter.receipts import Receipt

_COROUTINE, _GENERATOR, _ASYNC_GENERATOR = 0x80, 0x20, 0x200
"""Flags of a function's code: `inspect`, which has their names, takes longer to import than all of this."""
Function = TypeVar("Function", bound=Callable[..., Any])


class Terms(NamedTuple):
    """Whether the server is asked before a call is made, by which bounds, and what happens where it refuses."""

    enforce: bool
    bounds: Mapping[str, Any]
    on_refused: OnRefused | None


class call:  # noqa: N801 - it is used as a function
    """One model call, timed and reported, even when it fails, times out or is cut off in the middle of a stream.

        with twinmeter.call(user_id="u1", content_type="chat", provider="openai") as call:
            response = client.chat.completions.create(...)
            call.record(response)            # or: for chunk in call.stream(response): ...

    Also `async with`, and a decorator of functions and coroutine functions that return the provider's response, and of
    generator functions that yield the events of a stream.
    Fields are those of `twinmeter.track`; `model` is that of the response where it is left out, and what else is left
    out comes from `twinmeter.context`. What the block raises goes to the caller unchanged.

    Where a wrapped client (`twinmeter.wrap`) is called in the block, it reports each of its calls, with the fields of
    the block, and the block itself reports nothing.

    With `enforce` the server is asked before the block begins, by `bounds` (those of `twinmeter.reserve`). Where it
    refuses, `QuotaExceeded` is raised instead, and nothing reported; or what `on_refused` raises, which is handed the
    decision.
    """

    def __init__(
        self,
        *,
        enforce: bool = False,
        bounds: Mapping[str, Any] | None = None,
        on_refused: OnRefused | None = None,
        **fields: Any,
    ) -> None:
        self._own = {name: value for name, value in fields.items() if value is not None}
        self._terms = Terms(enforce, bounds or {}, on_refused)
        self._observation: Observation | None = None
        self._block: Block | None = None
        self._token: Token[Block | None] | None = None

    @property
    def receipt(self) -> Receipt | None:
        """What is known so far of the call's report, once the block has ended; `queued` until the server has it."""
        report = self._observation.report if self._observation else None
        return report.receipt if report else None

    def record(self, response: Any, **facts: Any) -> None:
        """Take the usage of a complete response. `facts` are further fields, and come before what it says."""
        if self._observation is not None:
            self._observation.read(response, **facts)

    def stream(self, chunks: Any) -> Any:
        """The events of a stream, sync or async, passed through untouched, and their usage recorded."""
        observation = self._observation
        if observation is None:
            return chunks
        observation.streams()
        return Watched(chunks, observation, observation.all_came)

    def __enter__(self) -> Self:
        self._begin(self._asked())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    async def __aenter__(self) -> Self:
        self._begin(await self._asked_later())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    def __call__(self, function: Function) -> Function:
        """Decorate a function, or a coroutine function, that returns the provider's response, or a generator of either
        kind that yields the events of a stream: each call is reported.
        """
        own = {**self._own, **self._terms._asdict()}

        @wraps(function)
        def tracked(*args: Any, **kwargs: Any) -> Any:
            with call(**own) as one:
                response = function(*args, **kwargs)
                one.record(response)
                return response

        @wraps(function)
        async def tracked_awaited(*args: Any, **kwargs: Any) -> Any:
            async with call(**own) as one:
                response = await function(*args, **kwargs)
                one.record(response)
                return response

        @wraps(function)
        def tracked_stream(*args: Any, **kwargs: Any) -> Any:
            events = function(*args, **kwargs)
            one = _Streamed(self._asked(), events)
            try:
                yield from one
            finally:
                one.end()

        @wraps(function)
        async def tracked_stream_awaited(*args: Any, **kwargs: Any) -> Any:
            events = function(*args, **kwargs)
            one = _Streamed(await self._asked_later(), events)
            try:
                async for event in one:
                    yield event
            finally:
                one.end()
                await one.aclose()

        flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
        kinds = (
            (_COROUTINE, tracked_awaited),
            (_GENERATOR, tracked_stream),
            (_ASYNC_GENERATOR, tracked_stream_awaited),
        )
        return next((made for flag, made in kinds if flags & flag), tracked)  # type: ignore[return-value]

    def _asked(self) -> dict[str, Any]:
        """The fields of the call, which may be made. Raises QuotaExceeded, or what `on_refused` raises."""
        fields = self._fields()
        if self._terms.enforce:
            self._enforced(fields).ask()
        return fields

    async def _asked_later(self) -> dict[str, Any]:
        fields = self._fields()
        if self._terms.enforce:
            await self._enforced(fields).ask_later()
        return fields

    def _fields(self) -> dict[str, Any]:
        return self._known() or dict(self._own)

    @guarded
    def _known(self) -> dict[str, Any]:
        return with_reservation({**current_fields(), **self._own})

    def _enforced(self, fields: dict[str, Any]) -> Enforced:
        from twinmeter.enforcement import Enforced  # noqa: PLC0415 - most calls ask nothing

        return Enforced(fields, self._terms.bounds, self._terms.on_refused)

    @guarded
    def _begin(self, fields: dict[str, Any]) -> None:
        self._block = Block(fields)
        self._token = around.set(self._block)
        self._observation = Observation(fields)
        self._observation.wants_receipt = True

    @guarded
    def _end(self, error: BaseException | None) -> None:
        if self._token is not None:
            try:
                around.reset(self._token)
            except ValueError:  # left in another task than entered: that one has its own block
                around.set(None)
        if self._observation is not None and not (self._block and self._block.is_reported):
            self._observation.over(error)


class _Streamed:
    """What a generator function yields. Between two events its block is not that of who takes them."""

    def __init__(self, known: dict[str, Any], events: Any) -> None:
        self._block = Block(known)
        self._observation = Observation(known)
        self._observation.streams()
        self._events = Watched(events, self._observation, self._observation.all_came, self._fails)
        self._error: BaseException | None = None

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        token = around.set(self._block)
        try:
            return next(self._events)
        finally:
            around.reset(token)

    async def __anext__(self) -> Any:
        token = around.set(self._block)
        try:
            return await self._events.__anext__()
        finally:
            around.reset(token)

    def _fails(self, error: BaseException) -> None:
        self._error = error

    def close(self) -> None:
        """Who takes the events has left."""
        self._events.close()

    async def aclose(self) -> None:
        """The same of those that are awaited: they end now, and not when they are collected."""
        await self._events.aclose()

    @guarded
    def end(self) -> None:
        if not self._block.is_reported:
            self._observation.over(self._error)

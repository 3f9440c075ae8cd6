"""Fields that hold for every call of a block: who the user is is known far from where the model is called."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import wraps
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Callable, Protocol, TypeVar

if TYPE_CHECKING:
    from typing_extensions import Self

_COROUTINE = 0x80
"""The flag of a coroutine function's code. `inspect`, which knows its name, takes longer to import than all of this."""
Function = TypeVar("Function", bound=Callable[..., Any])

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_fields: ContextVar[Mapping[str, Any]] = ContextVar("twinmeter", default=_NOTHING)
current_fields = _fields.get
"""The fields of the blocks around this point, those of the innermost first."""
enter, leave = _fields.set, _fields.reset
"""Set them for what follows, and take that back: for what is no block."""


class Holding(Protocol):
    """A reservation, for the call that takes it."""

    def claim(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What it adds to these fields of a call; nothing where it is not for this one, or another has taken it."""


held: ContextVar[Holding | None] = ContextVar("twinmeter.held", default=None)
"""The reservation of the innermost block around this point."""


def with_reservation(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a call that begins here, which takes the reservation around it."""
    holding = held.get()
    return fields if holding is None else {**fields, **holding.claim(fields)}


class context:  # noqa: N801 - it is used as a function
    """Fields for every call that is reported inside a `with` or `async with` block, or a decorated function.

        with twinmeter.context(user_id="u1", content_type="chat", conversation_id="c1"):
            ...

    Blocks nest: the inner one's fields come first, and those of a call before both. Fields are those of `track`. Tasks
    of asyncio that begin inside have them too; threads do not, unless they are given the context
    (`contextvars.copy_context().run`).
    """

    def __init__(self, **fields: Any) -> None:
        self._own = {name: value for name, value in fields.items() if value is not None}
        self._tokens: list[Token[Mapping[str, Any]]] = []

    def __enter__(self) -> Self:
        self._tokens.append(_fields.set({**_fields.get(), **self._own}))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ValueError, IndexError):  # left in another task than entered: that one has its own fields
            _fields.reset(self._tokens.pop())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: Function) -> Function:
        """Decorate a function, or a coroutine function."""

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with context(**self._own):
                return function(*args, **kwargs)

        @wraps(function)
        async def inside_awaited(*args: Any, **kwargs: Any) -> Any:
            with context(**self._own):
                return await function(*args, **kwargs)

        code = getattr(function, "__code__", None)
        return inside_awaited if code and code.co_flags & _COROUTINE else inside  # type: ignore[return-value]

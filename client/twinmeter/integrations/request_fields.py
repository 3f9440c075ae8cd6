"""Who makes a request is often known only after its beginning: it is asked for when a call is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Callable, Union

from twinmeter.client import current
from twinmeter.context import current_fields, enter, leave

Asked = Union[str, Callable[[Any], Any], None]
"""A field: a text, or a function of the request that gives it, or None where it is not known."""


class RequestFields(Mapping[str, Any]):
    """The fields of the calls that are made while a request is answered, and of the blocks around it.

    A function is asked with each call until it has an answer. What it raises is logged once, and the field left out.
    """

    def __init__(self, request: Any, asked: Mapping[str, Asked]) -> None:
        self._request = request
        self._asked = {name: value for name, value in asked.items() if value is not None}
        self._around = current_fields()
        self._told: dict[str, Any] = {}
        """What the last call was told."""

    def _known(self) -> dict[str, Any]:
        told = {name: self._answer(name, asked) if callable(asked) else asked for name, asked in self._asked.items()}
        self._told = {**self._around, **{name: answer for name, answer in told.items() if answer}}
        return self._told

    def _answer(self, name: str, ask: Callable[[Any], Any]) -> str | None:
        try:
            answer = ask(self._request)
            if answer is None:
                return None
            self._asked[name] = told = str(answer)  # also of an object of the framework's that stands for an id
        except Exception as error:
            current().say(f"request {name}", f"the {name} of a request is not known: {type(error).__name__}")
            return None
        return told

    def __bool__(self) -> bool:
        return bool(self._asked or self._around)

    def __getitem__(self, name: str) -> Any:
        told = self._told
        return told[name] if name in told else self._known()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())


@contextmanager
def within(fields: RequestFields) -> Iterator[None]:
    """The calls that are made in the block have these fields. Raises nothing of its own."""
    token = enter(fields)
    try:
        yield
    finally:
        with suppress(ValueError):  # left in another context than entered: that one has its own fields
            leave(token)


class Body:
    """The body of a response that is made while it is sent: what makes it is within the request's fields."""

    def __init__(self, body: Iterator[Any], fields: RequestFields) -> None:
        self._body, self._fields = body, fields

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        with within(self._fields):
            return next(self._body)

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            with within(self._fields):
                close()


def is_signed_in(user: object) -> bool:
    """Whether a framework's user is somebody: most frameworks have an object for nobody, too."""
    told = getattr(user, "is_authenticated", True)
    return bool(told() if callable(told) else told)

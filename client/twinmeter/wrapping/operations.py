"""What clients of providers can be asked for, and how a call of it is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from twinmeter.client import is_missing
from twinmeter.context import current_fields, with_reservation
from twinmeter.observation import Observation, around

if TYPE_CHECKING:
    from twinmeter.enforcement import Enforced

ENFORCE, ON_REFUSED = "enforce", "on_refused"
OF_THE_CLIENT = frozenset({ENFORCE, ON_REFUSED})
"""What a wrapped client has among its fields that no call is reported with."""

ANONYMOUS = "anonymous"
"""The user of a call of which nobody says whose it is, as for calls that come by OpenTelemetry."""


class Operation(NamedTuple):
    """One thing that a provider does."""

    content_type: str = "chat"
    """Of a call that says none itself."""
    service_type: str | None = None
    asks_for_usage: bool = False
    """Whether its streams tell their usage only where they are asked to, by `stream_options`."""
    asked: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    """What of the bill the request tells, where the response does not."""


CHAT = Operation()
EMBEDDING = Operation("embedding", "embedding")
IMAGE = Operation("image-generation", "image")
TRANSCRIPTION = Operation("transcription", "audio")


def _spoken(request: Mapping[str, Any]) -> dict[str, Any]:
    text = request.get("input")
    return {"characters": len(text)} if isinstance(text, str) else {}


SPEECH = Operation("speech", "audio", asked=_spoken)


class Starting:
    """A call that is about to begin. What is known of it is taken from where it is made.

    What is said by `twinmeter.context`, or by the block of `twinmeter.call` that this is made in, comes first, then
    `fields`, which are those of the client, then `own`, what is known of the call beside them.
    """

    def __init__(
        self,
        operation: Operation,
        fields: Mapping[str, Any],
        model: Any,
        request: Mapping[str, Any] | None = None,
        **own: Any,
    ) -> None:
        """`request`: what the provider is asked for, where the call is not made before the server has been asked."""
        self._block = around.get()
        self._was_reported = self._block is not None and self._block.is_reported
        known: dict[str, Any] = {
            "user_id": ANONYMOUS,
            "content_type": operation.content_type,
            "service_type": operation.service_type,
        }
        for told in (own, fields, current_fields() if self._block is None else self._block.hand_over()):
            known.update({name: value for name, value in told.items() if not is_missing(value)})
        known = {name: value for name, value in known.items() if value is not None and name not in OF_THE_CLIENT}
        self.known = with_reservation(known)
        self._model = model if isinstance(model, str) and model else None
        self._enforced = (
            self._asking(operation, fields, request) if fields.get(ENFORCE) and request is not None else None
        )

    def _asking(self, operation: Operation, fields: Mapping[str, Any], request: Mapping[str, Any] | None) -> Enforced:
        from twinmeter.enforcement import Enforced  # noqa: PLC0415 - most clients are wrapped without it
        from twinmeter.wrapping.bounds import bounds_of  # noqa: PLC0415

        told = {"model": self._model, **bounds_of(request or {}, operation.service_type)}
        if operation.asked is not None:
            told.update(operation.asked(request or {}))
        return Enforced(self.known, told, fields.get(ON_REFUSED))

    def ask(self) -> None:
        """Raises QuotaExceeded, or what `on_refused` raises, where limits are enforced and the call is refused."""
        if self._enforced is not None:
            with self._not_made():
                self._enforced.ask()

    async def ask_later(self) -> None:
        """The same, while the event loop goes on."""
        if self._enforced is not None:
            with self._not_made():
                await self._enforced.ask_later()

    @contextmanager
    def _not_made(self) -> Iterator[None]:
        """Where a call is refused, the block around it has none that reports itself."""
        try:
            yield
        except BaseException:
            if self._block is not None:
                self._block.is_reported = self._was_reported
            raise

    def give_back(self) -> None:
        """The call is not seen: what was held for it is given back."""
        if self._enforced is not None:
            self._enforced.give_back()

    def observation(self) -> Observation:
        """It begins now."""
        return Observation(self.known, model=self._model)


def observe(operation: Operation, fields: Mapping[str, Any], model: Any, **own: Any) -> Observation:
    """A call that begins now, and that nobody can stop."""
    return Starting(operation, fields, model, **own).observation()

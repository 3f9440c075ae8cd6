"""Room that is held on the server for one call, until that is reported or the room given back."""

from __future__ import annotations

import os
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from twinmeter.context import Holding, context, held
from twinmeter.decisions import Away, Decision, moment_of
from twinmeter.estimate import AT_MOST, most_of
from twinmeter.inquiries import Inquiry, Told
from twinmeter.questions import ENDS, Answered
from twinmeter.receipts import DROPPED, REJECTED

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from contextvars import Token
    from datetime import datetime

    from typing_extensions import Self

PATH = "/api/ai/reservations"
_OF_THE_BLOCK = ("user_id", "content_type", "client_id")
"""What is given here holds for the calls inside, too."""


class Reservation:
    """Room that is held for one call until it is settled or released: also at the end of a `with` or `async with`.

        with twinmeter.reserve("content", user_id="u1", output_tokens=500) as reservation:
            if reservation.allowed:
                ...

    The server is asked where the block begins, where it is awaited, or when it is looked at first. The first call that
    begins inside the block, by `track`, `call`, a wrapped client or an integration, takes the reservation, and settles
    it by being reported, whatever comes of it. Where none has, the end of the block releases it.
    """

    def __init__(self, inquiry: Inquiry) -> None:
        self._inquiry = inquiry
        self._decision: Decision | None = None
        self._told: Told = {}
        self._open: list[None] = []
        """Whether a call can still take it."""
        self._is_held = self._is_kept = False
        self._process = os.getpid()
        self._tokens: list[tuple[context, Token[Holding | None]]] = []

    @property
    def decision(self) -> Decision:
        """What the server says."""
        if self._decision is None:
            self._take(*self._inquiry.now(self._undo))
        return self._decision  # type: ignore[return-value]

    @property
    def allowed(self) -> bool:
        return self.decision.allowed

    @property
    def id(self) -> str | None:
        """Of the reservation on the server, for `twinmeter.track(reservation_id=...)`; None where nothing is held."""
        _ = self.decision
        found = self._told.get("id")
        return found if isinstance(found, str) else None

    @property
    def expires_at(self) -> datetime | None:
        """When the server gives the room back by itself."""
        _ = self.decision
        return moment_of(self._told.get("expiresAt"))

    def settle(self, receipt: Any = None) -> None:
        """The call was made, and is reported with this reservation's id: what it took is counted, the rest given back.

        With the receipt of a report that was refused, or lost, all of it is given back.
        """
        self._is_kept = True
        if getattr(receipt, "status", None) in {REJECTED, DROPPED}:
            self._give_back()

    def release(self) -> None:
        """The call was not made: all of it is given back, by a thread of ours."""
        if not self._is_kept:
            self._give_back()

    def _give_back(self) -> None:
        if self._is_held and os.getpid() == self._process:
            self._is_held = False
            self._taken()
            self._end(self.id)

    def claim(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Its fields, for the first call that asks for them; none for others, and for calls of other users."""
        given = fields.get("reservation_id")
        if given is not None:
            if given == self.id:
                self._taken()
            return {}
        if os.getpid() != self._process or not self._is_held or not self._is_of(fields.get("user_id")):
            return {}
        return self.fields if self._taken() else {}

    @property
    def fields(self) -> dict[str, Any]:
        """What the call it is for is reported with; nothing where nothing is held."""
        return {"reservation_id": self.id, AT_MOST: most_of(self._inquiry.known)} if self.id is not None else {}

    def _is_of(self, user: Any) -> bool:
        return user is None or str(user) == str(self._inquiry.known.get("user_id"))

    def _taken(self) -> bool:
        try:
            self._open.pop()  # atomic: calls may begin in several threads
        except IndexError:
            return False
        return True

    def _take(self, decision: Decision, told: Told) -> None:
        self._told = told if decision.allowed else {}
        self._is_held = bool(self._told.get("id"))
        self._open = [None] if self._is_held else []
        self._decision = decision

    def _undo(self, answered: Answered) -> None:
        """It was granted when nobody waited any more."""
        if answered.told.get("id") and os.getpid() == self._process:
            self._end(str(answered.told["id"]))

    def _end(self, id: str | None) -> None:
        with suppress(Exception):  # it then ends by itself
            asker = self._inquiry.client.asker
            if not isinstance(asker, Away):
                asker.run(ENDS, f"{PATH}/{id}")

    def _enter(self) -> None:
        around = context(**{name: self._inquiry.given.get(name) for name in _OF_THE_BLOCK})
        around.__enter__()
        self._tokens.append((around, held.set(self)))

    def _leave(self) -> None:
        with suppress(ValueError, IndexError):  # left in another task than entered: that one has its own
            around, token = self._tokens.pop()
            around.__exit__(None, None, None)
            held.reset(token)
        if self._open:
            self.release()

    def __enter__(self) -> Self:
        _ = self.decision
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    async def __aenter__(self) -> Self:
        await self
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def __await__(self) -> Generator[Any, None, Self]:
        return self._asked().__await__()

    async def _asked(self) -> Self:
        if self._decision is None:
            self._take(*await self._inquiry.later(self._undo))
        return self

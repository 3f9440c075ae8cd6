"""Asking for each call before it is made, and stopping it where it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from twinmeter.client import is_missing
from twinmeter.decisions import Decision, QuotaExceeded
from twinmeter.limits import reserve

if TYPE_CHECKING:
    from twinmeter.reservation import Reservation

OnRefused = Callable[[Decision], object]
"""Is handed the decision, and may raise an error of the application's own. QuotaExceeded is raised where it returns."""

_OF_THE_CALL = ("user_id", "client_id", "campaign_id", "provider", "model", "service_type", "service_tier")


class Enforced:
    """The question whether one call may be made. Asked once, before it is."""

    def __init__(self, known: dict[str, Any], bounds: Mapping[str, Any], on_refused: OnRefused | None = None) -> None:
        """`known`: the fields of the call, which get the id of its reservation. One that has an id already passes."""
        self._known = known
        self._on_refused = on_refused
        self._reservation = None
        if is_missing(known.get("reservation_id")):
            given = {name: known[name] for name in _OF_THE_CALL if name in known}
            self._reservation = reserve(known.get("content_type"), **{**given, **bounds})

    def ask(self) -> None:
        """Raises QuotaExceeded, or what `on_refused` raises."""
        if self._reservation is not None:
            self._judge(self._reservation, self._reservation.decision)

    async def ask_later(self) -> None:
        """The same, while the event loop goes on."""
        if self._reservation is not None:
            self._judge(self._reservation, (await self._reservation).decision)

    def give_back(self) -> None:
        """The call is not made after all."""
        if self._reservation is not None:
            self._reservation.release()

    def _judge(self, reservation: Reservation, decision: Decision) -> None:
        if not decision.allowed:
            if self._on_refused is not None:
                self._on_refused(decision)
            raise QuotaExceeded(decision)
        self._known.update(reservation.fields)

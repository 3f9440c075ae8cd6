"""Asking before a call is made. There are no limits on the server yet: everything is allowed, and nobody is asked.

The shapes are those that limits will have, so that what is written today needs no change then.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing_extensions import Self


class Decision(NamedTuple):
    """Whether a call may be made. Amounts are in the unit of the limit: requests, tokens or USD."""

    allowed: bool
    feature: str
    violated: tuple[str, ...] = ()
    """The names of the limits that are in the way."""
    message: str | None = None
    """For the user."""
    limit: Decimal | None = None
    used: Decimal | None = None
    asked: Decimal | None = None
    resets_at: datetime | None = None
    retry_after: float | None = None
    """Seconds."""
    upgrade_url: str | None = None


class Reservation:
    """Room that is held for one call until it is settled or released: also at the end of a `with` or `async with`.

    with twinmeter.reserve("content", user_id="u1", output_tokens=500) as reservation:
        if reservation.allowed:
            ...
    """

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.id: str | None = None
        """Of the reservation on the server; None where nothing is held."""

    @property
    def allowed(self) -> bool:
        return self.decision.allowed

    def settle(self, receipt: Any = None) -> None:
        """The call was made, and is reported: what it took is counted, and the rest given back."""

    def release(self) -> None:
        """The call was not made: all of it is given back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def check(feature: str, *, user_id: str | None = None, client_id: str | None = None) -> Decision:  # noqa: ARG001
    """Whether a call of this feature may be made now. Today it always may, and no server is asked. Never raises."""
    return Decision(allowed=True, feature=feature)


def reserve(
    feature: str,
    *,
    user_id: str | None = None,  # noqa: ARG001
    client_id: str | None = None,  # noqa: ARG001
    model: str | None = None,  # noqa: ARG001
    requests: int = 1,  # noqa: ARG001
    input_tokens: int | None = None,  # noqa: ARG001
    output_tokens: int | None = None,  # noqa: ARG001
    cost: Decimal | None = None,  # noqa: ARG001
) -> Reservation:
    """Hold room for one call, by the most that it can take. Today it is always allowed, and nothing is held.

    `input_tokens` and `output_tokens` are upper bounds; `cost` is USD. Never raises.
    """
    return Reservation(Decision(allowed=True, feature=feature))

"""Room that is held for one model call in the application's own process, from before it is made to its report."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from app.errors import InvalidRequestError
from app.ledger.outcomes import ReceiptStatus
from app.limits.answers import TTL, Held, LimitsUnavailableError
from app.limits.asks import Ask
from app.limits.decisions import Decision
from app.limits.meters import Asked
from app.observability.logs import Log
from app.tracking.asking import Asking
from app.tracking.home import AwayError
from app.tracking.receipt import TrackReceipt
from app.tracking.trackers import NOT_OPEN, trackers
from models import CallStatus
from models.call import DEFAULT_CLIENT
from models.faults import faults_of

log = Log(__name__)

Result = TypeVar("Result")

INTERRUPTED = "interrupted before the answer was complete"
"""The error of a call that its caller gave up: it may have used anything."""

_SETTLES_NOTHING = frozenset({ReceiptStatus.REJECTED, ReceiptStatus.DROPPED, ReceiptStatus.DUPLICATE})
"""Of the last the first report stands: what it has settled is not released."""
_NOT_BILLED = frozenset({CallStatus.ERROR, CallStatus.RATE_LIMITED})
_USED = (
    "tokens_used",
    "input_tokens",
    "output_tokens",
    "cost",
    "images",
    "characters",
    "video_seconds",
    "audio_seconds",
)
"""Fields of a report that say what a call used."""
_MEDIA = ("images", "characters", "video_seconds", "audio_seconds")

_current: ContextVar["AIReservation | None"] = ContextVar("twinmeter_reservation", default=None)


class AIReservation:
    """Made by `reserve_ai_call`."""

    held: Held
    """What is held, once the block has begun."""

    def __init__(self, said: Mapping[str, Any], ttl: timedelta = TTL) -> None:
        self._said = said
        self._ttl = ttl
        self._asked = Asked()
        self._reported = False
        self._token: Any = None

    @property
    def id(self) -> str:
        """`reservationId` of a call that is reported elsewhere."""
        return self.held.id

    @property
    def expires_at(self) -> datetime:
        return self.held.expires_at

    async def __aenter__(self) -> Self:
        await self.take()
        self._token = _current.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ValueError):  # of an asynchronous generator that is closed in another context
            _current.reset(self._token)
        await self.end()

    async def take(self) -> None:
        """Hold it. Raises what `reserve_ai_call` does."""
        self._ask = ask_of(self._said)
        self.held, self._asked = await _asking(lambda asking: asking.reserve_here(self._ask, ttl=self._ttl))

    async def end(self) -> None:
        """Give it back, where no call was reported with it; what cannot be given back now ends by itself."""
        if self._reported:
            return
        giving_back = asyncio.ensure_future(self._give_back())
        await asyncio.shield(giving_back)

    async def _give_back(self) -> None:
        try:
            await _asking(lambda asking: asking.release(self.id, self._ask.client_id))
        except Exception as error:  # noqa: BLE001 - it ends by itself; the application goes on
            log.warning("reservation.not_released", reason=type(error).__name__)

    def settled_by(self, reported: dict[str, Any]) -> dict[str, Any]:
        """The fields of the call that it was held for: with the reservation, and where nobody knows what it used, with
        all that was held for it. Those of any other call stay as they are.
        """
        mine = self._ask.user_id, self._ask.client_id
        theirs = reported.get("user_id"), reported.get("client_id", DEFAULT_CLIENT)
        if self._reported or mine != theirs or reported.get("reservation_id") is not None:
            return reported
        self._reported = True
        return {**reported, **self._bounds(reported), "reservation_id": self.id}

    def told(self, receipt: TrackReceipt) -> None:
        """What became of the report: a call that is not stored, or was before, settles nothing."""
        if receipt.status in _SETTLES_NOTHING:
            self._reported = False

    def _bounds(self, reported: Mapping[str, Any]) -> dict[str, Any]:
        """What the call is taken to have used, where that is not known."""
        known = any(reported.get(name) is not None for name in _USED)
        status = reported.get("status") or (CallStatus.ERROR if reported.get("success") is False else None)
        has_begun = reported.get("error_message") == INTERRUPTED or reported.get("output_text")
        not_billed = status in _NOT_BILLED and not has_begun
        inputs, outputs = self._asked.input_tokens, self._asked.output_tokens
        if known or not_billed or reported.get("cached") or inputs is None or outputs is None:
            return {}
        media = {name: most for name in _MEDIA if (most := getattr(self._ask, name))}
        tokens = {"input_tokens": inputs, "output_tokens": outputs, "estimated_usage": True}
        return {**media, **tokens, "input_text": None, "output_text": None}


def current() -> AIReservation | None:
    """That of the block around the caller."""
    return _current.get()


async def check(said: Mapping[str, Any]) -> Decision:
    """Whether a call would pass. Raises what `check_usage_limit` does."""
    ask = ask_of(said)
    return await _asking(lambda asking: asking.check(ask, key_id=None))


def ask_of(said: Mapping[str, Any]) -> Ask:
    """What is said of a call, valid. Raises InvalidRequestError."""
    try:
        return Ask.model_validate(said)
    except ValidationError as error:
        faults = [{"field": field, "message": message} for field, message in faults_of(error)]
        detail = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults)
        raise InvalidRequestError(detail, errors=faults) from None


async def _asking(ask: Callable[[Asking], Awaitable[Result]]) -> Result:
    """Ask on the loop on which tracking was opened. Raises LimitsUnavailableError where there is nobody to ask."""
    tracker = trackers.current
    if tracker is None or tracker.asking is None:
        raise LimitsUnavailableError(NOT_OPEN)
    asking = tracker.asking
    if tracker.home.is_here or tracker.home.has_moved_here():
        return await ask(asking)

    async def there() -> Result:
        return await ask(asking)

    try:
        return await tracker.home.run(there, asking.seconds)
    except TimeoutError:
        raise LimitsUnavailableError("limits did not answer in time; try again shortly") from None
    except AwayError as error:
        raise LimitsUnavailableError(str(error)) from None

"""A tracker as it is seen from other event loops and threads: what is reported there is handed to its own loop.

A caller that waits does so on its own loop, no longer than its deadline. Whatever it is told is true: once handed over
a call goes on, and where the loop cannot be reached nothing of it is kept.
"""

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from app.ledger.outcomes import ReceiptStatus
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.tracking.admission import OnceASecond
from app.tracking.background import DOOR as BACKGROUND
from app.tracking.deadlines import LATE
from app.tracking.home import AwayError
from app.tracking.receipt import Flushed, TrackReceipt
from models.call import AICall
from models.faults import Fault, faults_of
from models.fields import MAX_NAME

if TYPE_CHECKING:
    from app.tracking.tracker import Tracker

log = Log(__name__)

FUNCTION = "function"
"""The door (ingest channel) of `track_ai_request`; the routes have their own."""
_LATE = TrackReceipt(ReceiptStatus.UNKNOWN, errors=(Fault("", LATE.reason or ""),))


class Elsewhere:
    """Nothing here raises. `deadline` is that of callers, in seconds."""

    def __init__(self, tracker: "Tracker", deadline: float) -> None:
        self._tracker = tracker
        self._home = tracker.home
        self._deadline = deadline
        self._warning = OnceASecond("tracking.dropped", time.monotonic)
        self._is_told = False

    async def track(self, reported: dict[str, Any]) -> TrackReceipt:
        try:
            if self._home.has_moved_here():
                return await self._tracker.track(**reported)
            return await self._home.run(partial(self._tracker.track, **reported), self._deadline)
        except TimeoutError:
            return _LATE
        except AwayError as error:
            return self.dropped(str(error), FUNCTION)
        except Exception as error:  # noqa: BLE001 - the promise: tracking never raises into an AI endpoint
            return self._tracker.failed(error, FUNCTION)

    async def post(self, reported: dict[str, Any]) -> TrackReceipt:
        try:
            if self._home.has_moved_here():
                return await self._tracker.post(**reported)
            self._home.require()
            return self._tracker.background.post_from_elsewhere(AICall.model_validate(reported))
        except ValidationError as error:
            return self._rejected(faults_of(error), reported)
        except AwayError as error:
            return self.dropped(str(error), BACKGROUND)
        except Exception as error:  # noqa: BLE001 - as above
            return self._tracker.failed(error, BACKGROUND)

    async def flush(self, seconds: float) -> Flushed:
        try:
            if self._home.has_moved_here():
                return await self._tracker.flush(seconds)
            return await self._home.run(partial(self._tracker.flush, seconds), seconds)
        except (TimeoutError, AwayError):
            return self._tracker.life.in_hand

    def _rejected(self, faults: list[Fault], reported: dict[str, Any]) -> TrackReceipt:
        # counted where nobody else counts at the same time
        self._home.tell(lambda: self._tracker.rejected(faults, BACKGROUND, client_of(reported)))
        return TrackReceipt(ReceiptStatus.REJECTED, errors=tuple(faults))

    def dropped(self, reason: str, door: str) -> TrackReceipt:
        """Count and log a call of which nothing is kept."""
        if self._home.is_left_behind:
            self._begin_anew(reason)
        else:
            self._warning.warn(1, reason=reason)
        self._tracker.counters.count(door, ReceiptStatus.DROPPED)
        return TrackReceipt(ReceiptStatus.DROPPED, errors=(Fault("", reason),))

    def _begin_anew(self, reason: str) -> None:
        """In a forked child: say so once, and count without the locks that a thread of the parent may have held."""
        if not self._is_told:
            self._is_told = True
            self._tracker.counters = Counters()
            log.warning("tracking.forked", reason=reason)


def client_of(reported: dict[str, Any]) -> str | None:
    """Whose a refused report is, as far as it says that in a form that can be kept."""
    client = reported.get("client_id", reported.get("clientId"))
    return client if isinstance(client, str) and 0 < len(client) <= MAX_NAME else None

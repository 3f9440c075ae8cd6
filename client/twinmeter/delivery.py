"""One batch on its way: posted in as many parts as the server needs, and its receipts read row by row."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from twinmeter.calls import Call
from twinmeter.clock import TOLERANCE, Clock
from twinmeter.outcomes import Outcomes
from twinmeter.receipts import DELIVERED, REJECTED, Fault, Receipt, faults_of, receipt_of

if TYPE_CHECKING:
    from twinmeter.transport import Answer, Transport

PATH = "/api/ai/track/batch"
MOST_BYTES = 1_000_000
"""Of a batch. A single row may have more: the server says whether it takes it."""
POLITE = 50
"""Rows after which the application's own threads have their turn, a fraction of a millisecond."""

OK, TOO_LARGE = 200, 413
IN_PARTS = frozenset({400, TOO_LARGE, 422})
"""Something in the batch is not taken: which row it is shows when there is just one."""
LATER = frozenset({408, 425, 429})
"""As with every status from 500 on: the server is busy, or away."""
UNAUTHORIZED = frozenset({401, 403})


class NotTakenError(Exception):
    """The server has not taken a batch, but it, or another one, will."""

    def __init__(self, reason: str, *, retry_after: float | None = None, slowly: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after
        self.slowly = slowly
        """Until somebody changes something: a key, an address, a version."""


class Delivery:
    """Sends batches. A call that has its outcome `is_over`; the others are to be sent again."""

    def __init__(self, transport: Transport, clock: Clock, outcomes: Outcomes) -> None:
        self._transport = transport
        self._clock = clock
        self._outcomes = outcomes
        self._has_asked = False

    def allow(self, seconds: float) -> None:
        """Let no answer take longer than this."""
        self._transport.answer_seconds = min(self._transport.answer_seconds, seconds)

    def close(self) -> None:
        """Let go of the connection."""
        self._transport.close()

    def deliver(self, calls: list[Call]) -> None:
        """Send `calls`. Raises NotTakenError and UnreachableError."""
        if not self._has_asked and not self._clock.is_known:
            self._transport.learn_time()
        self._has_asked = True  # also where the answer had no date
        parts = self._parts(calls)
        while parts:
            part = parts.pop(0)
            answer = self._transport.post(PATH, b"".join(call.row or b"" for call in part))
            if answer.status == OK:
                self._read(part, answer)
            elif answer.status not in IN_PARTS:
                raise _not_taken(answer)
            elif len(part) > 1:
                half = len(part) // 2
                parts[:0] = [part[:half], part[half:]]
            else:
                self._outcomes.rejected_call(part[0], Receipt(REJECTED, errors=_problems(answer)))

    def _parts(self, calls: list[Call]) -> list[list[Call]]:
        parts: list[list[Call]] = []
        size = MOST_BYTES
        for number, call in enumerate(self._outcomes.sendable(calls, self._clock)):
            if number % POLITE == 0:
                time.sleep(0)
            length = len(call.row or b"")
            size += length
            if size > MOST_BYTES:
                parts.append([])
                size = length
            parts[-1].append(call)
        return parts

    def _read(self, part: list[Call], answer: Answer) -> None:
        receipts = _receipts(answer.content)
        for call, told in zip(part, receipts):
            status = str(told.get("status"))
            if call.is_over:  # a close has not waited for this answer
                continue
            if status in DELIVERED:
                self._outcomes.delivered_call(call, told)
            elif status == REJECTED and not self._was_misdated(call, told):
                self._outcomes.rejected_call(call, receipt_of(told))
        if len(receipts) != len(part):
            raise NotTakenError(f"the server has answered {len(part)} calls with {len(receipts)} receipts")

    def _was_misdated(self, call: Call, told: dict[str, Any]) -> bool:
        """Whether a call was refused for a time that is known better now. It is then dated anew."""
        fields = {fault.field for fault in faults_of(told)}
        if fields != {"createdAt"} or call.fields is None or abs(call.offset - self._clock.offset) <= TOLERANCE:
            return False
        call.row = None
        return not {"createdAt", "created_at"} & call.fields.keys()


def _receipts(content: bytes) -> list[dict[str, Any]]:
    try:
        receipts = json.loads(content, parse_float=Decimal)["receipts"]
        if isinstance(receipts, list) and all(isinstance(each, dict) for each in receipts):
            return receipts
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    reason = "the server's answer has no receipts: see whether TWINMETER_URL is a twinmeter server"
    raise NotTakenError(reason, slowly=True)


def _not_taken(answer: Answer) -> NotTakenError:
    status = answer.status
    if status in LATER or status >= 500:  # noqa: PLR2004 - a class of statuses
        return NotTakenError(f"the server answers {status}", retry_after=answer.retry_after)
    if status in UNAUTHORIZED:
        reason = f"the server does not accept the key ({status}): set TWINMETER_KEY to one with the scope ingest"
    elif answer.location:
        reason = f"the server answers {status}: set TWINMETER_URL to where it is, by {answer.location[:200]}"
    else:
        reason = f"the server answers {status}: see whether TWINMETER_URL is right, and the server not too old"
    return NotTakenError(reason, retry_after=answer.retry_after, slowly=True)


def _problems(answer: Answer) -> tuple[Fault, ...]:
    try:
        problem = json.loads(answer.content)
        faults = faults_of(problem) or (Fault("", str(problem["detail"])),)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        faults = (Fault("", "the call is too large" if answer.status == TOO_LARGE else f"status {answer.status}"),)
    return faults

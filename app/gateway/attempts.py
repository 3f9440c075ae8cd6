"""Who answers a call: the first upstream that does, of those that may. Once one has begun, no other is asked."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from app.gateway.account import Account
from app.gateway.beginnings import begun
from app.gateway.formats.base import Format, GatewayError, Wanted
from app.gateway.requests import Incoming, request_for
from app.gateway.transport import Transport, UpstreamAnswer, UpstreamError
from app.gateway.upstreams.health import outcome_of_failure, outcome_of_status
from app.gateway.upstreams.upstreams import Outcome, Target, Upstreams
from app.limits.answers import LimitsUnavailableError

FAILED = 400
"""From here on a status is an error (RFC 9110, 15)."""
EVENTS = "text/event-stream"
_NOT_HERE = frozenset({401, 402, 403, 404, 408, 409, 429})
"""Errors that another upstream may not have: its key is taken, it has the model, and room."""


class Opened(NamedTuple):
    """An answer whose head has come."""

    target: Target
    answer: UpstreamAnswer


class Attempts:
    """Of one process."""

    def __init__(self, upstreams: Upstreams, transport: Transport) -> None:
        self._upstreams = upstreams
        self._transport = transport

    async def first(
        self, incoming: Incoming, wanted: Wanted, targets: Sequence[Target], account: Account, hop: str
    ) -> Opened:
        """The answer of the first target that answers; of the last one whatever comes. Raises UpstreamError."""
        for target, then in zip(targets, (*targets[1:], None), strict=True):
            try:
                answer = await self._asked(incoming, wanted, target, account, hop)
                if then is not None:
                    answer = await self._looked_at(answer, incoming.form, wanted, target, account)
            except UpstreamError:
                if then is None or not await _moves(account, then):
                    raise
                continue
            if then is None or not _asks_on(answer.status) or not await _moves(account, then, answer):
                return Opened(target, answer)
            answer.close()
        raise AssertionError  # there is at least one target

    async def _asked(
        self, incoming: Incoming, wanted: Wanted, target: Target, account: Account, hop: str
    ) -> UpstreamAnswer:
        since = time.perf_counter()
        try:
            answer = await self._transport.open(request_for(incoming, wanted, target, hop))
        except UpstreamError as error:
            self._ended(target, outcome_of_failure(error.kind), since)
            account.tried(target, since, reason=error.kind)
            raise
        outcome = outcome_of_status(answer.status)
        self._ended(target, outcome, since, _retry_after(answer))
        account.tried(target, since, status=answer.status, reason=None if outcome == "success" else outcome)
        return answer

    async def _looked_at(
        self, answer: UpstreamAnswer, form: Format, wanted: Wanted, target: Target, account: Account
    ) -> UpstreamAnswer:
        """The same answer, once its stream has begun to say something."""
        if answer.status >= FAILED or not is_stream_of_events(answer.headers):
            return answer
        since = time.perf_counter()
        try:
            return await begun(answer, form.reading(wanted, answer.status, EVENTS))
        except UpstreamError as error:
            answer.close()
            self._ended(target, outcome_of_failure(error.kind), since, had_begun=True)
            account.attempts[-1]["reason"] = error.kind
            raise
        except asyncio.CancelledError:  # the client has left, or the server stops
            answer.close()
            raise

    def broke_off(self, opened: Opened, error: UpstreamError, since: float) -> None:
        """An answer that had begun has no end."""
        if opened.answer.status < FAILED:  # else it was a failure before
            self._ended(opened.target, outcome_of_failure(error.kind), since, had_begun=True)

    def _ended(
        self,
        target: Target,
        outcome: Outcome,
        since: float,
        retry_after: float | None = None,
        *,
        had_begun: bool = False,
    ) -> None:
        self._upstreams.health.ended(
            target.upstream,
            outcome=outcome,
            seconds=time.perf_counter() - since,
            retry_after=retry_after,
            model=target.model,
            had_begun=had_begun,
        )


def is_stream_of_events(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether an answer is one of server-sent events."""
    return content_type(headers).startswith(EVENTS)


def content_type(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """In lower case; empty where none is said."""
    return next((value.decode("latin-1").strip().lower() for name, value in headers if name == b"content-type"), "")


def _asks_on(status: int) -> bool:
    """Whether another upstream may answer better."""
    return status in _NOT_HERE or status >= 500  # noqa: PLR2004 - RFC 9110


async def _moves(account: Account, target: Target, answer: UpstreamAnswer | None = None) -> bool:
    """Whether the limits have room for the call at another target. `answer` is what there is for want of that."""
    try:
        await account.reserve(target)
    except (GatewayError, LimitsUnavailableError):
        return False
    except asyncio.CancelledError:
        if answer is not None:
            answer.close()
        raise
    return True


def _retry_after(answer: UpstreamAnswer) -> float | None:
    """In seconds, as far as the answer says; of a date until then."""
    for name, value in answer.headers:
        if name in {b"retry-after", b"retry-after-ms"}:
            text = value.decode("latin-1").strip()
            with suppress(ValueError, OverflowError):
                return float(text) / (1_000 if name.endswith(b"ms") else 1)
            with suppress(ValueError, TypeError, OverflowError):
                return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    return None

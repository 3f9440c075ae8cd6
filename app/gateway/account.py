"""One call as the ledger and the limits have it: whose it is, what is held for it, and what became of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pydantic import ValidationError

from app.gateway.formats.base import Wanted
from app.gateway.formats.errors import gateway_error
from app.gateway.upstreams.upstreams import Target
from app.limits.answers import LimitsUnavailableError
from app.limits.asks import Ask
from app.limits.refusals import QuotaExceededError, UnboundedAskError
from app.observability.logs import Log
from app.tracking.receipt import TrackReceipt
from app.tracking.tracker import Call, Tracker
from models import CallStatus
from models.attempt import MOST_ATTEMPTS
from models.call import AICall
from models.faults import faults_of

DOOR = "gateway"
HOLD = timedelta(minutes=10)
"""After which what is held for a call that has not ended is given back; when it ends, what it used is counted."""
ASK_SECONDS = 2.0
"""How long a call waits for an answer of its limits, at most: less than it will wait for its model."""

log = Log(__name__)


@dataclass(frozen=True, slots=True)
class Whose:
    """Who is billed for a call, and what its client says of it."""

    user_id: str
    client_id: str
    key_id: str | None
    said: Mapping[str, str]
    """Fields of `AICall` that its headers name: conversation, campaign, experiment and variant, content type."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended."""

    status: CallStatus = CallStatus.SUCCESS
    reason: str | None = None
    """Why it is no success, in our own words or in one of the provider's: never in a text."""
    reported: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `AICall` that the answer says."""
    settles: bool = True
    """False where nobody knows what it used: what was held for it stays held until it expires."""

    @classmethod
    def unforeseen(cls) -> "Ending":
        """By a fault of ours."""
        return cls(CallStatus.ERROR, "internal_error")


class Account:
    """Of one call."""

    def __init__(self, tracker: Tracker, whose: Whose, wanted: Wanted, entry_id: ObjectId, *, since: float) -> None:
        """`since`: when the request was there, by `time.perf_counter`."""
        self._tracker = tracker
        self._whose = whose
        self._wanted = wanted
        self.entry_id = entry_id
        """What the call will be in the ledger."""
        self.started = since
        self._asked: float | None = None
        """When the first upstream was asked."""
        self.ended: float | None = None
        self.first_output: float | None = None
        self.keep_alives = 0
        """That its client was sent."""
        self.target: Target | None = None
        self.attempts: list[dict[str, Any]] = []
        self._held: str | None = None
        self._held_for: Target | None = None

    async def reserve(self, target: Target) -> None:
        """Hold what the call may use at most where this target answers it; what was held for another is given back.

        Raises LimitsUnavailableError, and GatewayError where a limit has no room or the call no bound.
        """
        if not self._wanted.counted or (self._held_for is not None and _costs_the_same(self._held_for, target)):
            self.target = target
            return
        asking = self._tracker.asking
        if asking is None:
            raise LimitsUnavailableError("limits are not there yet; try again shortly")
        await self.release()
        if asking.limits.definitions.none:
            self.target = target
            return
        ask = Ask(
            user_id=self._whose.user_id,
            client_id=self._whose.client_id,
            campaign_id=self._whose.said.get("campaign_id"),
            content_type=self._content_type,
            model=target.model,
            provider=target.upstream.provider,
            service_type=self._wanted.service_type,
            **self._wanted.asked_of(target.model),
        )
        try:
            held, _ = await asking.reserve_here(ask, key_id=self._whose.key_id, seconds=ASK_SECONDS, ttl=HOLD)
        except (QuotaExceededError, UnboundedAskError) as error:
            raise gateway_error(error, self._wanted) from None  # by the name that its API has for the bound
        self._held, self._held_for, self.target = held.id, target, target

    async def release(self) -> None:
        """Give back what is held: nothing was used of it. What cannot be given back now expires."""
        held, self._held, self._held_for = self._held, None, None
        if held is None or self._tracker.asking is None:
            return
        try:
            await self._tracker.asking.release(held, self._whose.client_id)
        except Exception as error:  # noqa: BLE001 - it expires; the call goes on
            log.warning("gateway.not_released", reason=type(error).__name__)

    def tried(self, target: Target, since: float, *, status: int | None = None, reason: str | None = None) -> None:
        """An upstream was asked, and its answer began or did not."""
        self._asked = self._asked or since
        milliseconds = round((time.perf_counter() - since) * 1000)
        attempt = {"upstream": target.upstream.name, "model": target.model, "milliseconds": milliseconds}
        attempt |= {name: value for name, value in (("status", status), ("reason", reason)) if value is not None}
        self.attempts.append(attempt)

    def added(self, now: float) -> float | None:
        """Seconds that were not the upstreams', of a call that is over `now`; None where none was asked."""
        if self._asked is None or self.ended is None:
            return None
        return (self._asked - self.started) + (now - self.ended)

    async def close(self, ending: Ending) -> TrackReceipt | None:
        """Report the call, and settle what was held for it. Never raises; None of what is no call of the ledger."""
        if not self._wanted.counted:
            return None
        self.ended = self.ended or time.perf_counter()
        try:
            return await self._reported(ending)
        except Exception as error:  # noqa: BLE001 - the client gets its answer all the same
            log.error("gateway.not_tracked", error=type(error).__name__)  # noqa: TRY400 - a message may quote
            return None

    async def _reported(self, ending: Ending) -> TrackReceipt:
        about = self._about(ending)
        try:
            fields = {**about, **ending.reported}
            call: Call = self._tracker.common(fields) or AICall.model_validate(fields)
        except ValidationError as error:
            # whatever an upstream says of its usage, the call is in the ledger
            faults = ", ".join(name for name, _ in faults_of(error))
            log.warning("gateway.usage_unreadable", fields=faults)
            call = AICall.model_validate(about | {"unreadable_reason": faults})
        return await self._tracker.track_call(
            call, DOOR, key_id=self._whose.key_id, sender=self._whose.client_id, entry_id=self.entry_id
        )

    def _base(self) -> dict[str, Any]:
        target = self.target
        assert target is not None  # noqa: S101 - a call without one is refused before
        return {
            **self._whose.said,
            "user_id": self._whose.user_id,
            "client_id": self._whose.client_id,
            "content_type": self._content_type,
            "model": target.model,
            "provider": target.upstream.provider,
            "service_type": self._wanted.service_type,
            "endpoint": self._wanted.operation.value,
            "upstream": target.upstream.name,
        }

    def _about(self, ending: Ending) -> dict[str, Any]:
        """Fields of `AICall`, but for those that the answer says."""
        fields = self._base()
        fields["request_duration"] = self._since_start(self.ended)
        if self.first_output is not None:
            fields["time_to_first_token"] = self._since_start(self.first_output)
        if len(self.attempts) > 1:
            fields["attempts"] = self.attempts[-MOST_ATTEMPTS:]
        if self._held is not None and ending.settles:
            fields["reservation_id"] = self._held
        if ending.status is not CallStatus.SUCCESS:
            fields |= {"status": ending.status, "error_message": ending.reason}
        return fields

    @property
    def _content_type(self) -> str:
        return self._whose.said.get("content_type", self._wanted.content_type)

    def _since_start(self, moment: float | None) -> int:
        return round(((moment or time.perf_counter()) - self.started) * 1000)


def _costs_the_same(one: Target, other: Target) -> bool:
    return one.model == other.model and one.upstream.provider == other.upstream.provider

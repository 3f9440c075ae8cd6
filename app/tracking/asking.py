"""Asking before a call is made: what it may use at most, of which feature, and whether its limits have room."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from app.ledger.features import Features
from app.ledger.recording import Recorder
from app.ledger.twins import twin_id
from app.limits import Limits
from app.limits.answers import TTL, Held, LimitState, Refusal
from app.limits.asks import Ask, Asks
from app.limits.decisions import Decision
from app.limits.meters import Asked, Caller, Purpose
from app.limits.refusals import EVERYTHING, QuotaExceededError, Sight, UnboundedAskError
from models import ServiceType
from models.call import UNKNOWN_MODEL

LEAST, LEAST_SECONDS = Decimal("1e-15"), Decimal("1e-6")
"""USD and seconds: of a call whose model is not said, which uses something all the same."""


class Asking:
    """Of one process: by its features, its prices and its limits."""

    def __init__(self, recorder: Recorder, limits: Limits, seconds: float) -> None:
        """`seconds`: for how long callers in process wait at most."""
        self.limits = limits
        self.seconds = seconds
        self._features: Features = recorder.features
        self._asks = Asks(recorder.pricing)

    async def check(
        self, ask: Ask, *, key_id: str | None, seconds: float | None = None, sees: Sight = EVERYTHING
    ) -> Decision:
        """Whether a call would pass now. Nothing is taken.

        Raises UnboundedAskError, and LimitsUnavailableError within so many seconds.
        """
        caller, purpose, asked = self._asked(ask, key_id, TTL)
        if ask.model == UNKNOWN_MODEL:
            purpose, asked = purpose._replace(model=None), _least(ask, asked)
        if (refusal := await self.limits.check(caller, purpose, asked, seconds=seconds or self.seconds)) is None:
            return Decision(allowed=True, feature=purpose.feature)
        return Decision.refused(self._error(refusal, caller, sees), purpose.feature)

    async def reserve(
        self,
        ask: Ask,
        *,
        principal: str,
        key_id: str | None,
        seconds: float | None = None,
        ttl: timedelta = TTL,
        id_: str | None = None,
        sees: Sight = EVERYTHING,
    ) -> Held:
        """Hold what a call may use of every limit that applies. Under an id that is given, only once.

        Raises QuotaExceededError, UnboundedAskError, ConflictError where what had the id has ended, and
        LimitsUnavailableError within so many seconds.
        """
        caller, purpose, asked = self._asked(ask, key_id, ttl)
        answer = await self.limits.reserve(
            caller,
            purpose,
            asked,
            principal=principal,
            ttl=ttl,
            seconds=seconds or self.seconds,
            content_type=ask.content_type,
            id_=id_,
        )
        if isinstance(answer, Refusal):
            raise self._error(answer, caller, sees)
        return answer

    async def reserve_here(
        self, ask: Ask, *, key_id: str | None = None, seconds: float | None = None, ttl: timedelta = TTL
    ) -> tuple[Held, Asked]:
        """The same for a call that this process reports itself: from what it has in hand, where that is enough."""
        caller, purpose, asked = self._asked(ask, key_id, ttl)
        principal = ask.client_id
        held = self.limits.reserve_at_once(caller, purpose, asked, ttl=ttl, principal=principal)
        if held is None:
            held = await self.reserve(ask, principal=principal, key_id=key_id, seconds=seconds, ttl=ttl)
        return held, asked

    async def release(self, reservation: str, principal: str) -> bool:
        """Give back what is held, where its call was not made. False where `principal` has no open one of this id."""
        return await self.limits.release(reservation, principal)

    async def states(self, ask: Ask, key_id: str | None) -> Sequence[LimitState]:
        """The limits of a call, with what is used and held of each. Raises PyMongoError."""
        return await self.limits.state(_caller(ask, key_id), self.purpose(ask))

    @staticmethod
    def id_of(ask: Ask, request_id: str, *, by_user: bool) -> str:
        """The id of the reservation for a named request: that of the entry that its call will be."""
        return str(twin_id(ask.client_id, request_id, ask.user_id if by_user else None))

    def purpose(self, ask: Ask) -> Purpose:
        """What kind of call it is, by the words of the ledger."""
        feature = self._features.of(ask.content_type)
        return Purpose(feature.name, (ask.service_type or feature.service_type).value, ask.model, ask.provider)

    def _asked(self, ask: Ask, key_id: str | None, ttl: timedelta) -> tuple[Caller, Purpose, Asked]:
        purpose = self.purpose(ask)
        asked = self._asks.of(ask, ServiceType(purpose.service_type), datetime.now(UTC), ttl)
        return _caller(ask, key_id), purpose, asked

    def _error(self, refusal: Refusal, caller: Caller, sees: Sight) -> QuotaExceededError:
        if refusal.unbounded:
            raise UnboundedAskError(refusal)
        plan, _ = self.limits.definitions.plan_of(caller)
        return QuotaExceededError(refusal, upgrade_url=plan.upgrade_url, sees=sees)


def _caller(ask: Ask, key_id: str | None) -> Caller:
    return Caller(ask.user_id, ask.client_id, key_id, ask.campaign_id)


def _least(ask: Ask, asked: Asked) -> Asked:
    """What a call asks for of which nobody says the model yet."""
    tokens = (ask.most_input or 0) + (ask.max_output_tokens or 0)
    return Asked(tokens=max(tokens, 1), usd=LEAST, images=asked.images, seconds=asked.seconds or LEAST_SECONDS)

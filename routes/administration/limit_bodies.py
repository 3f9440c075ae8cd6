"""What is sent and answered about limits."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from app.http.openapi import exemplified
from app.limits.answers import LimitState
from app.limits.defining.limits import FIXED
from app.limits.defining.storage import version_of
from app.reports.rows import Row
from models.fields import Name
from models.limits import (
    MOST_ALERTS,
    Allowance,
    Amount,
    Kind,
    Limit,
    LimitFilter,
    LimitScope,
    Percent,
    Unbounded,
    Unit,
    WhenAway,
    Window,
)
from routes.administration.sent import Sent, fixed


class NewLimit(Allowance):
    """A limit to set."""

    model_config = exemplified(
        {"scope": {"userId": "u1"}, "unit": "requests", "window": "day", "amount": 10, "kind": "hard"}
    )

    scope: LimitScope


class LimitChange(Sent):
    """What changes of a limit; what is left out stays. What it counts cannot change."""

    name: Name | None = None
    amount: Amount = Decimal(0)
    kind: Kind = Kind.HARD
    overage_cap: Amount | None = None
    alert_percents: Annotated[tuple[Percent, ...], Field(max_length=MOST_ALERTS)] = ()
    when_away: WhenAway = WhenAway.LEASE
    unbounded: Unbounded = Unbounded.REFUSE
    version: Name | None = None
    """That of the limit as it was seen: it is changed only if it still is so."""

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in super().given().items() if name != "version"}

    @model_validator(mode="before")
    @classmethod
    def _counts_the_same(cls, sent: Any) -> Any:
        return fixed(sent, FIXED, "cannot change: end this limit, and make another one")


class FilterBody(Row):
    """Which calls count: those that match all that is given."""

    service_type: str | None
    model: str | None
    feature: str | None

    @classmethod
    def of(cls, filter_: LimitFilter) -> Self:
        return cls(service_type=filter_.service_type, model=filter_.model, feature=filter_.feature)


class AllowanceBody(Row):
    """What is allowed, over which time, and what happens beyond."""

    name: str | None
    filter: FilterBody
    unit: Unit
    window: Window
    timezone: str | None
    """Of the window; null for that of the subscription, else of the deployment."""
    amount: Decimal
    kind: Kind
    overage_cap: Decimal | None
    alert_percents: list[int]
    when_away: WhenAway
    unbounded: Unbounded

    @classmethod
    def of(cls, allowance: Allowance, /, **more: Any) -> Self:
        return cls(
            name=allowance.name,
            filter=FilterBody.of(allowance.filter),
            unit=allowance.unit,
            window=allowance.window,
            timezone=allowance.timezone,
            amount=allowance.amount,
            kind=allowance.kind,
            overage_cap=allowance.overage_cap,
            alert_percents=list(allowance.alert_percents),
            when_away=allowance.when_away,
            unbounded=allowance.unbounded,
            **more,
        )


class ScopeBody(Row):
    """Whose calls are counted together."""

    user_id: str | None
    client_id: str | None
    key_id: str | None
    subscription: str | None
    feature: str | None
    campaign_id: str | None
    everyone: bool | None

    @classmethod
    def of(cls, scope: LimitScope) -> Self:
        return cls(**scope.model_dump())


class CurrentBody(Row):
    """What is used of a limit in the current period, to the last call that was recorded."""

    start: datetime
    resets_at: datetime | None
    """Null for a lifetime."""
    allowance: Decimal
    """The amount with grants."""
    used: Decimal
    held: Decimal
    """By open reservations."""

    @classmethod
    def of(cls, state: LimitState) -> Self:
        return cls(
            start=state.counter.period.start,
            resets_at=state.resets_at,
            allowance=state.allowance,
            used=state.used,
            held=state.held,
        )


class LimitBody(AllowanceBody):
    """One limit. Of a plan's allowance, the id names the plan and its version."""

    id: str
    scope: ScopeBody
    version: str
    """Another one whenever anything of it is another."""
    generation: int
    """Raised with the amount: its alerts are then told again."""
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    current: CurrentBody | None = None
    """Only where one limit is asked for that has not ended."""

    @classmethod
    def of_limit(cls, limit: Limit, /, **more: Any) -> Self:
        return cls.of(
            limit,
            id=limit.id,
            scope=ScopeBody.of(limit.scope),
            version=version_of(limit),
            generation=limit.generation,
            created_at=limit.created_at,
            created_by=limit.created_by,
            ended_at=limit.ended_at,
            **more,
        )


class LimitList(Row):
    """Limits, the newest first."""

    limits: list[LimitBody]
    next_cursor: str | None


class AppliedBody(LimitBody):
    """A limit that applies to a caller."""

    allowance: Decimal
    """The amount with grants, in the current period."""
    ceiling: Decimal | None
    """Beyond which calls are refused; null where none is."""
    resets_at: datetime | None
    tightest: bool
    """Whether it is the one that refuses first, of those that count the same in the same period: it decides."""


class AppliedList(Row):
    """Every limit that applies to a caller, by plan and beside it; where two count the same, the tightest decides."""

    plan: str
    version: int
    plan_name: str
    subscription: str | None
    """Null where the default plan holds."""
    limits: list[AppliedBody]

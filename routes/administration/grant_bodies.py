"""Bodies of grants: as they are sent, and as they are answered."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from app.http.openapi import exemplified
from app.limits.defining.grants import MOST_PERIODS, Begin, Target
from app.reports.rows import Row
from models.fields import Moment, Name
from models.limits import Amount, LimitFilter, LimitScope, Unit, Window
from models.plans import Grant, GrantKind
from routes.administration.limit_bodies import FilterBody, ScopeBody
from routes.administration.sent import Sent, fixed

Note = Annotated[str, Field(max_length=1_000)]


class NewGrant(Sent):
    """What to grant: more of a limit (`limitId`), or of the allowance of a plan (`scope`, `unit`, `window`)."""

    model_config = exemplified(
        {"kind": "top_up", "scope": {"userId": "u1"}, "unit": "requests", "window": "period", "amount": 100}
    )

    kind: GrantKind
    amount: Amount
    """More, of a top-up; at most, of a carry-over; instead, of an override."""
    limit_id: Name | None = None
    scope: LimitScope | None = None
    unit: Unit | None = None
    window: Window | None = None
    filter: LimitFilter = LimitFilter()
    expires_at: Moment | None = None
    """Of a top-up or a carry-over: it holds to the end of the period in which it expires; never, by default."""
    periods: Annotated[int, Field(ge=1, le=MOST_PERIODS)] = 1
    """For how many periods an override holds."""
    begin: Begin = Begin.NOW
    """With which period an override begins: the current or the next one."""
    note: Note | None = None

    def target(self) -> Target:
        return Target(self.limit_id, self.scope, self.unit, self.window, self.filter)


class GrantChange(Sent):
    """What changes of a grant; what is left out stays."""

    expires_at: Moment | None = None
    note: Note | None = None

    @model_validator(mode="before")
    @classmethod
    def _same_grant(cls, sent: Any) -> Any:
        names = ("kind", "amount", "limitId", "scope", "unit", "window", "filter", "periods", "begin")
        return fixed(sent, names, "cannot change: end this grant, and make another one")


class GrantBody(Row):
    """One grant."""

    id: str
    kind: GrantKind
    scope: ScopeBody
    limit_id: str | None
    """Null for the allowance of the plan, whichever that is."""
    filter: FilterBody
    unit: Unit
    window: Window
    amount: Decimal
    starts_at: datetime
    expires_at: datetime | None
    note: str | None
    spent: Decimal | None
    """Of a top-up, in the periods before `settledTo`."""
    settled_to: datetime
    created_at: datetime
    created_by: str
    ended_at: datetime | None

    @classmethod
    def of(cls, grant: Grant) -> Self:
        spent = grant.settled_before(grant.settled_to) if grant.kind is GrantKind.TOP_UP else None
        return cls(
            id=grant.id,
            kind=grant.kind,
            scope=ScopeBody.of(grant.scope),
            limit_id=grant.limit,
            filter=FilterBody.of(grant.filter),
            unit=grant.unit,
            window=grant.window,
            amount=grant.amount,
            starts_at=grant.starts_at,
            expires_at=grant.expires_at,
            note=grant.note,
            spent=spent,
            settled_to=grant.settled_to,
            created_at=grant.created_at,
            created_by=grant.created_by,
            ended_at=grant.ended_at,
        )


class GrantList(Row):
    """Grants, the newest first."""

    grants: list[GrantBody]
    next_cursor: str | None

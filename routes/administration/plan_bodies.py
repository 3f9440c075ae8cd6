"""Bodies of plans: as they are sent, and as they are answered."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, StrictBool, StringConstraints, model_validator

from app.http.openapi import exemplified
from app.reports.rows import Row
from models.fields import Name
from models.limits import Allowance, Amount, Interval
from models.plans import MOST_ALLOWANCES, PlanVersion
from routes.administration.limit_bodies import AllowanceBody
from routes.administration.sent import PlanName, Sent, fixed

Allowances = Annotated[tuple[Allowance, ...], Field(max_length=MOST_ALLOWANCES)]
Link = Annotated[str, StringConstraints(pattern=r"^(https?://|/)\S*$", max_length=2_000)]


class NewPlan(Sent):
    """A plan to make."""

    model_config = exemplified(
        {
            "plan": "free",
            "name": "Free",
            "allowances": [{"name": "chat messages", "unit": "requests", "window": "period", "amount": 50}],
        }
    )

    plan: PlanName
    name: Name
    interval: Interval = Interval.MONTH
    allowances: Allowances = ()
    price: Amount | None = None
    """USD for an interval."""
    default: StrictBool = False
    """Make it the plan of whoever has no subscription."""
    upgrade_url: Link | None = None


class PlanChange(Sent):
    """What changes of a plan, in a new version; what is left out stays. To be the default needs no new version."""

    name: Name = ""
    interval: Interval = Interval.MONTH
    allowances: Allowances = ()
    price: Amount | None = None
    default: StrictBool = False
    upgrade_url: Link | None = None

    @model_validator(mode="before")
    @classmethod
    def _same_plan(cls, sent: Any) -> Any:
        return fixed(sent, ("plan", "version"), "cannot change: make another plan")


class PlanBody(Row):
    """One version of a plan."""

    plan: str
    version: int
    name: str
    interval: Interval
    allowances: list[AllowanceBody]
    """Empty: it has no limits."""
    price: Decimal | None
    default: bool
    built_in: bool
    upgrade_url: str | None
    created_at: datetime
    created_by: str
    ended_at: datetime | None
    subscribers: int | None = None
    """Only where one plan is asked for, or ended."""

    @classmethod
    def of(cls, version: PlanVersion, *, built_in: bool = False, subscribers: int | None = None) -> Self:
        return cls(
            plan=version.plan,
            version=version.version,
            name=version.name,
            interval=version.interval,
            allowances=[AllowanceBody.of(one) for one in version.allowances],
            price=version.price,
            default=version.default,
            built_in=built_in,
            upgrade_url=version.upgrade_url,
            created_at=version.created_at,
            created_by=version.created_by,
            ended_at=version.ended_at,
            subscribers=subscribers,
        )


class PlanVersionsBody(PlanBody):
    """The newest version of a plan, and all of them."""

    versions: list[PlanBody]


class PlanList(Row):
    """The newest version of each plan, by name, and the plan of whoever has no subscription."""

    default_plan: PlanBody
    plans: list[PlanBody]
    next_cursor: str | None


class EndedPlan(PlanBody):
    """A plan that was ended."""

    message: str

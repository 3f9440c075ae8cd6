"""Answers about why a cost changed."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.reports.query import Synthetic
from app.reports.rows import Row, Window


class Status(StrEnum):
    """In which of the windows something was used."""

    BOTH = "both"
    NEW = "new"
    GONE = "gone"


class Side(Row):
    """What was used in one of the windows."""

    requests: int
    cost: Decimal
    tokens: int
    cached: int
    unpriced: int
    """Calls without a price, which are in no cost."""


class Effects(Row):
    """What each cause changed, in USD, one after the other in this order. They sum to `change` exactly."""

    days: Decimal
    """That one window is longer: as many calls a day on the days of the other."""
    volume: Decimal
    """That features were used more or less."""
    mix: Decimal
    """That other models answered: calls of a feature that moved between models, new ones and such that are gone."""
    tokens: Decimal
    """That a call used more or less: tokens, images, seconds or characters."""
    price: Decimal
    """That the same usage cost more or less: prices, tiers, and calls that had no price."""
    caching: Decimal
    """That caches saved more or less of it."""


class Explained(Row):
    """One group of calls in both windows."""

    name: str
    status: Status
    now: Side
    earlier: Side
    change: Decimal
    """In USD, from the earlier window to this one."""
    effects: Effects
    largest: str | None
    """The effect that has most of the change; null where nothing changed."""


class ExplainedModel(Explained):
    """One model at one provider."""

    provider: str
    model: str


class ExplainedPart(ExplainedModel):
    """One model in one feature, the smallest group. Its name is such as `gpt-4o in chat`."""

    service_type: str
    feature: str


class ExplainedUser(Row):
    """One user. What a user did is not told apart by kinds of tokens."""

    user_id: str
    status: Status
    requests: int
    earlier_requests: int
    cost: Decimal
    earlier_cost: Decimal
    change: Decimal
    volume: Decimal
    """That the user made more or fewer calls, at the user's own former cost of a call; all of the change of who is new
    or gone.
    """
    cost_of_call: Decimal
    """The rest: that a call of the user cost more or less."""


class OtherUsers(Row):
    """All who are not listed."""

    users: int
    change: Decimal


class ExplainReport(Row):
    """`GET /api/admin/ai/explain`. Rows are in order of how far their cost changed, and sum to the totals exactly."""

    window: Window
    earlier: Window
    compared: str
    """The two windows, in words."""
    synthetic: Synthetic
    totals: Explained
    by_feature: list[Explained]
    by_model: list[ExplainedModel]
    by_provider: list[Explained]
    top: list[ExplainedPart]
    """The twenty parts that changed most."""
    rest: Explained
    """All other parts together."""
    by_user: list[ExplainedUser]
    """The twenty users whose cost changed most."""
    other_users: OtherUsers
    generated_at: datetime

"""What is answered about campaigns."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from app.finance.campaigns.budgets import Reached
from app.reports.query import Synthetic
from app.reports.rows import Row, Window
from models.campaigns import Campaign


class State(StrEnum):
    """Where a campaign is in its time."""

    PLANNED = "planned"
    RUNNING = "running"
    ENDED = "ended"


class CampaignBody(Row):
    """One campaign, as it is defined."""

    id: str
    campaign_id: str
    client_id: str | None
    """The only client whose calls count; null for all clients together."""
    name: str
    owner: str | None
    begins: date
    ends: date | None
    """Its last day; null while it is open."""
    budget: Decimal | None
    """In USD, for all calls that name it, whenever; null for none."""
    limit_id: str | None
    """Of the limit that the budget is, with its alerts."""
    note: str | None
    state: State
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, campaign: Campaign, today: date) -> Self:
        fields = {name: getattr(campaign, name) for name in cls.model_fields if name not in {"limit_id", "state"}}
        return cls(**fields, limit_id=campaign.limit, state=state_of(campaign, today))


def state_of(campaign: Campaign, today: date) -> State:
    """On a day of the deployment's zone."""
    if today < campaign.begins:
        return State.PLANNED
    return State.RUNNING if campaign.ends is None or today <= campaign.ends else State.ENDED


class UndefinedCampaign(Row):
    """One that calls name, and nobody has defined."""

    campaign_id: str
    client_id: str
    requests: int
    """Of the last 90 days, as is the cost."""
    cost: Decimal
    advice: str


class CampaignList(Row):
    """`GET /api/admin/campaigns`."""

    campaigns: list[CampaignBody]
    undefined: list[UndefinedCampaign]
    """With the first page: those that cost most first, a hundred of them."""
    next_cursor: str | None


class CampaignTotals(Row):
    """What calls come to; costs in USD."""

    requests: int
    successes: int
    input_tokens: int
    output_tokens: int
    tokens_used: int
    unpriced: int
    """Calls without a known price: they are in no cost."""
    cost: Decimal
    saved_cost: Decimal


class CampaignDay(CampaignTotals):
    """One day."""

    day: date


class CampaignModel(CampaignTotals):
    """One model at one provider."""

    provider: str
    model: str


class CampaignFeature(CampaignTotals):
    """One feature."""

    feature: str


class CampaignClient(CampaignTotals):
    """One client."""

    client_id: str


class CampaignUser(Row):
    """One user."""

    user_id: str
    requests: int
    tokens_used: int
    cost: Decimal


class BudgetUse(Row):
    """The budget, and all calls that name the campaign, whenever they were made."""

    limit_id: str
    amount: Decimal
    """With grants."""
    used: Decimal
    remaining: Decimal
    """Negative where it is exceeded."""
    percent: Decimal | None
    reached: Reached


class CampaignReport(Row):
    """`GET /api/admin/campaigns/{campaign}/report`: one campaign over a window, by default its own days."""

    campaign_id: str
    campaign: CampaignBody | None
    """Null where nobody has defined it."""
    advice: str | None
    """What to do about that."""
    window: Window
    synthetic: Synthetic
    totals: CampaignTotals
    cost_per_day: Decimal | None
    """Over the days of the window that are over; null where none is."""
    full_days: int
    daily: list[CampaignDay]
    by_model: list[CampaignModel]
    by_feature: list[CampaignFeature]
    by_client: list[CampaignClient]
    top_users: list[CampaignUser]
    """The twenty that cost most."""
    budget: BudgetUse | None
    generated_at: datetime


class CampaignRow(CampaignTotals):
    """A row of the report as a table."""

    day: date
    client_id: str
    provider: str
    model: str
    feature: str

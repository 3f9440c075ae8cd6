"""Campaigns as they are asked for: their definitions, and what their calls come to as of one moment."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.database import Database
from app.errors import NotFoundError
from app.finance.campaigns.answers import (
    BudgetUse,
    CampaignBody,
    CampaignClient,
    CampaignDay,
    CampaignFeature,
    CampaignModel,
    CampaignReport,
    CampaignRow,
    CampaignTotals,
    CampaignUser,
    UndefinedCampaign,
)
from app.finance.campaigns.book import CampaignBook
from app.finance.campaigns.budgets import PACE_DAYS, pace_days_of, reached
from app.limits import Limits
from app.limits.answers import LimitState
from app.limits.defining.limits import LimitBook
from app.limits.defining.owners import owner_of
from app.reports.damage import Damage
from app.reports.parts.campaigns import campaign_sums, top_users
from app.reports.parts.figures import described, grouped, summed
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reader import Document, Documents, Reader, reading
from app.reports.readiness import checked
from app.reports.rows import ratio
from app.reports.single_flight import SharedComputations
from app.reports.windows import MAX_DAYS, TimeWindow, today
from models.campaigns import Campaign
from models.faults import shortened
from models.money import quantize_usd, to_decimal
from models.rollups import CAMPAIGN_TOTALS

TOP_USERS = 20
UNDEFINED_DAYS = 90
MOST_UNDEFINED = 100
UNDEFINED = "not defined: define it by POST /api/admin/campaigns, with its dates, its owner and a budget"
_BY = ("day", "client", "provider", "model", "feature")


class _Found(NamedTuple):
    days: Documents
    """By day and client."""
    parts: Documents
    """By provider, model and feature."""
    users: Documents
    costs: dict[date, Decimal]
    """Of the last days, for the pace of the budget."""
    pace_days: Sequence[date]


class Campaigns:
    """In one process. Equal requests at the same time share one computation.

    Raises DatabaseUnavailableError, RollupsNotReadyError and DamagedDataError.
    """

    def __init__(
        self,
        database: Database,
        limits: Limits,
        zone: ZoneInfo,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._limit_book = LimitBook(database, limits.definitions)
        self.book = CampaignBook(database, self._limit_book)
        self.zone = zone
        self._limits = limits
        self._database = database
        self._clock = clock or (lambda: datetime.now(UTC))
        self._shared = SharedComputations()
        self._damage = Damage(database)

    def now(self) -> datetime:
        return self._clock()

    def today(self) -> date:
        """In the deployment's zone."""
        return today(self._clock(), self.zone)

    def window_of(self, campaign: Campaign | None) -> TimeWindow:
        """Its days up to today, at most a year of them; of one that is not defined, the last 90."""
        this_day = self.today()
        first, last = this_day - timedelta(days=UNDEFINED_DAYS - 1), this_day
        if campaign is not None:
            first = campaign.begins
            last = this_day if campaign.ends is None else min(campaign.ends, this_day)
            last = max(first, last)
        return TimeWindow(max(first, last - timedelta(days=MAX_DAYS - 1)), last, self.zone)

    async def undefined(self, client: str | None, synthetic: Synthetic) -> list[UndefinedCampaign]:
        """Those that calls of the last days name, of one client or of any, and nobody has defined."""
        this_day = self.today()
        window = TimeWindow(this_day - timedelta(days=UNDEFINED_DAYS - 1), this_day, self.zone)
        query = ReportQuery(window, Filters(client_id=client), synthetic)
        defined = await self.book.known(client)

        async def compute() -> Documents:
            async with reading(self._database) as read:
                state = (await checked(read, self.zone)).state
                return await campaign_sums(read, state, query, ("client", "campaign"))

        rows = await self._shared.share(("undefined", query), partial(self._damage.named, compute, query))
        found = [
            UndefinedCampaign(
                campaign_id=name,
                client_id=of,
                requests=row["requests"],
                cost=to_decimal(row["cost"]),
                advice=UNDEFINED,
            )
            for row in rows
            for of, name in [(row["_id"]["client"], row["_id"]["campaign"])]
            if defined.isdisjoint({(name, None), (name, of)})
        ]
        return sorted(found, key=lambda each: (-each.cost, each.campaign_id, each.client_id))[:MOST_UNDEFINED]

    async def report(self, name: str, campaign: Campaign | None, query: ReportQuery) -> CampaignReport:
        """What calls that name it come to. `campaign` is its definition, if there is one.

        Raises NotFoundError where there is none, and no call of these days names it.
        """

        async def compute() -> CampaignReport:
            found = await self._found(name, campaign, query)
            _require_any(name, campaign, found.days)
            budget = await self._budget_of(campaign, found)
            return await asyncio.to_thread(self._report, name, campaign, query, found, budget)

        revision = None if campaign is None else (campaign.id, campaign.revision)
        return await self._shared.share((name, revision, query), partial(self._damage.named, compute, query))

    async def table(self, name: str, campaign: Campaign | None, query: ReportQuery) -> list[CampaignRow]:
        """By day, client, model and feature. Raises NotFoundError likewise."""

        async def compute() -> list[CampaignRow]:
            async with reading(self._database) as read:
                rows = await campaign_sums(read, await self._state(read), query, _BY, campaign=name)
            _require_any(name, campaign, rows)
            return await asyncio.to_thread(_table, rows)

        return await self._shared.share(
            ("table", name, campaign is None, query), partial(self._damage.named, compute, query)
        )

    async def _found(self, name: str, campaign: Campaign | None, query: ReportQuery) -> _Found:
        this_day = self.today()
        async with reading(self._database) as read:
            state = await self._state(read)
            days = await campaign_sums(read, state, query, ("day", "client"), campaign=name)
            parts = await campaign_sums(read, state, query, ("provider", "model", "feature"), campaign=name)
            users = await top_users(read, query, name, TOP_USERS)
            costs: dict[date, Decimal] = {}
            if campaign is not None and campaign.budget is not None:
                before = query.over(this_day - timedelta(days=PACE_DAYS), this_day - timedelta(days=1))
                for row in await campaign_sums(read, state, before, ("day",), campaign=name):
                    costs[date.fromisoformat(row["_id"]["day"])] = to_decimal(row["cost"])
        begins = None if campaign is None else campaign.begins
        return _Found(days, parts, users, costs, pace_days_of(this_day, begins, min(costs, default=None)))

    async def _state(self, read: Reader) -> Document:
        return (await checked(read, self.zone)).state

    async def _budget_of(self, campaign: Campaign | None, found: _Found) -> BudgetUse | None:
        state = None if campaign is None else await self._limit_state(campaign)
        if campaign is None or state is None:
            return None
        used, amount = state.used, state.allowance
        return BudgetUse(
            limit_id=state.limit.id,
            amount=amount,
            used=used,
            remaining=amount - used,
            percent=ratio(100 * used / amount, 1) if amount else None,
            reached=reached(amount, used, found.costs, found.pace_days, today=self.today(), ends=campaign.ends),
        )

    async def _limit_state(self, campaign: Campaign) -> LimitState | None:
        if campaign.limit is None:
            return None
        limit = await self._limit_book.one(campaign.limit, None)
        if limit.ended_at is not None:
            return None
        owner = await owner_of(self._database, limit.scope, None)
        applied = await self._limits.definitions.applied_of(limit, owner.subject, self._clock())
        states = [] if applied is None else await self._limits.state_of([applied])
        return states[0] if states else None

    def _report(
        self, name: str, campaign: Campaign | None, query: ReportQuery, found: _Found, budget: BudgetUse | None
    ) -> CampaignReport:
        this_day, days = self.today(), dict(_grouped(found.days, "day"))
        totals = summed(found.days, CAMPAIGN_TOTALS)
        full = [day for day in query.window.days if day < this_day]
        of_full = [to_decimal(days[text]["cost"]) for day in full if (text := day.isoformat()) in days]
        return CampaignReport(
            campaign_id=name,
            campaign=None if campaign is None else CampaignBody.of(campaign, this_day),
            advice=UNDEFINED if campaign is None else None,
            window=described(query.window),
            synthetic=query.synthetic,
            totals=CampaignTotals(**_figures(totals)),
            cost_per_day=quantize_usd(sum(of_full, Decimal(0)) / len(full)) if full else None,
            full_days=len(full),
            daily=[CampaignDay(day=day, **_figures(days.get(day.isoformat(), {}))) for day in query.window.days],
            by_model=[
                CampaignModel(provider=key[0], model=key[1], **_figures(sums))
                for key, sums in _dearest(_grouped(found.parts, "provider", "model"))
            ],
            by_feature=[
                CampaignFeature(feature=key, **_figures(sums))
                for key, sums in _dearest(_grouped(found.parts, "feature"))
            ],
            by_client=[
                CampaignClient(client_id=key, **_figures(sums))
                for key, sums in _dearest(_grouped(found.days, "client"))
            ],
            top_users=[
                CampaignUser(
                    user_id=row["_id"],
                    requests=row["requests"],
                    tokens_used=row["tokensUsed"],
                    cost=to_decimal(row["cost"]),
                )
                for row in found.users
            ],
            budget=budget,
            generated_at=self._clock(),
        )


def _require_any(name: str, campaign: Campaign | None, rows: Documents) -> None:
    if campaign is None and not rows:
        raise NotFoundError(f"campaign {shortened(name)} is not defined, and no call of these days names it")


def _grouped(rows: Documents, *names: str) -> list[tuple[Any, Document]]:
    def key(row: Document) -> Any:
        return row["_id"][names[0]] if len(names) == 1 else tuple(row["_id"][name] for name in names)

    return grouped(rows, key, CAMPAIGN_TOTALS)


def _dearest(groups: list[tuple[Any, Document]]) -> list[tuple[Any, Document]]:
    return sorted(groups, key=lambda group: -to_decimal(group[1]["cost"]))


def _figures(sums: Document) -> dict[str, Any]:
    counts = {
        "requests": "requests",
        "successes": "successes",
        "input_tokens": "inputTokens",
        "output_tokens": "outputTokens",
        "tokens_used": "tokensUsed",
        "unpriced": "unpriced",
    }
    amounts = {"cost": to_decimal(sums.get("cost")), "saved_cost": to_decimal(sums.get("savedCost"))}
    return {name: sums.get(stored, 0) for name, stored in counts.items()} | amounts


def _table(rows: Documents) -> list[CampaignRow]:
    found = [
        CampaignRow(
            day=date.fromisoformat(key["day"]),
            client_id=key["client"],
            provider=key["provider"],
            model=key["model"],
            feature=key["feature"],
            **_figures(row),
        )
        for row in rows
        for key in [row["_id"]]
    ]
    return sorted(found, key=lambda row: (row.day, row.client_id, row.provider, row.model, row.feature))

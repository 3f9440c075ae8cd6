"""Of which features the new users upgraded: features, subscriptions and costs in one snapshot."""

import asyncio
import threading
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial

from cachetools import LRUCache

from app.database import Database
from app.finance.figures.answers import formulas_of
from app.finance.figures.finance import Finance
from app.finance.figures.known import View
from app.finance.figures.known_revenue import moment
from app.finance.figures.revenue_figures import scope_of
from app.finance.forecast import daily
from app.finance.forecast.answers import By
from app.finance.revenue.rates import KnownRates
from app.finance.upgrades.answers import LEAST_UPGRADES, LEAST_USERS, WITHIN_DAYS, UpgradesReport
from app.finance.upgrades.counting import ALL, Counted, counted, row
from app.finance.upgrades.moments import Upgrades, UpgradesOfUsers
from app.reports.damage import Damage
from app.reports.parts.feature_days import FeatureDays
from app.reports.parts.figures import described
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.single_flight import SharedComputations
from app.reports.windows import DAY, today
from models.money import ZERO

KEPT = 8
"""Windows whose upgrades are kept."""
FORMULAS = ("upgradePercent", "costPerUpgrade")
NOTE = (
    "These figures say who upgraded after using a feature for the first time, not why. Who was about to pay may have"
    " tried more features; a user who began with several is counted with each. Users of a client that pays for all of"
    " them have no upgrade of their own."
)
NOBODY = Counted(0, 0, 0, 0)


class FeatureUpgradesReports:
    """One per process. Equal requests at the same time share one computation."""

    def __init__(self, database: Database, finance: Finance, reports: Reports) -> None:
        self._finance, self._reports = finance, reports
        self._shared = SharedComputations()
        self._damage = Damage(database)
        self._known: LRUCache[tuple[int, KnownRates, ReportQuery], UpgradesOfUsers] = LRUCache(KEPT)
        self._lock = threading.Lock()  # several answers may be made at once

    async def report(self, query: ReportQuery) -> UpgradesReport:
        """Of a window, of one client or of all. Raises DatabaseUnavailableError and RollupsNotReadyError."""

        async def compute() -> UpgradesReport:
            now = self._finance.now()
            async with self._finance.reading() as found:
                upgrades = await asyncio.to_thread(self._upgrades, found.view, query, now)
                features = await self._reports.feature_days(found.read, found.state, query, upgrades.keys())
                days = await daily.by_name(found.read, query, By.FEATURE)
            costs = {name: sum(of.costs.values(), ZERO) for name, of in days.items()}
            return await asyncio.to_thread(_report, query, upgrades, features, costs, now)

        return await self._shared.share(query, partial(self._damage.named, compute))

    def _upgrades(self, view: View, query: ReportQuery, now: datetime) -> dict[str, list[date]]:
        """Kept as long as neither subscriptions nor rates change."""
        key = view.subscribers.generation, view.rates, query
        with self._lock:
            found = self._known.get(key)
        if found is None:
            found = _found(view, query)
            with self._lock:
                self._known[key] = found
        return _until(found, now)


def _found(view: View, query: ReportQuery) -> UpgradesOfUsers:
    window = query.window
    end = query.over(window.first, window.last + WITHIN_DAYS * DAY).window.end
    found = Upgrades(view.rates, window.zone, moment(window.start), moment(end))
    return found.by_user(view.subscribers.customers(scope_of(query)))


def _until(found: UpgradesOfUsers, now: datetime) -> dict[str, list[date]]:
    """Those that have happened: what a subscription is worth later is known already."""
    until = moment(now)
    happened = {user: [one.day for one in upgrades if one.moment < until] for user, upgrades in found.items()}
    return {user: days for user, days in happened.items() if days}


def _report(
    query: ReportQuery,
    upgrades: Mapping[str, list[date]],
    features: FeatureDays,
    costs: Mapping[str | None, Decimal],
    now: datetime,
) -> UpgradesReport:
    counts = counted(features, upgrades, today(now, query.window.zone))
    whole = row(ALL, counts.pop(ALL, NOBODY), sum(costs.values(), ZERO))
    rows = [row(feature, of, costs.get(feature, ZERO)) for feature, of in counts.items()]
    return UpgradesReport(
        window=described(query.window),
        client_id=query.filters.client_id,
        synthetic=query.synthetic,
        within_days=WITHIN_DAYS,
        least_users=LEAST_USERS,
        least_upgrades=LEAST_UPGRADES,
        users_with_upgrades=len(upgrades),
        whole=whole,
        features=sorted(rows, key=lambda each: (-each.new_users, each.feature or "")),
        formulas=formulas_of(*FORMULAS),
        note=NOTE,
        generated_at=now,
    )

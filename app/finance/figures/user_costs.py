"""The cost of users, and of the plans that they had: sums of days that are over are kept while these stay the same.

A day belongs to the plan that a user had at its first moment (where there was none, to the first one that begins on
it): the user's own at the client, else the user's own, else the client's, else `none`.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Mapping
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from bson import Decimal128

from app.finance.figures.known_revenue import moment
from app.finance.figures.known_subscribers import Customer, Subscribers
from app.reports.parts.user_costs import UserCosts, rows_of
from app.reports.query import ReportQuery
from app.reports.reader import Document, Documents
from app.reports.windows import DAY, TimeWindow, midnight
from models.money import stored_units, to_decimal

NO_PLAN = "none"
"""How the plan of whoever has none is called."""
MOST = 16
"""Windows that are kept; some megabytes each, of 20,000 users."""


class Cost(NamedTuple):
    """What a group of calls cost."""

    units: int = 0
    """1e-15 USD."""
    calls: int = 0

    def plus(self, other: "Cost") -> "Cost":
        return Cost(self.units + other.units, self.calls + other.calls)

    def minus(self, other: "Cost") -> "Cost":
        return Cost(self.units - other.units, self.calls - other.calls)


Costs = dict[str, Cost]
"""By name."""
_Sums = dict[int, tuple[int, int]]


class KnownCosts:
    """Sums of past days that one process keeps."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable) -> Any:
        """What is kept; None where it is not."""
        return self._kept.get(key)

    def remember(self, key: Hashable, value: Any) -> None:
        """Keep it until there are many others."""
        while len(self._kept) >= MOST:
            self._kept.popitem(last=False)
        self._kept[key] = value


async def by_user(costs: UserCosts, query: ReportQuery, known: KnownCosts) -> Costs:
    """Of each user of a window with calls."""
    made = await costs.days_with_sheets(query)
    key = "users", costs.build, tuple(made.items()), query
    if (past := known.get(key)) is None:
        past = await asyncio.to_thread(_sums_of, await costs.of_sheets(query) if made else [])
        known.remember(key, past)
    rows = await costs.of_cells(query, made)
    names = await costs.names(past)
    return await asyncio.to_thread(_named, past, names, rows)


async def by_plan(costs: UserCosts, query: ReportQuery, known: KnownCosts, subscribers: Subscribers) -> Costs:
    """Of each plan, with `none` where nobody had any."""
    made = await costs.days_with_sheets(query)
    rows = await costs.of_cells(query, made)
    of_window = "had", query.window, subscribers.generation
    if (plans := known.get(of_window)) is None:
        plans = await asyncio.to_thread(Plans, subscribers, query.window)
        known.remember(of_window, plans)
    key = "plans", costs.build, tuple(made.items()), query, subscribers.generation
    if (past := known.get(key)) is None:
        numbers = await costs.numbers(plans.users())
        past = await asyncio.to_thread(_plans_of_sheets, await costs.of_sheets(query) if made else [], plans, numbers)
        known.remember(key, past)
    return await asyncio.to_thread(_plans_of_rows, past, rows, plans)


def _sums_of(sheets: Documents) -> _Sums:
    """By number of the user."""
    units: defaultdict[int, int] = defaultdict(int)
    calls: defaultdict[int, int] = defaultdict(int)
    for sheet in sheets:
        for number, requests, cost in rows_of(sheet):
            units[number] += cost
            calls[number] += requests
    return {number: (value, calls[number]) for number, value in units.items()}


def _named(past: _Sums, names: Mapping[int, str], rows: Documents) -> Costs:
    found = {names[number]: Cost(units, calls) for number, (units, calls) in past.items()}
    for row in rows:
        user = row["_id"]["user"]
        found[user] = found.get(user, Cost()).plus(cost_of(row))
    return {user: cost for user, cost in found.items() if cost.calls or cost.units}


def cost_of(row: Document) -> Cost:
    return Cost(units_of(row["cost"]), row["requests"])


def units_of(stored: object) -> int:
    """A sum of costs as MongoDB returns it: the number zero where there is none."""
    return stored_units(stored) if isinstance(stored, Decimal128) else int(to_decimal(stored))


ByDay = list[str | None]
"""The plan of each day of a window."""


class Plans:
    """Which plan users had on each day of a window."""

    def __init__(self, subscribers: Subscribers, window: TimeWindow) -> None:
        days = window.days
        self._bounds = [moment(midnight(day, window.zone)) for day in [*days, days[-1] + DAY]]
        self._days = {day.isoformat(): number for number, day in enumerate(days)}
        self._users: dict[str, ByDay] = {}
        self._users_of: defaultdict[str, dict[str, ByDay]] = defaultdict(dict)
        self._clients: dict[str, ByDay] = {}
        # of who has a demo subscription as well, the plan is that of the real one
        for customer in sorted(subscribers.customers(), key=attrgetter("synthetic"), reverse=True):
            plans = self._plans(customer)
            if not any(plans):
                continue
            if customer.user is None:
                self._clients[customer.client or ""] = plans
            elif customer.client is None:
                self._users[customer.user] = plans
            else:
                self._users_of[customer.client][customer.user] = plans

    def users(self) -> set[str]:
        """Users with subscriptions of their own."""
        return self._users.keys() | {user for of_client in self._users_of.values() for user in of_client}

    def of(self, client: str, user: str, day: str) -> str:
        """The plan of a user at a client on a day of the window."""
        place = self._days[day]
        return (
            _on(self._users_of.get(client, {}).get(user), place)
            or _on(self._users.get(user), place)
            or self.of_client(client, day)
        )

    def of_client(self, client: str, day: str) -> str:
        """That of users without one of their own."""
        return _on(self._clients.get(client), self._days[day]) or NO_PLAN

    def numbered(self, client: str, numbers: Mapping[str, int]) -> "NumberedPlans":
        """The same of one client's users by their numbers."""
        near = {numbers[user]: plans for user, plans in self._users_of.get(client, {}).items() if user in numbers}
        general = {numbers[user]: plans for user, plans in self._users.items() if user in numbers}
        return NumberedPlans(self, client, self._days, near, general)

    def _plans(self, customer: Customer) -> ByDay:
        bounds = self._bounds
        found = customer.at(bounds[0])
        if found is not None and customer.at(bounds[-1] - 1) is found:
            return [found.plan] * len(self._days)
        return [customer.plan_on(start, end) for start, end in pairwise(bounds)]


def _on(plans: ByDay | None, place: int) -> str | None:
    return None if plans is None else plans[place]


class NumberedPlans:
    """Most users have one plan all the time: only the others are looked at day by day."""

    def __init__(
        self, plans: Plans, client: str, days: Mapping[str, int], near: dict[int, ByDay], general: dict[int, ByDay]
    ) -> None:
        self._plans, self._client, self._days = plans, client, days
        self.always = {number: name for number, of_days in general.items() if (name := _constant(of_days))}
        self.always |= {number: name for number, of_days in near.items() if (name := _constant(of_days))}
        at_times = (general.keys() | near.keys()) - {number for number, each in near.items() if _constant(each)}
        self._at_times = {
            number: [
                first or second
                for first, second in zip(
                    near.get(number, [None] * len(days)), general.get(number, [None] * len(days)), strict=True
                )
            ]
            for number in at_times
            if number in near or number not in self.always
        }
        for number in self._at_times:
            self.always.pop(number, None)

    def on(self, day: str) -> tuple[dict[int, str], str]:
        """Those that are not always the same, and that of whoever is in neither."""
        place = self._days[day]
        others = self._plans.of_client(self._client, day)
        return {number: plans[place] or others for number, plans in self._at_times.items()}, others


def _constant(plans: ByDay) -> str | None:
    """The only plan of all days; None where there are several, or some days have none."""
    return plans[0] if plans.count(plans[0]) == len(plans) else None


def _plans_of_sheets(sheets: Documents, plans: Plans, numbers: Mapping[str, int]) -> Costs:
    units: defaultdict[str, int] = defaultdict(int)
    calls: defaultdict[str, int] = defaultdict(int)
    of_clients: dict[str, NumberedPlans] = {}
    for sheet in sheets:
        client, day = sheet["_id"]["scope"], sheet["_id"]["day"]
        if (of_client := of_clients.get(client)) is None:
            of_client = of_clients[client] = plans.numbered(client, numbers)
        always, (at_times, others) = of_client.always, of_client.on(day)
        for number, requests, cost in rows_of(sheet):
            plan = always.get(number) or at_times.get(number, others)
            units[plan] += cost
            calls[plan] += requests
    return {plan: Cost(value, calls[plan]) for plan, value in units.items()}


def _plans_of_rows(past: Costs, rows: Documents, plans: Plans) -> Costs:
    found = dict(past)
    for row in rows:
        key = row["_id"]
        plan = plans.of(key["client"], key["user"], key["day"])
        found[plan] = found.get(plan, Cost()).plus(cost_of(row))
    return found

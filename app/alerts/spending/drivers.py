"""Which model, feature and user drove an unusual cost: what each costs beyond its own usual. Read when one is told."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import NamedTuple

from app.alerts.spending.cells import Cells, add_hours
from app.alerts.spending.costs import HOURS, Span, Unusual, alike
from app.alerts.spending.ranges import median
from models.documents import Document
from models.money import stored_units
from models.rollups import DELTAS, EVERYONE, USAGE, USERS

MOST_USERS = 50
"""Those who cost the most are compared with their own usual."""


class Driver(NamedTuple):
    """What one costs, and usually does, in the smallest stored unit of USD."""

    name: str
    cost: int
    usual: int

    @property
    def excess(self) -> int:
        return self.cost - self.usual


class Drivers(NamedTuple):
    """The ones that cost the most beyond their usual; None where none does."""

    model: Driver | None
    feature: Driver | None
    user: Driver | None
    """By the day so far, also of an hour, and by its usual whole day."""


Costs = Mapping[str, Mapping[date, int]]
"""By name and day."""


def drivers_of(cells: Cells, scope: str, unusual: Unusual, first: date) -> Drivers:
    """Those of what is unusual; `first` is the first day of the scope. Raises PyMongoError."""
    before = alike(unusual.day, first)
    usage = list(cells.of(USAGE, [scope], [unusual.day, *before], ("hours",)))

    def by(name: str) -> Driver | None:
        return _farthest(_costs(usage, lambda key: str(key[name]), unusual), unusual.day, before)

    users = _users(cells, scope, unusual.day, before)
    return Drivers(by("model"), by("feature"), _farthest(users, unusual.day, before))


def _costs(usage: Iterable[Document], name_of: Callable[[Document], str], unusual: Unusual) -> Costs:
    costs: dict[str, dict[date, int]] = {}
    for cell in usage:
        hours = [0] * HOURS
        add_hours(hours, cell, "cost")
        cost = hours[unusual.hour] if unusual.span is Span.HOUR else sum(hours[: unusual.hour + 1])
        of_name = costs.setdefault(name_of(cell["_id"]), {})
        day = date.fromisoformat(cell["_id"]["day"])
        of_name[day] = of_name.get(day, 0) + cost
    return costs


def _users(cells: Cells, scope: str, day: date, before: list[date]) -> Costs:
    """Of the users who cost the most on `day`."""
    order: list[Document] = [
        {"$match": {"cost": {"$gt": 0}}},
        {"$sort": {"cost": -1, "_id": 1}},
        {"$limit": MOST_USERS},
    ]
    today = cells.rows(USERS, [*_of_users(scope, [day]), *order])
    costs = {each["_id"]["user"]: {day: stored_units(each["cost"])} for each in today}
    for each in cells.rows(USERS, _of_users(scope, before, list(costs))):
        if each["cost"]:
            costs[each["_id"]["user"]][date.fromisoformat(each["_id"]["day"])] = stored_units(each["cost"])
    return costs


def _of_users(scope: str, days: Iterable[date], among: list[str] | None = None) -> list[Document]:
    """`cost` of each user and day, merged or not."""
    key: Document = {"day": {"$in": [day.isoformat() for day in days]}, "synthetic": False}
    if scope != EVERYONE:
        key["client"] = {"$eq": scope}
    chosen: Document = {} if among is None else {"user": {"$in": among}}
    waiting = [
        {"$match": {"days": key["day"]}},
        {"$unwind": "$usage"},
        {"$match": {f"usage.{name}": value for name, value in key.items()}},
        {"$unwind": "$usage.users"},
        {"$match": {f"usage.users.{name}": value for name, value in chosen.items()}},
        {"$project": {"_id": {"user": "$usage.users.user", "day": "$usage.day"}, "cost": "$usage.users.cost"}},
    ]
    return [
        {"$match": {f"_id.{name}": value for name, value in (key | chosen).items()}},
        {"$project": {"cost": 1}},
        {"$unionWith": {"coll": DELTAS, "pipeline": waiting}},
        {"$group": {"_id": {"user": "$_id.user", "day": "$_id.day"}, "cost": {"$sum": "$cost"}}},
    ]


def _farthest(costs: Costs, day: date, before: list[date]) -> Driver | None:
    found = [
        Driver(name, by_day.get(day, 0), median(by_day.get(each, 0) for each in before))
        for name, by_day in costs.items()
    ]
    farthest = min(found, key=lambda driver: (-driver.excess, driver.name), default=None)
    return farthest if farthest is not None and farthest.excess > 0 else None

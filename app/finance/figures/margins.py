"""Margins by plan, client, user, feature, model and campaign: parts that sum to the whole exactly. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from app.errors import invalid
from app.finance.figures.answers import Losses, MarginRow, margin_of
from app.finance.figures.shares import Allocation, allocated
from app.finance.figures.user_costs import Cost
from app.reports.cursors import decoded, encoded
from models.money import usd_of_units

MOST_ROWS = 10_000_000
"""The last position that a cursor can name."""


class By(StrEnum):
    """What margins are of."""

    PLAN = "plan"
    CLIENT = "client"
    USER = "user"
    FEATURE = "feature"
    MODEL = "model"
    CAMPAIGN = "campaign"


SOLD = frozenset({By.PLAN, By.CLIENT, By.USER})
"""To these revenue belongs by itself; among all others it is shared."""
ORDERS = ("margin", "recognised", "cost", "calls", "name")


class Part(NamedTuple):
    """One row, in units of 1e-15 USD."""

    name: str
    recognised: int | None
    """None where revenue is not shared."""
    cost: Cost

    @property
    def margin(self) -> int:
        return (self.recognised or 0) - self.cost.units


class Parts(NamedTuple):
    """All rows, and what belongs to none."""

    rows: list[Part]
    revenue_left: int
    cost_left: Cost = Cost()

    @property
    def recognised(self) -> int:
        """Of all together."""
        return sum(row.recognised or 0 for row in self.rows) + self.revenue_left

    @property
    def cost(self) -> Cost:
        return sum_of([*(row.cost for row in self.rows), self.cost_left])


def sum_of(costs: list[Cost]) -> Cost:
    return Cost(sum(each.units for each in costs), sum(each.calls for each in costs))


def joined(revenue: Mapping[str | None, int], costs: Mapping[str, Cost]) -> Parts:
    """Of what is sold by itself."""
    names = {name for name in revenue if name is not None} | costs.keys()
    rows = [Part(name, revenue.get(name, 0), costs.get(name, Cost())) for name in names]
    return Parts(rows, revenue.get(None, 0))


def shared_out(
    revenue: Mapping[str | None, int], costs: Mapping[str, Mapping[str | None, Cost]], allocation: Allocation
) -> Parts:
    """Of parts of calls, by client and part: revenue is that of clients. A part without a name is left over."""
    of_parts: dict[str | None, Cost] = {}
    for by_part in costs.values():
        for part, cost in by_part.items():
            of_parts[part] = of_parts.get(part, Cost()).plus(cost)
    cost_left = of_parts.get(None, Cost())
    names = sorted(part for part in of_parts if part is not None)
    if allocation is Allocation.NONE:
        return Parts([Part(name, None, of_parts[name]) for name in names], sum(revenue.values()), cost_left)
    weights = {
        client: {part: cost.units if allocation is Allocation.COST else cost.calls for part, cost in by_part.items()}
        for client, by_part in costs.items()
    }
    # what has no name has its share, too: else the others would be told too much
    order: list[str | None] = [*names, None]
    found, left = allocated(revenue, weights, order)
    return Parts(
        [Part(name, found.get(name, 0), of_parts[name]) for name in names], left + found.get(None, 0), cost_left
    )


def row_of(part: Part) -> MarginRow:
    """As it is answered."""
    return _row(part.name, part.recognised, part.cost)


def unallocated(parts: Parts) -> MarginRow:
    """What belongs to none of the rows."""
    return _row(None, parts.revenue_left, parts.cost_left)


def _row(name: str | None, recognised: int | None, cost: Cost) -> MarginRow:
    figures: dict[str, Any] = {"recognised": None, "margin": None, "margin_percent": None, "return_on_cost": None}
    if recognised is not None:
        figures = margin_of(recognised, cost.units, cost.calls)
    return MarginRow(name=name, **figures | {"cost": usd_of_units(cost.units), "calls": cost.calls})


def ordered(rows: list[Part], order: str) -> list[Part]:
    """By a name of `ORDERS`, with a leading minus for descending order; equal ones by name."""
    descending, name = order.startswith("-"), order.removeprefix("-")
    rows = sorted(rows, key=lambda row: row.name)
    keys = {
        "margin": lambda row: row.margin,
        "recognised": lambda row: row.recognised or 0,
        "cost": lambda row: row.cost.units,
        "calls": lambda row: row.cost.calls,
        "name": lambda row: row.name,
    }
    return sorted(rows, key=keys[name], reverse=descending)


def position(cursor: str | None, of: str) -> int:
    """Where a page of a list begins. Raises InvalidRequestError for a cursor of another one."""
    if cursor is None:
        return 0
    found = decoded(cursor)
    skip = found.get("skip")
    if found.get("of") != of or not isinstance(skip, int) or not 0 <= skip <= MOST_ROWS:
        message = "belongs to another list; start without a cursor"
        raise invalid("cursor", message)
    return skip


def next_cursor(of: str, skip: int, *, more: bool) -> str | None:
    """Of the page behind the first `skip` rows."""
    return encoded({"of": of, "skip": skip}) if more else None


def losses(rows: list[Part], limit: int) -> Losses:
    """Those who cost more than they bring."""
    losing = sorted((row for row in rows if row.margin < 0), key=lambda row: (row.margin, row.name))
    return Losses(
        rows=[row_of(row) for row in losing[:limit]],
        count=len(losing),
        loss=usd_of_units(sum(row.margin for row in losing)),
    )

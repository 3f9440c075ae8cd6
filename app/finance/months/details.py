"""What only the ledger knows of a month: prices by version, tiers, and what has changed since it was closed. Pure."""

from datetime import datetime
from typing import NamedTuple

from app.reports.queries.stages import Expression, Stage, match
from app.reports.query import ReportQuery
from models import CostSource
from models.documents import Document
from models.money import ZERO, to_decimal

MOST_CALLS = 500_000
"""Of a month that is looked at call by call when its report is asked for; MongoDB reads so many within a second. What a
closing keeps has no such limit.
"""
MOST_CALLS_OF_USER = 50_000
"""Of one user, whose calls are all over the ledger."""
USUAL_TIERS = (None, "default", "standard", "auto", "on_demand")
"""Service tiers at list prices."""


def details(query: ReportQuery, *, by_client: bool = False) -> list[Stage]:
    """`calls` and `cost` by provider, price version, and whether they are estimated or of a tier or batch; by client,
    too, where asked for.
    """
    tiered: Expression = {
        "$or": [
            {"$eq": ["$batch", True]},
            {"$not": [{"$in": [{"$ifNull": ["$serviceTier", None]}, list(USUAL_TIERS)]}]},
        ]
    }
    key = {
        "provider": "$provider",
        "version": "$priceVersion",
        "estimated": {"$eq": ["$costSource", CostSource.ESTIMATED.value]},
        "tiered": tiered,
        **({"client": "$clientId"} if by_client else {}),
    }
    return [
        match(query.window, query.filters, query.synthetic),
        {"$group": {"_id": key, "calls": {"$sum": 1}, "cost": {"$sum": "$cost"}}},
    ]


def changed_since(query: ReportQuery, moment: datetime) -> list[Stage]:
    """One row each for what was recorded since, and what was priced again: `calls`, `cost`, `costBefore`."""
    again = {"$filter": {"input": {"$ifNull": ["$repriced", []]}, "cond": {"$gt": ["$$this.at", moment]}}}
    late = {"$gt": ["$recordedAt", moment]}
    before = {"$cond": [late, 0, {"$first": {"$map": {"input": again, "in": "$$this.cost"}}}]}
    return [
        match(query.window, query.filters, query.synthetic),
        {"$match": {"$or": [{"recordedAt": {"$gt": moment}}, {"repriced.at": {"$gt": moment}}]}},
        {
            "$group": {
                "_id": {"$cond": [late, "late", "repriced"]},
                "calls": {"$sum": 1},
                "cost": {"$sum": "$cost"},
                "costBefore": {"$sum": before},
            }
        },
    ]


class Since(NamedTuple):
    """What has changed since a moment."""

    late: Document
    repriced: Document

    @classmethod
    def of(cls, rows: list[Document]) -> "Since":
        found = {row["_id"]: row for row in rows}
        return cls(*(_sums(found.get(name, {})) for name in ("late", "repriced")))


def _sums(row: Document) -> Document:
    cost, before = (to_decimal(row.get(name)) for name in ("cost", "costBefore"))
    return {"calls": row.get("calls", 0), "cost": cost - before or ZERO}

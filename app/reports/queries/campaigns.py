"""Pipelines of the calls that name a campaign: from cells and deltas, and from the ledger alone."""

from collections.abc import Collection, Iterable

from app.reports.queries.rollup_rows import Query, days_of, delta_rows, equalities, in_part, synthetic_of, with_deltas
from app.reports.queries.stages import Expression, Stage, local_day, match, sort_by, sums
from app.reports.query import ReportQuery
from models.base import camel
from models.rollups import CAMPAIGN_TOTALS, CAMPAIGNS, DELTAS, NAMES, NOT_MERGED, NOT_TAGGED, PART
from models.user_days import TOTALS_OF_ENTRIES

_OF_ENTRIES: dict[str, Expression] = {name: TOTALS_OF_ENTRIES[name] for name in CAMPAIGN_TOTALS}
_WHOLE = frozenset({"day", "client", "campaign"})
"""What the cells themselves tell apart; all else is in their parts."""
_FIELDS = {
    "client": "$clientId",
    "campaign": "$campaignId",
    "model": "$aiModel",
    **{name: f"${camel(name)}" for name in ("provider", "serviceType", "feature")},
}


def from_cells(query: ReportQuery, by: Collection[str], campaign: str | None) -> Query:
    """One row for each of `by`, of day, client, campaign and the parts of usage: what campaigns sum. Names of parts are
    escaped.
    """
    cells = {
        "_id.day": days_of(query.window),
        "_id.synthetic": {"$in": synthetic_of(query.synthetic)},
        **equalities("_id", {"campaign": campaign, "client": query.filters.client_id}),
    }
    whole: list[Stage] = [{"$project": {**dict.fromkeys(CAMPAIGN_TOTALS, 1), "key": "$_id"}}]
    in_parts = query.filters.any_part() or not _WHOLE.issuperset(by)
    rows = [{"$match": cells}, *(_by_part(query) if in_parts else whole), with_deltas(_waiting(query, campaign))]
    group = {"_id": {name: f"$key.{name}" for name in by}, **sums(CAMPAIGN_TOTALS)}
    # corrections may have left nothing of a cell
    return CAMPAIGNS, [*rows, {"$group": group}, {"$match": {"requests": {"$gt": 0}}}]


def _by_part(query: ReportQuery) -> list[Stage]:
    key = {**{name: f"$_id.{name}" for name in _WHOLE}, **_names_of("$part.k")}
    return [
        {"$project": {"part": {"$objectToArray": "$parts"}}},
        {"$unwind": "$part"},
        {"$match": in_part("part.k", query.filters)},
        {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$part.v", {"key": key}]}}},
    ]


def _waiting(query: ReportQuery, campaign: str | None) -> list[Stage]:
    """Their names of parts are brought to the form of those in cells."""
    key = {"day": "$usage.day", "client": "$usage.client", "campaign": "$usage.campaigns.campaign"}
    return [
        {"$match": {**NOT_MERGED, "days": {"$elemMatch": days_of(query.window)}, "usage.campaigns": {"$exists": True}}},
        {"$project": {"usage.users": 0, "usage.conversations": 0, "usage.variants": 0, "findings": 0}},
        {"$unwind": "$usage"},
        {"$match": delta_rows(query, "usage")},
        {"$unwind": "$usage.campaigns"},
        {"$match": equalities("usage.campaigns", {"campaign": campaign})},
        {
            "$replaceRoot": {
                "newRoot": {"$mergeObjects": ["$usage.campaigns", {"key": {**key, **_names_of("$usage.part")}}]}
            }
        },
    ]


def _names_of(part: str) -> dict[str, Expression]:
    return {name: {"$arrayElemAt": [{"$split": [part, "|"]}, place]} for place, name in enumerate(PART)}


def from_ledger(query: ReportQuery, by: Iterable[str], campaign: str | None) -> list[Stage]:
    """The same from the calls themselves."""
    fields = {"day": local_day(query.window), **_FIELDS}
    return [*_calls(query, campaign), {"$group": {"_id": {name: fields[name] for name in by}, **_OF_ENTRIES}}]


def users(query: ReportQuery, campaign: str, limit: int) -> list[Stage]:
    """The users with the most cost: all of it is in the index `campaignId_newest`."""
    figures = {name: _OF_ENTRIES[name] for name in ("requests", "tokensUsed", "cost")}
    return [
        *_calls(query, campaign),
        {"$group": {"_id": "$userId", **figures}},
        sort_by("-cost", "-requests", "_id"),
        {"$limit": limit},
    ]


def _calls(query: ReportQuery, campaign: str | None) -> list[Stage]:
    named = {"campaignId": {"$gt": ""} if campaign is None else {"$eq": campaign}}
    return [{"$match": named | match(query.window, query.filters, query.synthetic)["$match"]}]


def untagged() -> Query:
    """One row where a delta waits whose writer did not count by campaign."""
    return DELTAS, [{"$match": NOT_TAGGED}, {"$limit": 1}, {"$project": {"_id": 1}}]


def full() -> Query:
    """Clients that have as many campaigns as may have cells, and which."""
    return NAMES, [{"$match": {"campaign": {"$exists": True}}}, {"$project": {"campaign": 1}}]

"""Three views over the cells, for mongosh and BI tools: by day, by provider, and by model.

They cover all calls without demo data, up to today, and advance by themselves: with every read the server uses its own
clock and zone data. They lack what still waits in deltas, so they are about a second behind the ledger.

Costs are USD, durations ms, rates percent. Costs, rates, averages and seconds are Decimal128, rates and averages with
two decimals; everything else is whole. A rate of no calls, and a percentile of no durations, is null.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bson import encode
from pymongo.errors import OperationFailure

from app.database import Database
from app.database.connection import NAMESPACE_EXISTS
from app.reports.queries.stages import Expression, Stage, sort_by, sums
from models.latency import GAMMA, ZERO_BUCKET
from models.rollups import ACTIVE_USERS, DAYS, EVERYONE, LATENCY, USAGE, USER_MONTHS

DAILY_DAYS = 90
RECENT_DAYS = 30
"""The windows, including today."""

DAY, MONTH = "%Y-%m-%d", "%Y-%m"


def daily_metrics(timezone: str) -> list[Stage]:
    """One document per day, including those without calls, in order. `timezone` is an IANA name."""
    return [
        _cells(timezone, DAILY_DAYS),
        {"$set": {"day": "$_id.day"}},
        {"$unionWith": {"pipeline": [{"$documents": _every_day(timezone, DAILY_DAYS)}]}},
        {
            "$group": {
                "_id": "$day",
                **sums(("requests", "successes", "cost")),
                "latency": {"$mergeObjects": "$latency"},
            }
        },
        {"$set": {"activeUsers": {"period": "$_id", "scope": EVERYONE, "synthetic": False}}},
        {"$lookup": {"from": ACTIVE_USERS, "localField": "activeUsers", "foreignField": "_id", "as": "activeUsers"}},
        {"$set": {"latency": _in_order(_buckets({"$objectToArray": "$latency"}))}},
        {
            "$project": {
                "_id": 0,
                "day": "$_id",
                "activeUsers": {"$sum": "$activeUsers.users"},
                "requests": 1,
                "cost": {"$toDecimal": "$cost"},
                "successRate": _quotient({"$multiply": [100, "$successes"]}, "$requests"),
                "p50": _percentile("latency", 50),
                "p95": _percentile("latency", 95),
            }
        },
        sort_by("day"),
    ]


def provider_performance(timezone: str) -> list[Stage]:
    """One document for each provider and service type, by requests. `timezone` is an IANA name."""
    names = ("provider", "serviceType")
    figures = ("requests", "successes", "cost", "duration", "durations")
    return [
        *_p95(timezone, names),
        _union_usage(timezone),
        {"$group": {"_id": _key(names), **sums(figures), "p95": {"$max": "$p95"}}},
        _called(),
        {
            "$project": {
                "_id": 0,
                **_key(names),
                "requests": 1,
                "cost": {"$toDecimal": "$cost"},
                "successRate": _quotient({"$multiply": [100, "$successes"]}, "$requests"),
                "averageDuration": _quotient("$duration", "$durations"),
                "p95": 1,
            }
        },
        sort_by("-requests", "provider", "serviceType"),
    ]


def model_costs(timezone: str) -> list[Stage]:
    """One document for each provider, model and service type, by cost. `timezone` is an IANA name.

    Unique users are distinguished by their id: a user of two clients counts once.
    """
    names = ("provider", "model", "serviceType")
    counts = ("requests", "inputTokens", "outputTokens", "tokensUsed", "images", "uniqueUsers")
    amounts = ("cost", "videoSeconds")
    return [
        *_unique_users(timezone, names),
        _union_usage(timezone),
        {"$group": {"_id": _key(names), **sums(counts + amounts)}},
        _called(),
        {
            "$project": {
                "_id": 0,
                **_key(names),
                **dict.fromkeys(counts, 1),
                **{name: {"$toDecimal": f"${name}"} for name in amounts},
            }
        },
        sort_by("-cost", "-requests", *names),
    ]


VIEWS: Mapping[str, tuple[str, Callable[[str], list[Stage]]]] = {
    "mv_daily_metrics": (DAYS, daily_metrics),
    "mv_provider_performance": (LATENCY, provider_performance),
    "mv_model_costs": (USER_MONTHS, model_costs),
}
"""By name: the collection that a view reads, and its pipeline for a zone."""


async def ensure_views(database: Database, timezone: str) -> None:
    """Create missing views, and change those that are defined differently. Raises PyMongoError.

    `timezone` is the zone in which the cells' days are counted. Processes may do this at the same time.
    """
    found = await database.writes.list_collections(filter={"name": {"$in": list(VIEWS)}})
    stored = {view["name"]: view["options"] async for view in found}
    for name, (source, pipeline) in VIEWS.items():
        definition = {"viewOn": source, "pipeline": pipeline(timezone)}
        if name not in stored and await _created(database, name, definition):
            continue
        # as BSON, because the order of fields counts
        if name not in stored or encode(stored[name]) != encode(definition):
            await database.writes.command({"collMod": name, **definition})


async def _created(database: Database, name: str, definition: dict[str, Any]) -> bool:
    """False where another process was first."""
    try:
        await database.writes.command({"create": name, **definition})
    except OperationFailure as error:
        if error.code != NAMESPACE_EXISTS:
            raise
        return False
    return True


def _local(timezone: str, unit: str, days_ago: Any = 0) -> Expression:
    """The day or the month so many days ago, as text."""
    instant = {"$dateSubtract": {"startDate": "$$NOW", "unit": "day", "amount": days_ago, "timezone": timezone}}
    return {"$dateToString": {"date": instant, "format": unit, "timezone": timezone}}


def _every_day(timezone: str, days: int) -> Expression:
    return {"$map": {"input": {"$range": [0, days]}, "as": "ago", "in": {"day": _local(timezone, DAY, "$$ago")}}}


def _within(path: str, timezone: str, days: int, unit: str) -> Expression:
    """Both ends are constants to the server, which turns them into bounds of the index."""
    return {"$and": [{"$gte": [path, _local(timezone, unit, days - 1)]}, {"$lte": [path, _local(timezone, unit)]}]}


def _cells(timezone: str, days: int) -> Stage:
    window = _within("$_id.day", timezone, days, DAY)
    return {"$match": {"_id.scope": EVERYONE, "_id.synthetic": False, "$expr": window}}


def _union_usage(timezone: str) -> Stage:
    """Cells as they are: MongoDB 6.0.5 may crash when it is to explain, with execution statistics, a union whose own
    pipeline groups, projects and groups again. So the longer pipeline comes first, and this is what is united with it.
    """
    return {"$unionWith": {"coll": USAGE, "pipeline": [_cells(timezone, RECENT_DAYS)]}}


def _key(names: tuple[str, ...]) -> dict[str, str]:
    return {name: f"$_id.{name}" for name in names}


def _called() -> Stage:
    """A merge between the reads of the two collections may bring users or durations without requests."""
    return {"$match": {"requests": {"$gt": 0}}}


def _quotient(dividend: Expression, divisor: Expression) -> Expression:
    """Two decimals, rounded half to even as in the reports; null where there is nothing to divide by."""
    quotient = {"$round": [{"$divide": [{"$toDecimal": dividend}, divisor]}, 2]}
    return {"$cond": [{"$eq": [divisor, 0]}, None, quotient]}


def _p95(timezone: str, names: tuple[str, ...]) -> list[Stage]:
    """`_id`: the names; `p95` in ms."""
    return [
        _cells(timezone, RECENT_DAYS),
        {"$project": {"latency": _buckets({"$objectToArray": "$latency"})}},
        {"$unwind": "$latency"},
        {"$group": {"_id": {**_key(names), "bucket": "$latency.bucket"}, "count": {"$sum": "$latency.count"}}},
        {"$group": {"_id": _key(names), "latency": {"$push": {"bucket": "$_id.bucket", "count": "$count"}}}},
        {"$set": {"latency": _in_order("$latency")}},
        {"$project": {"p95": _percentile("latency", 95)}},
    ]


def _buckets(sketch: Expression) -> Expression:
    """From pairs of a stored sketch to `bucket` and `count`."""
    return {"$map": {"input": sketch, "in": {"bucket": {"$toInt": "$$this.k"}, "count": "$$this.v"}}}


def _in_order(buckets: Expression) -> Expression:
    return {"$sortArray": {"input": buckets, "sortBy": {"bucket": 1}}}


def _percentile(sketch: str, percent: int) -> Expression:
    """As `models.latency.percentiles`: by nearest rank, from buckets in order."""
    rank = {"$ceil": {"$divide": [{"$multiply": [{"$sum": f"${sketch}.count"}, percent]}, 100]}}
    further = {"seen": {"$add": ["$$value.seen", "$$this.count"]}, "bucket": "$$this.bucket"}
    walk = {
        "$reduce": {
            "input": f"${sketch}",
            "initialValue": {"seen": 0, "bucket": None},
            "in": {"$cond": [{"$gte": ["$$value.seen", "$$rank"]}, "$$value", further]},
        }
    }
    found = {"$let": {"vars": {"rank": rank}, "in": walk}}
    return {"$let": {"vars": {"found": found}, "in": _duration("$$found.bucket")}}


def _duration(bucket: Expression) -> Expression:
    """As `models.latency.duration_of`."""
    middle = {"$divide": [{"$multiply": [2, {"$pow": [GAMMA, bucket]}]}, GAMMA + 1]}
    return {"$cond": [{"$eq": [bucket, ZERO_BUCKET]}, 0, {"$toInt": {"$round": [middle]}}]}


def _unique_users(timezone: str, names: tuple[str, ...]) -> list[Stage]:
    """`_id`: the first names of a part; `uniqueUsers` of the last 30 days.

    Each user's parts are brought together before anything is counted, and names are taken apart once for all users of
    the same parts: groups by user and part would be many times more.
    """
    months = _within("$_id.month", timezone, RECENT_DAYS, MONTH)
    distinct = {"$reduce": {"input": "$parts", "initialValue": [], "in": {"$setUnion": ["$$value", "$$this"]}}}
    leading = {"$map": {"input": "$_id", "in": {"$slice": [{"$split": ["$$this", "|"]}, len(names)]}}}
    named = {name: _unescaped({"$arrayElemAt": ["$_id", position]}) for position, name in enumerate(names)}
    return [
        {"$match": {"_id.synthetic": False, "$expr": months}},
        {"$project": {"parts": _active_parts(timezone)}},
        {"$group": {"_id": "$_id.user", "parts": {"$push": "$parts"}}},
        {"$group": {"_id": distinct, "users": {"$sum": 1}}},
        {"$project": {"names": {"$setUnion": [leading]}, "users": 1}},
        {"$unwind": "$names"},
        {"$group": {"_id": "$names", "uniqueUsers": {"$sum": "$users"}}},
        {"$replaceRoot": {"newRoot": {"_id": named, "uniqueUsers": "$uniqueUsers"}}},
    ]


def _active_parts(timezone: str) -> Expression:
    """The parts of a user's month with a day within the window.

    MongoDB 6.0 has no bitwise operators in expressions, but arithmetic does: the bits up to that of day d are the
    remainder by 2^d, and one from day d on is set where the number is at least 2^(d-1).
    """
    ago = RECENT_DAYS - 1
    in_first, in_last = ({"$eq": ["$_id.month", _local(timezone, MONTH, days)]} for days in (ago, 0))
    first_bit = {"$pow": [2, {"$subtract": [_number_of(_local(timezone, DAY, ago)), 1]}]}
    behind_today = {"$pow": [2, _number_of(_local(timezone, DAY))]}
    ends = {"least": {"$cond": [in_first, first_bit, 1]}, "behind": {"$cond": [in_last, behind_today, 2**31]}}
    active = {"$gte": [{"$mod": ["$$this.v", "$$behind"]}, "$$least"]}
    parts = {"$objectToArray": "$parts"}
    # of most months every day is within, and so is every part's
    whole = {"$and": [{"$lt": ["$days", "$$behind"]}, {"$eq": [{"$mod": ["$days", "$$least"]}, 0]}]}
    found = {"$cond": [whole, parts, {"$filter": {"input": parts, "cond": active}}]}
    return {"$let": {"vars": ends, "in": {"$map": {"input": found, "in": "$$this.k"}}}}


def _number_of(day: Expression) -> Expression:
    """A day's number in its month."""
    return {"$toInt": {"$substrBytes": [day, 8, 2]}}


def _unescaped(name: Expression) -> Expression:
    """The reverse of `models.rollups.escaped`. The percent sign comes last, as it begins every escape."""
    for escape, character in (("%7C", "|"), ("%2E", "."), ("%24", "$"), ("%25", "%")):
        name = {"$replaceAll": {"input": name, "find": escape, "replacement": {"$literal": character}}}
    return name

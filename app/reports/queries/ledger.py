"""Pipelines over the raw ledger, as pure functions from a query to a list of stages.

They are the ground truth about a window: slow over long ones, and what every faster report is checked against.
"""

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId

from app.reports.queries.stages import (
    Expression,
    Stage,
    group_count,
    group_totals,
    hour_of_day,
    local_day,
    match,
    match_spans,
    sort_by,
    weekday,
)
from app.reports.query import ReportQuery, Synthetic
from models import AI_GENERATION, CallStatus, CostSource
from models.rollups import CONVERSATION_TOTALS, HOUR_TOTALS, USER_TOTALS
from models.user_days import TOTALS_OF_ENTRIES, in_steps, step_of

TOP_USERS = 20
MOST_FINDINGS = 100


def _selected(query: ReportQuery) -> list[Stage]:
    if query.until is not None:
        return [match_spans(query.window.before(query.until), query.filters, query.synthetic)]
    return [match(query.window, query.filters, query.synthetic)]


def totals(query: ReportQuery) -> list[Stage]:
    """One row of every additive figure; no row without entries."""
    return [*_selected(query), group_totals(None)]


def saved_by_gateway(query: ReportQuery) -> list[Stage]:
    """`calls` that the gateway's cache answered, and their `savedCost`; no row without any. All of it is in the index
    `gateway_cached`, unless the filters are by more than a client. None of them is demo data.
    """
    selected = match(query.window, query.filters, Synthetic.INCLUDE)["$match"]
    return [
        {"$match": {"cached": True, "upstream": {"$gt": ""}, **selected}},
        {"$group": {"_id": None, "calls": {"$sum": 1}, "savedCost": {"$sum": "$savedCost"}}},
    ]


def active_users(query: ReportQuery) -> list[Stage]:
    """`count`: how many users have an entry."""
    return [*_selected(query), {"$group": {"_id": "$userId"}}, {"$count": "count"}]


def statuses(query: ReportQuery) -> list[Stage]:
    """`count` by status."""
    return [*_selected(query), group_count("$status"), sort_by("_id")]


def duration_percentiles(query: ReportQuery, percents: Sequence[int]) -> list[Stage]:
    """Exact percentiles of the request duration, by nearest rank: `p50`, `p95`, … in ms.

    Durations are counted by value and counted up in order, so that no list of all calls has to fit into memory. The
    p-th percentile is the least duration that at least p in a hundred calls do not exceed.
    """
    return [
        *_selected(query),
        {"$match": {"requestDuration": {"$type": "number"}}},
        group_count("$requestDuration"),
        {
            "$setWindowFields": {
                "sortBy": {"_id": 1},
                "output": {
                    "rank": {"$sum": "$count", "window": {"documents": ["unbounded", "current"]}},
                    "total": {"$sum": "$count", "window": {"documents": ["unbounded", "unbounded"]}},
                },
            }
        },
        {"$group": {"_id": None, **{f"p{percent}": _least_at(percent) for percent in percents}}},
    ]


def _least_at(percent: int) -> Stage:
    # in whole numbers: a rank is never rounded
    reached = {"$gte": [{"$multiply": ["$rank", 100]}, {"$multiply": ["$total", percent]}]}
    return {"$min": {"$cond": [reached, "$_id", None]}}


def in_steps_of(query: ReportQuery, spans: Sequence[tuple[datetime, datetime]]) -> list[Stage]:
    """What the filters match within `spans`, by time, client and part: see `models.user_days`."""
    step = step_of(offset for _, offset in query.window.offsets())
    return [match_spans(spans, query.filters, query.synthetic), in_steps(step)]


def parts_within(query: ReportQuery, spans: Sequence[tuple[datetime, datetime]]) -> list[Stage]:
    """What is summed by the hour, of each provider, model, service type and feature, within `spans`."""
    key = {"provider": "$provider", "model": "$aiModel", "serviceType": "$serviceType", "feature": "$feature"}
    figures = {name: TOTALS_OF_ENTRIES[name] for name in HOUR_TOTALS}
    return [match_spans(spans, query.filters, query.synthetic), {"$group": {"_id": key, **figures}}]


def users_within(query: ReportQuery, spans: Sequence[tuple[datetime, datetime]], among: list[str]) -> list[Stage]:
    """What is summed of users, of each of those `among`, within `spans`."""
    figures = {name: TOTALS_OF_ENTRIES[name] for name in USER_TOTALS}
    of_users: Stage = {"$match": {"userId": {"$in": among}}}
    return [of_users, match_spans(spans, query.filters, query.synthetic), {"$group": {"_id": "$userId", **figures}}]


def usage(query: ReportQuery) -> list[Stage]:
    """One document with the rows of the usage report."""
    window, selected = query.window, len(_selected(query))
    by_requests = sort_by("-requests", "_id")
    return [
        *_selected(query),
        {
            "$facet": {
                "totals": [group_totals(None)],
                "byHour": [group_totals({"weekday": weekday(window), "hour": hour_of_day(window)})],
                "byFeature": [group_totals("$feature"), by_requests],
                "byModel": [group_totals({"provider": "$provider", "model": "$aiModel"}), by_requests],
                "byProvider": [group_totals("$provider"), by_requests],
                "topUsers": [group_totals("$userId"), by_requests, {"$limit": TOP_USERS}],
                "days": days(query)[selected:],
                "activeUsers": active_users(query)[selected:],
                "activeByDay": active_by_day(query)[selected:],
            }
        },
    ]


def days(query: ReportQuery) -> list[Stage]:
    """Every additive figure and `status_*`, one row per day."""
    counted = {f"status_{status}": {"$sum": {"$toInt": {"$eq": ["$status", status]}}} for status in CallStatus}
    return [
        *_selected(query),
        {"$group": {"_id": local_day(query.window), **TOTALS_OF_ENTRIES, **counted}},
        sort_by("_id"),
    ]


def durations_by_day(query: ReportQuery) -> list[Stage]:
    """`count` by day and duration of the calls that report one."""
    key = {"day": local_day(query.window), "duration": "$requestDuration"}
    return [*_selected(query), {"$match": {"requestDuration": {"$type": "number"}}}, group_count(key)]


def active_by_day(query: ReportQuery) -> list[Stage]:
    """`count`: how many users have an entry on a day."""
    of_user = {"$group": {"_id": {"day": local_day(query.window), "user": "$userId"}}}
    return [*_selected(query), of_user, group_count("$_id.day")]


def by_day_and_name(query: ReportQuery, name: str) -> list[Stage]:
    """`requests` and `cost` by day and by a field of the entries."""
    key = {"day": local_day(query.window), "name": f"${name}"}
    return [
        *_selected(query),
        {"$group": {"_id": key, "requests": TOTALS_OF_ENTRIES["requests"], "cost": TOTALS_OF_ENTRIES["cost"]}},
    ]


def errors(query: ReportQuery) -> list[Stage]:
    """`count` by provider and status of the calls that did not succeed."""
    return [
        *_selected(query),
        {"$match": {"success": False}},
        group_count({"provider": "$provider", "status": "$status"}),
    ]


def _reason_code() -> Expression:
    """What stands before the colon of the reason; empty for none."""
    return {"$arrayElemAt": [{"$split": [{"$ifNull": ["$unpricedReason", ""]}, ":"]}, 0]}


def data_quality(query: ReportQuery, most: int | None = MOST_FINDINGS) -> list[Stage]:
    """One document with what the figures of a window leave out or estimate; at most so many of each kind."""
    by_requests = [sort_by("-requests", "_id"), *([] if most is None else [{"$limit": most}])]
    model = {"provider": "$provider", "model": "$aiModel"}
    return [
        *_selected(query),
        {
            "$facet": {
                "totals": [group_totals(None)],
                "reasons": [
                    {"$match": {"costSource": "unpriced"}},
                    group_totals({"reason": _reason_code(), **model}),
                    *by_requests,
                ],
                "unpriced": [{"$match": {"costSource": "unpriced"}}, group_totals(model), *by_requests],
                "estimated": [{"$match": {"costSource": "estimated"}}, group_totals(model), *by_requests],
                "impossible": [
                    {"$match": {"reportedProvider": {"$exists": True}}},
                    group_totals({"reportedProvider": "$reportedProvider", **model}),
                    *by_requests,
                ],
                "unmapped": [{"$match": {"unmapped": True}}, group_totals("$contentType"), *by_requests],
                "aggregated": [{"$match": {"aggregated": True}}, group_totals(None)],
                "unreadable": [{"$match": {"unreadableUsage": True}}, {"$count": "count"}],
            }
        },
    ]


def guesses(query: ReportQuery) -> list[Stage]:
    """Totals of what has no price or is estimated: by `source`, the code of the `reason`, provider and model."""
    key = {"source": "$costSource", "reason": _reason_code(), "provider": "$provider", "model": "$aiModel"}
    rare = {"$match": {"costSource": {"$in": [CostSource.UNPRICED.value, CostSource.ESTIMATED.value]}}}
    return [*_selected(query), rare, group_totals(key), sort_by("-requests", "_id")]


def failures(query: ReportQuery, limit: int) -> list[Stage]:
    """The latest calls that failed, by the index of them."""
    failed = [status.value for status in CallStatus if status is not CallStatus.SUCCESS]
    fields = ("createdAt", "userId", "feature", "provider", "aiModel", "status")
    return [
        {"$match": {"status": {"$in": failed}}},
        *_selected(query),
        sort_by("-createdAt", "-_id"),
        {"$limit": limit},
        {"$project": dict.fromkeys(fields, 1)},
    ]


def newest(query: ReportQuery, limit: int) -> list[Stage]:
    """The ids of the latest calls."""
    return [*_selected(query), sort_by("-createdAt", "-_id"), {"$limit": limit}, {"$project": {"_id": 1}}]


def events_of(ids: list[ObjectId]) -> list[Stage]:
    """The events of these calls, newest first."""
    return [{"$match": {"_id": {"$in": ids}, "event": AI_GENERATION}}, sort_by("-createdAt", "-_id")]


def daily(query: ReportQuery) -> list[Stage]:
    """Every additive figure, one row per day."""
    return [*_selected(query), group_totals(local_day(query.window)), sort_by("_id")]


def by_provider(query: ReportQuery) -> list[Stage]:
    """Every additive figure by provider, the one with the most requests first."""
    return [*_selected(query), group_totals("$provider"), sort_by("-requests", "_id")]


def conversations(query: ReportQuery, limit: int) -> list[Stage]:
    """The conversations with the most tokens: `requests`, `tokensUsed`, `cost` and `lastDay`."""
    figures = {name: TOTALS_OF_ENTRIES[name] for name in CONVERSATION_TOTALS}
    key = {"client": "$clientId", "conversation": "$conversationId"}
    return [
        *_selected(query),
        {"$match": {"conversationId": {"$exists": True}}},
        {"$group": {"_id": key, **figures, "lastDay": {"$max": local_day(query.window)}}},
        sort_by("-tokensUsed", "_id"),
        {"$limit": limit},
    ]

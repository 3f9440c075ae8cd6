"""Pipelines over the raw ledger: the stages, and the rows that a real server gives."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bson import ObjectId

from app.reports.queries import ledger
from app.reports.queries.stages import hour_of_day, local_day
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.windows import TimeWindow

DAY = TimeWindow(date(2024, 5, 1), date(2024, 5, 1), ZoneInfo("Asia/Kolkata"))
IN_DAY = {
    "createdAt": {
        "$gte": datetime(2024, 4, 30, 18, 30, tzinfo=UTC),
        "$lt": datetime(2024, 5, 1, 18, 30, tzinfo=UTC),
    }
}


def test_a_query_selects_its_window_without_demo_data() -> None:
    assert ledger.totals(ReportQuery(DAY))[:-1] == [{"$match": {**IN_DAY, "synthetic": False}}]


def test_demo_data_is_included_or_alone_only_when_asked_for() -> None:
    assert ledger.totals(ReportQuery(DAY, synthetic=Synthetic.ONLY))[:-1] == [{"$match": {**IN_DAY, "synthetic": True}}]
    assert ledger.totals(ReportQuery(DAY, synthetic=Synthetic.INCLUDE))[:-1] == [{"$match": IN_DAY}]


def test_filters_are_equalities_whatever_their_text() -> None:
    filters = Filters(feature="chat", provider="openai", model="$ne", user_id="{}", client_id="c")

    assert ledger.totals(ReportQuery(DAY, filters, Synthetic.INCLUDE))[:-1] == [
        {
            "$match": {
                **IN_DAY,
                "feature": {"$eq": "chat"},
                "provider": {"$eq": "openai"},
                "aiModel": {"$eq": "$ne"},
                "userId": {"$eq": "{}"},
                "clientId": {"$eq": "c"},
            }
        }
    ]


def test_days_and_hours_are_taken_at_the_zones_offset() -> None:
    assert local_day(DAY) == {"$dateToString": {"date": "$createdAt", "format": "%Y-%m-%d", "timezone": "+05:30"}}
    assert hour_of_day(DAY) == {"$hour": {"date": "$createdAt", "timezone": "+05:30"}}


def test_a_change_of_the_clock_inside_the_window_changes_the_offset() -> None:
    window = TimeWindow(date(2024, 3, 9), date(2024, 3, 11), ZoneInfo("America/Los_Angeles"))

    assert hour_of_day(window)["$hour"]["timezone"] == {
        "$cond": [{"$lt": ["$createdAt", datetime(2024, 3, 10, 10, 0, tzinfo=UTC)]}, "-08:00", "-07:00"]
    }


def test_like_hours_are_matched_by_the_clock_on_the_wall() -> None:
    until = ledger.totals(ReportQuery(DAY, until=time(13, 30)))[0]["$match"]["$or"]
    assert until == [{"createdAt": {"$gte": DAY.start, "$lt": DAY.start + timedelta(hours=13, minutes=30)}}]


def test_percentiles_count_durations_by_value_and_never_round_a_rank() -> None:
    *_, known, by_value, running, ranks = ledger.duration_percentiles(ReportQuery(DAY), [50])

    assert known == {"$match": {"requestDuration": {"$type": "number"}}}
    assert by_value == {"$group": {"_id": "$requestDuration", "count": {"$sum": 1}}}
    assert running["$setWindowFields"]["sortBy"] == {"_id": 1}
    assert ranks == {
        "$group": {
            "_id": None,
            "p50": {
                "$min": {
                    "$cond": [
                        {"$gte": [{"$multiply": ["$rank", 100]}, {"$multiply": ["$total", 50]}]},
                        "$_id",
                        None,
                    ]
                }
            },
        }
    }


def test_the_main_dashboard_reads_ai_events_alone() -> None:
    ids = [ObjectId(), ObjectId()]

    assert ledger.events_of(ids)[0] == {"$match": {"_id": {"$in": ids}, "event": "ai_generation"}}

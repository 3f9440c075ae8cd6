"""No report reads the ledger, the events or a growing collection of cells without an index."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.reports.analytics import AnalyticsType
from app.reports.call_lists import CallFilters
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.windows import requested_window
from app.rollups.compactor import Compactor
from app.tracking import Tracker
from models import CallStatus, CostSource
from models.rollups import CAPS

ALL_CALLS = CallFilters()
SMALL = {"rollup_deltas", "rollup_deltas_set_aside", "rollup_state"}
"""Deltas are merged every second, and only damaged ones are set aside; the state is two documents."""


async def plans(database: Database) -> list[tuple[str, str, str]]:
    """Collection, plan and command of everything that was read since the profiler was switched on."""
    profile: list[dict[str, Any]] = await database.writes["system.profile"].find().to_list(None)
    return [
        (read["ns"].split(".", 1)[1], read.get("planSummary", ""), str(read.get("command", {}))[:400])
        for read in profile
        if read["op"] in {"query", "command"} and "planSummary" in read and "system." not in read["ns"]
    ]


async def ask_everything(reports: Reports) -> None:
    now = reports.now()
    window = requested_window(days=30, first=None, last=None, now=now, zone=reports.zone)
    plain = ReportQuery(window)
    narrowed = [
        plain,
        replace(plain, synthetic=Synthetic.INCLUDE),
        replace(plain, filters=Filters(client_id="a")),
        replace(plain, filters=Filters(feature="chat", provider="openai", model="gpt-4o")),
    ]
    for query in narrowed:
        await reports.usage(query)
        await reports.data_quality(query)
        await reports.providers(query)
        await reports.models(query)
        for order in ("-requests", "cost"):
            await reports.users(query, order, limit=1, cursor=None)
        await reports.analytics(query, AnalyticsType.ALL)
        await reports.calls(query, ALL_CALLS, limit=10, cursor=None)
        await reports.saved_by_gateway(query)
    one_user = replace(plain, filters=Filters(user_id="u1"))
    await reports.usage(one_user)
    await reports.data_quality(one_user)
    await reports.analytics(one_user, AnalyticsType.ALL)
    succeeded = CallFilters(status=CallStatus.SUCCESS)
    page = await reports.calls(one_user, succeeded, limit=1, cursor=None)
    assert page.next_cursor is not None
    await reports.calls(one_user, succeeded, limit=1, cursor=page.next_cursor)
    for synthetic in Synthetic:
        await reports.overview(synthetic)
        await reports.stats(synthetic)
        await reports.overview(synthetic, "a")
        await reports.stats(synthetic, "a")
    await reports.freshness()
    for of in (Filters(), Filters(client_id="a"), Filters(user_id="u1"), Filters(user_id="u1", client_id="a")):
        await reports.panel(of, Synthetic.EXCLUDE, nothing_beside)


async def nothing_beside(*_: object) -> None:
    pass


async def test_every_report_reads_through_an_index(database: Database, tracker: Tracker) -> None:
    now = datetime.now(UTC)
    for n in range(40):
        await tracker.track(
            user_id=f"u{n % 3}",
            client_id="ab"[n % 2],
            content_type="chat",
            model="gpt-4o",
            input_tokens=10,
            conversation_id="c",
            created_at=now - timedelta(hours=5 * n),
        )
    async with database.committer_session() as session:
        compactor = Compactor(database, session)
        await compactor.merge_all()
        await compactor.trailing.keep_up()
    await database.writes.command("profile", 2)

    await ask_everything(Reports(database, ZoneInfo("UTC")))

    await database.writes.command("profile", 0)
    read = await plans(database)
    scanned = [plan for plan in read if "COLLSCAN" in plan[1] and plan[0] not in SMALL]
    assert scanned == []
    assert {"aiusages", "analytics", "rollup_days", "rollup_usage", "rollup_users", "rollup_trailing"} <= {
        collection for collection, _, _ in read
    }


async def test_lists_of_what_is_newest_are_read_in_the_order_of_an_index(database: Database, tracker: Tracker) -> None:
    now = datetime.now(UTC)
    for number in range(30):
        rare: dict[str, Any] = {
            "client_id": "acme",
            "conversation_id": "talk",
            "status": "timeout",
            "model": "unheard-of",
        }
        rare |= {"content_type": "haiku", "provider": "seldom", "request_duration": 60_000}
        call = {"user_id": "u", "content_type": "chat", "model": "gpt-4o", "input_tokens": 10}
        moment = now - number * timedelta(hours=1)
        await tracker.track(**call | (rare if number % 10 == 0 else {}), created_at=moment)
    reports = Reports(database, ZoneInfo("UTC"))
    window = requested_window(days=3, first=None, last=None, now=reports.now(), zone=reports.zone)
    hour = (now - timedelta(hours=3)).hour
    few = [
        (Filters(client_id="acme"), ALL_CALLS),
        (Filters(client_id="acme"), CallFilters(conversation_id="talk")),
        (Filters(), CallFilters(status=CallStatus.TIMEOUT)),
        (Filters(), CallFilters(cost_source=CostSource.UNPRICED)),
        (Filters(), CallFilters(hour=hour)),
        (Filters(model="unheard-of"), ALL_CALLS),
        (Filters(provider="seldom"), ALL_CALLS),
        (Filters(feature="haiku"), ALL_CALLS),
        (Filters(provider="seldom", client_id="acme"), CallFilters(hour=hour)),
    ]
    await database.writes.command("profile", 2)

    for filters, wanted in [(Filters(), ALL_CALLS), (Filters(user_id="u"), ALL_CALLS), *few]:
        query = ReportQuery(window, filters)
        page = await reports.calls(query, wanted, limit=1, cursor=None)
        await reports.calls(query, wanted, limit=1, cursor=page.next_cursor)
    await reports.stats(Synthetic.EXCLUDE)

    await database.writes.command("profile", 0)
    lists = database.writes["system.profile"].find(
        {"command.aggregate": {"$in": ["aiusages", "analytics"]}, "command.pipeline.$limit": {"$exists": True}}
    )
    read = await lists.to_list(None)
    assert len(read) == 23
    assert [plan["planSummary"] for plan in read if plan.get("hasSortStage")] == []
    # one more than a page has; and from the second one on, the call after which it begins
    assert [plan["docsExamined"] for plan in read] == [2, 3] * 6 + [2, 2] + [2, 3] * 3 + [1, 1] + [10]


async def test_a_list_of_slow_calls_reads_no_others(database: Database, tracker: Tracker) -> None:
    now = datetime.now(UTC)
    for number in range(30):
        duration = 60_000 if number % 10 == 0 else 900
        moment = now - number * timedelta(hours=1)
        call = {"user_id": "u", "content_type": "chat", "model": "gpt-4o"}
        await tracker.track(**call, request_duration=duration, created_at=moment)
    reports = Reports(database, ZoneInfo("UTC"))
    window = requested_window(days=3, first=None, last=None, now=reports.now(), zone=reports.zone)
    await database.writes.command("profile", 2)

    page = await reports.calls(ReportQuery(window), CallFilters(min_duration=50_000), limit=10, cursor=None)

    await database.writes.command("profile", 0)
    assert [call.request_duration for call in page.calls] == [60_000] * 3
    (read,) = await database.writes["system.profile"].find({"command.aggregate": "aiusages"}).to_list(None)
    assert read["docsExamined"] == 3


async def test_a_list_by_a_name_beyond_the_cap_has_all_its_calls(
    database: Database, tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CAPS, "model", 2)
    for number in range(12):
        call = {"user_id": "u", "content_type": "chat", "input_tokens": 1}
        await tracker.track(**call, provider="seldom" if number == 7 else "usual", model=f"model-{number % 4}")
    reports = Reports(database, ZoneInfo("UTC"))
    window = requested_window(days=3, first=None, last=None, now=reports.now(), zone=reports.zone)

    async def listed(**filters: str) -> list[str | None]:
        query = ReportQuery(window, Filters(**filters))
        return [call.model for call in (await reports.calls(query, ALL_CALLS, limit=50, cursor=None)).calls]

    assert await listed(model="model-0") == ["model-0"] * 3
    assert await listed(model="model-3") == ["model-3"] * 3
    assert await listed(provider="seldom") == ["model-3"]
    assert len(await listed(feature="chat")) == 12
    assert await listed(model="model-9") == []

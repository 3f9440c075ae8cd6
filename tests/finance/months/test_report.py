"""The report of a month says what the usage report says, and what a plain recount of the ledger says."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

import pytest

from app.errors import ConflictError, NotFoundError
from app.finance.months.month import Month
from app.finance.months.months import Wanted
from app.finance.months.report import MonthReport, MonthStatus, Share
from app.reports.query import Filters, ReportQuery, Synthetic
from models.money import ZERO, to_decimal
from tests.finance.months.scene import OCTOBER, ZONE, Scene, calls_at_random, scene
from tests.twins import entries

Entries = list[dict[str, Any]]
SEPTEMBER = OCTOBER.before


@pytest.fixture(scope="module")
async def busy(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    async with scene(mongodb_uri, tmp_path_factory.mktemp("months")) as found:
        await calls_at_random(found.tracker, 400)
        yield found


def of_month(rows: Entries, month: Month, of: Filters) -> Entries:
    window = month.window(ZONE)
    wanted = {name: value for name, value in (("clientId", of.client_id), ("userId", of.user_id)) if value}
    return [
        row
        for row in rows
        if window.start <= row["createdAt"] < window.end
        and not row["synthetic"]
        and all(row[name] == value for name, value in wanted.items())
    ]


def cost(rows: Entries) -> Decimal:
    return sum((to_decimal(row["cost"]) for row in rows), ZERO)


def by(rows: Entries, key: Callable[[dict[str, Any]], Any]) -> dict[Any, Entries]:
    found: dict[Any, Entries] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


@pytest.mark.parametrize("of", [Filters(), Filters(client_id="acme"), Filters(client_id="acme", user_id="u3")])
async def test_a_month_is_the_usage_report_and_the_ledger(busy: Scene, of: Filters) -> None:
    report = await busy.months.report(Wanted(OCTOBER, of))
    usage = await busy.reports.usage(ReportQuery(OCTOBER.window(ZONE), of))
    rows, before = [of_month(await entries(busy.database), month, of) for month in (OCTOBER, SEPTEMBER)]

    assert report.status is MonthStatus.OPEN
    assert report.totals == usage.totals
    assert (report.totals.requests, report.totals.cost) == (len(rows), cost(rows))
    assert (report.changed.totals.requests, report.changed.totals.cost) == (len(before), cost(before))
    assert report.changed.cost == cost(rows) - cost(before) == report.explained.totals.change
    assert sum((amount for _, amount in report.explained.totals.effects), ZERO) == report.changed.cost
    assert [(day.day, day.requests, day.cost) for day in report.daily] == [
        (day.day, day.requests, day.cost) for day in usage.daily
    ]
    check_parts(report, rows, before)
    assert {(each.version, each.calls): each.cost for each in report.price_versions or ()} == {
        (version, len(some)): cost(some) for version, some in by(rows, lambda row: row.get("priceVersion")).items()
    }
    assert sum(each.requests for each in report.unpriced) == sum(row["costSource"] == "unpriced" for row in rows)


def check_parts(report: MonthReport, rows: Entries, before: Entries) -> None:
    def figures(shares: list[Share]) -> dict[str, tuple[int, Decimal, Decimal]]:
        return {share.name: (share.requests, share.cost, share.cost_before) for share in shares}

    for shares, name in (
        (report.by_model, "aiModel"),
        (report.by_feature, "feature"),
        (report.by_provider, "provider"),
    ):
        now, earlier = by(rows, itemgetter(name)), by(before, itemgetter(name))
        assert figures(list(shares)) == {
            each: (len(now.get(each, [])), cost(now.get(each, [])), cost(earlier.get(each, [])))
            for each in now.keys() | earlier.keys()
        }
        assert sum(share.change for share in shares) == report.changed.cost
        assert [share.cost for share in shares] == sorted((share.cost for share in shares), reverse=True)
    assert sum((point.cost for point in report.series), ZERO) == report.totals.cost


async def test_demo_data_is_of_no_month_unless_asked_for(busy: Scene) -> None:
    real, demo, both = [
        (await busy.months.report(Wanted(OCTOBER, Filters(), synthetic))).totals.requests
        for synthetic in (Synthetic.EXCLUDE, Synthetic.ONLY, Synthetic.INCLUDE)
    ]
    assert real + demo == both
    assert demo > 0


async def test_a_month_that_is_not_over_is_only_previewed(busy: Scene) -> None:
    november = OCTOBER.after
    with pytest.raises(
        ConflictError, match=r"2024-11 is not over: its report is there from 2024-12-01T00:00:00\+01:00"
    ):
        await busy.months.report(Wanted(november, Filters()))

    report = await busy.months.report(Wanted(november, Filters(), preview=True))

    assert report.status is MonthStatus.PREVIEW
    assert (report.window.first.day, report.window.last.day, len(report.daily)) == (1, 5, 5)
    assert (report.changed.window.first.isoformat(), report.changed.window.last.isoformat()) == (
        "2024-10-01",
        "2024-10-05",
    )


async def test_a_month_of_the_future_has_not_begun(busy: Scene) -> None:
    with pytest.raises(ConflictError, match="2024-12 has not begun: it begins at 2024-12-01"):
        await busy.months.report(Wanted(Month(2024, 12), Filters(), preview=True))


async def test_before_the_first_call_there_is_no_report(busy: Scene) -> None:
    with pytest.raises(NotFoundError, match=r"no calls in 2023-01 or before: the first one is of 2024-08-31"):
        await busy.months.report(Wanted(Month(2023, 1), Filters()))
    with pytest.raises(NotFoundError, match=r"no calls of client nobody yet"):
        await busy.months.report(Wanted(OCTOBER, Filters(client_id="nobody")))
    with pytest.raises(NotFoundError, match=r"no calls of user nobody of client acme yet"):
        await busy.months.report(Wanted(OCTOBER, replace(Filters(client_id="acme"), user_id="nobody")))


async def test_a_quiet_month_after_the_first_call_has_a_report_of_zeros(busy: Scene) -> None:
    busy.clock.now, now = datetime(2025, 3, 1, tzinfo=UTC), busy.clock.now
    try:
        report = await busy.months.report(Wanted(Month(2025, 1), Filters()))
    finally:
        busy.clock.now = now
    assert (report.totals.requests, report.totals.cost, len(report.daily)) == (0, ZERO, 31)
    assert not report.by_model


@pytest.mark.parametrize("text", ["2024-13", "2024-1", "24-10", "1999-12", "2024-10-01", "٢٠٢٤-10"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="month must be a month as 2026-10"):
        Month.of_text(text)

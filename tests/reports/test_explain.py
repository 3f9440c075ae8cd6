"""Why a cost changed, over real rows, next to a plain recount of the ledger."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.observability.metrics import Counters
from app.reports.explained import Explained, ExplainReport, Status
from app.reports.parts.decomposition import EFFECTS
from app.reports.periods import Compare, against, complete_days
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.windows import TimeWindow
from app.rollups.compactor import Compactor
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from tests.reports.test_reports import NOW, reports, track_some
from tests.twins import entries

EARLIER, LATER = (date(2024, 4, 1), date(2024, 4, 9)), (date(2024, 5, 1), date(2024, 5, 10))
QUERY = ReportQuery(TimeWindow(*LATER, ZoneInfo("UTC")))
Rows = list[dict[str, Any]]


class Place(NamedTuple):
    """A deployment with two windows of calls, some of them merged, others not."""

    database: Database
    rows: Rows
    tracker: Tracker

    async def explained(self, **filters: Any) -> ExplainReport:
        synthetic = filters.pop("synthetic", Synthetic.EXCLUDE)
        query = ReportQuery(QUERY.window, Filters(**filters), synthetic)
        return await reports(self.database).explain(against(query, *EARLIER))


@pytest.fixture(params=["waiting", "merged", "sheets"])
async def place(request: pytest.FixtureRequest, settings: Settings, database: Database) -> AsyncIterator[Place]:
    async with open_tracker(settings, database, Counters(), compacting=False) as tracker:
        for days, seed, count in ((EARLIER, 3, 150), (LATER, 4, 250)):
            window = TimeWindow(*days, ZoneInfo("UTC"))
            around = timedelta(hours=20)
            await track_some(tracker, count, first=window.start - around, last=window.end + around, seed=seed, talks=2)
            if seed == 3 and request.param != "waiting":
                await merge(database, sheets=request.param == "sheets")
        yield Place(database, await entries(database), tracker)


async def merge(database: Database, *, sheets: bool) -> None:
    async with database.committer_session() as session:
        compactor = Compactor(database, session)
        await compactor.merge_all()
        if sheets:
            await compactor.sheets.make_all()


def cost(rows: Iterable[dict[str, Any]]) -> Decimal:
    return sum((row["cost"].to_decimal() for row in rows if row["cost"]), Decimal(0))


def within(rows: Rows, days: tuple[date, date], **named: Any) -> Rows:
    window = TimeWindow(*days, ZoneInfo("UTC"))
    return [
        row
        for row in rows
        if window.start <= row["createdAt"] < window.end and all(row[name] == value for name, value in named.items())
    ]


def by(rows: Rows, key: Callable[[dict[str, Any]], Any]) -> dict[Any, Rows]:
    groups: dict[Any, Rows] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def changes(rows: Rows, key: Callable[[dict[str, Any]], Any], **named: Any) -> dict[Any, tuple[Decimal, int, int]]:
    """By group: how far its cost changed, and its calls then and now."""
    then, now = (by(within(rows, days, **named), key) for days in (EARLIER, LATER))
    return {
        name: (cost(now.get(name, [])) - cost(then.get(name, [])), len(then.get(name, [])), len(now.get(name, [])))
        for name in then.keys() | now.keys()
    }


def told(rows: Iterable[Explained], name: Callable[[Any], Any] = lambda row: row.name) -> dict[Any, Any]:
    return {name(row): (row.change, row.earlier.requests, row.now.requests) for row in rows}


def assert_sums(report: ExplainReport) -> None:
    """Every part sums to the whole, by effect too, and effects sum to the change: as Decimal, to the last digit."""
    groups: list[Sequence[Explained]] = [
        report.by_feature,
        report.by_model,
        report.by_provider,
        [*report.top, report.rest],
    ]
    for row in [report.totals, *(row for group in groups for row in group)]:
        assert sum(row.effects.model_dump().values()) == row.change == row.now.cost - row.earlier.cost
    for group in groups:
        assert sum(row.change for row in group) == report.totals.change
        for effect in EFFECTS:
            assert sum(getattr(row.effects, effect) for row in group) == getattr(report.totals.effects, effect)
    for user in report.by_user:
        assert user.volume + user.cost_of_call == user.change == user.cost - user.earlier_cost
    assert sum(user.change for user in report.by_user) + report.other_users.change == report.totals.change


async def test_every_part_is_what_a_plain_recount_says_and_sums_to_the_change(place: Place) -> None:
    report = await place.explained()

    real = {"synthetic": False}
    assert_sums(report)
    (change,) = changes(place.rows, lambda _: None, **real).values()
    assert (report.totals.change, report.totals.earlier.requests, report.totals.now.requests) == change
    assert told(report.by_feature) == changes(place.rows, lambda row: row["feature"], **real)
    assert told(report.by_model, lambda row: (row.provider, row.model)) == changes(
        place.rows, lambda row: (row["provider"], row["aiModel"]), **real
    )
    assert told(report.by_provider) == changes(place.rows, lambda row: row["provider"], **real)
    of_users = changes(place.rows, lambda row: row["userId"], **real)
    expected = sorted(of_users.items(), key=lambda user: (-abs(user[1][0]), user[0]))[:20]
    assert [(u.user_id, (u.change, u.earlier_requests, u.requests)) for u in report.by_user] == expected
    assert report.other_users.users == len(of_users) - 20
    assert report.compared == "2024-05-01 to 2024-05-10 against 2024-04-01 to 2024-04-09"
    assert (report.earlier.days, report.window.days) == (9, 10)


@pytest.mark.parametrize("place", ["sheets"], indirect=True)
async def test_filters_narrow_both_windows(place: Place) -> None:
    narrowed: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"client_id": "a"}, {"clientId": "a"}),
        ({"feature": "chat"}, {"feature": "chat"}),
        ({"model": "gpt-4o"}, {"aiModel": "gpt-4o"}),
        ({"user_id": "u7"}, {"userId": "u7"}),
        ({"client_id": "nobody"}, {"clientId": "nobody"}),
        ({"synthetic": Synthetic.ONLY}, {"synthetic": True}),
    ]
    for filters, named in narrowed:
        report = await place.explained(**filters)

        assert_sums(report)
        assert told(report.by_feature) == changes(
            place.rows, lambda row: row["feature"], **{"synthetic": False, **named}
        )
        users = changes(place.rows, lambda row: row["userId"], **{"synthetic": False, **named})
        assert len(users) == sum(1 for user in report.by_user) + report.other_users.users
    assert [user.user_id for user in (await place.explained(user_id="u7")).by_user] == ["u7"]


async def test_causes_are_told_apart(tracker: Tracker, database: Database) -> None:
    then, now = datetime(2024, 4, 2, 12, tzinfo=UTC), datetime(2024, 5, 2, 12, tzinfo=UTC)

    async def calls(count: int, moment: datetime, feature: str, model: str, output: int) -> None:
        for _ in range(count):
            call = {"user_id": "u1", "content_type": feature, "input_tokens": 1_000, "output_tokens": output}
            await tracker.track(**call, model=model, created_at=moment)

    await calls(2, then, "chat", "gpt-4o", 100)
    await calls(4, now, "chat", "gpt-4o", 100)
    await calls(1, then, "summary", "gpt-4o", 100)
    await calls(1, now, "summary", "gpt-4o", 300)
    await calls(1, then, "keywords", "gpt-4o", 100)
    await calls(1, now, "keywords", "gpt-4o-mini", 100)
    await calls(1, now, "haiku", "gpt-4o-mini", 100)
    same = ReportQuery(TimeWindow(date(2024, 5, 1), date(2024, 5, 9), ZoneInfo("UTC")))

    report = await reports(database).explain(against(same, *EARLIER))

    # gpt-4o: 2.50 and 10 USD for a million tokens, gpt-4o-mini: 0.15 and 0.60
    large, small = Decimal("0.0035"), Decimal("0.00021")
    effects = {
        row.name: {name: value for name, value in row.effects.model_dump().items() if value}
        for row in report.by_feature
    }
    assert effects == {
        "chat": {"volume": 2 * large},
        "content-gen": {"tokens": Decimal("0.002")},
        "ats-optimizer": {"mix": small - large},
        "haiku": {"volume": small},
    }
    assert [(row.name, row.status, row.largest) for row in report.top] == [
        ("gpt-4o in chat", Status.BOTH, "volume"),
        ("gpt-4o in ats-optimizer", Status.GONE, "mix"),
        ("gpt-4o in content-gen", Status.BOTH, "tokens"),
        ("gpt-4o-mini in ats-optimizer", Status.NEW, "mix"),
        ("gpt-4o-mini in haiku", Status.NEW, "volume"),
    ]
    assert_sums(report)


def test_today_alone_has_no_complete_day_to_explain() -> None:
    today = ReportQuery(TimeWindow(NOW.date(), NOW.date(), ZoneInfo("UTC")))

    assert [complete_days(today, NOW, wish) for wish in Compare] == [None] * len(Compare)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (date(2024, 5, 1), date(2024, 5, 10), "2024-05-01 to 2024-05-10 against 2023-05-01 to 2023-05-10"),
        (date(2024, 5, 1), date(2024, 5, 15), "2024-05-01 to 2024-05-14 against 2023-05-01 to 2023-05-14"),
        (date(2024, 2, 1), date(2024, 2, 29), "2024-02-01 to 2024-02-29 against 2023-02-01 to 2023-02-28"),
    ],
)
def test_a_year_before_are_the_same_dates(first: date, last: date, words: str) -> None:
    found = complete_days(ReportQuery(TimeWindow(first, last, ZoneInfo("UTC"))), NOW, Compare.YEAR)

    assert found is not None
    assert found.words == words

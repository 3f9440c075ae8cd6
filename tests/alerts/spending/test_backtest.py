"""The back-test says what the watch would have told."""

import asyncio
from datetime import timedelta

from app.alerts.alerts import Alerts
from app.alerts.spending.backtest import Backtest, WouldTell
from app.alerts.spending.cells import Moment, reading
from app.database import Database
from app.settings import Settings
from app.tracking import Tracker
from tests.alerts.spending.scene import NOW, WEEK, ZONE, told, track, watch, weeks

FLOOR = 10 * 10**15


def _backtest(database: Database, days: int) -> tuple[list[WouldTell], int, int]:
    with reading(database) as cells:
        test = Backtest(cells, Moment(NOW, ZONE), days, FLOOR)
        return list(test.rows()), test.judged, test.unjudged


async def test_it_says_what_the_watch_tells(
    tracker: Tracker, database: Database, settings: Settings, alerts: Alerts
) -> None:
    await weeks(tracker, "1")
    await track(tracker, "20")
    await track(tracker, "1", content_type="poem")
    await track(tracker, "30", NOW - WEEK + timedelta(hours=3))
    await watch(database, settings, alerts).look()
    watched = [(each["kind"], each["text"]) for each in await told(database)]
    rows, judged, unjudged = await asyncio.to_thread(_backtest, database, 8)
    assert [text for _, text in watched] == [
        "Calls of the content type poem are counted as a feature of that name: it is not mapped.",
        "Client shop spent $21.00 on Monday 2026-06-15 (UTC) so far. Usual by 11:00 is $1.00, and up to $11.00.",
    ]
    assert rows == [
        WouldTell("spending.cost", "shop, day", "2026-06-08", "13", "$31.00", "$1.00", "$11.00"),
        WouldTell("spending.cost", "shop, day", "2026-06-15", "10", "$21.00", "$1.00", "$11.00"),
        WouldTell("spending.unpriced", "poem", "2026-06-15", "", "1 calls", "", ""),
    ]
    assert (judged, unjudged) == (8, 0)


async def test_days_without_history_enough_are_counted(tracker: Tracker, database: Database) -> None:
    await weeks(tracker, "100", count=3)
    assert await asyncio.to_thread(_backtest, database, 22) == ([], 0, 3)

"""What would have been told over stored days, by the same judgement as that of the watch."""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from app.alerts.spending.cells import Cells, Moment, hours_of
from app.alerts.spending.costs import HISTORY_DAYS, HOURS, ONE_DAY, Judge
from app.alerts.spending.failing import DAYS_BEFORE, errors_key, failing
from app.alerts.spending.failing import by_day as calls_by_day
from app.alerts.spending.ranges import PERCENT
from app.alerts.spending.slow import by_day as latency_by_day
from app.alerts.spending.slow import judged
from app.alerts.spending.spent import apart
from app.alerts.spending.telling import Place, dollars
from app.alerts.spending.unpriced import unpriced
from models.alerts import AlertKind
from models.rollups import DAYS

Key = tuple[AlertKind, str]


class WouldTell(NamedTuple):
    """One alert, as a row of a table."""

    kind: str
    about: str
    day: str
    hour: str
    """After its end, at the latest; empty where the whole day was judged."""
    figure: str
    usual: str
    upper: str


class Backtest:
    """Over days that are over, and the running one as far as it is."""

    def __init__(self, cells: Cells, now: Moment, days: int, floor: int) -> None:
        """`floor` is that of costs, in the smallest stored unit of USD."""
        self._cells = cells
        self._days = [now.day - back * ONE_DAY for back in reversed(range(days))]
        self._floor = floor
        self.unjudged = 0
        """Days of a scope without history enough."""
        self.judged = 0
        """The others."""

    def rows(self) -> Iterator[WouldTell]:
        """Every alert, by kind. Raises PyMongoError."""
        yield from self._costs()
        yield from self._errors()
        yield from self._slow()
        yield from self._unpriced()

    def _costs(self) -> Iterator[WouldTell]:
        known = self._with_before(HISTORY_DAYS)
        for scope in apart(self._cells.scopes()):
            history = hours_of(self._cells.of(DAYS, [scope], known, ("hours",))).get(scope, {})
            judge = Judge(history, self._floor)
            for day in self._days:
                enough = judge.knows_enough(day)
                self.judged += enough
                self.unjudged += not enough and day in history
                for found in judge.told_of(day):
                    figures = (dollars(each) for each in (found.cost, found.range.usual, found.range.upper))
                    about = f"{scope}, {found.span}"
                    yield WouldTell(AlertKind.SPENDING_COST, about, str(day), f"{found.hour:02}", *figures)

    def _errors(self) -> Iterator[WouldTell]:
        names = calls_by_day(self._cells, self._with_before(DAYS_BEFORE))
        told: set[str] = set()
        for day in self._days:
            for hour in range(HOURS):
                for found, _ in failing(names, day, hour):
                    if (key := errors_key(found.name, day)) not in told:
                        told.add(key)
                        about = " ".join(part for part in found.name if part)
                        figures = (f"{each / PERCENT:.1f} %" for each in (found.share, found.usual, found.upper))
                        yield WouldTell(AlertKind.SPENDING_ERRORS, about, str(day), f"{hour:02}", *figures)

    def _slow(self) -> Iterator[WouldTell]:
        names = latency_by_day(self._cells, self._with_before(DAYS_BEFORE))
        for day in self._days:
            before = {day - back * ONE_DAY for back in range(1, DAYS_BEFORE + 1)}
            for name, days in sorted(names.items()):
                if day not in days:
                    continue
                found = judged(name, days[day], [latency for each, latency in days.items() if each in before])
                if found is not None:
                    figures = (f"{each:,} ms" for each in (found.p95, found.range.usual, found.range.upper))
                    yield WouldTell(AlertKind.SPENDING_SLOW, " ".join(name), str(day), "", *figures)

    def _unpriced(self) -> Iterator[WouldTell]:
        told: set[str] = set()
        for day in self._days:
            for each in unpriced(self._cells, day, Place(None)):
                if each.key not in told:
                    told.add(each.key)
                    about = each.payload.get("contentType") or f"{each.payload['provider']} {each.payload['model']}"
                    yield WouldTell(each.kind, about, str(day), "", f"{each.payload['requests']:,} calls", "", "")

    def _with_before(self, days: int) -> list[date]:
        return [self._days[0] - back * ONE_DAY for back in reversed(range(1, days + 1))] + self._days

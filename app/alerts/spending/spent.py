"""Which scopes cost more than usual just now."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from app.alerts.spending.cells import Cells, Moment, hours_of
from app.alerts.spending.costs import HISTORY_DAYS, ONE_DAY, Judge, Unusual
from app.alerts.spending.drivers import drivers_of
from app.alerts.spending.telling import Place, Told, cost_told, day_key, hour_keys
from models.alerts import AlertKind
from models.money import USD_PLACES, ZERO
from models.rollups import DAYS, EVERYONE

KNOWN_FOR = timedelta(hours=1)
"""So long past days are kept; late calls may change them."""
KIND = AlertKind.SPENDING_COST
Past = dict[str, dict[date, list[int]]]


class CostRule:
    """Looks at days and hours. For one thread."""

    def __init__(self, floor: int, place: Place) -> None:
        """`floor` is how much more than usual it must be, in the smallest stored unit of USD."""
        self._floor = floor
        self._place = place
        self._past: Past = {}
        self._past_of: Moment | None = None

    def find(self, cells: Cells, moments: list[Moment]) -> Iterator[Told]:
        """What is unusual at these moments and not told yet. Raises PyMongoError."""
        scopes = apart(cells.scopes())
        days = sorted({moment.day for moment in moments})
        running = hours_of(cells.of(DAYS, scopes, days, ("hours",)))
        # nothing that is cheaper than the floor can be beyond its usual by that
        dear = [scope for scope, by_day in running.items() if any(sum(by_day[day]) > self._floor for day in by_day)]
        self._read_past(cells, moments[0], dear)
        for scope in dear:
            judge = Judge({**self._past[scope], **running[scope]}, self._floor)
            for moment in moments:
                if (unusual := _untold(cells, scope, judge, moment)) is not None:
                    drivers = drivers_of(cells, scope, unusual, judge.first)
                    yield cost_told(scope, unusual, drivers, moment.zone, self._place)

    def _read_past(self, cells: Cells, now: Moment, scopes: list[str]) -> None:
        """Know the days before of these scopes."""
        last = self._past_of
        if last is None or last.day != now.day or last.zone != now.zone or now.at - last.at > KNOWN_FOR:
            self._past, self._past_of = {}, now
        unknown = [scope for scope in scopes if scope not in self._past]
        before = [now.day - back * ONE_DAY for back in range(1, HISTORY_DAYS + 1)]
        found = hours_of(cells.of(DAYS, unknown, before, ("hours",)))
        self._past |= {scope: found.get(scope, {}) for scope in unknown}


def _untold(cells: Cells, scope: str, judge: Judge, moment: Moment) -> Unusual | None:
    """As `Judge.untold`, by the alerts that are recorded."""
    if judge.look(moment.day, moment.hour) is None:
        return None
    of_day, hours = day_key(scope, moment.day), hour_keys(scope, moment.day)
    said = cells.told(KIND, [of_day, *hours])
    told = {hour: _units(said[key].get("cost", ZERO)) for key, hour in hours.items() if key in said}
    return judge.untold(moment.day, moment.hour, told, day_told=of_day in said)


def _units(cost: Decimal) -> int:
    """Of an alert's cost, as `Judge` counts."""
    return int(Decimal(cost).scaleb(USD_PLACES))


def apart(scopes: list[str]) -> list[str]:
    """Where there is one client, everyone is that client, and is not told twice."""
    clients = [scope for scope in scopes if scope != EVERYONE]
    return clients if len(clients) == 1 else scopes

"""Which providers and models fail more than usual just now."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from app.alerts.spending.cells import Cells, Moment, PastDays, add_hours
from app.alerts.spending.costs import HOURS, ONE_DAY
from app.alerts.spending.ranges import PERCENT, median
from app.alerts.spending.telling import Place, Told, part
from app.alerts.wording import shortened
from models.alerts import AlertKind
from models.rollups import EVERYONE, USAGE

KIND = AlertKind.SPENDING_ERRORS
DAYS_BEFORE = 14
FEWEST_DAYS = 3
"""On which a model was called at all, before it is judged."""
FEWEST_CALLS = 20
FEWEST_FAILURES = 10
"""Of the hour."""
MARGIN = 1_000
"""Ten percent: the share of failures is at least so much above the usual one."""
WHOLE = 10_000
"""Shares are in hundredths of a percent."""
DEVIATIONS = 4

Name = tuple[str, str | None]
"""A provider, and one of its models or all."""


class Calls(NamedTuple):
    """How many, and how many of them failed."""

    requests: int
    failures: int


class Failing(NamedTuple):
    """What fails more than usual; shares in hundredths of a percent."""

    name: Name
    calls: Calls
    share: int
    usual: int
    upper: int


Hourly = tuple[list[int], list[int]]
"""Requests and successes of a day."""
ByDay = dict[Name, dict[date, Hourly]]


def judged(name: Name, calls: Calls, before: Iterable[Calls]) -> Failing | None:
    """Whether an hour's calls fail more than on the days before. None where they do not, or too little is known."""
    days = [each for each in before if each.requests]
    if len(days) < FEWEST_DAYS or calls.requests < FEWEST_CALLS or calls.failures < FEWEST_FAILURES:
        return None
    usual = median(each.failures * WHOLE // each.requests for each in days)
    share = calls.failures * WHOLE // calls.requests
    # twice as many as usual, but half-way to all where more than a third fail anyway
    upper = usual + max(MARGIN, min(usual, (WHOLE - usual) // 2))
    beyond_usual = calls.failures * WHOLE - calls.requests * usual
    # the square of a deviation of so many calls, in the same unit
    by_chance = DEVIATIONS**2 * calls.requests * usual * (WHOLE - usual)
    if share <= upper or beyond_usual**2 <= by_chance:
        return None
    return Failing(name, calls, share, usual, upper)


def failing(names: ByDay, day: date, hour: int) -> Iterator[tuple[Failing, Failing | None]]:
    """What fails more than usual in an hour, with the worst model of it: a provider, or those of its models that fail
    alone.
    """
    found = {name: each for name, days in names.items() if (each := _judged_hour(name, days, day, hour)) is not None}
    for name in sorted(found, key=lambda name: (name[0], name[1] or "")):
        provider, model = name
        if model is None or (provider, None) not in found:
            yield found[name], _worst(provider, found)


def _judged_hour(name: Name, days: Mapping[date, Hourly], day: date, hour: int) -> Failing | None:
    if day not in days:
        return None
    requests, successes = days[day]
    calls = Calls(requests[hour], requests[hour] - successes[hour])
    first = day - DAYS_BEFORE * ONE_DAY
    return judged(name, calls, (_of_day(hours) for each, hours in days.items() if first <= each < day))


class ErrorRule:
    """Looks at the running hour, for everyone. For one thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._before = PastDays(by_day, DAYS_BEFORE)

    def find(self, cells: Cells, moments: list[Moment]) -> Iterator[Told]:
        """What is not told yet: a provider, or those of its models that fail alone. Raises PyMongoError."""
        before = self._before.of(cells, moments[0])
        running = by_day(cells, sorted({each.day for each in moments}))
        for moment in moments:
            known = {name: {**before.get(name, {}), **days} for name, days in running.items()}
            for found, worst in failing(known, moment.day, moment.hour):
                if not cells.recorded(KIND, [errors_key(found.name, moment.day)]):
                    yield _told(found, worst, moment, self._place)


def _of_day(hours: Hourly) -> Calls:
    requests = sum(hours[0])
    return Calls(requests, requests - sum(hours[1]))


def _worst(provider: str, failing: Mapping[Name, Failing]) -> Failing | None:
    """The model of a provider with the most failures."""
    models = [each for each in failing.values() if each.name[0] == provider and each.name[1] is not None]
    return max(models, key=lambda each: (each.calls.failures, str(each.name[1])), default=None)


def by_day(cells: Cells, days: Iterable[date]) -> ByDay:
    """The calls of everyone on these days. Raises PyMongoError."""
    found: ByDay = {}
    for cell in cells.of(USAGE, [EVERYONE], days, ("hours",)):
        key = cell["_id"]
        day = date.fromisoformat(key["day"])
        for name in ((key["provider"], None), (key["provider"], key["model"])):
            requests, successes = found.setdefault(name, {}).setdefault(day, ([0] * HOURS, [0] * HOURS))
            add_hours(requests, cell, "requests")
            add_hours(successes, cell, "successes")
    return found


def errors_key(name: Name, day: date) -> str:
    """Once a day."""
    provider, model = name
    return f"{day}|{part(provider)}" if model is None else f"{day}|{part(provider)}|{part(model)}"


def _told(found: Failing, worst: Failing | None, moment: Moment, place: Place) -> Told:
    provider, model = found.name
    what = shortened(provider) if model is None else f"{shortened(model)} of {shortened(provider)}"
    hour, day = f"{moment.hour:02}:00", moment.day.isoformat()
    text = (
        f"{_percent(found.share)} of the calls of {what} since {hour} on {day} ({moment.zone.key}) failed. "
        f"Usual is {_percent(found.usual)}, and up to {_percent(found.upper)}."
    )
    lines = [f"Failed: {found.calls.failures:,} of {found.calls.requests:,} calls"]
    if model is None and worst is not None:
        lines.append(
            f"Most of them: {shortened(str(worst.name[1]))}, {worst.calls.failures:,} of {worst.calls.requests:,}"
        )
    lines += place.lines("", **{"from": day, "to": day}, provider=provider, model=model)
    payload = {
        "provider": provider,
        "model": model,
        "day": day,
        "hour": moment.hour,
        "timezone": moment.zone.key,
        "requests": found.calls.requests,
        "failures": found.calls.failures,
        "usualPercent": Decimal(found.usual) / PERCENT,
        "upperPercent": Decimal(found.upper) / PERCENT,
    }
    return Told(KIND, errors_key(found.name, moment.day), {"text": text, "lines": lines, **payload})


def _percent(share: int) -> str:
    return f"{Decimal(share) / PERCENT:.1f} %"

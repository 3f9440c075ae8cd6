"""Years of costs by the hour, as businesses have them: weekdays, nights, holidays, growth, launches, noise."""

import calendar
import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from models.money import exact_units

FIRST = date(2025, 1, 1)
DAYS = 365
OFFICE = [1, 1, 1, 1, 1, 2, 4, 10, 30, 60, 80, 85, 70, 75, 90, 90, 80, 60, 35, 20, 12, 8, 4, 2]
EVENING = [30, 18, 10, 6, 5, 6, 12, 20, 28, 32, 35, 40, 48, 46, 44, 46, 50, 60, 75, 90, 100, 95, 75, 50]
HOLIDAYS = {date(2025, 1, 1), date(2025, 4, 18), date(2025, 4, 21), date(2025, 5, 1), date(2025, 12, 24)} | {
    date(2025, 12, 25) + timedelta(days=n) for n in range(7)
}


Days = dict[date, list[int]]
"""Costs of the hours of each day, in the smallest stored unit."""


@dataclass(frozen=True)
class Business:
    """How one spends."""

    name: str
    usd_a_day: int
    weekend: float = 0.25
    """Of a weekday."""
    hours: list[int] = field(default_factory=lambda: OFFICE)
    growth_a_month: float = 0.0
    noise_of_day: float = 0.12
    noise_of_hour: float = 0.25
    """Standard deviations of the logarithm."""
    launches: tuple[tuple[date, float], ...] = ()
    """From a day on it spends so many times as much."""
    call_usd: float = 0.02
    """What a call costs: with few calls an hour is noisy by itself."""


BUSINESSES = (
    Business("office", 400),
    Business("shop", 2_000, weekend=1.3, hours=EVENING),
    Business("small office", 60, call_usd=0.05),
    Business("growing", 100, growth_a_month=0.25),
    Business("doubling", 40, growth_a_month=0.7),
    Business("noisy", 500, noise_of_day=0.3, noise_of_hour=0.5),
    Business("launching", 300, launches=((date(2025, 4, 7), 2.5), (date(2025, 9, 16), 3.0))),
)


def year_of(business: Business, seed: int, injected: dict[date, float] | None = None) -> Days:
    """The `injected` days cost so many times as much."""
    chance = random.Random(f"{business.name} {seed}")
    days = {}
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        usd = business.usd_a_day * (1 + business.growth_a_month) ** (number / 30)
        usd *= business.weekend if day.weekday() >= calendar.SATURDAY else 1.0
        usd *= 0.3 if day in HOLIDAYS else 1.0
        for launched, times in business.launches:
            usd *= times if day >= launched else 1.0
        usd *= chance.lognormvariate(0, business.noise_of_day) * (injected or {}).get(day, 1.0)
        days[day] = [_cost(chance, business, usd * share / sum(business.hours)) for share in business.hours]
    return days


def _cost(chance: random.Random, business: Business, usd: float) -> int:
    wanted = usd * chance.lognormvariate(0, business.noise_of_hour) / business.call_usd
    calls = max(0, round(chance.gauss(wanted, wanted**0.5)))
    units = exact_units(calls * Decimal(str(business.call_usd)))
    if units is None:
        raise ValueError(f"{business.name} spends more in an hour than can be stored")
    return units

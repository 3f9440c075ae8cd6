"""When a budget will be reached, at the pace of the last days. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal

from app.reports.rows import Row
from models.money import quantize_usd

PACE_DAYS = 28
"""Full days whose mean is the pace: whole weeks, so that no weekday counts more than others."""
FEWEST_DAYS = 3
FARTHEST_DAYS = 3_660


class Reached(Row):
    """When the budget will be used up, or why nothing is said of that."""

    on: date | None
    pace: Decimal | None
    """The mean cost of a day, in USD."""
    pace_days: int
    """Of so many full days."""
    words: str


def pace_days_of(today: date, begins: date | None, first_call: date | None) -> Sequence[date]:
    """The full days whose mean is the pace: up to yesterday, since the campaign began or was named first."""
    first = max((day for day in (begins, first_call) if day is not None), default=today)
    first = max(min(first, today), today - timedelta(days=PACE_DAYS))
    return [first + timedelta(days=number) for number in range((today - first).days)]


def reached(
    amount: Decimal,
    used: Decimal,
    costs: Mapping[date, Decimal],
    days: Sequence[date],
    *,
    today: date,
    ends: date | None,
) -> Reached:
    """`costs` by day, of which `days` are the pace: a day without calls costs nothing."""
    if used >= amount:
        return Reached(on=None, pace=None, pace_days=0, words="reached: all of the budget is used")
    if len(days) < FEWEST_DAYS:
        words = f"not said before {FEWEST_DAYS} full days: there are {len(days)}"
        return Reached(on=None, pace=None, pace_days=len(days), words=words)
    pace = quantize_usd(sum((costs.get(day, Decimal(0)) for day in days), Decimal(0)) / len(days))
    at_pace = f"at the mean of the last {len(days)} full days"
    if ends is not None and ends < today:
        return Reached(on=None, pace=pace, pace_days=len(days), words="not reached: the campaign has ended")
    left = None if not pace else ((amount - used) / pace).to_integral_value(ROUND_CEILING)
    if left is None or left > FARTHEST_DAYS:
        return Reached(on=None, pace=pace, pace_days=len(days), words=f"not within ten years, {at_pace}")
    # today's part is in `used` already: the rest of it counts as a whole day at most
    on = today + timedelta(days=int(left) - 1)
    if ends is not None and on > ends:
        words = f"not before its last day, {at_pace}: on {on}"
        return Reached(on=None, pace=pace, pace_days=len(days), words=words)
    return Reached(on=on, pace=pace, pace_days=len(days), words=at_pace)

"""The health score: how well the calls of a period went, from 0 to 100.

    score = 0.6 x success + 0.25 x latency + 0.15 x cost coverage, each of them from 0 to 100, rounded half-even

- success: 0 at a success rate of 90 % or less, 100 at 100 %, linear between;
- latency: 100 at a p95 of the request duration of 2 s or less, 0 at 20 s or more, linear between;
- cost coverage: the share of calls whose cost is known and not an estimate.

Where no call reports a duration, latency is left out and the other weights keep their proportion. Without calls there
is no score.
"""

from fractions import Fraction

from app.reports.rows import (
    Row,
    Totals,
)

WEIGHTS = {"success": 60, "latency": 25, "cost_coverage": 15}
WORST_SUCCESS = Fraction(9, 10)
BEST_P95_MS = 2_000
WORST_P95_MS = 20_000


class Health(Row):
    """The health of the calls of the month to date, from 0 to 100; see `app.reports.parts.health`."""

    score: int | None
    success: int | None
    latency: int | None
    cost_coverage: int | None


def health(totals: Totals, p95: int | None) -> Health:
    """The score of a period with these totals."""
    if totals.requests == 0:
        return Health(score=None, success=None, latency=None, cost_coverage=None)
    share = Fraction(totals.successes, totals.requests)
    known = Fraction(totals.requests - totals.unpriced - totals.estimated, totals.requests)
    parts = {"success": _within((share - WORST_SUCCESS) / (1 - WORST_SUCCESS)), "cost_coverage": _within(known)}
    if p95 is not None:
        parts["latency"] = _within(Fraction(WORST_P95_MS - p95, WORST_P95_MS - BEST_P95_MS))
    weight = sum(WEIGHTS[name] for name in parts)
    score = sum(WEIGHTS[name] * part for name, part in parts.items()) / weight
    rounded = {name: round(100 * part) for name, part in parts.items()}
    return Health(score=round(100 * score), **{"latency": None, **rounded})


def _within(part: Fraction) -> Fraction:
    return min(max(part, Fraction(0)), Fraction(1))

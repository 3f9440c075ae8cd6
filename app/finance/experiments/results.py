"""The results of an experiment, from what its users did: without a database."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from app.finance.experiments.answers import (
    Difference,
    Estimate,
    ExperimentBody,
    ExperimentResults,
    FormulaBody,
    Method,
    UnknownVariant,
    VariantResult,
)
from app.finance.experiments.figures import BEFORE_DAYS, FIGURES, Figure
from app.finance.experiments.moments import COLUMNS, COST, REQUESTS, VALUE
from app.finance.experiments.notices import INSTALL, notices, sample_ratio
from app.finance.experiments.rounding import rounded
from app.finance.experiments.tallies import Tallies, Tally, reasons
from app.reports.query import Synthetic
from app.reports.windows import TimeWindow
from models.base import snake
from models.experiments import Experiment
from models.money import quantize_usd, usd_of_units

WORDS = (
    "95 % intervals by tea-tasting: means and their differences by Welch's t, ratios by the delta method, rates by"
    " Wilson; differences in costs per user by CUPED with users' costs of the 28 days before"
)
_MONEY = {"cost", "value"}


def results_of(
    experiment: Experiment,
    window: TimeWindow,
    tallies: Tallies,
    analysis: Mapping[str, Any] | None,
    *,
    available: bool,
    synthetic: Synthetic,
    now: datetime,
) -> ExperimentResults:
    """`analysis` is what `analysis.analysed` says; None where there was nothing to ask, or nobody: then its library is
    not `available`.
    """
    today = now.astimezone(window.zone).date()
    ratio = sample_ratio(None if analysis is None else analysis["ratio"])
    return ExperimentResults(
        experiment=ExperimentBody.of(experiment, today),
        first=window.first,
        last=window.last,
        variants=[_variant(experiment, tallies, place, analysis) for place in range(len(experiment.variants))],
        mixed_users=tallies.mixed,
        unknown_variants=[UnknownVariant(name=name, users=users) for name, users in sorted(tallies.unknown.items())],
        unexposed_conversions=tallies.unexposed,
        sample_ratio=ratio,
        notices=notices(experiment, tallies, today, ratio, available=available),
        method=Method(
            available=available,
            words=WORDS if available else INSTALL,
            cuped_days=BEFORE_DAYS,
            with_history=tallies.with_history,
        ),
        formulas=[FormulaBody.of(figure.formula) for figure in FIGURES.values()],
        synthetic=synthetic,
        timezone=window.zone.key,
        generated_at=now,
    )


def _variant(experiment: Experiment, tallies: Tallies, place: int, analysis: Mapping[str, Any] | None) -> VariantResult:
    variant = experiment.variants[place]
    tally = tallies.variants[variant.name]
    intervals = {} if analysis is None else analysis["intervals"][place]
    differences = {} if analysis is None else analysis["differences"][place]
    sums, why = tally.moments.sums, reasons(experiment, tally)
    return VariantResult(
        name=variant.name,
        weight=variant.weight,
        control=variant.name == experiment.control,
        users=tally.moments.users,
        calls=sums[REQUESTS],
        tokens=tally.tokens,
        cost=usd_of_units(sums[COST]),
        unpriced=tally.unpriced,
        converted=tally.converted,
        conversions=tally.conversions,
        value=usd_of_units(sums[VALUE]),
        figures={name: _estimate(figure, tally, intervals.get(name), why[name]) for name, figure in FIGURES.items()},
        differences={name: _difference(found) for name, found in differences.items()},
    )


def _estimate(figure: Figure, tally: Tally, bounds: list[float | None] | None, few: str | None) -> Estimate:
    low, high = bounds or (None, None)
    return Estimate(value=_value(figure, tally), low=rounded(low), high=rounded(high), few=few)


def _value(figure: Figure, tally: Tally) -> Decimal | None:
    """The figure itself, from exact sums."""
    sums = tally.moments.sums
    divisor = tally.moments.users if figure.denom is None else sums[COLUMNS.index(figure.denom)]
    if not divisor:
        return None
    total = sums[COLUMNS.index(figure.numer)]
    if figure.numer in _MONEY:
        return quantize_usd(usd_of_units(total) / divisor)
    return rounded(total / divisor)


def _difference(found: Mapping[str, Any]) -> Difference:
    kept = {snake(name): value for name, value in found.items()}
    cuped = kept.pop("cuped")
    return Difference(cuped=cuped, **{name: rounded(value) for name, value in kept.items()})

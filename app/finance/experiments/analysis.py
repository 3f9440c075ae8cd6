"""The statistics of an experiment, by tea-tasting: intervals, differences and the sample-ratio check.

It is a program of its own, which reads questions and writes answers, a line of JSON each: to import the library takes a
second, and holds up the event loop of its process for a tenth of it. So it imports nothing of ours.

Sources: difference of means by Welch's t-test; ratios by the delta method (Deng, Knoblich, Lu: Applying the Delta
Method in Metric Analytics, 2018); CUPED (Deng, Xu, Kohavi, Walker: Improving the Sensitivity of Online Controlled
Experiments by Utilizing Pre-Experiment Data, 2013); intervals of rates by Wilson (1927); the sample-ratio check is
Pearson's chi-squared test.
"""

import json
import math
import sys
import warnings
from typing import Any

import scipy.stats
import tea_tasting as tt
from tea_tasting.aggr import Aggregates

CONFIDENCE = 0.95


def analysed(question: dict[str, Any]) -> dict[str, Any]:
    """What `question` asks for.

    `variants`: of each what `Moments.told` says, and `figures`, the names of those that are to be given. `figures`: by
    name `numer`, `denom` (None for a mean), `covariate` (None for none) and `rate`, whether values are 0 or 1.
    `control`: the place of the variant that others are compared with. `shares`: what share each should have; None
    where that is not to be checked. Numbers that are not finite are None.
    """
    with warnings.catch_warnings():
        # what cannot be computed is None in the answer
        warnings.simplefilter("ignore", RuntimeWarning)
        return _analysed(question)


def _analysed(question: dict[str, Any]) -> dict[str, Any]:
    variants = [_aggregates(variant) for variant in question["variants"]]
    figures, control = question["figures"], question["control"]
    allowed = [set(variant["figures"]) for variant in question["variants"]]
    return {
        "ratio": _ratio([variant["users"] for variant in question["variants"]], question["shares"]),
        "intervals": [
            {name: _interval(variant, figures[name]) for name in sorted(allowed[place])}
            for place, variant in enumerate(variants)
        ],
        "differences": [
            {
                name: _difference(variants[control], variant, figures[name])
                for name in sorted(allowed[place] & allowed[control])
                if place != control
            }
            for place, variant in enumerate(variants)
        ],
    }


def _aggregates(variant: dict[str, Any]) -> Aggregates:
    covariances = {(one, other): value for one, other, value in variant["covariances"]}
    return Aggregates(variant["users"], variant["means"], variant["variances"], covariances)


def _ratio(users: list[int], shares: list[float] | None) -> float | None:
    """The probability of such numbers, or less likely ones, where the shares are right."""
    if shares is None:
        return None
    total = sum(users)
    return _finite(scipy.stats.chisquare(users, [total * share for share in shares]).pvalue)


def _interval(variant: Aggregates, figure: dict[str, Any]) -> list[float | None]:
    """The bounds of a mean, a rate or a ratio."""
    users, numer, denom = variant.count(), figure["numer"], figure["denom"]
    if figure["rate"]:
        successes = round(variant.mean(numer) * users)
        bounds = scipy.stats.binomtest(successes, users).proportion_ci(CONFIDENCE, method="wilson")
        return [_finite(bounds.low), _finite(bounds.high)]
    if denom is not None and not variant.mean(denom):
        return [None, None]
    middle = variant.mean(numer) / variant.mean(denom)
    error = math.sqrt(max(0.0, variant.ratio_var(numer, denom)) / users)
    reach = error * float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, users - 1))
    return [_finite(middle - reach), _finite(middle + reach)]


def _difference(control: Aggregates, variant: Aggregates, figure: dict[str, Any]) -> dict[str, Any]:
    plain = _compared(control, variant, figure, None)
    covariate = figure["covariate"]
    if covariate is None or not (control.var(covariate) or variant.var(covariate)):
        return {**plain, "cuped": False, "narrower": None}
    better = _compared(control, variant, figure, covariate)
    widths = [_width(plain), _width(better)]
    if None in widths or not widths[0]:
        return {**plain, "cuped": False, "narrower": None}
    return {**better, "cuped": True, "narrower": 1 - widths[1] / widths[0]}


def _compared(
    control: Aggregates, variant: Aggregates, figure: dict[str, Any], covariate: str | None
) -> dict[str, Any]:
    metric = tt.RatioOfMeans(
        figure["numer"], figure["denom"], covariate, confidence_level=CONFIDENCE, equal_var=False, use_t=True
    )
    found = metric.analyze_aggregates(control, variant)
    return {
        "absolute": _finite(found.effect_size),
        "low": _finite(found.effect_size_ci_lower),
        "high": _finite(found.effect_size_ci_upper),
        "relative": _finite(found.rel_effect_size),
        "relativeLow": _finite(found.rel_effect_size_ci_lower),
        "relativeHigh": _finite(found.rel_effect_size_ci_upper),
        "pValue": _finite(found.pvalue),
    }


def _width(compared: dict[str, Any]) -> Any:
    low, high = compared["low"], compared["high"]
    return None if low is None or high is None else high - low


def _finite(number: Any) -> float | None:
    return float(number) if math.isfinite(number) else None


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(analysed(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

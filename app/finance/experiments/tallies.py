"""The users of an experiment, summed by variant; and the question that the analysis answers about them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.finance.experiments.figures import FIGURES, asked
from app.finance.experiments.moments import BEFORE, CONVERTED, Moments
from models.experiments import Experiment

FEWEST_EXPECTED = 5
"""Users that a variant should have, below which the chi-squared test says nothing of their shares."""


@dataclass
class Tally:
    """Of one variant."""

    moments: Moments = field(default_factory=Moments)
    tokens: int = 0
    unpriced: int = 0
    conversions: int = 0
    with_history: int = 0
    """Users who cost something before."""

    @property
    def converted(self) -> int:
        return self.moments.sums[CONVERTED]

    def add(self, row: Sequence[int], tokens: int, unpriced: int, conversions: int, sign: int = 1) -> None:
        """Count one user; with a `sign` of -1, no longer. `row` has a number for each of `moments.COLUMNS`."""
        self.moments.add(row, sign)
        self.tokens += sign * tokens
        self.unpriced += sign * unpriced
        self.conversions += sign * conversions
        self.with_history += sign * (row[BEFORE] > 0)


@dataclass(frozen=True)
class Tallies:
    """Of all variants."""

    variants: dict[str, Tally]
    """In the order of the definition."""
    unknown: dict[str, int]
    """Users by variants that are not defined."""
    mixed: int
    unexposed: int

    @property
    def with_history(self) -> int:
        return sum(tally.with_history for tally in self.variants.values())


def reasons(experiment: Experiment, tally: Tally) -> dict[str, str | None]:
    """By figure: why no interval of it is given for a variant; None where one is."""
    return asked(tally.moments.users, tally.converted, experiment.minimum_conversions)


def question(experiment: Experiment, tallies: Tallies) -> dict[str, Any] | None:
    """For `analysis.analysed`; None where there are too few users to say anything."""
    named = [
        [name for name, reason in reasons(experiment, tally).items() if reason is None]
        for tally in tallies.variants.values()
    ]
    users = sum(tally.moments.users for tally in tallies.variants.values())
    enough = min(users * variant.weight for variant in experiment.variants) >= FEWEST_EXPECTED
    if not enough and not any(named):
        return None
    return {
        "variants": [
            {**tally.moments.told(), "figures": names}
            for tally, names in zip(tallies.variants.values(), named, strict=True)
        ],
        "figures": {
            name: {
                "numer": figure.numer,
                "denom": figure.denom,
                "covariate": figure.covariate if tallies.with_history else None,
                "rate": figure.rate,
            }
            for name, figure in FIGURES.items()
        },
        "control": list(tallies.variants).index(experiment.control),
        "shares": [float(variant.weight) for variant in experiment.variants] if enough else None,
    }

"""How well the statistics of experiments tell: how often 95 % intervals hold the truth, how often a difference is seen
where there is none, and how often wrong shares of users are noticed. Over generated experiments, whose truth is known.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from app.finance.experiments.analysis import analysed
from app.finance.experiments.figures import FIGURES, WRONG_RATIO
from app.finance.experiments.moments import COLUMNS
from scripts.bench.results import Row

CALLS = 4.0
"""Of a user, on average."""
SPREAD = 1.0
"""The standard deviation of the logarithm of what users cost: the dearest of a thousand costs 20 times the median."""
RATE, VALUE = 0.10, 20.0
MEDIAN = 0.02
DEARER, BETTER = 1.10, 1.25
"""What a variant that differs costs, and converts, of what the control does."""
ALIKE = 0.6
"""How far what a user costs follows from what he had cost before."""
SKEWED = 0.45
"""The share of users that a broken assignment gives to the variant that should have half."""


SEEN = 0.05
"""The probability below which a difference is said to be seen."""
KINDS = {"the same": (1.0, 1.0, 0.5), "different": (DEARER, BETTER, 0.5), "wrong shares": (1.0, 1.0, SKEWED)}
"""Of each: what the second variant costs and converts, and its share of the users."""


def measure(rounds: int, users: int, seed: int, advance: Callable[[int], None]) -> dict[str, Row]:
    """For each kind of experiment, with so many users in both variants, and each figure: the shares of rounds in which
    its `interval` in the second variant, and that of its `difference`, held the truth; in which a difference was
    `seen`; and in which the shares of users gave `alarm`. `narrower`: by what share CUPED made intervals so.
    """
    table: dict[str, Row] = {}
    for kind, (dearer, better, share) in KINDS.items():
        random, found = np.random.default_rng(seed), []
        for _ in range(rounds):
            found.append(_round(random, users, dearer, better, share))
            advance(1)
        for name in FIGURES:
            rows = [row[name] for row in found]
            table[f"{kind}: {name}"] = {
                column: round(float(np.mean([row[column] for row in rows])), 4) for column in rows[0]
            }
    return table


def _round(random: Any, users: int, dearer: float, better: float, share: float) -> dict[str, dict[str, float]]:
    second = int(random.binomial(users, share))
    variants = [_variant(random, users - second, 1.0, 1.0), _variant(random, second, dearer, better)]
    answer = analysed(
        {
            "variants": [{**variant, "figures": list(FIGURES)} for variant in variants],
            "figures": {
                name: {"numer": f.numer, "denom": f.denom, "covariate": f.covariate, "rate": f.rate}
                for name, f in FIGURES.items()
            },
            "control": 0,
            "shares": [0.5, 0.5],
        }
    )
    truth = _truth(1.0, 1.0), _truth(dearer, better)
    return {name: _told(answer, name, truth[0][name], truth[1][name]) for name in FIGURES}


def _told(answer: dict[str, Any], name: str, control: float, variant: float) -> dict[str, float]:
    low, high = answer["intervals"][1][name]
    difference = answer["differences"][1][name]
    return {
        "interval": float(low <= variant <= high),
        "difference": float(difference["low"] <= variant - control <= difference["high"]),
        "seen": float(difference["pValue"] < SEEN),
        "alarm": float(answer["ratio"] < WRONG_RATIO),
        "narrower": difference["narrower"] or 0.0,
    }


def _variant(random: Any, users: int, dearer: float, better: float) -> dict[str, Any]:
    taste = random.normal(size=users)
    now = ALIKE * taste + np.sqrt(1 - ALIKE**2) * random.normal(size=users)
    converted = (random.random(users) < RATE * better).astype(float)
    columns = np.stack(
        [
            random.poisson(CALLS, users).astype(float),
            MEDIAN * dearer * np.exp(SPREAD * now),
            converted,
            converted * random.exponential(VALUE, users),
            MEDIAN * np.exp(SPREAD * taste),
        ]
    )
    covariance = np.cov(columns)
    places = range(len(COLUMNS))
    return {
        "users": users,
        "means": {name: float(columns[place].mean()) for place, name in enumerate(COLUMNS)},
        "variances": {name: float(covariance[place, place]) for place, name in enumerate(COLUMNS)},
        "covariances": [
            [COLUMNS[one], COLUMNS[other], float(covariance[one, other])]
            for one in places
            for other in places
            if one < other
        ],
    }


def _truth(dearer: float, better: float) -> dict[str, float]:
    cost, rate = MEDIAN * dearer * float(np.exp(SPREAD**2 / 2)), RATE * better
    return {
        "callsPerUser": CALLS,
        "costPerUser": cost,
        "conversionRate": rate,
        "costPerConversion": cost / rate,
        "valuePerUser": rate * VALUE,
    }

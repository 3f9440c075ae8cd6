"""What is summed of the users of a variant: exactly, as integers. Every mean, variance and covariance follows from it.

Amounts are whole numbers of 1e-15 USD. They become floats once, at the end, correctly rounded: a float that was summed
up loses digits, and with large means nearly all of a variance.
"""

from collections.abc import Sequence
from typing import Any

from models.money import USD_PLACES

COLUMNS = ("requests", "cost", "converted", "value", "before")
"""Of a user: calls, what they cost, whether he converted (0 or 1), what that was worth, and what he cost before."""
REQUESTS, COST, CONVERTED, VALUE, BEFORE = range(len(COLUMNS))
_SCALES = {COST: 10**USD_PLACES, VALUE: 10**USD_PLACES, BEFORE: 10**USD_PLACES}
PAIRS = tuple((one, other) for one in range(len(COLUMNS)) for other in range(one, len(COLUMNS)))


class Moments:
    """Of the users of one variant."""

    def __init__(self) -> None:
        self.users = 0
        self.sums = [0] * len(COLUMNS)
        self.products = dict.fromkeys(PAIRS, 0)

    def add(self, row: Sequence[int], sign: int = 1) -> None:
        """Count a user, with a number for each of `COLUMNS`; with a `sign` of -1, no longer."""
        sums, products = self.sums, self.products
        self.users += sign
        there = [place for place, value in enumerate(row) if value]
        for at, one in enumerate(there):
            value = sign * row[one]
            sums[one] += value
            for other in there[at:]:
                products[one, other] += value * row[other]

    def told(self) -> dict[str, Any]:
        """Sizes, means, variances and covariances, in USD where they are of amounts; for `analysis`. Without users, or
        with a single one, variances are 0.
        """
        names = COLUMNS
        return {
            "users": self.users,
            "means": {name: self._mean(place) for place, name in enumerate(names)},
            "variances": {name: self._covariance(place, place) for place, name in enumerate(names)},
            "covariances": [
                [names[one], names[other], self._covariance(one, other)] for one, other in PAIRS if one != other
            ],
        }

    def _mean(self, place: int) -> float:
        return self.sums[place] / (self.users * _SCALES.get(place, 1)) if self.users else 0.0

    def _covariance(self, one: int, other: int) -> float:
        """Of the sample: (n Σxy - Σx Σy) / (n (n - 1))."""
        users = self.users
        if users <= 1:
            return 0.0
        scale = _SCALES.get(one, 1) * _SCALES.get(other, 1)
        deviations: int = users * self.products[one, other] - self.sums[one] * self.sums[other]
        weight: int = users * (users - 1) * scale
        return deviations / weight

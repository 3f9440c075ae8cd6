"""The figures of an experiment: each with its formula in words, and what it is computed from."""

from typing import NamedTuple

from app.finance.figures.formulas import Formula

FEWEST_USERS = 100
"""In a variant, below which no interval is given: means of costs are far from normal with fewer."""
WRONG_RATIO = 0.001
"""Below this probability the shares of the variants are not what they should be, and no figure can be trusted."""
MANY_MIXED = 0.01
"""The share of users in more than one variant from which on that is warned of."""
BEFORE_DAYS = 28
"""Whole days before the experiment, of which users' costs make later ones comparable. Four weeks: each weekday counts
the same.
"""


class Figure(NamedTuple):
    """One figure of a variant."""

    formula: Formula
    numer: str
    """A column of `moments`; for each user, or for each of `denom`."""
    denom: str | None = None
    covariate: str | None = None
    rate: bool = False
    """Of values that are 0 or 1."""
    of_conversions: bool = False
    """Whether it needs conversions, and not only users."""


FIGURES = {
    figure.formula.name: figure
    for figure in (
        Figure(Formula("callsPerUser", "calls", "calls of the variant / its users"), "requests"),
        Figure(
            Formula("costPerUser", "USD", "AI cost of the variant's calls / its users"),
            "cost",
            covariate="before",
        ),
        Figure(
            Formula(
                "conversionRate",
                "share",
                "users of the variant with at least one conversion after they were first seen / its users",
            ),
            "converted",
            rate=True,
            of_conversions=True,
        ),
        Figure(
            Formula(
                "costPerConversion", "USD", "AI cost of the variant's calls / its users with at least one conversion"
            ),
            "cost",
            denom="converted",
            of_conversions=True,
        ),
        Figure(
            Formula("valuePerUser", "USD", "sum of the value of the variant's conversions / its users"),
            "value",
            of_conversions=True,
        ),
    )
}
"""By name."""


def asked(users: int, converted: int, minimum_conversions: int) -> dict[str, str | None]:
    """Of a variant, by figure: why no interval is given; None where one is."""
    few_users = f"fewer than {FEWEST_USERS} users" if users < FEWEST_USERS else None
    few = f"fewer than {minimum_conversions} users who converted" if converted < minimum_conversions else None
    return {name: few_users or (few if figure.of_conversions else None) for name, figure in FIGURES.items()}

"""New users of features, and who of them upgraded soon after. Pure. Users are bits, as in their sheets."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from app.finance.upgrades.answers import LEAST_UPGRADES, LEAST_USERS, WITHIN_DAYS, FeatureUpgrades
from app.reports.parts.feature_days import FeatureDays, OfFeatures
from app.reports.rows import percent
from app.reports.windows import DAY

MICRO = Decimal("0.000001")
ALL = None
"""In place of a feature: any."""


class Counted(NamedTuple):
    """Users of one feature."""

    new: int
    observed: int
    upgraded: int
    so_far: int


def counted(found: FeatureDays, upgrades: Mapping[str, list[date]], this_day: date) -> dict[str | None, Counted]:
    """By feature, and of all. Before `this_day` days are over; a user's 30 are where the last of them is."""
    soon = _who_upgrade_soon(found, upgrades)
    seen = _with_all(found.before)
    sums: defaultdict[str | None, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for day in sorted(found.by_day):
        is_over = day + WITHIN_DAYS * DAY < this_day
        for feature, active in _with_all(found.by_day[day]).items():
            new = active & ~seen.get(feature, 0)
            seen[feature] = seen.get(feature, 0) | active
            users, upgraded = new.bit_count(), (new & soon.get(day, 0)).bit_count()
            of_feature = sums[feature]
            of_feature[0] += users
            of_feature[1] += users * is_over
            of_feature[2] += upgraded * is_over
            of_feature[3] += upgraded
    return {feature: Counted(*each) for feature, each in sums.items()}


def row(feature: str | None, of: Counted, cost: Decimal) -> FeatureUpgrades:
    """The answer of one feature."""
    return FeatureUpgrades(
        feature=feature,
        new_users=of.new,
        observed=of.observed,
        upgraded=of.upgraded,
        upgrade_percent=percent(of.upgraded, of.observed),
        upgraded_so_far=of.so_far,
        cost=cost,
        cost_per_upgrade=(cost / of.so_far).quantize(MICRO) if of.so_far else None,
        small=of.observed < LEAST_USERS or of.upgraded < LEAST_UPGRADES,
    )


def _who_upgrade_soon(found: FeatureDays, upgrades: Mapping[str, list[date]]) -> dict[date, int]:
    """By day: those who upgrade on it or in the 30 days after it."""
    of_day: defaultdict[date, int] = defaultdict(int)
    for user, days in upgrades.items():
        for day in days:
            of_day[day] |= 1 << found.places[user]
    soon: dict[date, int] = {}
    for day in found.by_day:
        soon[day] = 0
        for ahead in range(WITHIN_DAYS + 1):
            soon[day] |= of_day.get(day + ahead * DAY, 0)
    return soon


def _with_all(of_features: OfFeatures) -> dict[str | None, int]:
    whole: dict[str | None, int] = {ALL: 0}
    for feature, users in of_features.items():
        whole[feature] = users
        whole[ALL] |= users
    return whole

"""Retention by feature: of those who used it for the first time in one week, how many used it in later ones."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from app.reports.parts.feature_days import FeatureDays, OfFeatures
from app.reports.query import Filters, ReportQuery, Synthetic
from app.reports.rows import Row, percent
from app.reports.windows import DAY, TimeWindow, today

WEEK = 7
WEEKS = 12
MOST_WEEKS = 52
MOST_FEATURES = 50
LEAST_USERS = 20
"""Fewer mislead: one user more or less is 5 points and more."""


class Return(Row):
    """Those of a cohort who came back in one week."""

    week: int
    """How many weeks after the first."""
    users: int
    percent: Decimal | None
    """Of the cohort."""


class Cohort(Row):
    """Those who used a feature for the first time in one week, Monday to Sunday."""

    week: date
    """Its Monday."""
    users: int
    small: bool
    """Fewer than 20 users: percents mislead."""
    returned: list[Return]
    """In each later week that is over."""


class Kept(Row):
    """How many came back so many weeks later, over all cohorts of which that week is over."""

    week: int
    of: int
    """Users of these cohorts."""
    users: int
    percent: Decimal | None
    small: bool


class FeatureRetention(Row):
    """One feature."""

    feature: str
    users: int
    """Who used it for the first time in the weeks of the answer."""
    users_before: int
    """Who had used it before them; they are in no cohort."""
    cohorts: list[Cohort]
    kept: list[Kept]


class RetentionReport(Row):
    """`GET /api/admin/ai/retention`."""

    first_week: date
    """The Monday of the first week of the cohorts."""
    last_week: date
    """The Monday of the last week, which is over."""
    weeks: int
    timezone: str
    synthetic: Synthetic
    client_id: str | None
    least_users: int
    """Counts of fewer are marked `small`."""
    features: list[FeatureRetention]
    """Those with the most new users first."""
    features_left_out: int
    """Beyond the 50 first."""
    generated_at: datetime


def query_of(weeks: int, now: datetime, zone: ZoneInfo, synthetic: Synthetic, client_id: str | None) -> ReportQuery:
    """The last weeks that are over, Monday to Sunday."""
    this_day = today(now, zone)
    last = this_day - (this_day.weekday() + 1) * DAY
    return ReportQuery(TimeWindow(last - (weeks * WEEK - 1) * DAY, last, zone), Filters(client_id=client_id), synthetic)


def retention_report(
    query: ReportQuery, found: FeatureDays, feature: str | None, generated_at: datetime
) -> RetentionReport:
    """Of each feature used in these weeks, or of one."""
    window = query.window
    weeks = len(window.days) // WEEK
    by_week: dict[str, list[int]] = {}
    for day, of_features in found.by_day.items():
        for name, active in of_features.items():
            if feature in {None, name}:
                by_week.setdefault(name, [0] * weeks)[(day - window.first).days // WEEK] |= active
    rows = [_of_feature(name, active, found.before, window.first) for name, active in by_week.items()]
    rows.sort(key=lambda row: (-row.users, row.feature))
    return RetentionReport(
        first_week=window.first,
        last_week=window.last - (WEEK - 1) * DAY,
        weeks=weeks,
        timezone=window.zone.key,
        synthetic=query.synthetic,
        client_id=query.filters.client_id,
        least_users=LEAST_USERS,
        features=rows[:MOST_FEATURES],
        features_left_out=max(0, len(rows) - MOST_FEATURES),
        generated_at=generated_at,
    )


def _of_feature(feature: str, active: Sequence[int], before: OfFeatures, first: date) -> FeatureRetention:
    seen = before.get(feature, 0)
    cohorts: list[Cohort] = []
    for number, users in enumerate(active):
        new = users & ~seen
        seen |= users
        cohorts.append(_cohort(first + number * WEEK * DAY, new, active[number + 1 :]))
    return FeatureRetention(
        feature=feature,
        users=sum(cohort.users for cohort in cohorts),
        users_before=before.get(feature, 0).bit_count(),
        cohorts=cohorts,
        kept=[_kept(number, cohorts) for number in range(1, len(active))],
    )


def _cohort(week: date, new: int, later: Sequence[int]) -> Cohort:
    users = new.bit_count()
    returned = [(new & active).bit_count() for active in later]
    return Cohort(
        week=week,
        users=users,
        small=users < LEAST_USERS,
        returned=[
            Return(week=number, users=count, percent=percent(count, users)) for number, count in enumerate(returned, 1)
        ],
    )


def _kept(number: int, cohorts: Sequence[Cohort]) -> Kept:
    old_enough = cohorts[: len(cohorts) - number]
    of = sum(cohort.users for cohort in old_enough)
    users = sum(cohort.returned[number - 1].users for cohort in old_enough)
    return Kept(week=number, of=of, users=users, percent=percent(users, of), small=of < LEAST_USERS)

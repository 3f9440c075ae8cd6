"""What is answered about upgrades of features' users."""

from datetime import datetime
from decimal import Decimal

from app.finance.figures.answers import FormulaRow
from app.reports.query import Synthetic
from app.reports.rows import Row, Window

WITHIN_DAYS = 30
LEAST_USERS = 20
"""Fewer users mislead."""
LEAST_UPGRADES = 5
"""Fewer upgrades do, too."""


class FeatureUpgrades(Row):
    """One feature. That its users upgraded does not say that they did so because of it."""

    feature: str | None
    """Null for all: the first use of anything."""
    new_users: int
    """Who used it for the first time in the window."""
    observed: int
    """Of these, those whose 30 days after the first use are over."""
    upgraded: int
    """Of the observed, those who upgraded within 30 days after the first use, its day included."""
    upgrade_percent: Decimal | None
    """`upgraded` of `observed`."""
    upgraded_so_far: int
    """Of all new users, those who did up to now."""
    cost: Decimal
    """USD of AI that all calls of the feature cost in the window, of new users and of others."""
    cost_per_upgrade: Decimal | None
    """`cost` by `upgradedSoFar`, USD to 6 decimals."""
    small: bool
    """Fewer than 20 users are observed, or fewer than 5 upgraded: the figures mislead."""


class UpgradesReport(Row):
    """`GET /api/admin/ai/upgrades`."""

    window: Window
    client_id: str | None
    synthetic: Synthetic
    within_days: int
    least_users: int
    least_upgrades: int
    users_with_upgrades: int
    """Users whose own subscription became dearer from the window's first day up to 30 days after its last."""
    whole: FeatureUpgrades
    features: list[FeatureUpgrades]
    """Those with the most new users first."""
    formulas: list[FormulaRow]
    note: str
    """What these figures do not say."""
    generated_at: datetime

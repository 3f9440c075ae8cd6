"""How old the price tables of this installation are."""

from collections.abc import Mapping
from datetime import date

from genai_prices import __version__ as token_table

from app.pricing.media_prices import MediaPrices
from scripts.diagnosis import words
from scripts.diagnosis.finding import Check, Deployment, Finding, Group, notice, ok

RELEASED = {"0.2.3": date(2026, 11, 1)}
"""The month of the genai-prices package that is pinned, which does not say it itself."""
OLD_DAYS = 92


async def price_tables(deployment: Deployment) -> Finding:
    return age_of(installed(), deployment.clock().date())


def installed() -> dict[str, date | None]:
    """By name, the month of each table; None where that is not known."""
    media = MediaPrices().version
    return {
        f"genai-prices {token_table}": RELEASED.get(token_table),
        media: date.fromisoformat(f"{media.split()[-1][:7]}-01"),
    }


def age_of(tables: Mapping[str, date | None], today: date) -> Finding:
    """Months are told apart by their first day."""
    said = ", ".join(f"{name} of {f'{month:%Y-%m}' if month else 'an unknown month'}" for name, month in tables.items())
    if old := [name for name, month in tables.items() if month is None or (today - month).days > OLD_DAYS]:
        advice = "install a newer twinmeter; then python -m scripts.reprice shows what it would change"
        return notice(f"{said}: {words.some(old)} is older than {OLD_DAYS} days or of unknown age", advice)
    return ok(said)


GROUP = Group("prices", (Check("price tables", price_tables, local=True),))

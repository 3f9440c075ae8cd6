"""How old the price tables are that calls are priced by."""

from collections.abc import Mapping
from datetime import date

from genai_prices import __version__ as token_table

from app.pricing.media_prices import MediaPrices
from app.pricing.price_data import bundled, newest_price
from app.pricing.price_tables import PriceTables
from scripts.diagnosis import words
from scripts.diagnosis.finding import Check, Deployment, Finding, Group, notice, ok

RELEASED = {"0.2.3": date(2026, 11, 1)}
"""The month of the genai-prices package that is pinned, which does not say it itself."""
OLD_DAYS = 92
TOKEN_TABLE = f"genai-prices {token_table}"


async def price_tables(deployment: Deployment) -> Finding:
    """By the table that was loaded, where one is in use; while MongoDB is away, by those of the installation."""
    tables, today = installed(), deployment.clock().date()
    loaded = None if deployment.found is None else await PriceTables(deployment.found).in_use()
    if loaded is not None:
        del tables[TOKEN_TABLE]
        newest = loaded.newest_price or loaded.loaded_at.date()
        if (packaged := newest_price(bundled(), today)) is not None and packaged > newest:
            said = f"{loaded.version} is in use, whose newest price is of {newest}; {TOKEN_TABLE} has one of {packaged}"
            return notice(said, "python -m scripts.update_prices --revert --execute, or load a newer file")
        tables = {loaded.version: newest, **tables}
    return age_of(tables, today)


def installed() -> dict[str, date | None]:
    """By name, the month of each table; None where that is not known."""
    media = MediaPrices().version
    return {
        TOKEN_TABLE: RELEASED.get(token_table),
        media: date.fromisoformat(f"{media.split()[-1][:7]}-01"),
    }


def age_of(tables: Mapping[str, date | None], today: date) -> Finding:
    """Months are told apart by their first day."""
    said = ", ".join(f"{name} of {f'{month:%Y-%m}' if month else 'an unknown month'}" for name, month in tables.items())
    if old := [name for name, month in tables.items() if month is None or (today - month).days > OLD_DAYS]:
        advice = (
            "install a newer twinmeter, or load newer token prices: python -m scripts.update_prices; "
            "then python -m scripts.reprice shows what it would change"
        )
        return notice(f"{said}: {words.some(old)} is older than {OLD_DAYS} days or of unknown age", advice)
    return ok(said)


GROUP = Group("prices", (Check("price tables", price_tables, local=True),))

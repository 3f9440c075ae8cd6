"""What the demo defines beside its data, in its own database alone: campaigns, an experiment, an invoice."""

from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from app.database import Database
from app.errors import ConflictError
from app.finance.campaigns.book import CampaignBook
from app.finance.experiments.book import ExperimentBook
from app.finance.months.invoices import Invoices
from app.limits.defining.limits import LimitBook
from app.limits.definitions import Definitions
from app.reports.query import ReportQuery, Synthetic
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.settings import Settings
from models import AIUsage
from models.experiments import Variant
from models.limits import LIMITS, Allowance, Kind, LimitScope, Unit, Window
from models.moments import moment_now
from models.money import ZERO, to_decimal
from models.months import InvoiceFields
from scripts.toolkit.demo_calls import CAMPAIGNS, CLIENT, EXPERIMENT
from scripts.toolkit.demo_money import CONVERSION, RATES

BY = "scripts.demo"
LETTERS = CAMPAIGNS["cover-letter"]
NEARLY = Decimal("0.94")
"""So much of the campaign's budget is spent."""
ROOM = Decimal("1.02")
"""The budget of a month against what was spent before."""
PROVIDER = "openai"
INVOICED = Decimal("1.03")
"""The invoice against what was recorded."""
DAYS = 29
"""So many days ago the experiment has begun."""


async def define_demo(database: Database, settings: Settings) -> None:
    """Define what is not there yet. Raises DatabaseUnavailableError."""
    today = moment_now().astimezone(settings.zone).date()
    half = Decimal("0.5")
    experiment = {
        "name": EXPERIMENT,
        "variants": tuple(Variant(name=name, weight=half) for name in RATES),
        "control": "plain",
        "begins": today - timedelta(days=DAYS),
        "conversion_event": CONVERSION,
        "minimum_conversions": 30,
        "note": "Do people buy more after a warmer answer?",
    }
    await _invoice(database, settings)
    limits = LimitBook(database, Definitions(database, settings.zone))
    await _budget(database, limits)
    campaigns = CampaignBook(database, limits)
    for fields in _campaigns(today, await _spent(database, campaignId=LETTERS)):
        with suppress(ConflictError):
            await campaigns.add(fields, client=None, by=BY)
    with suppress(ConflictError):  # it is there from an earlier demo
        await ExperimentBook(database).add(experiment, client=None, by=BY)


async def _spent(database: Database, **of: str) -> Decimal:
    """The cost of such calls of the last days."""
    since = moment_now() - timedelta(days=DAYS)
    total = {"$group": {"_id": None, "cost": {"$sum": "$cost"}}}
    cursor = database.writes[AIUsage.Settings.name].aggregate([{"$match": {"createdAt": {"$gte": since}, **of}}, total])
    found = [each async for each in cursor]
    return to_decimal(found[0]["cost"]) if found else ZERO


async def _budget(database: Database, limits: LimitBook) -> None:
    """Of a month, for everything: a little more than the last days have cost."""
    amount = round(await _spent(database) * ROOM)
    if amount > 0 and await database.writes[LIMITS].count_documents({}, limit=1) == 0:
        budget = Allowance(amount=Decimal(amount), unit=Unit.USD, window=Window.MONTH, kind=Kind.SOFT, name="AI budget")
        await limits.add(LimitScope(client_id=CLIENT), budget, client=None, by=BY)


def _campaigns(today: date, spent: Decimal) -> list[dict[str, Any]]:
    """One whose budget is nearly used up, and one that is left undefined."""
    if (budget := round(spent / NEARLY, 2)) <= 0:
        return []
    begins = today - timedelta(days=DAYS)
    letters = {"campaign_id": LETTERS, "name": "Autumn letters", "owner": "marketing"}
    return [{**letters, "begins": begins, "ends": today + timedelta(days=DAYS), "budget": budget}]


async def _invoice(database: Database, settings: Settings) -> None:
    """OpenAI's of this month: a little more than what was recorded, as they are."""
    today = moment_now().astimezone(settings.zone).date()
    window = TimeWindow(today.replace(day=1), today, settings.zone)
    usage = await Reports(database, settings.zone).usage(ReportQuery(window, synthetic=Synthetic.ONLY))
    recorded = sum((row.cost for row in usage.by_provider if row.provider == PROVIDER), start=ZERO)
    month = f"{today:%Y-%m}"
    wish = {"provider": PROVIDER, "month": month, "currency": "USD", "number": f"demo-{month}"}
    total = round(recorded * INVOICED, 2)
    if total > 0:
        with suppress(ConflictError):  # it is there from an earlier demo, of fewer calls
            await Invoices(database, settings.zone).add(InvoiceFields(**wish, total=total), client=None, by=BY)

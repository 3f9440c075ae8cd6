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
from models.experiments import Variant
from models.moments import moment_now
from models.money import ZERO
from models.months import InvoiceFields
from scripts.toolkit.demo_calls import CAMPAIGNS, EXPERIMENT
from scripts.toolkit.demo_money import CONVERSION, RATES

BY = "scripts.demo"
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
    campaigns = CampaignBook(database, LimitBook(database, Definitions(database, settings.zone)))
    for fields in _campaigns(today):
        with suppress(ConflictError):
            await campaigns.add(fields, client=None, by=BY)
    with suppress(ConflictError):  # it is there from an earlier demo
        await ExperimentBook(database).add(experiment, client=None, by=BY)


def _campaigns(today: date) -> list[dict[str, Any]]:
    """One whose budget is nearly used up, and one that is left undefined."""
    begins = today - timedelta(days=DAYS)
    letters = {"campaign_id": CAMPAIGNS["cover-letter"], "name": "Autumn letters", "owner": "marketing"}
    return [{**letters, "begins": begins, "ends": today + timedelta(days=DAYS), "budget": Decimal(18)}]


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

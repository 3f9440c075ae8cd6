"""What the gateway's cache saved in a window: exact, from the ledger."""

from decimal import Decimal

from app.reports.parts.figures import described
from app.reports.queries import ledger
from app.reports.query import ReportQuery
from app.reports.reader import Reader, first
from app.reports.rows import Row, Window
from models.money import to_decimal


class SavedByGateway(Row):
    """Calls that were answered from the gateway's cache."""

    window: Window
    calls: int
    saved_cost: Decimal
    """What they would have cost, in USD."""


async def from_ledger(read: Reader, query: ReportQuery) -> SavedByGateway:
    """Of the window and the filters."""
    found = first(await read.ledger(ledger.saved_by_gateway(query)))
    return SavedByGateway(
        window=described(query.window),
        calls=found.get("calls", 0),
        saved_cost=to_decimal(found.get("savedCost", 0)),
    )

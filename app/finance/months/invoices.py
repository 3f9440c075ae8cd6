"""What providers invoiced, as it was entered."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pymongo.errors import DuplicateKeyError

from app import audit
from app.database import Database, Session
from app.database.listing import After, following, newest_first
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError, NotAllowedError, invalid
from app.finance.months.month import Month
from app.finance.months.reconciliation import Invoiced
from app.finance.revenue.rates import Rates
from app.observability.logs import Log
from app.reports.query import Filters
from app.reports.reader import Documents, Reader
from models.audit import Target
from models.currencies import USD
from models.documents import Document
from models.faults import fields_at_fault
from models.moments import moment_now
from models.money import ZERO, quantize_usd
from models.months import INVOICES, InvoiceFields, ProviderInvoice
from models.revenue import MOST_AMOUNT

CHANGE_SECONDS = 5.0
_SAID = ("provider", "month", "currency", "total", "client_id")
"""What two with one number must have in common to be the same."""

log = Log(__name__)


class Invoices:
    """The stored invoices. `client` is the only one whose invoices are seen and entered; None for all."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database, self._stored = database, database.writes[INVOICES]
        self._rates = Rates(database)
        self._zone = zone

    async def add(
        self, fields: InvoiceFields, *, client: str | None, by: str, execute: bool = True
    ) -> tuple[ProviderInvoice, bool]:
        """Enter one; returned with whether it is new: one that is there already counts once.

        Raises InvalidRequestError, also where its currency has no rate, NotAllowedError, ConflictError where its number
        is that of another one, and DatabaseUnavailableError.
        """
        if client is not None:
            if fields.client_id not in {None, client}:
                raise NotAllowedError(f"this caller is limited to {client}; leave clientId out")
            fields = fields.model_copy(update={"client_id": client})
        invoice = await self._priced(fields, by)
        if await self._same(invoice) is not None:
            return invoice, False
        if execute:
            try:
                with answering(CHANGE_SECONDS):
                    await transact(self._database, partial(self._insert, invoice))
            except DuplicateKeyError:  # entered at the same time
                await self._same(invoice)
                return invoice, False
        return invoice, True

    async def _insert(self, invoice: ProviderInvoice, session: Session | None) -> None:
        await self._stored.insert_one(invoice.stored(), session=session)
        target = Target(kind="invoice", id=invoice.id, client_id=invoice.client_id, name=invoice.number)
        await audit.record(self._database, session, "invoice.entered", target, after=invoice)

    async def _priced(self, fields: InvoiceFields, by: str) -> ProviderInvoice:
        month = Month.of_text(fields.month)
        rate = Decimal(1) if fields.currency == USD else await self._rates.usd(fields.currency, month.last)
        usd = quantize_usd(fields.total * rate)
        if abs(usd) > MOST_AMOUNT:
            raise invalid("total", f"is more than {MOST_AMOUNT:,} USD")
        said = {name: getattr(fields, name) for name in InvoiceFields.model_fields}
        return ProviderInvoice(**said, id=fields.key, usd=usd, created_at=moment_now(), created_by=by)

    async def _same(self, invoice: ProviderInvoice) -> ProviderInvoice | None:
        """The one with this number, where it says the same. Raises ConflictError where it does not."""
        with answering(CHANGE_SECONDS):
            stored = await self._stored.find_one({"_id": {"$eq": invoice.id}})
        there = None if stored is None else _read(stored)
        if there is None:
            return None
        if any(getattr(there, name) != getattr(invoice, name) for name in _SAID):
            said = f"{there.total} {there.currency} of {there.provider} for {there.month}"
            raise ConflictError(f"number: invoice {there.number} is there already, with {said}")
        return there

    async def page(
        self, *, client: str | None, month: str | None, provider: str | None, after: After | None, size: int
    ) -> Sequence[ProviderInvoice]:
        """The newest first, after the one that `after` names. Raises DatabaseUnavailableError."""
        chosen = {"clientId": client, "month": month, "provider": provider}
        conditions: Document = {name: {"$eq": value} for name, value in chosen.items() if value is not None}
        with answering(CHANGE_SECONDS):
            cursor = self._stored.find(conditions | following("createdAt", after)).sort(newest_first("createdAt"))
            found = await cursor.limit(size).to_list(None)
        return [invoice for stored in found if (invoice := _read(stored)) is not None]


async def invoiced(read: Reader, month: Month, of: Filters) -> dict[str, Invoiced]:
    """By provider: what was invoiced for a month to a client's own accounts, or in all."""
    condition: Document = {"month": month.text}
    if of.client_id is not None:
        condition["clientId"] = {"$eq": of.client_id}
    return _by_provider(await read.find(INVOICES, condition))


def _by_provider(stored: Documents) -> dict[str, Invoiced]:
    found: dict[str, Invoiced] = {}
    for invoice in _read_all(stored):
        before = found.get(invoice.provider, Invoiced(0, ZERO))
        found[invoice.provider] = Invoiced(before.number + 1, before.usd + invoice.usd)
    return found


def _read_all(stored: Documents) -> Iterable[ProviderInvoice]:
    return (invoice for one in stored if (invoice := _read(one)) is not None)


def _read(stored: Document) -> ProviderInvoice | None:
    """One as stored; None for one that was damaged by hand, of which the log tells."""
    try:
        return ProviderInvoice.read(stored)
    except ValidationError as error:
        log.warning("invoices.unreadable", invoice=str(stored.get("_id"))[:100], fields=fields_at_fault(error))
        return None

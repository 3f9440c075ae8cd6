"""What is kept of months: their figures once they are closed, and what providers invoiced."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, StringConstraints
from pymongo import ASCENDING, DESCENDING, IndexModel

from models.currencies import Currency
from models.documents import Document
from models.fields import Name
from models.limits import Id
from models.revenue import MAX_NOTE, MONTH_CLOSINGS, SignedAmount
from models.shape import Shape, with_decimals
from models.subjects import escaped_id

INVOICES = "provider_invoices"
"""What providers invoiced, as `ProviderInvoice`."""

MAILS = "month_mails"
"""E-mails with months' reports, as `MonthMail`."""

MonthText = Annotated[str, StringConstraints(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$")]
"""As `2026-10`."""


class InvoiceFields(Shape):
    """What an invoice says."""

    provider: Name
    """As calls name it."""
    month: MonthText
    """In which what it is for was used."""
    currency: Currency
    total: SignedAmount
    """Without tax; below zero for a credit note."""
    number: Name
    """The provider's own: what is sent again with the same one counts once."""
    client_id: Name | None = None
    """The client whose own account it is of; None for the deployment's."""
    note: Annotated[str, Field(max_length=MAX_NOTE)] | None = None

    @property
    def key(self) -> str:
        """The `_id` of its document."""
        return "|".join(escaped_id(name) for name in (self.client_id or "", self.provider, self.number))


class ProviderInvoice(InvoiceFields):
    """An invoice as it was entered."""

    id: Id
    usd: SignedAmount
    """By the rate of the month's last day."""
    created_at: datetime
    created_by: str


class MonthClosing(Shape):
    """The figures of a month as they were when it was closed, of one client or of all."""

    id: Id
    """See `closing_id`."""
    month: MonthText
    client_id: Name | None = None
    timezone: str
    at: datetime
    """As of when the figures are."""
    by: str
    report: Document
    """The month's report, with amounts as MongoDB keeps them."""

    @classmethod
    def read(cls, stored: Document) -> Self:
        """One as MongoDB keeps it, with its amounts as Decimal. Raises ValidationError for a damaged one."""
        return super().read({**stored, "report": with_decimals(stored.get("report"))})


class MonthMail(Shape):
    """The e-mail with a month's report to one address."""

    id: Id
    """See `mail_id`."""
    month: MonthText
    attempts: int = 0
    next_at: datetime
    """When it is sent, or sent again."""
    done_at: datetime | None = None
    """When it had arrived, or was given up."""
    error: str | None = None
    """Why the last attempt failed."""


def mail_id(month: str, address: str) -> str:
    """The `_id` of an e-mail, by which it is sent once."""
    return f"{month}|{escaped_id(address)}"


def closing_id(month: str, client_id: str | None) -> str:
    """The `_id` of a closing; that of all clients is made last, and says that the month is closed."""
    return month if client_id is None else f"{month}|{client_id}"


INDEXES: dict[str, list[IndexModel]] = {
    MAILS: [],
    INVOICES: [
        IndexModel([("month", ASCENDING), ("provider", ASCENDING)], name="month"),
        IndexModel([("createdAt", DESCENDING), ("_id", DESCENDING)], name="newest"),
    ],
}
"""Those of closings are in `models.revenue`."""

__all__ = [
    "INDEXES",
    "INVOICES",
    "MAILS",
    "MONTH_CLOSINGS",
    "InvoiceFields",
    "MonthClosing",
    "MonthMail",
    "ProviderInvoice",
    "closing_id",
    "mail_id",
]

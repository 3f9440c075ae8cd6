"""What providers invoiced, for the month's reconciliation."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody, QueryParameter

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.finance.months.month import Month
from app.finance.months.months import Months
from app.http.openapi import exemplified
from app.http.serialization import ExactResponse
from app.reports.rows import Row
from models.months import InvoiceFields, ProviderInvoice
from routes.administration.paging import PageSize, after_of, page_of
from routes.dependencies import ClientFilter, Cursor, NameFilter

Asking = Request[Principal, Any, Any]


class NewInvoice(InvoiceFields):
    """An invoice to enter."""

    model_config = exemplified(
        {"provider": "openai", "month": "2026-10", "currency": "USD", "total": 1234.56, "number": "INV-1"}
    )


class InvoiceBody(Row):
    """An invoice as it was entered."""

    id: str
    provider: str
    month: str
    currency: str
    total: Decimal
    """In its currency, without tax."""
    usd: Decimal
    number: str
    client_id: str | None
    note: str | None
    created_at: datetime
    created_by: str

    @classmethod
    def of(cls, invoice: ProviderInvoice) -> Self:
        return cls(**{name: getattr(invoice, name) for name in cls.model_fields})


class InvoiceList(Row):
    """A page of invoices."""

    invoices: list[InvoiceBody]
    next_cursor: str | None


class ProviderInvoiceController(Controller):
    """One client's administrator sees and enters those of that client's own accounts."""

    path = "/api/admin/provider-invoices"
    tags = ("finance",)
    guards = (requires(Scope.ADMIN),)

    @post(
        "/",
        summary="Enter a provider's invoice",
        responses={200: ResponseSpec(InvoiceBody, description="It was there already", generate_examples=False)},
    )
    async def enter(
        self, data: JSONBody[NewInvoice], request: Asking, months: NamedDependency[Months]
    ) -> Response[InvoiceBody]:
        """A number counts once for each provider: 200 where the same invoice is there already, 409 where another one
        is. Several of one month add up; a credit note is below zero.
        """
        invoice, new = await months.invoices.add(data, client=own_client(request.user, None), by=request.user.subject)
        return ExactResponse(InvoiceBody.of(invoice), status_code=201 if new else 200)

    @get("/", summary="List providers' invoices, the newest first")
    async def list_invoices(
        self,
        request: Asking,
        months: NamedDependency[Months],
        *,
        month: Annotated[str | None, QueryParameter(max_length=16, description="As 2026-10.")] = None,
        provider: NameFilter = None,
        client_id: ClientFilter = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> InvoiceList:
        found = await months.invoices.page(
            client=own_client(request.user, client_id),
            month=None if month is None else Month.of_text(month).text,
            provider=provider,
            after=after_of(cursor),
            size=limit + 1,
        )
        page, following = page_of(found, limit)
        return InvoiceList(invoices=[InvoiceBody.of(one) for one in page], next_cursor=following)

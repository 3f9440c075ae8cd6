"""What currencies are worth, as the operator says."""

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Operation
from litestar.params import QueryParameter

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.errors import NotAllowedError, invalid
from app.finance.revenue.rates import Rates, RateStatus
from app.http.batches import NDJSON
from app.http.openapi import array_of, body_described, schema_of
from app.http.serialization import ExactResponse
from app.process import in_turns
from app.reports.cursors import decoded, encoded
from models.revenue import NewRate
from routes.administration.finance.revenue_bodies import AddedRateBody, AddedRates, RateBody, RateList
from routes.administration.finance.sent_rows import MAX_BYTES, read_or_faults, refusal, sent_rows
from routes.administration.paging import PageSize
from routes.dependencies import Cursor

Asking = Request[Principal, Any, Any]


@dataclass
class AddsRates(Operation):
    """Describes the body of `add_rates`, which the handler reads by itself."""

    def __post_init__(self) -> None:
        rate = schema_of(NewRate)
        self.request_body = body_described(
            {"application/json": array_of(rate), NDJSON[0]: rate, "text/csv": {"type": "string"}}
        )


class RateController(Controller):
    """Nothing is guessed, and nothing fetched: a currency without a rate on or before a day cannot be booked then."""

    path = "/api/admin/revenue/rates"
    tags = ("finance",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List rates by currency, the newest day first")
    async def list_rates(
        self,
        revenue_rates: NamedDependency[Rates],
        *,
        currency: Annotated[str | None, QueryParameter(min_length=3, max_length=3)] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> RateList:
        """A rate holds from its day on until the next one. Every administrator sees them."""
        wanted = None if currency is None else currency.upper()
        found = await revenue_rates.page(wanted, after=_after(cursor), size=limit + 1)
        page = found[:limit]
        following = {"currency": page[-1].currency, "day": page[-1].day.isoformat()} if len(found) > limit else None
        return RateList(
            rates=[RateBody.of(one) for one in page], next_cursor=None if following is None else encoded(following)
        )

    @post(
        "/",
        summary="Add rates: one, or up to 1,000",
        operation_class=AddsRates,
        request_max_body_size=MAX_BYTES,
        status_code=200,
    )
    async def add_rates(
        self, request: Asking, revenue_rates: NamedDependency[Rates]
    ) -> ExactResponse[AddedRateBody | AddedRates]:
        """A JSON object, an array, NDJSON, or CSV with the columns currency, day and usd; a receipt for each. Another
        value for a day replaces the one that is there, until revenue has been booked with it. Rates are for every
        client: the deployment's administrator adds them.
        """
        if own_client(request.user, None) is not None:
            raise NotAllowedError("rates are for every client: the deployment's administrator adds them")
        sent = await sent_rows(request)
        read = [read_or_faults(row, NewRate.model_validate) async for row in in_turns(sent.rows)]
        rates = [one for one in read if isinstance(one, NewRate)]
        added = iter(await revenue_rates.add(rates, by=request.user.subject))
        receipts = [
            AddedRateBody.of(next(added)) if isinstance(one, NewRate) else AddedRateBody.refused(one) for one in read
        ]
        if not sent.alone:
            summary = Counter(one.status.value for one in receipts)
            return ExactResponse(AddedRates(summary=summary, receipts=receipts))
        (receipt,) = receipts
        if receipt.status is RateStatus.REFUSED:
            raise refusal({fault.field: fault.message for fault in receipt.errors})
        return ExactResponse(receipt, status_code=201 if receipt.status is RateStatus.ADDED else 200)


def _after(cursor: str | None) -> tuple[str, str] | None:
    if cursor is None:
        return None
    position = decoded(cursor)
    currency, day = position.get("currency"), position.get("day")
    if not (isinstance(currency, str) and isinstance(day, str)):
        message = "belongs to another list; start without a cursor"
        raise invalid("cursor", message)
    return currency, day

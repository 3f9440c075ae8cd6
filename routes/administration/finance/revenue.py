"""Revenue as administrators book it, and all that was booked."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency, Provide
from litestar.openapi.spec import Operation
from litestar.params import QueryParameter
from litestar.response import Stream

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.errors import DatabaseUnavailableError
from app.finance.revenue.book import BookedStatus, RevenueBook
from app.finance.revenue.listing import MAX_ROWS, Wanted
from app.http.batches import NDJSON
from app.http.openapi import array_of, body_described, schema_of
from app.http.serialization import ExactResponse
from app.limits.periods import first_moment
from app.process import in_turns
from app.reports.csv import columns_of, text_of, values_of
from app.reports.query import Synthetic
from app.reports.reports import Reports
from app.reports.windows import check_days, today
from models.revenue import NewRevenue, Revenue, RevenueKind, RevenueSource
from routes.administration.finance.revenue_bodies import (
    BookedBody,
    BookedList,
    RevenueBody,
    RevenueList,
    RevenueToBook,
)
from routes.administration.finance.sent_rows import MAX_BYTES, read_or_faults, refusal, sent_rows
from routes.administration.paging import PageSize, after_of, page_of
from routes.dependencies import Cursor, NameFilter, chosen

CSV = "text/csv"
TRUNCATED = f"truncated: these are the first {MAX_ROWS:,} rows; request a shorter window or narrower filters"
Asking = Request[Principal, Any, Any]


@dataclass
class BooksRevenue(Operation):
    """Describes the body of `book`, which the handler reads by itself."""

    def __post_init__(self) -> None:
        entry = schema_of(RevenueToBook)
        # an example is an object, which tools cannot make a line of
        line = {name: part for name, part in entry.items() if name != "examples"}
        self.request_body = body_described({"application/json": array_of(entry), NDJSON[0]: line})


async def provide_wanted_revenue(
    request: Asking,
    reports: NamedDependency[Reports],
    synthetic_mode: NamedDependency[Synthetic],
    *,
    first: Annotated[date | None, QueryParameter(name="from", description="First day on which they came due.")] = None,
    last: Annotated[date | None, QueryParameter(name="to", description="Last day; today when left out.")] = None,
    user_id: Annotated[str | None, QueryParameter(name="userId", min_length=1, max_length=256)] = None,
    client_id: Annotated[str | None, QueryParameter(name="clientId", min_length=1, max_length=256)] = None,
    plan: NameFilter = None,
    subscription_id: Annotated[str | None, QueryParameter(name="subscriptionId", min_length=1, max_length=256)] = None,
    kind: NameFilter = None,
    source: NameFilter = None,
) -> Wanted:
    """Which entries are asked for, narrowed to what the caller sees."""
    zone = reports.zone
    if first is not None or last is not None:
        last = last or today(reports.now(), zone)
        check_days(first or last, last)
    return Wanted(
        client_id=own_client(request.user, client_id),
        user_id=user_id,
        plan=plan,
        subscription_id=subscription_id,
        kind=chosen("kind", kind, RevenueKind),
        source=chosen("source", source, RevenueSource),
        start=None if first is None else first_moment(first, zone),
        end=None if last is None else first_moment(last + timedelta(days=1), zone),
        synthetic=synthetic_mode,
    )


WANTED = {"wanted_revenue": Provide(provide_wanted_revenue)}


class RevenueController(Controller):
    """Entries are added, each once, and never changed. One client's administrator books and sees those of that client
    alone.
    """

    path = "/api/admin/revenue"
    tags = ("finance",)
    guards = (requires(Scope.ADMIN),)
    dependencies = WANTED

    @get("/", summary="List what came due, the newest first")
    async def list_revenue(
        self,
        revenue_book: NamedDependency[RevenueBook],
        wanted_revenue: NamedDependency[Wanted],
        *,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> RevenueList:
        """`from` and `to` are days on which it came due; without them all entries are listed."""
        found = await revenue_book.page(wanted_revenue, after=after_of(cursor), size=limit + 1)
        page, following = page_of(found, limit, lambda one: one.at)
        return RevenueList(entries=[RevenueBody.of(one) for one in page], next_cursor=following)

    @get("/entries.csv", summary="Download what came due as CSV", media_type=CSV)
    async def download_revenue(
        self, revenue_book: NamedDependency[RevenueBook], wanted_revenue: NamedDependency[Wanted]
    ) -> Stream:
        """The newest first, at most 100,000 rows: where there are more, the last line says so."""
        headers = {"content-disposition": 'attachment; filename="twinmeter-revenue.csv"'}
        return Stream(_lines(await revenue_book.batches(wanted_revenue)), media_type=CSV, headers=headers)

    @post(
        "/",
        summary="Book what came due: one entry, or up to 1,000",
        operation_class=BooksRevenue,
        request_max_body_size=MAX_BYTES,
        status_code=200,
    )
    async def book(
        self,
        request: Asking,
        revenue_book: NamedDependency[RevenueBook],
        *,
        dry_run: Annotated[
            bool, QueryParameter(name="dryRun", description="true: says what would become of each; nothing is booked.")
        ] = False,
    ) -> ExactResponse[BookedBody | BookedList]:
        """A JSON object, an array, or NDJSON; a receipt for each, in order. One that is refused keeps no other from
        being booked, and all others are booked together. What is sent again counts once. One alone is answered by its
        receipt: 201 where it is booked, 200 where it was before, 400 where it is refused.
        """
        sent = await sent_rows(request)
        read = [
            read_or_faults(row, lambda row: RevenueToBook.model_validate(row).entry())
            async for row in in_turns(sent.rows)
        ]
        entries = [one for one in read if isinstance(one, NewRevenue)]
        client = own_client(request.user, None)
        booked = iter(await revenue_book.book(entries, client=client, by=request.user.subject, execute=not dry_run))
        receipts = [
            BookedBody.of(next(booked)) if isinstance(one, NewRevenue) else BookedBody.refused(one) for one in read
        ]
        if not sent.alone:
            summary = Counter(one.status.value for one in receipts)
            return ExactResponse(BookedList(summary=summary, receipts=receipts))
        (receipt,) = receipts
        if receipt.status is BookedStatus.REFUSED:
            raise refusal({fault.field: fault.message for fault in receipt.errors})
        made = receipt.status is BookedStatus.BOOKED and not dry_run
        return ExactResponse(receipt, status_code=201 if made else 200)


async def _lines(batches: AsyncGenerator[Sequence[Revenue], None]) -> AsyncGenerator[str, None]:
    yield text_of([columns_of(RevenueBody)])
    count = 0
    try:
        async for rows in batches:
            yield text_of([values_of(RevenueBody.of(one)) for one in rows[: MAX_ROWS - count]])
            count += len(rows)
    except DatabaseUnavailableError as error:
        # the status has been sent: the last line says that there is more
        yield text_of([[f"incomplete: {error.detail}"]])
    if count > MAX_ROWS:
        yield text_of([[TRUNCATED]])

"""The report of a month for administrators: as JSON, page, PDF and table; and the closing of months."""

import asyncio
import base64
import hashlib
from enum import StrEnum
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter

from app.auth.middleware import requires
from app.auth.ownership import visible_client, visible_user
from app.auth.principals import Principal, Scope
from app.errors import NotAllowedError, NotFoundError
from app.finance.months.month import Month
from app.finance.months.months import Months, Wanted
from app.finance.months.printing.printer import Printer
from app.finance.months.report import MonthReport
from app.finance.months.table import as_csv
from app.http.serialization import ExactResponse
from app.reports.query import Filters, Synthetic
from routes.dependencies import ClientFilter

Asking = Request[Principal, Any, Any]
PREVIEW = "true: of a month that is not over, what there is up to now, marked as a preview."
UserFilter = Annotated[
    str | None, QueryParameter(name="userId", min_length=1, max_length=256, description="Only this user's calls.")
]


class Format(StrEnum):
    """In which form a report is answered."""

    JSON = "json"
    PAGE = "html"
    PDF = "pdf"
    TABLE = "csv"


class MonthController(Controller):
    """One client's administrator sees that client alone, and closes no month."""

    path = "/api/admin/reports/month"
    tags = ("finance",)
    guards = (requires(Scope.ADMIN),)

    @get(
        "/{report:str}",
        summary="The report of a month",
        responses={
            200: ResponseSpec(MonthReport, description="As `.json`; `.html`, `.pdf` and `.csv` have the same figures")
        },
    )
    async def month_report(
        self,
        report: FromPath[str],
        request: Asking,
        months: NamedDependency[Months],
        printer: NamedDependency[Printer],
        synthetic_mode: NamedDependency[Synthetic],
        *,
        client_id: ClientFilter = None,
        user_id: UserFilter = None,
        preview: Annotated[bool, QueryParameter(description=PREVIEW)] = False,
    ) -> Response[Any]:
        """`report` is a month and a form: `2026-10.json`, `.html`, `.pdf` or `.csv`.

        Of a month that is not over 409, with when it will be; before the first call 404. A closed month shows the
        figures that were kept, and what has changed since.
        """
        month, form = _named(report)
        of = Filters(client_id=visible_client(request.user, client_id), user_id=visible_user(request.user, user_id))
        found = await months.report(Wanted(month, of, synthetic_mode, preview))
        match form:
            case Format.JSON:
                return ExactResponse(found)
            case Format.PAGE:
                page, style = await printer.page(found)
                return Response(page, media_type="text/html", headers={"Content-Security-Policy": policy(style)})
            case Format.PDF:
                return _file(await printer.pdf(found), month, form, "application/pdf")
            case Format.TABLE:
                return _file((await asyncio.to_thread(as_csv, found)).encode(), month, form, "text/csv")

    @post("/{month:str}/close", summary="Close a month: its figures are kept", status_code=200)
    async def close(self, month: FromPath[str], request: Asking, months: NamedDependency[Months]) -> MonthReport:
        """For all clients. Its figures are kept as they are now; revenue that is booked later is recognised from the
        first moment of the next month on. Repeated, it changes nothing. Months are closed one after the other.
        """
        if request.user.client is not None or request.user.user is not None:
            raise NotAllowedError("closing a month is for administrators of all clients")
        return await months.close(Month.of_text(month), request.user.subject)


def policy(style: str) -> str:
    """Of a report's page: nothing is loaded, nothing runs, and the one style that is in it counts."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{digest}'",
            "img-src data:",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def _named(report: str) -> tuple[Month, Format]:
    month, _, ending = report.rpartition(".")
    forms = {each.value: each for each in Format}
    if ending not in forms or not month:
        raise NotFoundError(f"unknown form; available: {', '.join(f'2026-10.{each}' for each in forms)}")
    return Month.of_text(month), forms[ending]


def _file(content: bytes, month: Month, form: Format, media_type: str) -> Response[bytes]:
    headers = {"Content-Disposition": f'attachment; filename="twinmeter-{month.text}.{form}"'}
    return Response(content, media_type=media_type, headers=headers)

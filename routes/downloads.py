"""Tables as files: CSV that a spreadsheet opens but does not run."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

from litestar import Controller, get
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from app.auth.middleware import requires
from app.auth.principals import Scope
from app.errors import DamagedDataError, NotFoundError
from app.reports.call_lists import CallFilters
from app.reports.csv import text_of
from app.reports.downloads import MAX_ROWS, Download, Table
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from routes.queries import SEVERAL_OWNERS

CSV = "text/csv"
BOM = "\ufeff"
TRUNCATED = f"truncated: these are the first {MAX_ROWS:,} rows; request a shorter window or narrower filters"


class DownloadController(Controller):
    """What the reports show, row by row."""

    path = "/api/admin/ai/download"
    tags = ("admin",)
    guards = (requires(Scope.ADMIN),)

    @get(
        "/{file:str}",
        summary="Download a table as CSV, with all rows of the filter",
        media_type=CSV,
        opt=SEVERAL_OWNERS,
    )
    async def download(
        self,
        file: FromPath[str],
        reports: NamedDependency[Reports],
        timed_query: NamedDependency[ReportQuery],
        call_filters: NamedDependency[CallFilters],
        *,
        bom: Annotated[
            bool, QueryParameter(description="true: begins with a byte order mark, by which Excel knows UTF-8.")
        ] = False,
    ) -> Stream:
        """`file` is `daily.csv`, `features.csv`, `models.csv`, `providers.csv`, `users.csv`, `calls.csv`,
        `conversations.csv` or `data-quality.csv`.

        Columns are the JSON names of the report. Money is USD with every decimal, durations are ms, rates percent; an
        empty cell means unknown. A text that a spreadsheet would run (one that begins with = + - @, a tab or a line
        break) is prefixed with an apostrophe. At most 100,000 rows: when there are more, the header `x-truncated` is
        true and the last line says so. Conversations are kept as a whole: they can be filtered by provider, model or
        feature only together with a user. Parameters marked "Calls only" apply to `calls.csv` alone, and so
        do `fromTime` and `toTime`.
        """
        table = _table(file)
        found = await reports.download(table, timed_query, call_filters)
        name = f"twinmeter-{table}-{_span(timed_query.window)}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        if found.truncated:
            headers["x-truncated"] = "true"
        lines = _lines(found, BOM if bom else "")
        # Litestar closes no generator whose reader goes away between two pieces
        return Stream(lines, media_type=CSV, headers=headers, background=BackgroundTask(_end, lines, found))


def _span(window: TimeWindow) -> str:
    if not window.is_timed:
        return f"{window.first}-to-{window.last}"
    first, last = (f"{moment.astimezone(window.zone):%Y-%m-%dT%H%M}" for moment in (window.start, window.end))
    return f"{first}-to-{last}"


def _table(file: str) -> Table:
    for table in Table:
        if file == f"{table}.csv":
            return table
    raise NotFoundError(f"unknown table; available: {', '.join(f'{table}.csv' for table in Table)}")


async def _end(lines: AsyncGenerator[str, None], found: Download) -> None:
    await lines.aclose()
    await found.close()  # also where not even the first line was taken


async def _lines(found: Download, mark: str) -> AsyncGenerator[str, None]:
    try:
        async with aclosing(found.batches) as batches:
            yield mark + text_of([found.columns])
            async for rows in batches:
                # in a thread, because callers who report must not wait for it
                yield await asyncio.to_thread(text_of, rows)
    except DamagedDataError as error:
        # the status has been sent: the last line says that there is more
        yield text_of([[f"incomplete: {error.detail}"]])
        return
    finally:
        await found.close()
    if found.truncated:
        yield text_of([[TRUNCATED]])

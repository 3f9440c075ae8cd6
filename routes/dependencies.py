"""What handlers are given: services of the running application, and parameters that several routes share."""

from datetime import date
from typing import Annotated

from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from app.reports.pipelines import LedgerQuery
from app.reports.reports import Reports
from app.reports.stages import Filters, Synthetic
from app.reports.windows import MAX_DAYS, requested_window
from app.settings import Settings
from app.tracking import Tracker

NameFilter = Annotated[str | None, QueryParameter(max_length=256)]
SyntheticFilter = Annotated[
    Synthetic | None,
    QueryParameter(description="Whether demo data counts; the deployment's setting when left out."),
]


async def provide_tracker(state: State) -> Tracker:
    tracker: Tracker = state.tracker
    return tracker


async def provide_reports(state: State) -> Reports:
    reports: Reports = state.reports
    return reports


async def provide_synthetic(state: State, synthetic: SyntheticFilter = None) -> Synthetic:
    """As asked, else as the deployment is set."""
    settings: Settings = state.settings
    if synthetic is not None:
        return synthetic
    return Synthetic.INCLUDE if settings.show_synthetic else Synthetic.EXCLUDE


async def provide_ledger_query(
    reports: NamedDependency[Reports],
    shown: NamedDependency[Synthetic],
    *,
    days: Annotated[int | None, QueryParameter(description=f"1 to {MAX_DAYS} days up to today; 30 by default.")] = None,
    first: Annotated[date | None, QueryParameter(name="from", description="First day, instead of `days`.")] = None,
    last: Annotated[date | None, QueryParameter(name="to", description="Last day; today when left out.")] = None,
    feature: NameFilter = None,
    provider: NameFilter = None,
    model: NameFilter = None,
    user_id: Annotated[str | None, QueryParameter(name="userId", max_length=256)] = None,
) -> LedgerQuery:
    """The window and the filters of a request."""
    window = requested_window(days=days, first=first, last=last, now=reports.now(), zone=reports.zone)
    return LedgerQuery(window, Filters(feature, provider, model, user_id), shown)


DEPENDENCIES = {
    "tracker": Provide(provide_tracker),
    "reports": Provide(provide_reports),
    "shown": Provide(provide_synthetic),
    "asked": Provide(provide_ledger_query),
}

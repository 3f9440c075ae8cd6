"""When budgets will be used up, for administrators."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.finance.forecast.answers import Refused
from app.finance.forecast.forecasts import Budget, Forecasts
from app.finance.forecast.reaching import Reached, Spending, unknown
from app.limits import Limits
from app.limits.answers import LimitState
from app.limits.defining.limits import LimitBook
from app.limits.defining.owners import owner_of
from app.limits.meters import Applied
from app.reports.query import Filters
from app.reports.rows import Row
from models.limits import Limit, Unit, Window
from routes.administration.limit_bodies import FilterBody, ScopeBody
from routes.administration.paging import after_of, page_of
from routes.dependencies import ClientFilter, Cursor

MOST = 50
"""Each is a series of its own."""
PageSize = Annotated[int, QueryParameter(name="limit", ge=1, le=MOST)]
MICROSECOND = timedelta(microseconds=1)


class BudgetBody(Row):
    """A limit in USD that is in force, and when it will be used up."""

    limit_id: str
    name: str | None
    scope: ScopeBody
    filter: FilterBody
    window: Window
    amount: Decimal
    """USD, with grants."""
    used: Decimal
    resets_at: datetime | None
    reached: Reached


class BudgetList(Row):
    """A page of budgets."""

    budgets: list[BudgetBody]
    next_cursor: str | None


class BudgetController(Controller):
    """One client's administrator sees that client's limits alone."""

    path = "/api/admin/finance/forecast/budgets"
    tags = ("finance",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="When limits in USD will be used up, the newest first")
    async def budgets(
        self,
        request: Request[Principal, Any, Any],
        limit_book: NamedDependency[LimitBook],
        usage_limits: NamedDependency[Limits],
        forecasts: NamedDependency[Forecasts],
        *,
        client_id: ClientFilter = None,
        limit: PageSize = 20,
        cursor: Cursor = None,
    ) -> BudgetList:
        """Of all calls, of a client, a feature or a campaign; users, keys and subscriptions have no forecast."""
        client = own_client(request.user, client_id)
        found = await limit_book.page(client, {"unit": Unit.USD}, ended=False, after=after_of(cursor), size=limit + 1)
        page, following = page_of(found, limit)
        states = await _states(usage_limits, limit_book, page)
        asked = {id_: _budget(state, forecasts) for id_, state in states.items()}
        wanted = {id_: each for id_, each in asked.items() if isinstance(each, Budget)}
        reached = dict(zip(wanted, await forecasts.reached(list(wanted.values())), strict=True))
        for id_, each in asked.items():
            if not isinstance(each, Budget):
                reached[id_] = unknown(each)
        return BudgetList(budgets=[_body(states[id_], each) for id_, each in reached.items()], next_cursor=following)


async def _states(limits: Limits, book: LimitBook, page: Sequence[Limit]) -> dict[str, LimitState]:
    """By limit, those that hold now."""
    now, applied = datetime.now(UTC), list[Applied]()
    for one in page:
        owner = await owner_of(book.database, one.scope, None)
        if (holds := await limits.definitions.applied_of(one, owner.subject, now)) is not None:
            applied.append(holds)
    return {state.limit.id: state for state in await limits.state_of(applied)}


def _budget(state: LimitState, forecasts: Forecasts) -> Budget | Refused:
    scope, narrowed = state.limit.scope, state.limit.filter
    if scope.user_id or scope.key_id or scope.subscription:
        return Refused(why="calls of one user, key or subscription are not forecast", possible_from=None)
    if narrowed.service_type is not None:
        return Refused(why="calls of one service type are not forecast", possible_from=None)
    if scope.feature is not None and narrowed.feature not in {None, scope.feature}:
        return Refused(why="no call is of two features", possible_from=None)
    of = Spending(
        Filters(feature=scope.feature or narrowed.feature, model=narrowed.model, client_id=scope.client_id),
        scope.campaign_id,
    )
    ends = state.resets_at
    last = None if ends is None else (ends - MICROSECOND).astimezone(forecasts.zone).date()
    return Budget(of, state.allowance, state.used, last)


def _body(state: LimitState, reached: Reached) -> BudgetBody:
    limit = state.limit
    return BudgetBody(
        limit_id=limit.id,
        name=limit.name,
        scope=ScopeBody.of(limit.scope),
        filter=FilterBody.of(limit.filter),
        window=limit.window,
        amount=state.allowance,
        used=state.used,
        resets_at=state.resets_at,
        reached=reached,
    )

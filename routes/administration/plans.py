"""Plans and their versions."""

from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Controller, Request, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.errors import InvalidRequestError, NotAllowedError, invalid
from app.limits.defining.plans import PlanBook
from app.reports.cursors import decoded, encoded
from models.plans import DEMO_PLAN
from routes.administration.paging import PageSize
from routes.administration.plan_bodies import EndedPlan, NewPlan, PlanBody, PlanChange, PlanList, PlanVersionsBody
from routes.dependencies import Cursor

Asking = Request[Principal, Any, Any]


class PlanController(Controller):
    """Every administrator sees them; the deployment's changes them. What a version gives never changes."""

    path = "/api/admin/plans"
    tags = ("plans",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List plans by name, each in its newest version")
    async def list_plans(
        self,
        plan_book: NamedDependency[PlanBook],
        *,
        ended: Annotated[
            bool | None, QueryParameter(description="Only those that have ended, or have not; both by default.")
        ] = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> PlanList:
        """`defaultPlan` is that of whoever has no subscription: the built-in `demo`, without limits, unless another is
        made the default.
        """
        found = await plan_book.newest(after=_after(cursor), size=limit + 1, ended=ended)
        default = await plan_book.default()
        page = found[:limit]
        return PlanList(
            default_plan=PlanBody.of(default, built_in=default.plan == DEMO_PLAN),
            plans=[PlanBody.of(one) for one in page],
            next_cursor=encoded({"plan": page[-1].plan}) if len(found) > limit else None,
        )

    @get("/{plan:str}", summary="One plan, with its versions and how many subscribe to each")
    async def get_plan(
        self, plan: FromPath[str], request: Asking, plan_book: NamedDependency[PlanBook]
    ) -> PlanVersionsBody:
        """One client's administrator is told how many subscribe of that client."""
        versions = await plan_book.versions(plan)
        counts = await plan_book.subscribers(plan, datetime.now(UTC), own_client(request.user, None))
        built_in = plan == DEMO_PLAN
        bodies = [PlanBody.of(one, built_in=built_in, subscribers=counts.get(one.version, 0)) for one in versions]
        newest = {name: getattr(bodies[0], name) for name in PlanBody.model_fields}
        return PlanVersionsBody(**{**newest, "subscribers": sum(counts.values()), "versions": bodies})

    @post("/", summary="Make a plan")
    async def make_plan(
        self, data: JSONBody[NewPlan], request: Asking, plan_book: NamedDependency[PlanBook]
    ) -> PlanBody:
        """Its allowances are limits without a scope: for each subscriber. Without any it has no limits."""
        _require_deployment(request.user)
        fields = {name: getattr(data, name) for name in NewPlan.model_fields}
        return PlanBody.of(await plan_book.add(fields, by=request.user.subject))

    @patch("/{plan:str}", summary="Change a plan: make another version")
    async def change_plan(
        self, plan: FromPath[str], data: JSONBody[PlanChange], request: Asking, plan_book: NamedDependency[PlanBook]
    ) -> PlanBody:
        """Subscriptions keep their version until they are changed; who has none, has the newest of the default plan."""
        _require_deployment(request.user)
        if not (changes := data.given()):
            raise InvalidRequestError("nothing to change: give at least one field")
        return PlanBody.of(await plan_book.change(plan, changes, by=request.user.subject))

    @post("/{plan:str}/end", summary="End a plan", status_code=200)
    async def end_plan(self, plan: FromPath[str], request: Asking, plan_book: NamedDependency[PlanBook]) -> EndedPlan:
        """Who has it keeps it until the subscription is changed; nobody subscribes to it any more."""
        _require_deployment(request.user)
        ended = await plan_book.end(plan)
        count = sum((await plan_book.subscribers(plan, datetime.now(UTC))).values())
        kept = f"subscriptions that keep it until they are changed: {count:,}; new ones are refused"
        body = PlanBody.of(ended, subscribers=count)
        return EndedPlan(**{**{name: getattr(body, name) for name in PlanBody.model_fields}, "message": kept})


def _require_deployment(principal: Principal) -> None:
    if own_client(principal, None) is not None:
        raise NotAllowedError("plans are for every client: the deployment's administrator changes them")


def _after(cursor: str | None) -> str | None:
    if cursor is None:
        return None
    plan = decoded(cursor).get("plan")
    if not isinstance(plan, str):
        message = "belongs to another list; start without a cursor"
        raise invalid("cursor", message)
    return plan

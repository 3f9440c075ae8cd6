"""Limits beside plans: of users, keys, clients, campaigns, features, subscriptions and everyone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Controller, Request, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.limits import Limits
from app.limits.defining.limits import LimitBook
from app.limits.defining.owners import client_of_key, owner_of
from app.limits.meters import Applied, Caller, Subject
from app.limits.refusals import kind_of_subject
from app.limits.rules import OF_WHOEVER, is_allowance
from models.call import DEFAULT_CLIENT
from models.limits import Limit, LimitScope, Unit, Window
from routes.administration.limit_bodies import (
    AppliedBody,
    AppliedList,
    CurrentBody,
    LimitBody,
    LimitChange,
    LimitList,
    NewLimit,
)
from routes.administration.paging import PageSize, after_of, page_of
from routes.dependencies import Cursor, NameFilter, chosen
from routes.panel_rows import sight_of

Asking = Request[Principal, Any, Any]
UserFilter = Annotated[str | None, QueryParameter(name="userId", min_length=1, max_length=256)]
OfClient = Annotated[str | None, QueryParameter(name="clientId", min_length=1, max_length=256)]
OfKey = Annotated[str | None, QueryParameter(name="keyId", min_length=1, max_length=256)]
OfCampaign = Annotated[str | None, QueryParameter(name="campaignId", min_length=1, max_length=256)]


class DefinedLimitController(Controller):
    """A change is in force in every process within two seconds. One client's administrator limits that client alone:
    what names a user means that user there.
    """

    path = "/api/admin/limits"
    tags = ("limits",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List limits, the newest first")
    async def list_limits(
        self,
        request: Asking,
        limit_book: NamedDependency[LimitBook],
        *,
        user_id: UserFilter = None,
        client_id: OfClient = None,
        key_id: OfKey = None,
        campaign_id: OfCampaign = None,
        feature: NameFilter = None,
        subscription: NameFilter = None,
        unit: NameFilter = None,
        window: NameFilter = None,
        ended: Annotated[
            bool | None, QueryParameter(description="Only those that have ended, or have not; both by default.")
        ] = None,
        of_keys: Annotated[
            bool, QueryParameter(name="ofKeys", description="Only limits of API keys, of whichever.")
        ] = False,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> LimitList:
        """Filters match what a limit names; `clientId` also the limits of that client's keys."""
        conditions = {
            "scope.userId": user_id,
            "scope.keyId": key_id,
            "scope.campaignId": campaign_id,
            "scope.feature": feature,
            "scope.subscription": subscription,
            "unit": chosen("unit", unit, Unit),
            "window": chosen("window", window, Window),
        }
        client = own_client(request.user, client_id)
        found = await limit_book.page(
            client,
            conditions,
            ended=ended,
            named="scope.keyId" if of_keys else None,
            after=after_of(cursor),
            size=limit + 1,
        )
        page, following = page_of(found, limit)
        return LimitList(limits=[LimitBody.of_limit(one) for one in page], next_cursor=following)

    @get("/applying", summary="List what applies to a caller, by its plan and beside it")
    async def list_applying(
        self,
        request: Asking,
        limit_book: NamedDependency[LimitBook],
        usage_limits: NamedDependency[Limits],
        *,
        user_id: UserFilter = None,
        client_id: OfClient = None,
        key_id: OfKey = None,
        campaign_id: OfCampaign = None,
    ) -> AppliedList:
        """Where two count the same, the tightest decides. Limits of features are not among them: they depend on the
        call. One client's administrator is not told of those that it shares with other clients.
        """
        client = own_client(request.user, client_id)
        if key_id is not None:
            client = await client_of_key(limit_book.database, key_id, client, "keyId")
        client = client or DEFAULT_CLIENT
        caller, now = Caller(user_id or "", client, key_id, campaign_id), datetime.now(UTC)
        definitions = usage_limits.definitions
        await definitions.learn([caller], now)
        applied, sees = definitions.applying(caller, None, now) or (), sight_of(request.user)
        version, subscription = definitions.plan_of(caller, now)
        return AppliedList(
            plan=version.plan,
            version=version.version,
            plan_name=version.name,
            subscription=None if subscription is None else subscription.id,
            limits=[_applied(one, applied) for one in applied if kind_of_subject(one.counter.meter.subject) in sees],
        )

    @get("/{limit_id:str}", summary="One limit, and what is used of it")
    async def get_limit(
        self,
        limit_id: FromPath[str],
        request: Asking,
        limit_book: NamedDependency[LimitBook],
        usage_limits: NamedDependency[Limits],
    ) -> LimitBody:
        limit = await limit_book.one(limit_id, own_client(request.user, None))
        return LimitBody.of_limit(limit, current=await _current(usage_limits, limit_book, limit))

    @post("/", summary="Set a limit")
    async def set_limit(
        self, data: JSONBody[NewLimit], request: Asking, limit_book: NamedDependency[LimitBook]
    ) -> LimitBody:
        """In force in every process within two seconds, and at once in this one. It counts the whole of its current
        period, from before it was set too. An amount of 0 lets nothing pass.
        """
        client = own_client(request.user, None)
        limit = await limit_book.add(data.scope, data, client=client, by=request.user.subject)
        return LimitBody.of_limit(limit)

    @patch("/{limit_id:str}", summary="Change a limit")
    async def change_limit(
        self,
        limit_id: FromPath[str],
        data: JSONBody[LimitChange],
        request: Asking,
        limit_book: NamedDependency[LimitBook],
        usage_limits: NamedDependency[Limits],
    ) -> LimitBody:
        """What is left out stays, and so does what is used and held. What it counts cannot change. With the `version`
        that was seen, 409 where somebody else has changed it since.
        """
        limit = await limit_book.change(
            limit_id, data.given(), client=own_client(request.user, None), seen=data.version
        )
        return LimitBody.of_limit(limit, current=await _current(usage_limits, limit_book, limit))

    @post("/{limit_id:str}/end", summary="End a limit", status_code=200)
    async def end_limit(
        self, limit_id: FromPath[str], request: Asking, limit_book: NamedDependency[LimitBook]
    ) -> LimitBody:
        """From now on it holds for nobody; it stays in the list. Repeating it changes nothing."""
        return LimitBody.of_limit(await limit_book.end(limit_id, client=own_client(request.user, None)))


async def _current(limits: Limits, book: LimitBook, limit: Limit) -> CurrentBody | None:
    if limit.ended_at is not None:
        return None
    owner = await owner_of(book.database, limit.scope, None)
    applied = await limits.definitions.applied_of(limit, owner.subject, datetime.now(UTC))
    states = [] if applied is None else await limits.state_of([applied])
    return CurrentBody.of(states[0]) if states else None


def _applied(one: Applied, among: Sequence[Applied]) -> AppliedBody:
    others = [other for other in among if other.counter == one.counter and other.ceiling is not None]
    tightest = min(others, key=lambda other: (other.ceiling, other.limit.id), default=None)
    limit = one.limit
    if limit.scope == OF_WHOEVER and is_allowance(limit):
        limit = limit.model_copy(update={"scope": LimitScope(user_id=Subject.of(one.counter.meter.subject).name)})
    return AppliedBody.of_limit(
        limit,
        allowance=one.allowance,
        ceiling=one.ceiling,
        resets_at=one.counter.period.resets_at,
        tightest=one is tightest,
    )

"""Who has which plan."""

from typing import Annotated, Any

from litestar import Controller, Request, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from app.errors import InvalidRequestError
from app.limits.defining.subscriptions import SubscriptionBook
from models.plans import Status
from routes.administration.paging import PageSize, after_of, page_of
from routes.administration.subscription_bodies import (
    EndOfSubscription,
    NewSubscription,
    SubscriptionBody,
    SubscriptionChange,
    SubscriptionList,
)
from routes.dependencies import Cursor, NameFilter, chosen

Asking = Request[Principal, Any, Any]


class SubscriptionController(Controller):
    """A user's plan, else its client's, else the default one. One client's administrator subscribes that client and its
    users there.
    """

    path = "/api/admin/subscriptions"
    tags = ("subscriptions",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List subscriptions, the newest first")
    async def list_subscriptions(
        self,
        request: Asking,
        subscription_book: NamedDependency[SubscriptionBook],
        *,
        user_id: Annotated[str | None, QueryParameter(name="userId", min_length=1, max_length=256)] = None,
        client_id: Annotated[str | None, QueryParameter(name="clientId", min_length=1, max_length=256)] = None,
        plan: Annotated[
            str | None, QueryParameter(min_length=1, max_length=256, description="That they have, had or will have.")
        ] = None,
        status: NameFilter = None,
        limit: PageSize = 50,
        cursor: Cursor = None,
    ) -> SubscriptionList:
        client, wanted = own_client(request.user, client_id), chosen("status", status, Status)
        # one whose end has come may not be noted as ended yet
        noted = None if wanted in {None, Status.ENDED} else wanted
        conditions = {"scope.userId": user_id, "terms.plan": plan, "status": noted}
        ended = None if wanted is None else wanted is Status.ENDED
        found = await subscription_book.page(client, conditions, ended=ended, after=after_of(cursor), size=limit + 1)
        page, following = page_of(found, limit)
        return SubscriptionList(subscriptions=[SubscriptionBody.of(one) for one in page], next_cursor=following)

    @get("/{subscription_id:str}", summary="One subscription")
    async def get_subscription(
        self,
        subscription_id: FromPath[str],
        request: Asking,
        subscription_book: NamedDependency[SubscriptionBook],
    ) -> SubscriptionBody:
        return SubscriptionBody.of(await subscription_book.one(subscription_id, own_client(request.user, None)))

    @post("/", summary="Subscribe a user or a client to a plan")
    async def subscribe(
        self,
        data: JSONBody[NewSubscription],
        request: Asking,
        subscription_book: NamedDependency[SubscriptionBook],
    ) -> SubscriptionBody:
        """409 where it has a subscription already, and where the plan has ended."""
        more = ("stripe_customer_id", "stripe_subscription_id", "usage_alerts_enabled")
        subscription = await subscription_book.add(
            data.scope,
            plan=data.plan,
            number=data.version,
            anchor=data.anchor,
            timezone=data.timezone,
            own=data.own(),
            more={name: getattr(data, name) for name in more},
            client=own_client(request.user, None),
            by=request.user.subject,
        )
        return SubscriptionBody.of(subscription)

    @patch("/{subscription_id:str}", summary="Change a subscription")
    async def change_subscription(
        self,
        subscription_id: FromPath[str],
        data: JSONBody[SubscriptionChange],
        request: Asking,
        subscription_book: NamedDependency[SubscriptionBook],
    ) -> SubscriptionBody:
        """Another plan holds at once, or from the next period on where anything gets less, unless `effective` says
        when. What is used and held stays. The current period ends as it was promised: another time zone or interval
        begins with the next one. To undo what is scheduled, name the plan that it has.
        """
        if not data.given():
            raise InvalidRequestError("nothing to change: give at least one field")
        subscription = await subscription_book.change(
            subscription_id,
            plan=data.plan,
            number=data.version,
            timezone=data.timezone,
            effective=data.effective,
            own=data.own(),
            more=data.more(),
            client=own_client(request.user, None),
        )
        return SubscriptionBody.of(subscription)

    @post("/{subscription_id:str}/end", summary="End a subscription", status_code=200)
    async def end_subscription(
        self,
        subscription_id: FromPath[str],
        data: JSONBody[EndOfSubscription],
        request: Asking,
        subscription_book: NamedDependency[SubscriptionBook],
    ) -> SubscriptionBody:
        """When the current period ends, or now. From then on the default plan holds."""
        client = own_client(request.user, None)
        ended = await subscription_book.end(subscription_id, effective=data.effective, client=client)
        return SubscriptionBody.of(ended)

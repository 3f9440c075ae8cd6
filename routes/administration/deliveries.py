"""Messages about alerts, and what became of each."""

from typing import Annotated, Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from app.alerts.alerts import Alerts
from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from models.alerts import DeliveryState
from routes.administration.alert_bodies import DeliveryBody, DeliveryList
from routes.administration.paging import PageSize, after_of, page_of
from routes.dependencies import ClientFilter, Cursor, chosen

Asking = Request[Principal, Any, Any]


class DeliveryController(Controller):
    """One client's administrator sees messages to that client's endpoints. They are kept for 90 days."""

    path = "/api/admin/deliveries"
    tags = ("alerts",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List messages, the newest first")
    async def list_deliveries(
        self,
        request: Asking,
        alerts: NamedDependency[Alerts],
        *,
        delivery_state: Annotated[str | None, QueryParameter(name="state", min_length=1, max_length=32)] = None,
        alert_id: Annotated[str | None, QueryParameter(name="alertId", min_length=1, max_length=64)] = None,
        endpoint_id: Annotated[str | None, QueryParameter(name="endpointId", min_length=1, max_length=64)] = None,
        client_id: ClientFilter = None,
        size: PageSize = 50,
        cursor: Cursor = None,
    ) -> DeliveryList:
        found = await alerts.records.deliveries(
            own_client(request.user, client_id),
            state=chosen("state", delivery_state, DeliveryState),
            alert=alert_id,
            endpoint=endpoint_id,
            after=after_of(cursor),
            size=size + 1,
        )
        page, following = page_of(found, size)
        return DeliveryList(deliveries=[DeliveryBody.of(each) for each in page], next_cursor=following)

    @get("/{delivery_id:str}", summary="One message, with its attempts")
    async def get_delivery(
        self, delivery_id: FromPath[str], request: Asking, alerts: NamedDependency[Alerts]
    ) -> DeliveryBody:
        return DeliveryBody.of(await alerts.records.delivery(delivery_id, own_client(request.user, None)))

    @post("/{delivery_id:str}/resend", summary="Send a message again", status_code=202)
    async def resend(
        self, delivery_id: FromPath[str], request: Asking, alerts: NamedDependency[Alerts]
    ) -> DeliveryBody:
        """At once, whatever became of it, under the same id; the schedule of its attempts begins anew. 409 while its
        endpoint is off.
        """
        return DeliveryBody.of(await alerts.resend(delivery_id, own_client(request.user, None)))

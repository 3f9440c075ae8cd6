"""Where messages about alerts go."""

from typing import Annotated, Any

from litestar import Controller, Request, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.alerts.alerts import Alerts
from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from routes.administration.alert_bodies import (
    DeliveryBody,
    EndpointBody,
    EndpointChange,
    EndpointList,
    MadeEndpoint,
    NewEndpoint,
    SentMessages,
)
from routes.dependencies import ClientFilter

Asking = Request[Principal, Any, Any]


class EndpointController(Controller):
    """One client's administrator manages that client's endpoints, which are told about that client alone."""

    path = "/api/admin/endpoints"
    tags = ("alerts",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List endpoints, the newest first")
    async def list_endpoints(
        self,
        request: Asking,
        alerts: NamedDependency[Alerts],
        *,
        client_id: ClientFilter = None,
        ended: Annotated[
            bool | None, QueryParameter(description="Only those that have ended, or have not; both by default.")
        ] = None,
    ) -> EndpointList:
        found = await alerts.endpoints.all(own_client(request.user, client_id), ended=ended)
        return EndpointList(endpoints=[EndpointBody.of(each) for each in found])

    @get("/{endpoint_id:str}", summary="One endpoint")
    async def get_endpoint(
        self, endpoint_id: FromPath[str], request: Asking, alerts: NamedDependency[Alerts]
    ) -> EndpointBody:
        return EndpointBody.of(await alerts.endpoints.one(endpoint_id, own_client(request.user, None)))

    @post("/", summary="Add an endpoint")
    async def add_endpoint(
        self, data: JSONBody[NewEndpoint], request: Asking, alerts: NamedDependency[Alerts]
    ) -> MadeEndpoint:
        """The answer has the secret of a webhook, which cannot be retrieved again."""
        endpoint, secret = await alerts.endpoints.create(
            kind=data.kind,
            name=data.name,
            url=data.url,
            addresses=data.addresses or (),
            kinds=data.kinds,
            client=own_client(request.user, data.client_id),
            by=request.user.subject,
        )
        return MadeEndpoint.of(endpoint, secret=secret)

    @patch("/{endpoint_id:str}", summary="Change an endpoint, or switch it off or on")
    async def change_endpoint(
        self,
        endpoint_id: FromPath[str],
        data: JSONBody[EndpointChange],
        request: Asking,
        alerts: NamedDependency[Alerts],
    ) -> EndpointBody:
        """What was stopped while it was off stays so, until it is sent again."""
        changed = await alerts.endpoints.change(
            endpoint_id,
            own_client(request.user, None),
            name=data.name,
            url=data.url,
            addresses=data.addresses,
            kinds=data.kinds,
            on=data.on,
        )
        return EndpointBody.of(changed)

    @post("/{endpoint_id:str}/rotate", summary="Make a new secret", status_code=200)
    async def rotate_secret(
        self, endpoint_id: FromPath[str], request: Asking, alerts: NamedDependency[Alerts]
    ) -> MadeEndpoint:
        """For 24 hours messages are signed with both."""
        endpoint, secret = await alerts.endpoints.rotate(endpoint_id, own_client(request.user, None))
        return MadeEndpoint.of(endpoint, secret=secret)

    @post("/{endpoint_id:str}/test", summary="Send a test message", status_code=202)
    async def test_endpoint(
        self, endpoint_id: FromPath[str], request: Asking, alerts: NamedDependency[Alerts]
    ) -> SentMessages:
        """Whatever kinds it wants. Its deliveries say what becomes of it. 409 while the endpoint is off."""
        endpoint = await alerts.endpoints.one(endpoint_id, own_client(request.user, None))
        sent = await alerts.test(endpoint, request.user.subject)
        return SentMessages(deliveries=[DeliveryBody.of(each) for each in sent])

    @post("/{endpoint_id:str}/end", summary="End an endpoint", status_code=200)
    async def end_endpoint(
        self, endpoint_id: FromPath[str], request: Asking, alerts: NamedDependency[Alerts]
    ) -> EndpointBody:
        """For good: what waits to be sent there is stopped. Repeating it changes nothing."""
        return EndpointBody.of(await alerts.endpoints.end(endpoint_id, own_client(request.user, None)))

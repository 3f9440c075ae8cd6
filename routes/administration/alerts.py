"""What was crossed or is unusual."""

from operator import attrgetter
from typing import Annotated, Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from app.alerts.alerts import Alerts
from app.auth.middleware import requires
from app.auth.ownership import own_client
from app.auth.principals import Principal, Scope
from models.alerts import AlertKind
from routes.administration.alert_bodies import AlertBody, AlertList, ToldAlert
from routes.administration.paging import PageSize, after_of, page_of
from routes.dependencies import ClientFilter, Cursor, NameFilter, chosen

Asking = Request[Principal, Any, Any]
MOST_MESSAGES = 200


class AlertController(Controller):
    """One client's administrator sees alerts about that client; the deployment's, all."""

    path = "/api/admin/alerts"
    tags = ("alerts",)
    guards = (requires(Scope.ADMIN),)

    @get("/", summary="List alerts, the newest first")
    async def list_alerts(
        self,
        request: Asking,
        alerts: NamedDependency[Alerts],
        *,
        kind: NameFilter = None,
        limit_id: Annotated[str | None, QueryParameter(name="limitId", min_length=1, max_length=1_024)] = None,
        user_id: Annotated[str | None, QueryParameter(name="userId", min_length=1, max_length=256)] = None,
        client_id: ClientFilter = None,
        size: PageSize = 50,
        cursor: Cursor = None,
    ) -> AlertList:
        found = await alerts.records.alerts(
            own_client(request.user, client_id),
            kind=chosen("kind", kind, AlertKind),
            limit=limit_id,
            user=user_id,
            after=after_of(cursor),
            size=size + 1,
        )
        page, following = page_of(found, size, attrgetter("at"))
        return AlertList(alerts=[AlertBody.of(each) for each in page], next_cursor=following)

    @get("/{alert_id:str}", summary="One alert, and the messages about it")
    async def get_alert(self, alert_id: FromPath[str], request: Asking, alerts: NamedDependency[Alerts]) -> ToldAlert:
        client = own_client(request.user, None)
        alert = await alerts.records.alert(alert_id, client)
        return ToldAlert.told(alert, await alerts.records.deliveries(client, alert=alert.id, size=MOST_MESSAGES))

"""Where applications report their AI calls."""

from typing import Any

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.auth import Principal, Scope, requires
from app.scoping import USER_HEADER, owned
from app.serialization import ExactResponse
from app.tracking import AICall, ReceiptStatus, Tracker
from routes.schemas import ReceiptBody

STATUS_CODES = {
    ReceiptStatus.COMMITTED: 201,
    ReceiptStatus.DUPLICATE: 200,
    ReceiptStatus.SPOOLED: 202,
    ReceiptStatus.UNKNOWN: 202,
    ReceiptStatus.REJECTED: 400,
    ReceiptStatus.DROPPED: 503,
}


class TrackController(Controller):
    """Reporting calls."""

    path = "/api/ai"
    tags = ("tracking",)
    guards = (requires(Scope.INGEST),)

    @post("/track", summary="Report one AI call")
    async def track(
        self, data: JSONBody[AICall], tracker: NamedDependency[Tracker], request: Request[Principal, Any, Any]
    ) -> ExactResponse[ReceiptBody]:
        """201 is committed, 200 a duplicate whose first report stands, 202 not known yet: send it again."""
        receipt = await tracker.track_call(_owned(data, request), "http")
        headers = {"Retry-After": "1"} if receipt.status is ReceiptStatus.DROPPED else None
        return ExactResponse(ReceiptBody.of(receipt), status_code=STATUS_CODES[receipt.status], headers=headers)


def _owned(call: AICall, request: Request[Principal, Any, Any]) -> AICall:
    """The call as reported by this caller."""
    said = {"userId": call.user_id}
    if "client_id" in call.model_fields_set:
        said["clientId"] = call.client_id
    settled = owned(request.user, said, request.headers.get(USER_HEADER))
    return call.model_copy(update={"user_id": settled["userId"], "client_id": settled.get("clientId", call.client_id)})

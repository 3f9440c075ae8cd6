"""Where applications report their AI calls."""

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.auth import Role, requires
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
    guards = (requires(Role.SERVICE, Role.ADMIN),)

    @post("/track", summary="Report one AI call")
    async def track(self, data: JSONBody[AICall], tracker: NamedDependency[Tracker]) -> ExactResponse[ReceiptBody]:
        """201 is committed, 200 a duplicate whose first report stands, 202 not known yet: send it again."""
        receipt = await tracker.track_call(data, "http")
        headers = {"Retry-After": "1"} if receipt.status is ReceiptStatus.DROPPED else None
        return ExactResponse(ReceiptBody.of(receipt), status_code=STATUS_CODES[receipt.status], headers=headers)

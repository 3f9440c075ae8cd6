"""A stand-in of Stripe's API: it has the objects that a test gives it, and lists and pages them as Stripe does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.finance.stripe.objects import Object

KEY = "rk_test_of_a_test"
KINDS = {
    "subscriptions": "subscription",
    "invoices": "invoice",
    "invoice_payments": "invoice_payment",
    "credit_notes": "credit_note",
    "refunds": "refund",
    "disputes": "dispute",
    "charges": "charge",
    "customers": "customer",
    "prices": "price",
    "coupons": "coupon",
    "sessions": "checkout.session",
}
PAGE = 2
"""Objects of a page at most, so that few make several."""


class StandIn:
    """One account."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.asked: list[str] = []
        self.failing: int | None = None
        """The status of every answer, where there is one."""
        self.address = ""

    def has(self, *objects: Object) -> None:
        self.objects |= {one["id"]: one for one in objects}

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if self.failing is not None:
            return self._error(self.failing, "api_error")
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return self._error(401, "invalid_request_error")
        parts = request.path.removeprefix("/v1/").split("/")
        if parts[-1] in KINDS:
            chosen = [one for one in self.objects.values() if one["object"] == KINDS[parts[-1]]]
            return self._page(request, [one for one in chosen if self._matches(one, request)])
        if parts[-1] == "lines":
            return self._page(request, self.objects[parts[-2]]["all_lines"])
        found = self.objects.get(parts[-1])
        if found is None:
            return self._error(404, "invalid_request_error")
        return web.json_response({name: value for name, value in found.items() if name != "all_lines"})

    def _matches(self, one: Object, request: web.Request) -> bool:
        intent, charge = request.query.get("payment[payment_intent]"), request.query.get("charge")
        return (intent is None or one["payment"]["payment_intent"] == intent) and (
            charge is None or one["charge"] == charge
        )

    def _page(self, request: web.Request, rows: list[Object]) -> web.Response:
        after = request.query.get("starting_after")
        if after is not None:
            rows = rows[[row["id"] for row in rows].index(after) + 1 :]
        body = {"object": "list", "data": rows[:PAGE], "has_more": len(rows) > PAGE, "url": request.path}
        return web.json_response(body)

    def _error(self, status: int, kind: str) -> web.Response:
        error: dict[str, Any] = {"type": kind, "message": f"it fails; the key is {KEY}"}
        return web.json_response({"error": error}, status=status)


@asynccontextmanager
async def stand_in() -> AsyncIterator[StandIn]:
    """One that answers at its address."""
    found = StandIn()
    application = web.Application()
    application.router.add_get("/{path:.*}", found.answer)
    async with TestServer(application) as server:
        found.address = str(server.make_url("")).rstrip("/")
        yield found

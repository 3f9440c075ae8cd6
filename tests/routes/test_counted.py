"""What limits count of calls that come over HTTP, whatever way they take."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from tests.conftest import SECRET
from tests.otlp.exports import CHAT, span
from tests.routes.conftest import application, holding

CALL = {"contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 100}
COST = Decimal("0.0035")
Client = AsyncTestClient[Litestar]


class Shop:
    """One client of a deployment, which reports with an API key."""

    def __init__(self, client: Client, database: Database) -> None:
        self.client = client
        self.database = database
        tokens = Tokens(SECRET)
        self.root = holding(tokens.issue("root", Role.ADMIN, timedelta(hours=1)))
        self.key: dict[str, str] = {}
        self.key_id = ""

    async def open(self) -> None:
        body = {"clientId": "shop", "scopes": ["ingest", "read"], "name": "x"}
        made = (await self.client.post("/api/admin/keys", json=body, headers=self.root)).json()
        self.key, self.key_id = holding(made["key"]), made["id"]

    async def limited(self, scope: dict[str, Any], unit: str = "requests", amount: int = 100, **more: Any) -> None:
        body = {"scope": scope, "unit": unit, "window": "lifetime", "amount": amount, "kind": "hard", **more}
        response = await self.client.post("/api/admin/limits", json=body, headers=self.root)
        assert response.status_code == 201, response.text

    async def reserved(self, user: str) -> str:
        ask = {"userId": user, "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "maxOutputTokens": 100}
        response = await self.client.post("/api/ai/reservations", json=ask, headers=self.key)
        assert response.status_code == 201, response.text
        id_: str = response.json()["id"]
        return id_

    async def usage(self, user: str) -> dict[str, tuple[Any, Any]]:
        """Used and held by unit, as the panel says."""
        response = await self.client.get("/api/me/usage", params={"userId": user}, headers=self.key)
        return {each["unit"]: (each["used"], each["held"]) for each in response.json()["limits"]}

    async def entries(self, user: str) -> list[dict[str, Any]]:
        return await self.database.ledger.find({"userId": user}).sort("_id").to_list(None)


@pytest.fixture(scope="module")
async def shop(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    async with application(mongodb_uri, tmp_path_factory.mktemp("counted")) as (client, database):
        shop = Shop(client, database)
        await shop.open()
        yield shop


async def test_every_way_of_reporting_settles_what_it_names_and_notes_the_key(shop: Shop) -> None:
    await shop.limited({"userId": "ways"})
    single, quick, row, exported = [await shop.reserved("ways") for _ in range(4)]
    assert await shop.usage("ways") == {"requests": (0, 4)}
    for reservation in (single, quick):
        body = {**CALL, "userId": "ways", "reservationId": reservation}
        answer = (await shop.client.post("/api/ai/track", json=body, headers=shop.key)).json()
        assert answer["reservation"] == "settled"
    rows = [{**CALL, "userId": "ways", "reservationId": row}]
    await shop.client.post("/api/ai/track/batch", json=rows, headers=shop.key)
    usage = {"gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.output_tokens": 100}
    attributes = {**CHAT, **usage, "user.id": "ways", "twinmeter.reservation.id": exported}
    spans = ScopeSpans(spans=[span(1, attributes)])
    content = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[spans])]).SerializeToString()
    headers = {**shop.key, "Content-Type": "application/x-protobuf"}
    assert (await shop.client.post("/v1/traces", content=content, headers=headers)).status_code == 200

    assert await shop.usage("ways") == {"requests": (4, 0)}
    entries = await shop.entries("ways")
    assert {each["reservationId"] for each in entries} == {single, quick, row, exported}
    assert {each["keyId"] for each in entries} == {shop.key_id}


async def test_the_key_is_what_reported_it_whatever_a_call_says(shop: Shop) -> None:
    body = {**CALL, "userId": "liar", "keyId": "another"}
    response = await shop.client.post("/api/ai/track", json=body, headers=shop.key)
    assert (response.status_code, await shop.entries("liar")) == (400, [])


async def test_a_repeated_report_settles_and_counts_once(shop: Shop) -> None:
    await shop.limited({"userId": "again"})
    reservations = [await shop.reserved("again") for _ in range(2)]
    body = {**CALL, "userId": "again", "requestId": "r1", "reservationId": reservations[0]}
    for _ in range(3):
        await shop.client.post("/api/ai/track", json=body, headers=shop.key)
    assert await shop.usage("again") == {"requests": (1, 1)}


async def test_panel_refusal_and_report_name_the_same_figure_while_calls_come(shop: Shop) -> None:
    await shop.limited({"userId": "busy"}, unit="usd", amount=1_000)
    for _ in range(8):  # whatever is folded meanwhile
        await shop.client.post("/api/ai/track", json={**CALL, "userId": "busy"}, headers=shop.key)
        panel = (await shop.client.get("/api/me/usage", params={"userId": "busy"}, headers=shop.key)).json()
        (limit,) = panel["limits"]
        assert Decimal(str(limit["used"])) == Decimal(str(panel["cost"]["lifetime"]))

    window = {"from": datetime.now(UTC).date().replace(day=1).isoformat(), "userId": "busy"}
    report = (await shop.client.get("/api/admin/ai/usage", params=window, headers=shop.root)).json()
    used = Decimal(str((await shop.usage("busy"))["usd"][0]))
    assert used == Decimal(str(report["totals"]["cost"])) == COST * report["totals"]["requests"] > 0
    await shop.limited({"userId": "busy"}, unit="requests", amount=1)
    ask = {"userId": "busy", "contentType": "chat", "model": "gpt-4o", "maxOutputTokens": 1}
    refused = await shop.client.post("/api/ai/reservations", json=ask, headers=shop.key)
    assert (refused.status_code, refused.json()["used"]) == (429, report["totals"]["requests"])

"""Repricing that an administrator asks for: what it would change, and that ledger and reports follow."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from app.maintenance.repricing.runs import RunState
from tests.patience import patience
from tests.routes.administration.conftest import Admin, Client

TODAY = datetime.now(UTC).date().isoformat()
CALL = {"userId": "u1", "contentType": "chat", "inputTokens": 1_000_000, "outputTokens": 0}


async def priced(admin: Admin, served: Client, model: str, client_id: str, usd: int) -> None:
    """Three calls of a model that has no price, and its price from before them on."""
    for _ in range(3):
        sent = {**CALL, "model": model, "provider": "house", "clientId": client_id}
        response = await served.post("/api/ai/track", json=sent, headers=admin.headers)
        assert response.status_code == 201, response.text
    prices = {"inputMtok": usd, "outputMtok": usd}
    body = {"model": model, "prices": prices, "clientId": client_id, "effectiveFrom": "2026-01-01T00:00:00Z"}
    await admin.post("/prices", body)


async def done(admin: Admin) -> dict[str, Any]:
    """The last run, once it is over."""
    async with asyncio.timeout(patience(20)):
        run: dict[str, Any] = {"state": RunState.RUNNING}
        while run["state"] == RunState.RUNNING:
            run = (await admin.get("/repricing"))["run"]
    return run


async def test_a_preview_says_what_a_run_then_does(admin: Admin, served: Client) -> None:
    await priced(admin, served, "house-1", "repriced", usd=2)
    wish = {"model": "house-1", "clientId": "repriced", "firstDay": TODAY}

    seen = await admin.post("/repricing/preview", wish, 200)
    assert (seen["calls"], seen["changed"], seen["difference"], seen["complete"]) == (3, 3, 6, True)
    query: dict[str, Any] = {"clientId": "repriced", "days": 1}
    assert (await admin.get("/ai/usage", **query))["totals"]["unpriced"] == 3

    assert (await admin.post("/repricing", wish, 202))["total"] == 3
    run = await done(admin)

    assert (run["state"], run["done"], run["changed"], run["difference"]) == ("done", 3, 3, 6)
    totals = (await admin.get("/ai/usage", **query))["totals"]
    assert (totals["cost"], totals["unpriced"]) == (Decimal(6), 0)
    again = await admin.post("/repricing/preview", wish, 200)
    assert (again["calls"], again["changed"], again["difference"]) == (3, 0, 0)


async def test_one_clients_administrator_reprices_that_clients_calls_alone(admin: Admin, served: Client) -> None:
    await priced(admin, served, "house-2", "mine", usd=1)
    await priced(admin, served, "house-2", "theirs", usd=1)
    mine = await admin.of_client("mine")

    await mine.post("/repricing", {"model": "house-2", "firstDay": TODAY}, 202)
    run = await done(mine)

    assert (run["changed"], run["clientId"]) == (3, "mine")
    assert (await admin.get("/ai/usage", clientId="theirs", days=1))["totals"]["unpriced"] == 3
    theirs = await admin.of_client("theirs")
    assert await theirs.get("/repricing") == {"run": None}
    await mine.post("/repricing", {"model": "house-2", "firstDay": TODAY, "clientId": "theirs"}, 403)


async def test_bad_wishes_name_their_field(admin: Admin) -> None:
    assert (await admin.refused("/repricing", {"firstDay": "1999-12-31"}))[0] == ["firstDay"]
    late = {"firstDay": TODAY, "lastDay": "2020-01-01"}
    assert (await admin.refused("/repricing/preview", late))[0] == ["lastDay"]
    assert (await admin.refused("/repricing", {}))[0] == ["firstDay"]

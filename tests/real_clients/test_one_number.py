"""What a panel, a refusal and a report say of one user at one instant is one number, also while calls are committed."""

import asyncio
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx

from app.http.serialization import decode
from tests.patience import patience
from tests.real_clients.conftest import Account

ROUNDS, SENDERS, EACH = 5, 8, 4
CALL = {"contentType": "chat", "model": "gpt-4o", "provider": "openai", "inputTokens": 1_000, "outputTokens": 500}
TOKENS, COST = 1_500, Decimal("0.0075")
"""Of `CALL`."""
ASK = {"contentType": "chat", "model": "gpt-4o", "inputTokens": 0, "maxOutputTokens": 50_000_000}
"""More than any limit below has room for."""
Figures = tuple[int, Decimal]


class Asker:
    """Asks all three about the user `load` of a client."""

    def __init__(self, account: Account, client: httpx.AsyncClient) -> None:
        self._client = client
        self._whose = {"userId": "load", "clientId": account.client}

    async def limit(self, **more: Any) -> None:
        body = {"scope": self._whose, "window": "lifetime", "kind": "hard", **more}
        response = await self._client.post("/api/admin/limits", json=body)
        assert response.status_code == 201, response.text

    async def track(self) -> None:
        for _ in range(EACH):
            response = await self._client.post("/api/ai/track", json={**CALL, **self._whose})
            assert response.json()["status"] == "committed", response.text

    async def panel(self) -> Figures:
        response = await self._client.get("/api/me/usage", params=self._whose)
        limits = {each["unit"]: each for each in decode(response.content)["limits"]}
        assert {each["held"] for each in limits.values()} == {0}
        return limits["tokens"]["used"], limits["usd"]["used"]

    async def costs(self) -> Figures:
        """Of the same panel, what is not a limit."""
        cost = decode((await self._client.get("/api/me/usage", params=self._whose)).content)["cost"]
        return cost["monthRequests"] * TOKENS, cost["lifetime"]

    async def refusal(self) -> Figures:
        response = await self._client.post("/api/ai/reservations", json={**ASK, **self._whose})
        assert response.status_code == 429, response.text
        limits = {each["unit"]: each for each in decode(response.content)["violations"]}
        return limits["tokens"]["used"], limits["usd"]["used"]

    async def report(self) -> Figures:
        response = await self._client.get("/api/admin/ai/usage", params={**self._whose, "days": "2"})
        totals = decode(response.content)["totals"]
        return totals["tokens"]["total"], totals["cost"]


async def test_panel_refusal_and_report_name_the_same_number_at_the_same_instant(account: Account) -> None:
    async with httpx.AsyncClient(base_url=account.address, headers=account.admin, timeout=patience(60)) as client:
        asker = Asker(account, client)
        await asker.limit(unit="tokens", amount=10_000_000)
        await asker.limit(unit="usd", amount=100)
        seen: list[Figures] = [(0, Decimal(0))]
        for number in range(1, ROUNDS + 1):
            senders = asyncio.gather(*(asker.track() for _ in range(SENDERS)))
            # each is asked after the one before has answered, and so says nothing less
            while not senders.done():
                seen += [await ask() for ask in (asker.panel, asker.refusal, asker.report, asker.costs)]
            await senders
            # what was just acknowledged may not be in the counters yet
            truth = (number * SENDERS * EACH * TOKENS, number * SENDERS * EACH * COST)
            for figures in await asyncio.gather(asker.panel(), asker.refusal(), asker.report(), asker.costs()):
                assert figures == truth
            seen.append(truth)
    assert all(earlier <= later for earlier, later in pairwise(seen))
    assert all(tokens // TOKENS * COST == cost for tokens, cost in seen)
    between = {tokens for tokens, _ in seen if tokens % (SENDERS * EACH * TOKENS)}
    assert len(between) >= ROUNDS, "nothing was asked while calls were committed"

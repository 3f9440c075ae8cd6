"""Data quality: what was turned away, and what is a sum of many calls."""

from datetime import timedelta
from typing import Any

from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.patience import until
from tests.routes.conftest import bearer, holding

CALL = {"userId": "u", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}


async def test_refused_calls_of_every_channel_are_counted_by_reason(
    client: AsyncTestClient[Litestar], tokens: Tokens
) -> None:
    service, admin = bearer(tokens, Role.SERVICE), bearer(tokens, Role.ADMIN)
    assert (await client.post("/api/ai/track", json={**CALL, "surprise": 1}, headers=service)).status_code == 400
    rows = [CALL, {**CALL, "inputTokens": "many"}, {**CALL, "inputTokens": None, "createdAt": "1999-01-01T00:00:00Z"}]
    assert (await client.post("/api/ai/track/batch", json=rows, headers=service)).json()["summary"]["rejected"] == 2

    async def quality() -> dict[str, Any]:
        answer: dict[str, Any] = (await client.get("/api/admin/ai/data-quality", headers=admin)).json()
        return answer

    async def are_written() -> bool:  # a moment later, off the callers' path
        return len((await quality())["refusedCalls"]) == 3

    await until(are_written)

    found = await quality()
    assert [(row["door"], row["field"], row["calls"]) for row in found["refusedCalls"]] == [
        ("batch", "createdAt", 1),
        ("batch", "inputTokens", 1),
        ("track", "surprise", 1),
    ]
    assert found["totals"]["requests"] == 1
    narrowed = (await client.get("/api/admin/ai/data-quality?model=gpt-4o", headers=admin)).json()
    assert narrowed["refusedCalls"] is None
    other = (await client.get("/api/admin/ai/data-quality?clientId=other", headers=admin)).json()
    assert other["refusedCalls"] == []


async def test_what_users_claim_for_others_is_one_reason_that_names_nobody(
    client: AsyncTestClient[Litestar], tokens: Tokens
) -> None:
    admin, message = bearer(tokens, Role.ADMIN), "is not the caller's own; leave userId out"
    for name in ("ann", "eve"):
        user = holding(tokens.issue(name, Role.USER, timedelta(minutes=5)))
        refused = await client.post("/api/ai/track", json=CALL, headers=user)
        assert refused.json()["errors"] == [{"field": "userId", "message": message}]

    async def found() -> list[dict[str, Any]]:
        answer = await client.get("/api/admin/ai/data-quality", headers=admin)
        refused: list[dict[str, Any]] = answer.json()["refusedCalls"]
        return refused

    async def are_written() -> bool:
        return sum(int(row["calls"]) for row in await found()) == 2

    await until(are_written)
    assert await found() == [{"door": "track", "field": "userId", "reason": message, "calls": 2}]


async def test_a_sum_of_many_calls_counts_and_is_in_no_list(client: AsyncTestClient[Litestar], tokens: Tokens) -> None:
    service, admin = bearer(tokens, Role.SERVICE), bearer(tokens, Role.ADMIN)
    together = {**CALL, "aggregated": True, "aggregatedRequests": 40}
    receipt = (await client.post("/api/ai/track", json=together, headers=service)).json()
    single = (await client.post("/api/ai/track", json=CALL, headers=service)).json()
    timed = await client.post("/api/ai/track", json={**together, "requestDuration": 5}, headers=service)

    assert (timed.status_code, timed.json()["errors"][0]["field"]) == (400, "aggregated")
    listed = (await client.get("/api/admin/ai/calls", headers=admin)).json()["calls"]
    assert [call["id"] for call in listed] == [single["id"]]
    sums = (await client.get("/api/admin/ai/calls?aggregated=true", headers=admin)).json()["calls"]
    assert [call["id"] for call in sums] == [receipt["id"]]
    detail = (await client.get(f"/api/admin/ai/calls/{receipt['id']}", headers=admin)).json()
    assert (detail["aggregated"], detail["aggregatedRequests"]) == (True, 40)
    for question in ("", "?userId=u"):
        quality = (await client.get(f"/api/admin/ai/data-quality{question}", headers=admin)).json()
        assert quality["aggregated"] == {"entries": 1, "cost": 0.0075, "tokens": 1_500}
        assert (quality["totals"]["requests"], quality["totals"]["cost"]) == (2, 0.015)

"""Whoever looks at a call without a price is told why."""

from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from tests.routes.conftest import bearer
from tests.twins import entries


async def test_the_reason_stands_in_the_receipt_the_entry_the_call_and_data_quality(
    client: AsyncTestClient[Litestar], tokens: Tokens, database: Database
) -> None:
    call = {"userId": "u", "contentType": "chat", "model": "of-nobody", "inputTokens": 30, "outputTokens": 5}
    reason = "model_unknown: no price list has of-nobody"

    receipt = (await client.post("/api/ai/track", json=call, headers=bearer(tokens, Role.SERVICE))).json()
    unreadable = {**call, "model": "gpt-4o", "unreadableReason": "usage.odd_tokens is not known"}
    del unreadable["inputTokens"], unreadable["outputTokens"]
    await client.post("/api/ai/track", json=unreadable, headers=bearer(tokens, Role.SERVICE))

    assert (receipt["cost"], receipt["costSource"], receipt["unpricedReason"]) == (None, "unpriced", reason)
    assert {entry["unpricedReason"] for entry in await entries(database)} == {
        reason,
        "usage_unreadable: usage.odd_tokens is not known",
    }
    detail = (await client.get(f"/api/admin/ai/calls/{receipt['id']}", headers=bearer(tokens, Role.ADMIN))).json()
    assert detail["unpricedReason"] == reason
    for question in ("", "?userId=u"):  # from the rollups, and from the ledger
        quality = await client.get(f"/api/admin/ai/data-quality{question}", headers=bearer(tokens, Role.ADMIN))
        assert [
            (row["reason"], row["model"], row["requests"], row["tokens"]["total"])
            for row in quality.json()["unpricedReasons"]
        ] == [("model_unknown", "of-nobody", 1, 35), ("usage_unreadable", "gpt-4o", 1, 0)]

"""Rows of a batch that are not checked field by field, because calls like them were: nobody can tell."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from app.ledger.recording import Recorder
from tests.routes.conftest import holding
from tests.routes.generated_requests import CALL
from tests.twins import assert_twins, entries

Client = AsyncTestClient[Litestar]
ROWS = 400
OPTIONAL: dict[str, list[Any]] = {
    "requestId": [f"r{number}" for number in range(30)],
    "conversationId": ["c 1", "用户", None],
    "provider": ["openai", None],
    "success": [True, False, None],
    "requestDuration": [0, 900, 2.5, 1e9, 0.49999999999999999999],
    "timeToFirstToken": [3, None],
    "inputTokens": [0, 7, 10**9],
}
ODD: dict[str, list[Any]] = {
    "userId": ["", "u" * 257, "a\nb", "\x7f", 5, None, "a\u00a0b"],
    "clientId": ["another", "default", "", None, 7],
    "model": ["", "no-such-model", "gpt-4o-mini", 5],
    "contentType": ["of-our-own", "summary", "x" * 257],
    "inputTokens": [-1, 1.0, "5", True, 10**9 + 1, None],
    "requestDuration": [-0.4, -1, 1e10, "5", True],
    "requestId": ["", "r" * 257, 5, "*"],
    "createdAt": ["2026-01-01T00:00:00Z", "1999-01-01T00:00:00Z", "yesterday"],
    "metadata": [{}, {"a": 1}, {"a": {}}],
    "cached": [True],
    "cost": [0.1],
    "user_id": ["u"],
    "content_type": ["chat"],
    "colour": ["red"],
}


def generated(draw: random.Random) -> dict[str, Any]:
    """Most of them common, one in three with something odd."""
    row: dict[str, Any] = {**CALL, "userId": draw.choice(["u1", "u1", "u1", "Zoë"])}
    row |= {name: draw.choice(values) for name, values in OPTIONAL.items() if draw.random() < 0.4}
    if draw.random() < 0.33:
        name = draw.choice(list(ODD))
        row[name] = draw.choice(ODD[name])
    return row


async def sent(client: Client, tokens: Tokens, role: Role, owner: str, rows: list[dict[str, Any]]) -> Any:
    token = tokens.issue("u1", role, timedelta(minutes=5), owner)
    headers = {**holding(token), "Content-Type": "application/json"}
    response = await client.post("/api/ai/track/batch", content=json.dumps(rows).encode(), headers=headers)
    assert response.status_code == 200
    answer = response.json()
    for receipt in answer["receipts"]:
        receipt["id"] = receipt["id"] and len(receipt["id"])
    return answer


@pytest.mark.parametrize("role", [Role.SERVICE, Role.USER], ids=str)
async def test_rows_of_a_known_kind_have_the_receipts_and_entries_of_those_that_are_checked(
    client: Client, tokens: Tokens, database: Database, monkeypatch: pytest.MonkeyPatch, role: Role
) -> None:
    draw = random.Random(7)
    rows = [generated(draw) for _ in range(ROWS)]
    known: list[bool] = []
    common = Recorder.common

    def counted(self: Recorder, reported: Any) -> Any:
        found = common(self, reported)
        known.append(found is not None)
        return found

    monkeypatch.setattr(Recorder, "common", counted)
    answers = []
    for owner in ("known", "checked"):
        parts = [rows[start : start + 100] for start in range(0, ROWS, 100)]
        answers.append([await sent(client, tokens, role, owner, part) for part in parts])
        assert (sum(known) > ROWS // 10) is (owner == "known")
        known.clear()
        monkeypatch.setattr(Recorder, "common", lambda *_: None)

    assert answers[0] == answers[1]
    summaries = [answer["summary"] for answer in answers[0]]
    committed = sum(summary["committed"] for summary in summaries)
    assert {"committed", "duplicate", "rejected"} <= {status for summary in summaries for status in summary}
    own = dict.fromkeys(("_id", "clientId", "createdAt", "recordedAt"))
    stored = await entries(database)

    def of(owner: str) -> list[str]:
        return sorted(repr({**entry, **own}) for entry in stored if entry["clientId"] == owner)

    assert of("known") == of("checked")
    assert len(of("known")) == len(await assert_twins(database)) // 2 == committed

"""Revenue beside cost over HTTP, and what who asks wrongly is told."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from tests.routes.conftest import bearer, holding
from tests.routes.test_admin import ask

Client = AsyncTestClient[Litestar]
FINANCE = "/api/admin/finance"


async def test_revenue_and_cost_are_in_the_next_answer(client: Client, tokens: Tokens) -> None:
    now = datetime.now(UTC)
    start = now - timedelta(minutes=1)
    entry = {
        "clientId": "figures-inc",
        "userId": "=u1",
        "plan": "pro",
        "kind": "one_time",
        "amount": 5,
        "currency": "USD",
        "start": start.isoformat(),
        "end": start.isoformat(),
        "at": start.isoformat(),
        "sourceId": "figures-1",
    }
    sent = await client.post("/api/admin/revenue", json=entry, headers=bearer(tokens, Role.ADMIN))
    assert sent.status_code in {200, 201}, sent.text
    call = {"userId": "=u1", "contentType": "chat", "model": "gpt-4o"}
    tokens_of = {"inputTokens": 1_000, "outputTokens": 500}
    own = holding(tokens.issue("someone", Role.SERVICE, timedelta(minutes=5), "figures-inc"))
    tracked = await client.post("/api/ai/track", json={**call, **tokens_of}, headers=own)
    assert tracked.status_code == 201, tracked.text

    mine: dict[str, Any] = {"days": 2, "clientId": "figures-inc"}
    overview = await ask(client, tokens, f"{FINANCE}/overview", **mine)
    assert {name: overview["totals"][name] for name in ("recognised", "billed", "cost", "calls", "margin")} == {
        "recognised": 5,
        "billed": 5,
        "cost": Decimal("0.0075"),
        "calls": 1,
        "margin": Decimal("4.9925"),
    }
    assert overview["totals"]["marginPercent"] == Decimal("99.85")
    assert [each["name"] for each in overview["formulas"]][:2] == ["mrr", "arr"]
    for by, name in (("user", "=u1"), ("client", "figures-inc"), ("feature", "chat"), ("model", "gpt-4o")):
        margins = await ask(client, tokens, f"{FINANCE}/margins", by=by, **mine)
        (row,) = margins["rows"]
        assert (row["name"], row["margin"]) == (name, Decimal("4.9925"))
        assert (margins["allocation"] == "cost") == (by in {"feature", "model"})
    table = await client.get(
        f"{FINANCE}/margins.csv", params={**mine, "by": "user"}, headers=bearer(tokens, Role.ADMIN)
    )
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [(row["name"], row["margin"]) for row in rows] == [("'=u1", "4.9925"), ("", "0")]
    assert "attachment" in table.headers["content-disposition"]
    losses = await ask(client, tokens, f"{FINANCE}/loss-making", **mine)
    assert (losses["users"]["count"], losses["usersWithoutRevenue"]) == (0, 0)


@pytest.mark.parametrize(
    ("path", "params", "field", "says"),
    [
        ("overview", {"feature": "chat"}, "feature", "not a filter"),
        ("overview", {"from": "2025-02-01", "to": "2025-01-01"}, "from", "must not be after"),
        ("overview", {"userId": "u1", "days": "93"}, "userId", "at most 92 days"),
        ("margins", {"userId": "u1"}, "userId", "not a filter"),
        ("margins", {"by": "colour"}, "by", "plan, client, user, feature, model, campaign"),
        ("margins", {"allocation": "luck"}, "allocation", "cost, calls, none"),
        ("margins", {"sort": "-luck"}, "sort", "margin, recognised, cost, calls, name"),
        ("margins", {"cursor": "nonsense"}, "cursor", ""),
        ("margins.csv", {"by": "<b>"}, "by", "plan, client"),
        ("loss-making", {"model": "gpt-4o"}, "model", "not a filter"),
    ],
)
async def test_a_bad_question_is_told_what_is_wrong(
    client: Client, tokens: Tokens, path: str, params: dict[str, str], field: str, says: str
) -> None:
    refused = await client.get(f"{FINANCE}/{path}", params=params, headers=bearer(tokens, Role.ADMIN))
    assert refused.status_code == 400, refused.text
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert says in error["message"]

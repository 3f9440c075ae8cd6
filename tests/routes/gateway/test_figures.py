"""What administrators see of all that went through the gateway."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.auth.principals import Role, Scope
from app.auth.tokens import Tokens
from app.maintenance.answers import forget_answers
from tests.routes.gateway.conftest import Site

ROUTE = "/api/admin/gateway/figures"


@pytest.fixture
def admin(site: Site) -> dict[str, str]:
    secret = site.gateway.settings.signing_secret
    return {"authorization": f"Bearer {Tokens(secret).issue('me', Role.ADMIN, timedelta(minutes=5))}"}


async def asked(site: Site, headers: dict[str, str], **params: str) -> Any:
    response = await site.client.get(ROUTE, headers=headers, params=params)
    assert response.status_code == 200, response.text
    return json.loads(response.text, parse_float=Decimal)


async def test_what_the_cache_saved_is_exact_and_read_from_its_index(site: Site, admin: dict[str, str]) -> None:
    await forget_answers(site.database)
    assert site.gateway.cache is not None
    await site.gateway.cache.refresh(site.database)
    before = await asked(site, admin)
    wish = {"x-twinmeter-cache": "on"}
    first = await site.chat(headers=wish)
    for _ in range(3):
        assert (await site.chat(headers=wish)).headers["x-twinmeter-cache"] == "hit"
    await site.database.writes.command("profile", 2)

    found = await asked(site, admin)

    await site.database.writes.command("profile", 0)
    cost = (await site.entry(first))["cost"].to_decimal()
    assert (found["saved"]["calls"], found["saved"]["savedCost"]) == (3, 3 * cost)
    assert cost > 0
    assert found["saved"]["window"]["days"] == 30
    grown = {name: found["whole"][name] - before["whole"][name] for name in ("hits", "misses")}
    assert grown == {"hits": 3, "misses": 1}
    assert found["whole"]["calls"]["cached"] - before["whole"]["calls"].get("cached", 0) == 3
    read = await site.database.writes["system.profile"].find_one(
        {"ns": site.database.ledger.full_name, "op": "command"}
    )
    assert read is not None
    assert (read["planSummary"].partition(" ")[0], read["docsExamined"]) == ("IXSCAN", 0)
    assert (await asked(site, admin, clientId="acme"))["saved"]["calls"] == 3
    assert (await asked(site, admin, clientId="other"))["saved"]["calls"] == 0


async def test_an_administrator_of_one_client_sees_its_own(site: Site) -> None:
    key = await site.new_key("other", Scope.ADMIN)

    found = await asked(site, {"authorization": f"Bearer {key}"})

    assert (found["on"], found["whole"], found["saved"]["calls"]) == (True, None, 0)


async def test_calls_are_listed_by_the_upstream_that_answered(site: Site, admin: dict[str, str]) -> None:
    await site.chat()
    answered = await site.chat("twice")

    response = await site.client.get("/api/admin/ai/calls", headers=admin, params={"upstream": "openai-eu"})

    assert [one["id"] for one in response.json()["calls"]] == [answered.headers["x-twinmeter-request-id"]]

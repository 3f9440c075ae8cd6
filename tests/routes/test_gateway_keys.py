"""Keys of the gateway over HTTP: made with policy and limits in one step, changed, listed, and never half made."""

from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from tests.routes.conftest import bearer, holding

Client = AsyncTestClient[Litestar]
KEYS, LIMITS = "/api/admin/keys", "/api/admin/limits"
TEN_DOLLARS: dict[str, Any] = {"unit": "usd", "window": "month", "amount": 10}
A_MINUTE: dict[str, Any] = {"unit": "requests", "window": "minute", "amount": 60, "kind": "soft", "name": "burst"}
POLICY: dict[str, Any] = {
    "models": ["gpt-4o*", "fast"],
    "userFromBody": True,
    "cache": True,
    "cacheSeconds": 60,
    "cacheTools": True,
    "onDisconnect": "cancel",
    "contentType": "support",
}
DEFAULTS = {
    "models": None,
    "userFromBody": False,
    "cache": False,
    "cacheSeconds": 3_600,
    "cacheTools": False,
    "onDisconnect": "drain",
    "contentType": None,
}


async def make(client: Client, tokens: Tokens, status: int = 201, **facts: Any) -> Any:
    body = {"name": "shop", "scopes": ["gateway"], **facts}
    response = await client.post(KEYS, json=body, headers=bearer(tokens, Role.ADMIN))
    assert response.status_code == status, response.text
    return response.json()


async def change(client: Client, tokens: Tokens, key: str, status: int = 200, **facts: Any) -> Any:
    response = await client.patch(f"{KEYS}/{key}", json=facts, headers=bearer(tokens, Role.ADMIN))
    assert response.status_code == status, response.text
    return response.json()


async def listed(client: Client, tokens: Tokens, key: str) -> Any:
    rows = (await client.get(KEYS, headers=bearer(tokens, Role.ADMIN))).json()
    return next(row for row in rows if row["id"] == key)


def policy_in(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in POLICY}


async def test_a_key_has_its_policy_and_its_limits_from_the_first_moment(
    client: Client, tokens: Tokens, database: Database
) -> None:
    made = await make(client, tokens, clientId="acme", limits=[TEN_DOLLARS, A_MINUTE], **POLICY)

    assert policy_in(made) == POLICY == policy_in(await listed(client, tokens, made["id"]))
    assert [(each["scope"]["keyId"], each["unit"], each["amount"], each["kind"]) for each in made["limits"]] == [
        (made["id"], "usd", 10, "hard"),
        (made["id"], "requests", 60, "soft"),
    ]
    of_key = await client.get(LIMITS, params={"keyId": made["id"]}, headers=bearer(tokens, Role.ADMIN))
    assert {each["id"] for each in of_key.json()["limits"]} == {each["id"] for each in made["limits"]}
    stored = await database.writes["limits"].find().to_list(None)
    assert {(each["client"], each["subject"]) for each in stored} == {("acme", f"key:{made['id']}")}
    own = (await client.get("/api/me/usage", headers=holding(made["key"]))).json()
    assert [(each["unit"], each["limit"], each["used"]) for each in own["limits"]] == [
        ("usd", 10, 0),
        ("requests", 60, 0),
    ]
    assert (own["cost"], own["recent"]) == (None, [])


async def test_a_key_without_a_word_of_policy_has_the_usual_one_and_other_keys_none(
    client: Client, tokens: Tokens, database: Database
) -> None:
    of_gateway, of_ingest = await make(client, tokens), await make(client, tokens, scopes=["ingest"])

    assert policy_in(of_gateway) == DEFAULTS
    assert policy_in(of_ingest) == dict.fromkeys(POLICY)
    assert await database.writes["api_keys"].count_documents({"policy": {"$exists": True}}) == 1


async def test_any_key_may_be_made_with_limits(client: Client, tokens: Tokens) -> None:
    made = await make(client, tokens, scopes=["ingest"], limits=[{**TEN_DOLLARS, "amount": 0}])

    call = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1, "maxOutputTokens": 1}
    asked = await client.post("/api/ai/reservations", json=call, headers=holding(made["key"]))

    assert asked.status_code == 429


@pytest.mark.parametrize("fails", ["limits", "api_keys"])
async def test_where_one_part_cannot_be_stored_nothing_is(
    client: Client, tokens: Tokens, database: Database, fails: str
) -> None:
    """Refused by MongoDB itself, in the middle of the transaction."""
    rule = {"name": {"$ne": "never"}} if fails == "api_keys" else {"amount": {"$ne": 60}}
    await make(client, tokens, limits=[TEN_DOLLARS])
    before = [await database.writes[name].count_documents({}) for name in ("api_keys", "limits")]
    await database.writes.command("collMod", fails, validator=rule)

    await make(client, tokens, status=500, name="never", limits=[TEN_DOLLARS, A_MINUTE])

    assert [await database.writes[name].count_documents({}) for name in ("api_keys", "limits")] == before


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"models": []}, "models"),
        ({"models": [""]}, "models"),
        ({"models": ["a\nb"]}, "models"),
        ({"models": "gpt-4o"}, "models"),
        ({"models": ["x"] * 101}, "models"),
        ({"cacheSeconds": 0}, "cacheSeconds"),
        ({"cacheSeconds": 604_801}, "cacheSeconds"),
        ({"cacheSeconds": 1.5}, "cacheSeconds"),
        ({"cache": "perhaps"}, "cache"),
        ({"onDisconnect": "ignore"}, "onDisconnect"),
        ({"contentType": ""}, "contentType"),
        ({"scopes": ["ingest"], "models": ["gpt-4o"]}, "models"),
        ({"scopes": ["ingest"], "cache": False}, "cache"),
        ({"limits": [{**TEN_DOLLARS, "amount": -1}]}, "limits"),
        ({"limits": [{**TEN_DOLLARS, "unit": "euros"}]}, "limits"),
        ({"limits": [{**TEN_DOLLARS, "scope": {"everyone": True}}]}, "limits"),
        ({"limits": [{**TEN_DOLLARS, "window": "period"}]}, "limits"),
        ({"limits": [{"unit": "concurrent", "window": "day", "amount": 1}]}, "limits"),
        ({"limits": [TEN_DOLLARS] * 21}, "limits"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field_and_makes_nothing(
    empty: Client, tokens: Tokens, empty_database: Database, facts: dict[str, Any], field: str
) -> None:
    before = await empty_database.writes["api_keys"].count_documents({})

    problem = await make(empty, tokens, status=400, **facts)

    assert "uple" not in problem["detail"]
    assert {error["field"].split(".")[0] for error in problem["errors"]} <= {field, "window"}
    assert await empty_database.writes["api_keys"].count_documents({}) == before


async def test_a_change_is_of_what_was_sent_alone(client: Client, tokens: Tokens) -> None:
    made = await make(client, tokens, **POLICY)

    changed = await change(client, tokens, made["id"], models=["claude-*"], onDisconnect="drain")

    assert policy_in(changed) == POLICY | {"models": ["claude-*"], "onDisconnect": "drain"}
    assert policy_in(await change(client, tokens, made["id"], models=None, contentType=None))["models"] is None
    assert policy_in(await change(client, tokens, made["id"])) == POLICY | {
        "models": None,
        "contentType": None,
        "onDisconnect": "drain",
    }


async def test_a_key_from_before_there_were_policies_has_the_usual_one_and_can_be_given_another(
    client: Client, tokens: Tokens, database: Database
) -> None:
    made = await make(client, tokens)
    await database.writes["api_keys"].update_one({"keyId": made["id"]}, {"$unset": {"policy": ""}})

    assert (await client.get("/api/me/usage", headers=holding(made["key"]))).status_code == 200
    assert policy_in(await change(client, tokens, made["id"], cache=True)) == DEFAULTS | {"cache": True}


async def test_a_name_with_a_dollar_is_a_name(client: Client, tokens: Tokens) -> None:
    made = await make(client, tokens, models=["$name"])

    changed = await change(client, tokens, made["id"], models=["$scopes", "$$ROOT"], contentType="$keyId")

    assert (changed["models"], changed["contentType"]) == (["$scopes", "$$ROOT"], "$keyId")


async def test_what_has_no_policy_is_not_given_one(client: Client, tokens: Tokens) -> None:
    of_ingest, revoked = await make(client, tokens, scopes=["ingest"]), await make(client, tokens)
    await client.post(f"{KEYS}/{revoked['id']}/revoke", headers=bearer(tokens, Role.ADMIN))

    assert "scope gateway" in (await change(client, tokens, of_ingest["id"], status=409, cache=True))["detail"]
    assert "revoked" in (await change(client, tokens, revoked["id"], status=409, cache=True))["detail"]
    await change(client, tokens, "nothing", status=404, cache=True)
    await change(client, tokens, of_ingest["id"], status=400, scopes=["admin"])
    await change(client, tokens, of_ingest["id"], status=400, cacheSeconds=None)


async def test_a_clients_administrator_makes_and_changes_the_keys_of_that_client_alone(
    client: Client, tokens: Tokens
) -> None:
    theirs = await make(client, tokens, clientId="umbrella")
    admin = holding((await make(client, tokens, clientId="acme", scopes=["admin"]))["key"])

    mine = await client.post(KEYS, json={"name": "n", "scopes": ["gateway"], "limits": [TEN_DOLLARS]}, headers=admin)

    assert (mine.status_code, mine.json()["clientId"]) == (201, "acme")
    assert [each["createdBy"] for each in mine.json()["limits"]] == [mine.json()["createdBy"]]
    assert (await client.patch(f"{KEYS}/{theirs['id']}", json={"cache": True}, headers=admin)).status_code == 404
    assert (await client.patch(f"{KEYS}/{mine.json()['id']}", json={"cache": True}, headers=admin)).status_code == 200
    assert policy_in(await listed(client, tokens, theirs["id"])) == DEFAULTS
    limits = (await client.get(LIMITS, params={"keyId": mine.json()["id"]}, headers=admin)).json()["limits"]
    assert [Decimal(str(each["amount"])) for each in limits] == [10]
    for wrong in ("gateway", "ingest"):
        key = holding((await make(client, tokens, clientId="acme", scopes=[wrong]))["key"])
        assert (await client.patch(f"{KEYS}/{theirs['id']}", json={}, headers=key)).status_code == 403

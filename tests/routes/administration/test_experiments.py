"""Experiments over HTTP: what is refused, who sees what, and results."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.finance.experiments import experiments as module
from tests.conftest import SECRET
from tests.routes.conftest import bearer, holding

Client = AsyncTestClient[Litestar]
PATH = "/api/admin/experiments"
TODAY = datetime.now(UTC).date()
TWO = [{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.5}]
TONE: dict[str, Any] = {"name": "tone", "variants": TWO, "begins": "2026-01-01", "conversionEvent": "purchase"}
ADMIN = bearer(Tokens(SECRET), Role.ADMIN)


async def admin_of(client: Client, owner: str) -> dict[str, str]:
    body = {"name": "boss", "clientId": owner, "scopes": ["admin"]}
    return holding((await client.post("/api/admin/keys", json=body, headers=ADMIN)).json()["key"])


async def test_one_is_defined_found_changed_and_listed(client: Client) -> None:
    made = await client.post(PATH, json={**TONE, "note": "is it?"}, headers=ADMIN)
    again = await client.post(PATH, json=TONE, headers=ADMIN)
    change = {"ends": "2026-02-01", "note": None, "minimumConversions": 10}
    changed = await client.patch(f"{PATH}/tone", json=change, headers=ADMIN)
    found = await client.get(f"{PATH}/{made.json()['id']}", headers=ADMIN)
    listed = await client.get(PATH, headers=ADMIN)

    assert (made.status_code, again.status_code, changed.status_code, found.status_code) == (201, 409, 200, 200)
    assert (made.json()["control"], made.json()["state"], made.json()["minimumConversions"]) == ("a", "running", 50)
    assert changed.json() == {
        **made.json(),
        "ends": "2026-02-01",
        "note": None,
        "minimumConversions": 10,
        "state": "ended",
    }
    assert found.json() == changed.json()
    assert listed.json() == {"experiments": [changed.json()], "undefined": [], "nextCursor": None}


async def test_who_changes_what_is_compared_after_it_began_is_noted(client: Client) -> None:
    await client.post(PATH, json=TONE, headers=ADMIN)
    future = {**TONE, "name": "later", "begins": (TODAY + timedelta(days=2)).isoformat()}
    await client.post(PATH, json=future, headers=ADMIN)
    other = {"conversionEvent": "upgrade"}

    begun = await client.patch(f"{PATH}/tone", json=other, headers=ADMIN)
    planned = await client.patch(f"{PATH}/later", json=other, headers=ADMIN)
    results = (await client.get(f"{PATH}/tone/results", headers=ADMIN)).json()

    assert begun.json()["redefinedAt"] is not None
    assert (planned.json()["redefinedAt"], planned.json()["state"]) == (None, "planned")
    assert "redefined" in [notice["code"] for notice in results["notices"]]
    early = await client.get(f"{PATH}/later/results", headers=ADMIN)
    assert (early.status_code, "there are no results before" in early.json()["detail"]) == (409, True)


def weighed(*weights: float) -> dict[str, Any]:
    return {"variants": [{"name": name, "weight": weight} for name, weight in zip("ab", weights, strict=False)]}


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        (
            {"variants": [{"name": "a", "weight": 0.5}, {"name": "b", "weight": 0.4}]},
            "variants",
            "sum to 0.9; they are",
        ),
        ({"variants": [{"name": "a", "weight": 0.9}, {"name": "b", "weight": 0.2}]}, "variants", "sum to 1.1"),
        ({"variants": [{"name": "a", "weight": 0.5}] * 2}, "variants", "has a more than once"),
        ({"variants": [{"name": "a", "weight": 1}]}, "variants.0.weight", "less than 1"),
        ({"variants": [{"name": "a", "weight": 0.5}]}, "variants", "at least 2"),
        (
            {"variants": [{"name": "a", "weight": -1}, {"name": "b", "weight": 2}]},
            "variants.0.weight",
            "greater than 0",
        ),
        ({"control": "c"}, "control", "is none of the variants: a, b"),
        ({"ends": "2025-12-31"}, "ends", "must be its last day, from 2026-01-01"),
        ({"begins": "1999-12-31"}, "begins", "must be from 2000-01-01"),
        ({"begins": "soon"}, "begins", "date"),
        ({"conversionEvent": "ai_generation"}, "conversionEvent", "which each call is"),
        ({"minimumConversions": 0}, "minimumConversions", "greater than or equal to 1"),
        ({"name": ""}, "name", "at least 1"),
        ({"surprise": 1}, "surprise", "unknown field"),
    ],
)
async def test_what_is_no_experiment_is_refused_with_the_reason(
    empty: Client, more: dict[str, Any], field: str, words: str
) -> None:
    response = await empty.post(PATH, json={**TONE, **more}, headers=ADMIN)

    assert response.status_code == 400, response.text
    errors = response.json()["errors"]
    assert [error for error in errors if error["field"] == field and words in error["message"]], errors


async def test_a_name_stays_and_a_change_is_checked_as_a_whole(client: Client) -> None:
    await client.post(PATH, json=TONE, headers=ADMIN)

    renamed = await client.patch(f"{PATH}/tone", json={"name": "voice"}, headers=ADMIN)
    moved = await client.patch(f"{PATH}/tone", json={"clientId": "b"}, headers=ADMIN)
    backwards = await client.patch(f"{PATH}/tone", json={"ends": "2025-01-01"}, headers=ADMIN)
    missing = await client.patch(f"{PATH}/voice", json={"note": "x"}, headers=ADMIN)

    assert [each.status_code for each in (renamed, moved, backwards, missing)] == [400, 400, 400, 404]
    assert renamed.json()["errors"][0]["message"] == "cannot change, as calls name it: define another experiment"


async def test_one_client_sees_and_changes_its_own_alone(client: Client) -> None:
    ours, theirs = await admin_of(client, "a"), await admin_of(client, "b")
    assert (await client.post(PATH, json=TONE, headers=ours)).json()["clientId"] == "a"
    assert (await client.post(PATH, json=TONE, headers=theirs)).status_code == 201
    assert (await client.post(PATH, json={**TONE, "clientId": "a"}, headers=theirs)).status_code == 403
    await client.post(PATH, json={**TONE, "name": "all"}, headers=ADMIN)

    listed = (await client.get(PATH, headers=ours)).json()["experiments"]
    unnamed = await client.get(f"{PATH}/tone", headers=ADMIN)
    named = await client.get(f"{PATH}/tone", params={"clientId": "b"}, headers=ADMIN)

    assert [(each["name"], each["clientId"]) for each in listed] == [("tone", "a")]
    for path in (f"{PATH}/all", f"{PATH}/all/results"):
        assert (await client.get(path, headers=ours)).status_code == 404
    assert (await client.patch(f"{PATH}/all", json={"note": "x"}, headers=ours)).status_code == 404
    assert (unnamed.status_code, named.json()["clientId"]) == (409, "b")


async def test_markup_in_names_stays_text(client: Client) -> None:
    markup = "<img src=x onerror=alert(1)>"
    variants = [{"name": markup, "weight": 0.5}, {"name": "b/../c?d=1", "weight": 0.5}]
    made = (await client.post(PATH, json={**TONE, "name": markup, "variants": variants}, headers=ADMIN)).json()

    results = await client.get(f"{PATH}/{made['id']}/results", headers=ADMIN)

    assert results.headers["content-type"] == "application/json"
    assert [variant["name"] for variant in results.json()["variants"]] == [markup, "b/../c?d=1"]


async def test_results_count_calls_and_events_at_once(client: Client) -> None:
    await client.post(PATH, json=TONE, headers=ADMIN)
    call = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}
    await client.post("/api/ai/track", json={**call, "experiment": "tone", "variant": "b"}, headers=ADMIN)
    await client.post("/api/events", json={"userId": "u1", "event": "purchase", "value": 19.99}, headers=ADMIN)

    results = (await client.get(f"{PATH}/tone/results", headers=ADMIN)).json()

    _, b = results["variants"]
    assert (b["users"], b["calls"], b["cost"], b["converted"], b["value"]) == (1, 1, 0.0075, 1, 19.99)
    assert b["figures"]["costPerConversion"] == {
        "value": 0.0075,
        "low": None,
        "high": None,
        "few": "fewer than 100 users",
    }
    assert {formula["name"] for formula in results["formulas"]} == b["figures"].keys()


async def test_without_the_library_counts_and_means_are_given_and_how_to_install_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_installed", lambda: False)
    await client.post(PATH, json=TONE, headers=ADMIN)

    results = (await client.get(f"{PATH}/tone/results", headers=ADMIN)).json()

    assert results["method"]["available"] is False
    assert "pip install 'twinmeter-server[experiments]'" in results["method"]["words"]
    assert results["sampleRatio"] == {"pValue": None, "trusted": None}
    assert "not_installed" in [notice["code"] for notice in results["notices"]]

"""A document that was damaged by hand is shown as far as it can be read, or named: never an unexpected error.

For each collection a few fields are damaged in some way, and the routes that read it are asked. How many is for
TWINMETER_TEST_DAMAGES to say: with more than a few, every route is asked.
"""

import os
import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bson import Decimal128, Int64
from bson.datetime_ms import DatetimeMS

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database
from app.errors import ConfigurationError
from app.reports.damage import Damage
from app.reports.downloads import Table
from app.rollups import user_days
from app.rollups.compactor import Compactor
from app.rollups.state import RollupState
from app.rollups.user_days import UserDays
from app.rollups.user_sheets import UserSheets
from app.settings import Settings
from models.refusals import LATE, REFUSALS
from models.rollups import (
    ACTIVE_USERS,
    CAMPAIGNS,
    CONVERSATIONS,
    DAYS,
    DELTAS,
    FINDINGS,
    LATENCY,
    NAMES,
    SPEEDS,
    STATE,
    TRAILING,
    USER_DAYS,
    USER_MONTHS,
    USER_NUMBERS,
    USER_SHEETS,
    USERS,
    VARIANTS,
)
from models.stored_shapes import ONLY, SHAPES
from scripts.diagnosis import damage
from scripts.diagnosis.finding import Deployment, Verdict, ok
from scripts.reconcile import Reconcile, arguments
from tests.conftest import SECRET, new_settings
from tests.patience import until
from tests.routes.conftest import Client, application, bearer
from tests.scripts.jobs import run

Document = dict[str, Any]

FEW = 4
DAMAGES = int(os.environ.get("TWINMETER_TEST_DAMAGES", FEW))
READERS: dict[str, tuple[str, ...]] = {
    "api_keys": ("/keys",),
    "prices": ("/prices",),
    "versions": ("/prices",),
    REFUSALS: ("quality",),
    LATE: ("quality",),
    NAMES: ("/usage", "/users"),
    FINDINGS: ("quality",),
    LATENCY: ("/latency", "/providers"),
    SPEEDS: ("/latency", "/models", "/providers", "/usage"),
    TRAILING: ("/usage", "/users"),
    CONVERSATIONS: ("conversations", "/analytics"),
    CAMPAIGNS: ("/campaigns",),
    VARIANTS: ("/experiments",),
    ACTIVE_USERS: ("/overview", "/stats", "/usage", "/analytics"),
    USER_MONTHS: ("/overview", "/stats", "/usage", "/analytics", "/models", "/retention"),
    USERS: ("/usage", "/users"),
    USER_SHEETS: ("/usage", "/users", "/models", "/retention"),
    USER_NUMBERS: ("/usage", "/users", "/models"),
    USER_DAYS: ("userId=",),
    "aiusages": ("/calls", "userId=", "/stats"),
    "analytics": ("/calls/", "/stats"),
}
"""Parts of the paths that read a collection; all others are read by every report."""
MISSING = object()
WAYS: dict[str, Any] = {
    "text": "many",
    "null": None,
    "fraction": 1.5,
    "no number": Decimal128("NaN"),
    "endless": Decimal128("-Infinity"),
    "huge": Int64(2**62),
    "negative": -3,
    "list": [1, {"a": 2}],
    "object": {"a": "b"},
    "beyond the calendar": DatetimeMS(10**15),
    "missing": MISSING,
}
CALL = {"contentType": "chat", "model": "gpt-4o", "provider": "openai", "inputTokens": 1_000, "outputTokens": 500}
TAGS = {"campaignId": "spring", "experiment": "tone", "variant": "b"}
MORE = {
    **TAGS,
    "conversationId": "talk",
    "requestDuration": 120,
    "timeToFirstToken": 30,
    "metadata": {"a": 1},
    "cacheReadTokens": 10,
}
TAGS = {"campaignId": "spring", "experiment": "tone", "variant": "b"}
CALLS: list[Document] = [
    {**CALL, **MORE, **TAGS, "userId": "ann", "clerkUserId": "clerk"},
    {**CALL, "userId": "bob", "model": "unheard-of", "contentType": "haiku"},
    {**CALL, "userId": "bob", "provider": "anthropic", "success": False, "images": 2},
]
ANSWERED = {200: set[str](), 503: {"Damaged data", "Rollups not ready"}}
"""By status: the titles of problems that are no surprise."""


class Place(NamedTuple):
    """An application with some calls, which are merged."""

    client: Client
    database: Database
    settings: Settings
    headers: dict[str, str]


@pytest.fixture(scope="module")
async def place(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    async with application(mongodb_uri, tmp_path_factory.mktemp("damaged")) as (client, database):
        tokens = Tokens(SECRET)
        admin = {"Authorization": f"Bearer {tokens.issue('someone', Role.ADMIN, timedelta(hours=1))}"}
        service = bearer(tokens, Role.SERVICE)
        yesterday = {**CALLS[0], "createdAt": (datetime.now(UTC) - timedelta(days=1)).isoformat()}
        await client.post("/api/ai/track/batch", json=[*CALLS, yesterday], headers=service)
        await client.post("/api/ai/track", json={**CALL, "surprise": 1}, headers=service)
        await client.post("/api/ai/track", json={**CALLS[1], "createdAt": "2020-01-01T00:00:00Z"}, headers=service)

        async def are_counted() -> bool:
            found = [await database.writes[name].find_one({}) for name in (REFUSALS, LATE)]
            return None not in found

        await until(are_counted)
        new = {"name": "shop", "scopes": ["ingest"]}
        assert (await client.post("/api/admin/keys", json=new, headers=admin)).status_code == 201
        price = {"model": "unheard-of-too", "prices": {"inputMtok": 1, "outputMtok": 2}}
        assert (await client.post("/api/admin/prices", json=price, headers=admin)).status_code == 201
        async with database.committer_session() as session:
            compactor = Compactor(database, session)
            await compactor.merge_all()
            await compactor.trailing.keep_up()
            await UserSheets(database, session).make_all()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(user_days, "BUSY_CALLS", 1)
                await UserDays(database, session).make_all()
        settings = new_settings(mongodb_uri, Path(), database=database.writes.name)
        yield Place(client, database, settings, admin)


SEARCH = "/api/admin/ai/search"


async def paths(client: Client, database: Database) -> list[str]:
    """Every route that reads what is stored, with each kind of filter where it takes any."""
    found = ["/ready", "/metrics", "/api/admin/ai/technical", "/api/admin/prices", "/api/admin/keys"]
    plain = {route.path for route in client.app.routes if "GET" in getattr(route, "methods", ())}
    admin = sorted(path for path in plain if path.startswith("/api/admin/ai/") and "{" not in path)
    reports = [path for path in admin if path not in {"/api/admin/ai/live", SEARCH, *found}]
    tables = [f"/api/admin/ai/download/{table}.csv" for table in Table]
    for path in (*reports, *tables, "/api/analytics", "/api/admin/stats"):
        found.append(path)
        if path.endswith(
            ("usage", "explain", "latency", "data-quality", "analytics", "calls", "calls.csv", "conversations.csv")
        ):
            found.append(f"{path}?userId=ann")
    found += [
        f"{SEARCH}?q=a",
        "/api/admin/ai/usage?days=8&compare=previous&series=model",
        "/api/admin/ai/users?sort=-cost",
    ]
    found += ["/api/admin/ai/models?clientId=default&provider=openai", "/api/admin/ai/overview?synthetic=include"]
    return [*found, *[f"/api/admin/ai/calls/{entry['_id']}" async for entry in database.ledger.find({}, {"_id": 1})]]


async def surprises(place: Place, asked: list[str]) -> list[str]:
    """What was answered otherwise than by an answer or a named refusal."""
    found = []
    for path in asked:
        try:
            response = await place.client.get(path, headers=place.headers)
        except Exception as error:  # noqa: BLE001 - an answer that breaks off
            found.append(f"{path}: {error!r}")
            continue
        title = response.json()["title"] if response.status_code != 200 else ""
        if response.status_code not in ANSWERED or (title and title not in ANSWERED[response.status_code]):
            found.append(f"{path}: {response.status_code} {response.text[:300]}")
    return found


def places(document: Document, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of every field, and of those within."""
    for name, value in document.items():
        if (*path, name) != ("_id",):
            yield (*path, name)
        if isinstance(value, dict):
            yield from places(value, (*path, name))


def damaged(document: Document, path: tuple[str, ...], value: Any) -> Document:
    first, *rest = path
    if rest:
        return {**document, first: damaged(document[first], tuple(rest), value)}
    if value is MISSING:
        return {name: kept for name, kept in document.items() if name != first}
    return {**document, first: value}


async def said(place: Place) -> tuple[Verdict, str]:
    found = await damage.documents(Deployment(place.settings, place.database, ok("")))
    return found.verdict, found.said


@pytest.mark.parametrize("collection", [*(name for name in SHAPES if name != DELTAS), "api_keys", "prices"])
async def test_what_is_damaged_is_shown_or_named(
    place: Place, collection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Damage, "_look", Damage._search)  # as if every look were ten seconds after the one before
    stored = place.database.writes[collection]
    document = await stored.find_one(ONLY.get(collection, {}), sort=[("_id", 1)])
    assert document is not None
    asked = await paths(place.client, place.database)
    if DAMAGES <= FEW:
        asked = [path for path in asked if any(part in path for part in READERS.get(collection, ("/",)))]
    assert (await surprises(place, asked), (await said(place))[0]) == ([], Verdict.OK)

    cases = [(path, way) for path in places(document) for way in WAYS]
    cases = random.Random(collection).sample(cases, min(DAMAGES, len(cases)))
    wrong = {}
    for path, way in cases:
        await stored.delete_one({"_id": document["_id"]})
        inserted = (await stored.insert_one(damaged(document, path, WAYS[way]))).inserted_id
        try:
            found = await surprises(place, asked)
            verdict, text = await said(place)
        finally:
            await stored.delete_one({"_id": inserted})
            await stored.insert_one(document)
        named = {Verdict.PROBLEM: f"{collection} " in text, Verdict.OK: True}
        if found or not named.get(verdict):
            wrong[".".join(path), way] = [*found, text]
    assert wrong == {}


async def test_a_damaged_call_is_shown_with_what_cannot_be_read(place: Place) -> None:
    entry = await place.database.ledger.find_one({"userId": "ann"})
    assert entry is not None
    change = {"cost": Decimal128("NaN"), "status": "odd", "inputTokens": "many", "metadata": {"a": entry["_id"]}}
    await place.database.ledger.update_one({"_id": entry["_id"]}, {"$set": change, "$unset": {"feature": 1}})
    try:
        shown = await place.client.get(f"/api/admin/ai/calls/{entry['_id']}", headers=place.headers)
        listed = (await place.client.get("/api/admin/ai/calls?userId=ann", headers=place.headers)).json()["calls"]
        found = await said(place)
    finally:
        await place.database.ledger.replace_one({"_id": entry["_id"]}, entry)

    call = shown.json()
    assert (shown.status_code, call["userId"], call["outputTokens"]) == (200, "ann", 500)
    assert (call["cost"], call["status"], call["inputTokens"], call["feature"]) == (None, None, None, None)
    assert call["metadata"] == {"a": str(entry["_id"])}
    assert call["damaged"] == [
        {"field": "cost", "stored": "Decimal('NaN')"},
        {"field": "feature", "stored": "missing"},
        {"field": "inputTokens", "stored": "'many'"},
        {"field": "status", "stored": "'odd'"},
    ]
    assert [row["damaged"] for row in listed if row["id"] == call["id"]] == [call["damaged"]]
    assert f'aiusages {{"$oid": "{entry["_id"]}"}}: feature, status, inputTokens, cost' in found[1]
    assert [row["damaged"] for row in listed if row["id"] != call["id"]] == [None]


async def test_a_damaged_cell_is_named_until_it_is_counted_again(place: Place) -> None:
    cells = place.database.writes[DAYS]
    cell = await cells.find_one({"_id.scope": "*"}, sort=[("_id", -1)])
    assert cell is not None
    await cells.update_one({"_id": cell["_id"]}, {"$set": {"cost": Decimal128("NaN")}})

    report = await place.client.get("/api/admin/ai/usage", headers=place.headers)
    verdict, text = await said(place)
    await cells.delete_one({"_id": cell["_id"]})
    await run(Reconcile, place.database, place.settings, arguments(["--execute"]))

    assert (report.status_code, report.json()["title"]) == (503, "Damaged data")
    assert "rollup_days (cost)" in report.json()["detail"]
    assert (verdict, f'"day": "{cell["_id"]["day"]}"' in text) == (Verdict.PROBLEM, True)
    again = await cells.find_one({"_id": cell["_id"]})
    assert again == cell


async def test_a_damaged_state_ends_the_start_with_the_way_out(place: Place) -> None:
    states = place.database.writes[STATE]
    state = await states.find_one({"_id": "rollups"})
    assert state is not None
    await states.update_one({"_id": "rollups"}, {"$unset": {"timezone": 1}})
    try:
        with pytest.raises(ConfigurationError, match=r"rollup_state is damaged .*delete it, start, and run"):
            await RollupState.open(place.database, place.settings.zone)
    finally:
        await states.replace_one({"_id": "rollups"}, state)

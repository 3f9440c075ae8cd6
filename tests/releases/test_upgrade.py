"""Today's code on what each earlier release left behind: the same figures, and nothing lost that it had promised."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pymongo
import pytest

from app.auth.principals import Role
from app.auth.sessions import Sessions
from app.auth.tokens import Tokens
from app.database import Database, connected
from app.settings import Settings
from scripts import doctor
from scripts.diagnosis.examination import examine, opened
from scripts.diagnosis.finding import Verdict
from scripts.reconcile import Reconcile, arguments
from scripts.transfer.importing import NEW
from tests.forked import Forked
from tests.patience import patience
from tests.releases import scene
from tests.releases.dump import RELEASES, Recording
from tests.scripts.imports import importer
from tests.scripts.jobs import run
from tests.test_server import running


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


ROOT = Path(__file__).parents[2]
VERSIONS = sorted((place.name for place in RELEASES.iterdir()), key=_numbers)
NOT_FIGURES = {"generatedAt", "nextCursor", "priceVersion"}
"""What an answer says beside its figures: when it was made, and what is opaque."""
FIRST_WITH_ROLLUPS, FIRST_WITH_KEYS, FIRST_WITH_PAGES, FIRST_WITH_TABLES = "0.2.0", "0.3.0", "0.4.0", "0.5.0"
_OF_EVERY_ROW = "(cached|averageDuration|errors|unpriced|estimated|successRate|cacheHitRate|tokens|savedCost|successes)"
RETIRED = {"0.1.0": re.compile(rf"\.(byHour|topUsers)\[\d+\]\.{_OF_EVERY_ROW}")}
"""Figures that later releases do not answer there."""


def since(version: str) -> pytest.MarkDecorator:
    """For what not every release had."""
    having = [each for each in VERSIONS if _numbers(each) >= _numbers(version)]
    return pytest.mark.parametrize("upgraded", having, indirect=True)


@dataclass(frozen=True)
class Upgraded:
    """Today's server on one release's data."""

    version: str
    recording: Recording
    settings: Settings
    http: httpx.Client

    @property
    def facts(self) -> dict[str, Any]:
        return self.recording.facts

    @property
    def mongodb_uri(self) -> str:
        assert self.settings.mongodb_uri is not None
        return self.settings.mongodb_uri.get_secret_value()

    def database(self) -> AbstractAsyncContextManager[Database]:
        return connected(self.mongodb_uri, self.settings.database)

    def bearer(self, subject: str, role: Role) -> str:
        """A token of the release's own secret."""
        return Tokens(self.settings.signing_secret).issue(subject, role, timedelta(minutes=5))

    def asked(self, question: str, credential: str) -> httpx.Response:
        return self.http.get(question, headers={"Authorization": f"Bearer {credential}"})

    def answer(self, question: str) -> Any:
        answer = self.http.get(question)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.content, parse_float=Decimal)

    def reported(self, call: dict[str, Any], credential: str | None = None) -> Any:
        """The receipt of a call; by an administrator where nobody else is named."""
        headers = {"Authorization": f"Bearer {credential or self.bearer('me', Role.ADMIN)}"}
        answer = self.http.post("/api/ai/track", json=call, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        return json.loads(answer.content, parse_float=Decimal)


@pytest.fixture(scope="module", params=VERSIONS)
def upgraded(
    request: pytest.FixtureRequest, mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Upgraded]:
    """A server of today, started as `docs/upgrade.md` says, once all that waited on the disk has been delivered."""
    folder = tmp_path_factory.mktemp(f"release-{request.param}") / "data"
    settings = Settings(
        _env_file=None,
        mongodb_uri=mongodb_uri,
        database=f"release_{request.param}".replace(".", "_"),
        data_dir=folder,
        timezone=scene.ZONE,
    )
    recording = Recording.read(request.param)
    recording.restore(mongodb_uri, settings.database, folder)
    variables = {
        "TWINMETER_MONGODB_URI": mongodb_uri,
        "TWINMETER_DATABASE": settings.database,
        "TWINMETER_TIMEZONE": scene.ZONE,
    }
    if request.param < FIRST_WITH_ROLLUPS:
        _rebuild(settings, variables)
    with running(folder, **variables) as (process, address):
        token = Tokens(settings.signing_secret).issue("me", Role.ADMIN, timedelta(minutes=5))
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
            ends = time.monotonic() + patience(30)
            while http.get("/ready").json()["spool"]["calls"]:
                assert time.monotonic() < ends
            yield Upgraded(request.param, recording, settings, http)
        process.terminate()
        process.communicate()
    with pymongo.MongoClient[dict[str, Any]](mongodb_uri) as client:
        client.drop_database(settings.database)


def _rebuild(settings: Settings, variables: dict[str, str]) -> None:
    command = [sys.executable, "-m", "scripts.rebuild_rollups"]
    variables = variables | {"TWINMETER_DATA_DIR": str(settings.data_dir), "PYTHONPATH": str(ROOT)}
    with Forked(command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL) as process:
        assert process.wait() == 0


def test_every_question_about_its_days_is_answered_as_the_release_answered_it(upgraded: Upgraded) -> None:
    assert len(upgraded.facts["answers"]) >= 5
    for question, answered in upgraded.facts["answers"].items():
        found = differences(answered, upgraded.answer(question))
        if retired := RETIRED.get(upgraded.version):
            found = (each for each in found if not retired.match(each))
        assert [each for each in found if not _only_finer(each)] == [], question


def _only_finer(difference: str) -> bool:
    """Whether a percentile is known now, under a filter by model, or exact now, where a sketch was within 1 % of it."""
    told = re.fullmatch(r".*\.(?:p50|p95|p99|p95Duration): (\d+|None) then, (\d+) now", difference)
    if told is None:
        return False
    return told[1] == "None" or abs(int(told[1]) - int(told[2])) <= 0.01 * int(told[2]) + 1


@since(FIRST_WITH_KEYS)
def test_what_waited_in_its_spool_is_delivered(upgraded: Upgraded) -> None:
    waited = {call["requestDuration"] for call in scene.SPOOLED}

    listed = upgraded.answer(f"/api/admin/ai/calls?{scene.WINDOW}&limit=100&synthetic=include")["calls"]

    assert upgraded.facts["spooled"] == len(waited) == 6
    assert waited <= {call["requestDuration"] for call in listed}


def test_a_request_id_goes_on_meaning_the_same_call(upgraded: Upgraded) -> None:
    reported = [(upgraded.bearer("me", Role.ADMIN), call) for call in (*scene.EARLY[:3], *scene.LATE[:3])]
    if "key" in upgraded.facts:
        reported += [(upgraded.facts["key"], call) for call in scene.OF_KEY]
        reported += [(upgraded.bearer(scene.PERSON, Role.USER), call) for call in scene.OF_PERSON]
        reported += [(upgraded.bearer("me", Role.ADMIN), call) for call in scene.SPOOLED]

    receipts = [upgraded.reported(call, credential) for credential, call in reported]

    assert [(receipt["status"], receipt["conflicting"]) for receipt in receipts] == [("duplicate", False)] * len(
        receipts
    )


def test_its_prices_hold_for_calls_of_today(upgraded: Upgraded) -> None:
    call = {"userId": "u1", "contentType": "chat", "model": "in-house-7b", "inputTokens": 1_000, "outputTokens": 400}

    assert (upgraded.reported(call)["status"], upgraded.reported(call)["cost"]) == ("committed", Decimal("0.0009"))


async def test_a_limit_of_today_counts_what_was_there_before(upgraded: Upgraded) -> None:
    async with upgraded.database() as database:
        of_u1 = {"userId": "u1", "synthetic": {"$ne": True}}
        calls = [entry async for entry in database.ledger.find(of_u1)]
    limit = {"scope": {"userId": "u1"}, "window": "lifetime", "amount": 1_000_000, "kind": "soft"}

    made = [upgraded.http.post("/api/admin/limits", json={**limit, "unit": unit}) for unit in ("requests", "usd")]

    ids = [each.raise_for_status().json()["id"] for each in made]
    used = [Decimal(upgraded.answer(f"/api/admin/limits/{id_}")["current"]["used"]) for id_ in ids]
    costs = [call["cost"].to_decimal() for call in calls if call["cost"] is not None]
    assert used == [len(calls), sum(costs)]
    assert len(calls) > 1


@since(FIRST_WITH_TABLES)
def test_its_price_table_is_the_one_in_use(upgraded: Upgraded) -> None:
    call = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 400}

    detail = upgraded.answer(f"/api/admin/ai/calls/{upgraded.reported(call)['id']}")

    assert detail["priceVersion"] == upgraded.facts["priceVersion"]


@since(FIRST_WITH_KEYS)
def test_its_keys_open_what_they_opened_and_the_revoked_one_nothing(upgraded: Upgraded) -> None:
    question = f"/api/analytics?{scene.WINDOW}&clientId=acme"
    key = upgraded.facts["key"]

    assert upgraded.asked(question, key).status_code == 200
    assert upgraded.asked(question.replace("acme", "default"), key).status_code == 403
    assert upgraded.asked(question, upgraded.facts["revokedKey"]).status_code == 401


@since(FIRST_WITH_KEYS)
def test_its_keys_have_no_policy_call_no_model_and_can_be_limited(upgraded: Upgraded) -> None:
    key, admin = upgraded.facts["key"], {"Authorization": f"Bearer {upgraded.bearer('me', Role.ADMIN)}"}
    key_id = key.split("_")[1]
    limit = {"scope": {"keyId": key_id}, "unit": "requests", "window": "month", "amount": 1_000_000}

    (row,) = [row for row in upgraded.answer("/api/admin/keys") if row["id"] == key_id]
    changed = upgraded.http.patch(f"/api/admin/keys/{key_id}", json={"models": ["gpt-4o"]}, headers=admin)
    limited = upgraded.http.post("/api/admin/limits", json=limit, headers=admin)

    assert {row[name] for name in ("models", "cache", "onDisconnect", "userFromBody")} == {None}
    assert (changed.status_code, limited.status_code) == (409, 201)
    assert [each["limit"] for each in upgraded.asked("/api/me/usage", key).json()["limits"]] == [1_000_000]


@since(FIRST_WITH_PAGES)
def test_a_session_of_its_pages_is_read(upgraded: Upgraded) -> None:
    then = datetime.fromisoformat(upgraded.facts["recordedAt"]).timestamp() + 60
    sessions = Sessions(upgraded.settings.signing_secret, upgraded.settings.session_lifetime, lambda: then)

    assert sessions.opened(upgraded.facts["cookie"]) == upgraded.facts["key"]


@since(FIRST_WITH_ROLLUPS)
def test_a_cursor_of_its_lists_goes_on_where_the_page_ended(upgraded: Upgraded) -> None:
    first = f"/api/admin/ai/calls?{scene.WINDOW}&limit=10"
    page, everything = (upgraded.facts["answers"][question] for question in (first, first.replace("10", "100")))

    following = upgraded.answer(f"{first}&cursor={page['nextCursor']}")

    assert [call["id"] for call in following["calls"]] == [call["id"] for call in everything["calls"][10:20]]
    assert following["firstPlace"] is None  # which those releases did not count
    back = upgraded.answer(f"{first}&cursor={following['previousCursor']}")
    assert [call["id"] for call in back["calls"]] == [call["id"] for call in page["calls"]]
    assert (back["firstPlace"], back["previousCursor"]) == (1, None)


async def test_nothing_differs_between_its_ledger_events_and_rollups(upgraded: Upgraded) -> None:
    async with upgraded.database() as database:
        summary = await run(Reconcile, database, upgraded.settings, arguments(["--json"]))

    assert (summary.counts["entries"] >= 56, summary.counts["differences"]) == (True, 0), summary.tables


async def test_the_doctor_finds_no_problem(upgraded: Upgraded) -> None:
    async with opened(upgraded.settings, 60.0) as deployment:
        rows = await examine(deployment, doctor.GROUPS)

    assert [row for row in rows if row.finding.verdict is Verdict.PROBLEM] == []


@since(FIRST_WITH_PAGES)
async def test_its_export_is_restored_to_the_same_figures(upgraded: Upgraded, tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text(upgraded.facts["export"])
    settings = upgraded.settings.model_copy(update={"database": f"{upgraded.settings.database}_restored"})
    exported = [json.loads(line, parse_float=Decimal) for line in file.read_text().splitlines()]

    async with connected(upgraded.mongodb_uri, settings.database) as database:
        try:
            summary = await importer(settings, tmp_path)(database, file)
            costs = [entry["cost"] async for entry in database.ledger.find({"cost": {"$ne": None}})]
        finally:
            await database.writes.client.drop_database(settings.database)

    assert summary.counts[NEW] == len(exported) >= 60
    assert sum(cost.to_decimal() for cost in costs) == sum(row["cost"] for row in exported if row["cost"] is not None)


def differences(then: Any, now: Any, place: str = "") -> Iterator[str]:
    """Where an answer of today does not say what one of then said. It may say more."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in then.keys() - NOT_FIGURES:
            yield from differences(then[name], now.get(name, "(gone)"), f"{place}.{name}")
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif then != now:
        yield f"{place}: {then!r} then, {now!r} now"

"""What was exported comes back as it was, what is imported counts once, and what cannot be imported is said."""

import asyncio
import gzip
import json
import re
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bson import Binary, Decimal128
from bson.datetime_ms import DatetimeMS
from litestar.testing import AsyncTestClient
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.database import Database, connected
from app.errors import AppError, DatabaseUnavailableError, InvalidRequestError
from app.ledger.inserts import insert
from app.ledger.twins import twin_id
from app.main import create_app
from app.maintenance.reconcile.days import DayCheck
from app.maintenance.retention import Retention
from app.reports.query import ReportQuery
from app.reports.reports import Reports
from app.reports.windows import TimeWindow
from app.settings import Settings
from app.tracking import Tracker
from models.rollups import DELTAS
from scripts.export_usage import export
from scripts.toolkit.call_store import Store
from scripts.toolkit.job import CHECKPOINTS
from scripts.transfer import importing, lines
from scripts.transfer.mapping import presets, read_mapping
from scripts.transfer.opening import open_source
from scripts.transfer.rejects import Rejects
from tests.routes.conftest import bearer
from tests.scripts.conftest import Command
from tests.scripts.imports import Importer, rejects
from tests.scripts.jobs import Interrupted, failing_after
from tests.scripts.ledgers import FORMER, KINDS, REAL, dump, fill
from tests.twins import assert_twins, entries, events

API_USAGE = "id,user_id,endpoint,model,provider,prompt_tokens,completion_tokens,total_tokens,cost_usd,status,created_at"
ROW = "7,anna,/v1/chat,gpt-4o,openai,1000,500,1500,0,200,2026-03-02 12:00:00+01:00"


@pytest.fixture
async def calls(tracker: Tracker) -> int:
    return await fill(tracker)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_an_export_comes_back_as_it_was_in_every_field_and_every_report(
    settings: Settings, database: Database, tracker: Tracker, imported: Importer, mongodb_uri: str, tmp_path: Path
) -> None:
    this_day = datetime.now(UTC) - timedelta(hours=11)  # none of its ten hours of calls lies in the future
    calls = await fill(tracker, start=this_day.replace(microsecond=0), rounds=1) + await fill(tracker, rounds=2)
    limits = {"reservationId": "r1", "keyId": "k1"}
    change = {"repriced": FORMER, "ipAddress": "203.0.113.0", "userAgent": "=a\ttelephone", **limits}
    await database.ledger.update_one({"synthetic": False}, {"$set": change})
    stored, expected = (await entries(database), await events(database)), await answers(settings.database, settings)
    said = f'"totals":{{"requests":{2 * REAL},'
    assert said in expected["/api/admin/ai/usage?from=2026-03-02&to=2026-03-04"]

    for name in ("a.csv.gz", "a.jsonl", "a.parquet"):
        fresh = f"{settings.database}_{name[2:4]}"
        await export(database, {}, name.split(".")[1], tmp_path / name)
        async with connected(mongodb_uri, fresh) as other:
            summary = await imported(other, tmp_path / name)
            found = await entries(other), await events(other)
            # to the last bit: types, exponents, and fields that are absent
            assert exactly(found) == exactly(stored), name
            assert dict(summary.counts) == {"new": calls, "known": 0, "rejected": 0, "left out": 0}
            assert await answers(fresh, settings) == expected, name
            await other.writes.client.drop_database(fresh)


def exactly(found: Any) -> Any:
    """With the type of every value: amounts that are equal may differ in their exponents."""
    if isinstance(found, dict):
        return {name: exactly(value) for name, value in found.items()}
    return [exactly(each) for each in found] if isinstance(found, list | tuple) else (type(found), repr(found))


async def answers(name: str, settings: Settings) -> dict[str, str]:
    """What reports answer, without when they answered, and when the last call was committed."""
    assert settings.mongodb_uri is not None
    app = create_app(settings.model_copy(update={"database": name}), settings.mongodb_uri.get_secret_value())
    header = bearer(Tokens(settings.signing_secret), Role.ADMIN)
    window = "from=2026-03-02&to=2026-03-04"
    paths = ["overview", f"usage?{window}", f"models?{window}", "overview?synthetic=only", "usage?days=2"]
    found = {}
    async with AsyncTestClient(app) as client:
        for path in [f"/api/admin/ai/{path}" for path in paths]:
            response = await client.get(path, headers=header)
            assert response.status_code == 200, response.text
            found[path] = re.sub(r'"generatedAt":"[^"]*"|"freshness":{[^}]*}', "", response.text)
    return found


async def test_a_dry_run_checks_everything_and_writes_nothing(
    database: Database, other: Database, calls: int, imported: Importer, tmp_path: Path
) -> None:
    await export(database, {}, "csv", tmp_path / "a.csv")
    broken = (tmp_path / "a.csv").read_text("utf-8").replace(",true,", ",perhaps,", 1)
    (tmp_path / "a.csv").write_text(broken, "utf-8")
    before, files = await dump(other), names(tmp_path)

    summary = await imported(other, tmp_path / "a.csv", execute=False)

    assert dict(summary.counts) == {"new": calls - 1, "known": 0, "rejected": 1, "left out": 0}
    assert summary.notes == [f"{tmp_path}/a.csv, line 2: success: 'perhaps' is neither true nor false"]
    assert await dump(other) == before
    assert names(tmp_path) == files


async def test_twice_and_overlapping_counts_once(
    database: Database, other: Database, calls: int, imported: Importer, tmp_path: Path
) -> None:
    await export(database, {}, "csv", tmp_path / "all.csv")
    await export(database, {"clientId": "acme"}, "parquet", tmp_path / "part.parquet")

    together = await imported(other, tmp_path / "all.csv", tmp_path / "part.parquet")
    before = await dump(other)
    again = await imported(other, tmp_path / "part.parquet", tmp_path / "all.csv")

    assert (together.counts["new"], together.counts["known"], together.counts["rejected"]) == (calls, 3, 0)
    assert (again.counts["new"], again.counts["known"], again.counts["rejected"]) == (0, calls + 3, 0)
    of_runs: dict[str, list[dict[str, Any]]] = {"rollup_state": []}
    assert {**await dump(other), **of_runs} == {**before, **of_runs}


async def test_an_interrupted_import_goes_on_where_it_was(
    database: Database,
    other: Database,
    calls: int,
    imported: Importer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importing, "PAGE", 7)
    commits: list[int] = []
    commit = Store.commit

    async def failing(store: Store, pairs: Any) -> Any:
        commits.append(len(pairs))
        if len(commits) == 3:
            raise DatabaseUnavailableError("gone")
        return await commit(store, pairs)

    monkeypatch.setattr(Store, "commit", failing)
    for name in ("a.csv", "a.jsonl.gz", "a.parquet"):
        await export(database, {}, name.split(".")[1], tmp_path / name)
        with pytest.raises(DatabaseUnavailableError):
            await imported(other, tmp_path / name)
        assert len(await assert_twins(other)) == 14
        summary = await imported(other, tmp_path / name)

        assert (summary.resumed, summary.counts["new"], sum(commits)) == (True, calls, calls + 7)
        assert await entries(other) == await entries(database)
        assert await events(other) == await events(database)
        assert await other.writes[CHECKPOINTS].count_documents({}) == 0
        await asyncio.gather(other.ledger.delete_many({}), other.events.delete_many({}))
        commits.clear()


async def test_another_file_under_the_name_of_an_interrupted_one_is_read_from_its_start(
    other: Database, imported: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("\n".join([API_USAGE, *(ROW.replace("7,", f"{number},", 1) for number in range(4)), ""]))
    monkeypatch.setattr(importing, "PAGE", 2)
    with monkeypatch.context() as patch:
        failing_after(patch, Store, "commit", 1)
        with pytest.raises(Interrupted):
            await imported(other, path, mapping="api_usage")
    path.write_text("\n".join([API_USAGE, *(ROW.replace("7,", f"{number},", 1) for number in range(20, 30)), ""]))

    summary = await imported(other, path, mapping="api_usage")

    assert (summary.resumed, summary.counts["new"], len(await assert_twins(other))) == (False, 10, 12)


async def test_what_retention_has_deleted_is_not_counted_again(
    database: Database, other: Database, calls: int, imported: Importer, settings: Settings, tmp_path: Path
) -> None:
    await export(database, {}, "csv", tmp_path / "a.csv")
    await imported(other, tmp_path / "a.csv")
    await Retention(other).begin(settings.zone, date(2026, 3, 3))
    early = {"createdAt": {"$lt": datetime(2026, 3, 3, tzinfo=settings.zone)}}
    await asyncio.gather(other.ledger.delete_many(early), other.events.delete_many(early))

    summary = await imported(other, tmp_path / "a.csv")

    each = len(KINDS)
    assert (summary.counts["new"], summary.counts["known"], summary.counts["rejected"]) == (0, calls - each, each)
    why = "createdAt: is before 2026-03-03, and retention has deleted the calls of that time but not their totals"
    assert rejects(tmp_path)[0][1].startswith(why)
    window = TimeWindow(date(2026, 3, 2), date(2026, 3, 4), settings.zone)
    totals = (await Reports(other, settings.zone).usage(ReportQuery(window))).totals
    assert totals.requests == 3 * REAL


async def test_an_import_beside_a_writer_and_the_compactor_keeps_every_figure(
    database: Database,
    tracker: Tracker,
    settings: Settings,
    imported: Importer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importing, "PAGE", 5)
    path, day = tmp_path / "old.csv", date(2026, 3, 2)
    path.write_text("\n".join([API_USAGE, *(ROW.replace("7,", f"{number},", 1) for number in range(60)), ""]))
    same: dict[str, Any] = {"user_id": "anna", "content_type": "/v1/chat", "endpoint": "/v1/chat", "model": "gpt-4o"}
    same |= {"provider": "openai", "input_tokens": 1_000, "output_tokens": 500, "status": "success"}
    same |= {"created_at": datetime(2026, 3, 2, 11, tzinfo=UTC)}
    differences: list[Any] = []

    async def write() -> None:
        # every third call is one of those that are imported
        for number in range(59, -1, -1):
            request = f"api_usage:{number}" if number % 3 == 0 else f"live:{number}"
            await tracker.track(**same, request_id=request)

    async def look() -> None:
        done = False
        while not done:
            done = work.done()
            differences.extend((await DayCheck(database, settings.zone).day(day, first=True)).differences)

    work = asyncio.gather(imported(database, path, mapping="api_usage"), write())
    await asyncio.gather(work, look())
    summary, _ = work.result()

    assert (summary.counts["new"] + summary.counts["known"], summary.counts["rejected"]) == (60, 0)
    assert (len(await assert_twins(database)), differences) == (100, [])
    window = TimeWindow(day, day, settings.zone)
    totals = (await Reports(database, settings.zone).usage(ReportQuery(window))).totals
    assert (totals.requests, totals.cost) == (100, 100 * Decimal("0.0075"))


async def test_rejects_of_an_interrupted_import_are_there_once(
    other: Database, imported: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.csv"
    rows = [ROW.replace("7,", f"{number},", 1).replace("gpt-4o", "" if number % 2 else "gpt-4o") for number in range(8)]
    path.write_text("\n".join([API_USAGE, *rows, ""]))
    monkeypatch.setattr(importing, "PAGE", 2)
    add = Rejects.add
    pages: list[int] = []

    def failing(kept: Rejects, rejected: Any) -> int:
        pages.append(1)
        size = add(kept, rejected)
        if len(pages) == 3:
            raise RuntimeError
        return size

    monkeypatch.setattr(Rejects, "add", failing)
    with pytest.raises(RuntimeError):
        await imported(other, path, mapping="api_usage")
    assert len(rejects(tmp_path)) == 3
    summary = await imported(other, path, mapping="api_usage")

    assert rejects(tmp_path) == [(f"line {line}", "model: is empty") for line in (3, 5, 7, 9)]
    assert (summary.counts["new"], summary.counts["known"], summary.counts["rejected"]) == (3, 1, 4)
    assert len(await assert_twins(other)) == 4


async def test_rows_of_an_sql_table_are_priced_as_of_their_date_and_keep_what_they_cost(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    path = tmp_path / "api_usage.csv"
    rows = [
        ROW,
        "8,,/v1/chat,gpt-4o,openai,0,0,900,0.5,429,2026-03-02T12:00:00Z",
        "9,bob,,claude-sonnet-4-5,\\N,10,5,15,NULL,ok,2026-03-02 12:00:00",
    ]
    path.write_text(
        "\r\n".join(
            [f"{API_USAGE},response_time_ms,error_message,colour"] + [f"{row},812.4,,red" for row in rows] + [""]
        )
    )

    summary = await imported(other, path, mapping="api_usage", timezone="Europe/Berlin")

    assert (summary.counts["new"], summary.counts["rejected"]) == (3, 0)
    assert summary.notes == ["not imported, because the mapping does not name it: colour"]
    by_user = {entry["userId"]: entry for entry in await entries(other)}
    anna, unknown, bob = by_user["anna"], by_user["unknown"], by_user["bob"]
    assert (anna["cost"].to_decimal(), anna["costSource"], anna["contentType"]) == (
        Decimal("0.0075"),
        "priced",
        "/v1/chat",
    )
    assert (anna["requestDuration"], anna["status"], anna["createdAt"].hour) == (812, "success", 11)
    assert (unknown["cost"].to_decimal(), unknown["costSource"]) == (Decimal("0.5"), "reported")
    assert (unknown["status"], unknown["tokensUsed"], unknown["createdAt"].hour) == ("rate_limited", 900, 12)
    assert (bob["createdAt"].hour, bob["contentType"], bob["provider"], bob["tokensUsed"]) == (
        11,
        "chat",
        "anthropic",
        15,
    )


async def test_a_table_of_logs_in_json_lines(other: Database, imported: Importer, tmp_path: Path) -> None:
    path = tmp_path / "usage_logs.jsonl.gz"
    log = {"id": 1, "user_id": 5, "model": "gpt-4o", "prompt_tokens": 10, "completion_tokens": 2, "latency_ms": 31.5}
    log |= {"timestamp": "2026-03-02T12:00:00Z", "success": False, "error": "sk-0123456789abcdef failed", "cost": 0}
    path.write_bytes(gzip.compress(json.dumps(log).encode()))

    summary = await imported(other, path, mapping="usage_logs")

    (entry,) = await entries(other)
    assert summary.counts["new"] == 1
    assert (entry["userId"], entry["requestDuration"], entry["status"]) == ("5", 32, "error")
    assert "sk-0123456789abcdef" not in entry["errorMessage"]
    assert summary.notes == []


async def test_a_mapping_of_ones_own(other: Database, imported: Importer, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        """
        id_prefix = "shop:"
        delimiter = ";"
        encoding = "latin-1"
        [where]
        kind = "ai"
        [fields]
        request_id = "nr"
        user_id = "wer"
        client_id = { constant = "shop" }
        content_type = { constant = "chat" }
        model = ["modell", "model"]
        input_tokens = "ein"
        cost = { column = "cent", unit = "cents" }
        request_duration = { column = "dauer", unit = "s" }
        success = { column = "ging", values = { ja = true, nein = false } }
        created_at = { column = "wann", unit = "ms" }
        """
    )
    head = "nr;kind;wer;modell;model;ein;cent;dauer;ging;wann\n"
    row = "1;ai;Jürgen;;gpt-4o;3;12.5;1.25;Nein;1772452800123\n2;other;x;;y;1;1;1;ja;0\n"
    (tmp_path / "old.csv").write_bytes((head + row).encode("latin-1"))

    summary = await imported(other, tmp_path / "old.csv", mapping=str(tmp_path / "mine.toml"))

    assert dict(summary.counts) == {"new": 1, "known": 0, "rejected": 0, "left out": 1}
    (entry,) = await entries(other)
    assert (entry["userId"], entry["clientId"], entry["cost"].to_decimal()) == ("Jürgen", "shop", Decimal("0.125"))
    assert (entry["requestDuration"], entry["success"]) == (1250, False)
    assert entry["createdAt"] == datetime(2026, 3, 2, 12, 0, 0, 123_000, UTC)


async def test_a_mongoose_database_is_read_by_id_and_counts_once_with_its_dump(
    settings: Settings,
    database: Database,
    other: Database,
    imported: Importer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importing, "PAGE", 2)
    old = database.writes["old_usages"]
    moment = datetime(2026, 3, 2, 12, tzinfo=UTC)
    usage = {"contentType": "chat", "model": "gpt-4o", "provider": "openai", "tokensUsed": 1_000, "createdAt": moment}
    ids: list[Any] = [1, "one", 2.5, "two", 3]
    await old.insert_many([{"_id": each, "userId": "u", **usage, "cost": 0.1, "__v": 0} for each in ids])
    await old.insert_one({**usage, "userId": "u", "cost": 0})
    last = (await old.find_one({"cost": 0}))["_id"]  # type: ignore[index]
    assert settings.mongodb_uri is not None
    address = settings.mongodb_uri.get_secret_value().replace("/?", f"/{settings.database}?")

    source = {"mapping": "mongoose-aiusages", "collection": "old_usages"}
    found = await imported(other, address, **source)
    line = {
        "_id": {"$oid": str(last)},
        "userId": "u",
        **usage,
        "createdAt": {"$date": "2026-03-02T12:00:00Z"},
        "cost": 0,
    }
    (tmp_path / "dump.jsonl").write_text(json.dumps(line) + "\n")
    again = await imported(other, tmp_path / "dump.jsonl", mapping="mongoose-aiusages")

    assert (found.counts["new"], found.counts["rejected"]) == (6, 0)
    assert (again.counts["new"], again.counts["known"]) == (0, 1)
    costs = [entry["cost"].to_decimal() for entry in await entries(other) if entry["costSource"] == "reported"]
    assert costs == [Decimal("0.1")] * 5


async def test_events_of_a_mongoose_database(
    settings: Settings, database: Database, other: Database, imported: Importer
) -> None:
    moment = datetime(2026, 3, 2, 12, tzinfo=UTC)
    properties = {"contentType": "chat", "model": "gpt-4o", "cached": True, "success": True}
    event = {"event": "ai_generation", "userId": "u", "clerkUserId": "user_1", "properties": properties}
    await database.writes["old_events"].insert_many([{**event, "createdAt": moment}, {"event": "page_view"}])
    assert settings.mongodb_uri is not None
    address = settings.mongodb_uri.get_secret_value().replace("/?", f"/{settings.database}?")

    summary = await imported(other, address, mapping="mongoose-analytics", collection="old_events")

    (found,) = await events(other)
    assert (summary.counts["new"], found["clerkUserId"], found["properties"]["cached"]) == (1, "user_1", True)


TRILLION = ROW.replace("1000", "1e999999999")
FAULTS = [
    (f"{ROW.replace('+01:00', '')}\n", "line 2", "created_at: '2026-03-02 12:00:00' has no time zone"),
    (f"{ROW}\n{ROW[:40]}", "line 3", "the last line has no line break, so it may be truncated"),
    (f"{ROW}\n{ROW}", "line 3", "the last line has no line break, so it may be truncated"),
    (f"{ROW},x\n", "line 2", "has 12 cells where the header has 11"),
    (f"{ROW.replace('anna', 'an' + chr(0))}\n", "line 2", "contains a NUL byte, at character 4"),
    (f"{ROW.replace('1000', '1.5')}\n", "line 2", "input_tokens: '1.5' is not a whole number"),
    (f"{ROW.replace('1000', '-5')}\n", "line 2", "input_tokens: Input should be greater than"),
    (f"{TRILLION}\n", "line 2", "input_tokens: '1e999999999' is not a number"),
    (f"{ROW.replace('1500', '1600')}\n", "line 2", "tokens_used: is not input_tokens + output_tokens"),
    (f"{ROW.replace('7,', ',', 1)}\n", "line 2", "request_id: the row has no id"),
    (f"{ROW.replace('2026', '2226')}\n", "line 2", "created_at: is more than 5 minutes in the future"),
    (f"{ROW.replace('200', 'dunno')}\n", "line 2", "status: Input should be 'success'"),
    (ROW.replace("anna", '"a"b') + "\n", "line 2", "cannot be parsed"),
    (ROW.replace("anna", '"anna') + f"\n{ROW}\n".replace("7,", "8,", 1), "lines 2 to 3", "cannot be parsed"),
    (ROW.replace("anna", '"an\nna"') + "\n", "line 2", "user_id: must not contain control characters"),
]


async def test_a_row_that_cannot_be_imported_is_said_with_its_line_and_the_others_are_imported(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{number:02}.csv" for number in range(len(FAULTS))]
    for path, (text, _, _) in zip(paths, FAULTS, strict=True):
        path.write_text(f"{API_USAGE}\n{text}")
    (tmp_path / "good.csv").write_text(f"{API_USAGE}\n{ROW}\n".replace("7,", "1,", 1))

    summary = await imported(other, *paths, tmp_path / "good.csv", mapping="api_usage")

    lines = (tmp_path / "rejects.jsonl").read_text("utf-8").splitlines()
    for line, path, (_, place, why) in zip(lines, paths, FAULTS, strict=True):
        told = json.loads(line)
        assert (told["source"], told["at"], told["reason"][: len(why)]) == (str(path), place, why)
    first = json.loads(lines[0])
    assert first["row"]["created_at"] == "2026-03-02 12:00:00"
    assert summary.notes[0] == f"{paths[0]}, line 2: {first['reason']}"
    assert (tmp_path / "rejects.jsonl").stat().st_mode & 0o777 == 0o600
    # the good one, and the row that is whole in two of the files
    assert (summary.counts["new"], summary.counts["known"], summary.counts["rejected"]) == (2, 1, len(FAULTS))
    assert len(await assert_twins(other)) == 2


async def test_a_latin_1_byte_in_utf_8_rejects_its_row_alone(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    rows = [ROW, ROW.replace("7,anna", "8,Jos\xe9"), ROW.replace("7,anna", "9,José")]
    encoded = [rows[0].encode(), rows[1].encode("latin-1"), rows[2].encode()]
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + b"\n".join([API_USAGE.encode(), *encoded, b""]))

    summary = await imported(other, tmp_path / "a.csv", mapping="api_usage")

    assert rejects(tmp_path) == [("line 3", "byte 0xe9 at character 5 is not valid utf-8: set encoding in the mapping")]
    assert summary.counts["new"] == 2
    assert [entry["userId"] for entry in await entries(other)] != []
    assert {entry["userId"] for entry in await entries(other)} == {"anna", "José"}


async def test_ids_that_two_files_use_for_different_rows_are_said_and_the_first_stands(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(f"{API_USAGE}\n{ROW}\n")
    (tmp_path / "b.csv").write_text(f"{API_USAGE}\n{ROW}\n{ROW.replace('anna', 'bob')}\n")

    for execute in (False, True):
        files = tmp_path / "a.csv", tmp_path / "b.csv"
        summary = await imported(other, *files, mapping="api_usage", execute=execute)

        why = f"a call with this id is already in {tmp_path}/a.csv, line 2 and differs; the first one stands"
        assert summary.notes[0] == f"{tmp_path}/b.csv, line 3: {why}"
        assert (summary.counts["new"], summary.counts["known"], summary.counts["rejected"]) == (1, 1, 1)
        assert [entry["userId"] for entry in await entries(other)] == (["anna"] if execute else [])


@pytest.mark.parametrize(
    ("content", "mapping", "said"),
    [
        (
            API_USAGE.replace("model,", "").encode(),
            "api_usage",
            "line 1: missing column model (for model) (it has id",
        ),
        (
            API_USAGE.replace(",", ";").encode(),
            "api_usage",
            "the header is one cell, so is the delimiter ';' instead of",
        ),
        (b"_id,userId\n", "export", "line 1: missing column schemaVersion, clientId, contentType, feature"),
        (
            API_USAGE.replace("model", "mod\xe9l").encode("latin-1"),
            "api_usage",
            "line 1: byte 0xe9 at character 21 is no",
        ),
        (f"{API_USAGE}\n".encode("utf-16"), "api_usage", "line 1: is UTF-16: convert it to UTF-8 first"),
        (b'[{"id": 1}]', "api_usage", "line 1: is a JSON array: write one object per line"),
        (b"PAR1 and no more", "export", "is not a complete Parquet file"),
        (f"{API_USAGE},id\n".encode(), "api_usage", "line 1: two columns are named id"),
        (b"", "api_usage", "line 1: missing column id (for request_id)"),
        (b'"id,user_id\n1,2\n', "api_usage", "line 1: the header cannot be parsed: unexpected end of data"),
    ],
)
async def test_a_file_that_cannot_be_imported_is_said_before_anything_is_written(
    tmp_path: Path, content: bytes, mapping: str, said: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)

    async with AsyncExitStack() as stack:
        with pytest.raises(AppError) as refused:
            await open_source(str(tmp_path / "a.csv"), read_mapping(mapping), None, stack)

    assert str(refused.value).startswith(f"{tmp_path}/a.csv")
    assert said in str(refused.value)


async def test_a_compressed_file_that_was_cut_off_is_found_before_anything_is_written(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    rows = [ROW.replace("7,", f"{number},", 1) for number in range(2_000)]
    whole = gzip.compress("\n".join([API_USAGE, *rows, ""]).encode())
    (tmp_path / "a.csv.gz").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(AppError, match=r"a.csv.gz, after line \d+: cannot be read: Compressed file ended"):
        await imported(other, tmp_path / "a.csv.gz", mapping="api_usage")

    assert await assert_twins(other) == set()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fields]\nmodel = 'm'\n", "a call needs request_id, user_id, content_type, created_at"),
        ("extends = 'api_usage'\n[fields]\nmodle = 'm'\n", "unknown field modle"),
        (
            "extends = 'api_usage'\ntimezone = 'Berlin'\n",
            "timezone: Value error, 'Berlin' is not a valid IANA time zone",
        ),
        ("extends = 'api_usage'\nencoding = 'utf-16'\n", "'utf-16' is not an encoding that can be read line by line"),
        (
            "extends = 'api_usage'\n[fields]\ncost = {column = 'c', unit = 'yen'}\n",
            "cost has no unit 'yen' (known: usd",
        ),
        ("extends = 'other'\n", "extends names 'other', which is not a preset"),
        ("extends = 'api_usage'\n[fields]\nrequest_id = {constant = 1}\n", "request_id must come from a column"),
        ("extends = 'api_usage'\n[where]\n'$where' = 'sleep(1)'\n", "where names columns, which $where is not"),
        ("fields", "cannot be read"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "m.toml").write_text(text)

    with pytest.raises(AppError) as refused:
        read_mapping(str(tmp_path / "m.toml"))

    assert str(refused.value).startswith(f"the mapping {tmp_path}/m.toml")
    assert said in str(refused.value)


def test_every_preset_and_the_mapping_of_the_documentation_can_be_used(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "data-transfer.md").read_text("utf-8")
    (tmp_path / "m.toml").write_text(page.split("```toml\n")[1].split("```")[0])

    read = {name: read_mapping(name) for name in presets()}
    own = read_mapping(str(tmp_path / "m.toml"))

    assert [name for name in read if f"| `{name}`" not in page] == []
    assert (own.fields["model"].column, own.fields["input_tokens"]) == (
        ["model_name", "model"],
        read["api_usage"].fields["input_tokens"],
    )


async def test_a_user_that_may_not_write_is_told_so_at_once_and_nothing_is_half_written(
    other: Database, imported: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text(f"{API_USAGE}\n{ROW}\n")
    attempts: list[int] = []

    def refused(collection: Any, *arguments: Any) -> None:
        if collection.name == DELTAS:
            attempts.append(1)
            raise OperationFailure("not authorized on shop to execute command", 13)
        insert(collection, *arguments)

    monkeypatch.setattr("app.ledger.ledger.insert", refused)
    with pytest.raises(DatabaseUnavailableError, match="MongoDB did not take the calls: not authorized on shop"):
        await imported(other, tmp_path / "a.csv", mapping="api_usage")

    assert len(attempts) == 1
    assert await assert_twins(other) == set()


async def test_a_user_that_may_only_read_is_a_source_but_no_target(
    command: Command, other: Database, imported: Importer, guarded_uri: str, reader_uri: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(f"{API_USAGE}\n{ROW}\n")
    arguments = ["scripts.import_usage", str(tmp_path / "a.csv"), "--mapping", "api_usage", "--execute"]

    with MongoClient[dict[str, Any]](guarded_uri) as root:
        root.shop.old_usages.insert_one({"userId": "u", "contentType": "chat", "model": "gpt-4o"})
    refused = await asyncio.to_thread(command, *arguments, TWINMETER_MONGODB_URI=reader_uri)
    read = await imported(other, reader_uri, mapping="mongoose-aiusages", collection="old_usages", execute=False)

    assert refused.returncode == 1
    said = "the user of TWINMETER_MONGODB_URI must be allowed to read and write test_"
    assert (refused.stderr.startswith(said), "secret" in refused.stderr) == (True, False)
    assert (read.counts["rejected"], read.notes[0].endswith("created_at: the row has no date")) == (1, True)
    with pytest.raises(AppError, match=r"shop\.nothing: no such collection, or it is empty"):
        await imported(other, reader_uri, mapping="mongoose-aiusages", collection="nothing")


async def test_entries_of_our_own_export_that_contradict_themselves_are_rejected(
    database: Database, other: Database, tracker: Tracker, imported: Importer, tmp_path: Path
) -> None:
    await fill(tracker, rounds=1)
    await export(database, {"clientId": "acme"}, "jsonl", tmp_path / "a.jsonl")
    (row,) = [json.loads(line, parse_float=str) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    changed = [
        {"cost": None},
        {"cost": "1"},
        {"_id": "x"},
        {"schemaVersion": 2},
        {"success": False},
        {"savedCost": "x"},
    ]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps(row | change) + "\n" for change in changed))

    summary = await imported(other, tmp_path / "b.jsonl")

    assert (summary.counts["new"], [line for line, _ in rejects(tmp_path)]) == (0, [f"line {n}" for n in range(1, 7)])
    why = [why for _, why in rejects(tmp_path)]
    assert "contradicts costSource priced" in why[0]
    assert "inputCost, outputCost and generationCost are not cost" in why[1]
    assert why[5] == "savedCost: 'x' is not a number"


async def test_the_command_ends_with_three_where_rows_were_rejected_and_names_their_file(
    command: Command, database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "old.csv"
    path.write_text(f"{API_USAGE}\n{ROW}\n{ROW.replace('7,', '8,', 1).replace('gpt-4o', '')}\n")

    done = await asyncio.to_thread(
        command, "scripts.import_usage", str(path), "--mapping", "api_usage", "--execute", "--json"
    )

    summary = json.loads(done.stdout)
    assert (done.returncode, summary["new"], summary["rejected"]) == (3, 1, 1)
    assert "calls merged, in two steps: 2 of 2," in done.stderr
    assert summary["notes"] == [f"{path}, line 3: model: is empty", f"rejected rows: {path}.rejects.jsonl"]
    assert path.with_name("old.csv.rejects.jsonl").read_text().count("\n") == 1
    assert len(await assert_twins(database)) == 1


def test_a_source_is_never_taken_for_the_rejects_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(API_USAGE)
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")

    with pytest.raises(InvalidRequestError, match="--rejects names a source"):
        Rejects(tmp_path / "b.csv").check(["mongodb://localhost/shop", str(tmp_path / "a.csv")])


async def test_our_own_collections_are_no_source_because_an_import_into_itself_would_never_end(
    settings: Settings, database: Database, calls: int, imported: Importer
) -> None:
    assert settings.mongodb_uri is not None
    address = settings.mongodb_uri.get_secret_value().replace("/?", f"/{settings.database}?")

    with pytest.raises(AppError, match=r"\.aiusages: is in use by twinmeter: move its calls with export_usage"):
        await imported(database, address, mapping="mongoose-aiusages", collection="aiusages")

    assert len(await assert_twins(database)) == calls


async def test_old_documents_that_cannot_be_read_are_rejected_alone(
    settings: Settings, database: Database, other: Database, imported: Importer, tmp_path: Path
) -> None:
    good = {"userId": "u", "contentType": "chat", "model": "gpt-4o", "createdAt": datetime(2026, 3, 2, tzinfo=UTC)}
    uuid = UUID("12345678-1234-5678-1234-567812345678")
    documents = [
        {"_id": Binary(uuid.bytes, 4), **good},
        {"_id": 2, **good, "createdAt": DatetimeMS(10**15)},
        {"_id": 3, **good, "userId": {"$gt": ""}},
        {"_id": 4, **good, "model": Binary(b"gpt")},
        {"_id": 5, **good, "tokensUsed": Decimal128("sNaN")},
        {"_id": 6, **good, "tokensUsed": float("nan")},
    ]
    await database.writes["old_usages"].insert_many(documents)
    assert settings.mongodb_uri is not None
    address = settings.mongodb_uri.get_secret_value().replace("/?", f"/{settings.database}?")

    summary = await imported(other, address, mapping="mongoose-aiusages", collection="old_usages")

    assert (summary.counts["new"], [at for at, _ in rejects(tmp_path)]) == (2, ["_id 2", "_id 3", "_id 4", "_id 5"])
    assert await other.ledger.find_one({"_id": twin_id("default", f"mongoose:{uuid}")}) is not None


async def test_rows_of_any_length_are_held_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "PAGE_BYTES", 1_000)
    long = ROW.replace("anna", "a" * 400)
    (tmp_path / "a.csv").write_text("\n".join([API_USAGE, *[long] * 7, *[ROW] * 20, ""]))
    (tmp_path / "a.jsonl").write_text("\n".join([json.dumps({"a": "b" * 600})] * 5 + ["{}"] * 9 + [""]))

    sizes = []
    for name in ("a.csv", "a.jsonl"):
        async with AsyncExitStack() as stack:
            source = await open_source(str(tmp_path / name), read_mapping("api_usage"), None, stack)
            sizes.append([len(rows) async for rows in source.pages(None, 6)])

    assert sizes == [[3, 3, 6, 6, 6, 3], [2, 2, 6, 4]]


async def test_a_parquet_file_of_pandas_has_moments_in_ns_and_nan_where_there_is_nothing(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    moment = pa.array([1_772_452_800_123_456_789], pa.timestamp("ns", "UTC"))
    columns = {name: pa.array([value]) for name, value in zip(API_USAGE.split(","), ROW.split(","), strict=True)}
    columns |= {"created_at": moment, "cost_usd": pa.array([float("nan")]), "prompt_tokens": pa.array([1_000.0])}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")

    summary = await imported(other, tmp_path / "a.parquet", mapping="api_usage")

    (entry,) = await entries(other)
    assert (summary.counts["new"], entry["inputTokens"], entry["costSource"]) == (1, 1_000, "priced")
    assert entry["createdAt"] == datetime(2026, 3, 2, 12, 0, 0, 123_000, UTC)


async def test_a_row_whose_choosing_column_is_no_text_is_rejected(
    other: Database, imported: Importer, tmp_path: Path
) -> None:
    page_view = '{"event": "page_view", "_id": 1, "userId": "u", "properties": {}, "createdAt": "2026-03-02T12:00:00Z"}'
    (tmp_path / "a.jsonl").write_text(f'{{"event": {{"a": "\\ud800"}}}}\n{page_view}\n')

    summary = await imported(other, tmp_path / "a.jsonl", mapping="mongoose-analytics")

    assert (summary.counts["rejected"], summary.counts["left out"], rejects(tmp_path)[0][0]) == (1, 1, "line 1")

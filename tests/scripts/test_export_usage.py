"""An export holds every call exactly, is never half a file, and runs nothing in a spreadsheet."""

import asyncio
import csv
import gzip
import io
import json
from argparse import Namespace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.database import Database
from app.errors import InvalidRequestError
from app.settings import Settings
from app.tracking import Tracker
from scripts import export_usage
from scripts.export_usage import condition_of, export
from scripts.transfer.columns import COLUMNS
from scripts.transfer.neutral import RISKY, neutralised, original
from tests.scripts.conftest import Command
from tests.scripts.ledgers import KINDS, REAL, dump, fill
from tests.twins import entries, events


def asked(**given: Any) -> Namespace:
    nothing = dict.fromkeys(["first", "last", "client", "user", "provider", "model", "feature"])
    return Namespace(**{**nothing, "synthetic": "include", **given})


@pytest.fixture
async def calls(tracker: Tracker) -> int:
    return await fill(tracker)


async def test_every_format_has_the_same_rows_and_exact_decimals(
    database: Database, calls: int, tmp_path: Path
) -> None:
    paths = {name: tmp_path / f"usage.{name}" for name in ("csv", "jsonl", "parquet")}

    written = [await export(database, {}, name, path) for name, path in paths.items()]

    assert written == [calls] * 3
    with paths["csv"].open(newline="", encoding="utf-8") as file:
        from_csv = list(csv.DictReader(file))
    from_json = [json.loads(line, parse_float=Decimal) for line in paths["jsonl"].read_text("utf-8").splitlines()]
    from_parquet = pq.read_table(paths["parquet"]).to_pylist()
    stored = {str(entry["_id"]): entry for entry in await entries(database)}
    for rows in (from_csv, from_json, from_parquet):
        assert [row["_id"] for row in rows] == [row["_id"] for row in from_csv]
        assert {tuple(row) for row in rows} == {tuple(COLUMNS)}
        for row in rows:
            cost = stored[row["_id"]]["cost"]
            assert row["cost"] in (None, "") if cost is None else Decimal(row["cost"]) == cost.to_decimal()
    assert "0.123456789012345" in paths["csv"].read_text("utf-8")
    assert pq.read_schema(paths["parquet"]).field("cost").type == pa.decimal128(34, 15)
    assert [row["createdAt"] for row in from_csv] == sorted(row["createdAt"] for row in from_csv)
    assert from_csv[0]["createdAt"] == from_json[0]["createdAt"] == "2026-03-02T12:00:00.000Z"


async def test_days_clients_and_demo_data_are_chosen(
    database: Database, calls: int, settings: Settings, tmp_path: Path
) -> None:
    async def count(**given: Any) -> int:
        return await export(database, condition_of(asked(**given), settings.zone), "jsonl", tmp_path / "x.jsonl")

    each = len(KINDS)
    assert await count() == calls == 3 * each
    assert await count(first=date(2026, 3, 3)) == 2 * each
    assert await count(first=date(2026, 3, 3), last=date(2026, 3, 3)) == each
    assert await count(synthetic="exclude") == 3 * REAL
    assert await count(synthetic="only", client="default") == 3 * (each - REAL)
    assert await count(client="acme") == 3
    assert await count(user="@sum", feature="chat", provider="openai", model="gpt-4o") == 3
    assert await count(client="nobody") == 0


async def test_pages_hold_every_call_once_also_those_of_the_same_moment(
    tracker: Tracker, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await fill(tracker, rounds=1)
    await database.ledger.update_many({}, {"$set": {"createdAt": (await entries(database))[0]["createdAt"]}})
    monkeypatch.setattr(export_usage, "PAGE", 4)

    assert await export(database, {}, "jsonl", tmp_path / "x.jsonl") == len(KINDS)

    ids = [json.loads(line)["_id"] for line in (tmp_path / "x.jsonl").read_text("utf-8").split("\n")[:-1]]
    assert ids == sorted(str(entry["_id"]) for entry in await entries(database))


async def test_an_export_that_breaks_off_leaves_the_file_before_it_and_nothing_else(
    database: Database, calls: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "usage.csv.gz"
    path.parent.mkdir()
    path.write_bytes(b"of yesterday")
    monkeypatch.setattr(export_usage, "PAGE", 10)
    pages = export_usage.pages

    async def broken(*arguments: Any) -> Any:
        async for rows in pages(*arguments):
            yield rows
            raise KeyboardInterrupt

    monkeypatch.setattr(export_usage, "pages", broken)
    with pytest.raises(KeyboardInterrupt):
        await export(database, {}, "csv", path)

    assert [(found.name, found.read_bytes()) for found in path.parent.iterdir()] == [(path.name, b"of yesterday")]
    monkeypatch.undo()
    assert await export(database, {}, "csv", path) == calls
    assert len(list(csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))) == calls + 1
    assert path.stat().st_mode & 0o777 == 0o600


async def test_no_text_cell_begins_with_what_a_spreadsheet_runs(database: Database, calls: int, tmp_path: Path) -> None:
    assert await export(database, {}, "csv", tmp_path / "x.csv") == calls

    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        cells = [(name, cell) for row in csv.DictReader(file) for name, cell in row.items()]
    # a number below zero is a number to a spreadsheet too: the cache write saved less than nothing
    assert [cell for name, cell in cells if cell.startswith(RISKY[:-1])] == ["-0.0060225"] * 3
    assert ("userId", "'@sum") in cells
    assert ("conversationId", '\'=talk, "one"') in cells
    assert not any("\0" in cell for _, cell in cells)


TEXTS = ["", "plain", "=1+1", "+x", "-x", "@x", "\tx", "\rx", "'", "''", "'=", "\\", "\\0", "'\\0", "\0"]
TEXTS += ["=\0", "a\\\0b", "\\\\0\0\\", "'\0'"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_made_harmless_comes_back_as_it_was(text: str) -> None:
    assert original(neutralised(text)) == text
    assert "\0" not in neutralised(text)


async def test_the_command_writes_nothing_to_the_database_and_says_how_many(
    process: Command, settings: Settings, database: Database, tracker: Tracker
) -> None:
    await fill(tracker, rounds=1)
    # what waits is merged meanwhile
    before = (await entries(database), await events(database), set(await dump(database)))

    done = await asyncio.to_thread(process, "scripts.export_usage", "--format", "jsonl", "--json")
    with pytest.raises(InvalidRequestError, match=r"nowhere/a\.csv: No such file or directory"):
        await export_usage._export(asked(output=Path("nowhere/a.csv"), format="csv", synthetic="exclude"), settings)

    lines = done.stdout.split("\n")
    assert (done.returncode, len(lines), lines[-1]) == (0, REAL + 1, "")
    assert json.loads(done.stderr.splitlines()[-1])["calls"] == REAL
    assert (await entries(database), await events(database), set(await dump(database))) == before

"""What was set aside, as an operator looks at it, exports it, tries it again and drops it."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from app.spool.journal import Spool, spool_path
from app.spool.salvage import not_salvaged, salvage
from scripts import spool as script
from scripts.toolkit import command as toolkit
from tests.ledger.test_ledger import pair
from tests.scripts.conftest import Command
from tests.spool.spools import waiting

MB = 1_000_000


@pytest.fixture
def spool(settings: Settings) -> Path:
    """A refused call, a row that cannot be read, one whose figures changed, a damaged file, and a call that waits."""
    path = spool_path(settings.data_dir, settings.database)
    spool = Spool(path, MB)
    spool.append([pair("saved")])
    spool.close()
    with path.open("r+b") as file:
        file.write(b"\xff" * 100)
    spool = Spool(path, MB)
    salvage(not_salvaged(path)[0], spool)
    spool.append([pair("refused"), pair("torn"), pair("changed")])
    spool.settle([], {pair("refused").id: "a validator of yours"})
    spool.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE calls SET pair = x'0011' WHERE id = ?", (pair("torn").id.binary,))
        connection.execute("UPDATE calls SET crc = 7 WHERE id = ?", (pair("changed").id.binary,))
        connection.commit()
    spool = Spool(path, MB)
    page = spool.page(10)
    assert page is not None
    spool.set_aside(page.unreadable)
    spool.close()
    return path


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command in this process; returns its exit status and what it printed."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["spool", *arguments])
        monkeypatch.setattr(toolkit, "run", lambda work: asyncio.run(work(settings)))
        return script.main(), capsys.readouterr().out

    return run


def test_it_lists_what_is_set_aside_and_why(spool: Path, run: Any) -> None:
    status, said = run("list", "--json")

    found = json.loads(said)
    (damaged,) = spool.parent.glob("*.damaged-*[0-9]")
    assert (status, found["refused"], found["unreadable"], found["damaged"], found["waiting"]) == (3, 1, 2, 1, 1)
    assert [(one["kind"], one["id"], one["reason"]) for one in found["aside"]] == [
        ("refused", str(pair("refused").id), "a validator of yours"),
        ("unreadable", "1", f"the call {pair('torn').id}: its checksum is another one"),
        ("unreadable", "2", f"the call {pair('changed').id}: its checksum is another one"),
        ("damaged", damaged.name, "1 calls saved, 0 refused, 0 unreadable; missing: 0"),
    ]
    assert "refused: 1\nunreadable: 2\ndamaged: 1\nwaiting: 1\n" in run("list")[1]


def test_it_exports_calls_as_documents_and_rows_as_they_are(spool: Path, run: Any) -> None:
    target = spool.with_name("aside.jsonl")

    assert run("export", "--output", str(target))[0] == 3
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert (lines[0]["entry"]["aiModel"], lines[0]["entry"]["_id"]) == ("gpt-4o", {"$oid": str(pair("refused").id)})
    assert lines[1]["row"] == "ABE="
    assert lines[2]["entry"]["_id"] == {"$oid": str(pair("changed").id)}
    assert lines[3]["saved"] == "1 calls saved, 0 refused, 0 unreadable; missing: 0"
    assert target.stat().st_mode & 0o777 == 0o600


def test_what_is_tried_again_waits_again_and_nothing_changes_before(spool: Path, run: Any) -> None:
    before = run("list", "--json")
    assert json.loads(run("retry", "--json")[1])["again"] == 0
    assert run("list", "--json") == before

    assert json.loads(run("retry", "--kind", "refused", "--execute", "--json")[1])["again"] == 1
    assert json.loads(run("retry", "--kind", "unreadable", "--execute", "--json")[1])["again"] == 1
    assert json.loads(run("retry", "--kind", "damaged", "--execute", "--json")[1])["again"] == 1
    reopened = Spool(spool, MB)
    names = ("saved", "refused", "changed")
    assert {each.id for each in waiting(reopened)} == {pair(name).id for name in names}
    assert (reopened.refused(), reopened.unreadable()) == (0, 1)
    reopened.close()


def test_what_is_dropped_is_gone_and_nothing_else_is(spool: Path, run: Any) -> None:
    assert json.loads(run("drop", "--json")[1])["dropped"] == 0
    assert run("drop", "--kind", "unreadable", "--id", "1", "--execute", "--json")[0] == 3
    assert run("drop", "--execute", "--json")[0] == 0

    assert sorted(path.name for path in spool.parent.glob("spool-*damaged*")) == []
    reopened = Spool(spool, MB)
    assert [each.id for each in waiting(reopened)] == [pair("saved").id]
    reopened.close()


def test_a_damaged_file_that_nobody_has_salvaged_is_not_dropped(spool: Path, run: Any) -> None:
    (note,) = spool.parent.glob("*.damaged-*.json")
    note.unlink()

    assert run("drop", "--execute", "--json")[0] == 3
    assert len(not_salvaged(spool)) == 1


def test_a_note_that_is_half_written_is_none(spool: Path, run: Any) -> None:
    """As a power cut leaves it: the file is salvaged again, and until then it is not dropped."""
    (note,) = spool.parent.glob("*.damaged-*.json")
    note.write_text("")
    note.with_suffix(".draft").touch()

    assert run("drop", "--execute", "--json")[0] == 3
    assert [file.name for file in not_salvaged(spool)] == [note.stem]


def test_a_drop_that_is_killed_leaves_nothing_that_the_next_one_does_not_see(
    spool: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (note,) = spool.parent.glob("*.damaged-*.json")
    journal = note.with_name(f"{note.stem}-wal")
    journal.write_bytes(b"calls")
    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", _one_only(Path.unlink))
        with pytest.raises(OSError, match="killed"):
            run("drop", "--execute", "--json")

    assert run("drop", "--execute", "--json")[0] == 0
    assert list(spool.parent.glob("spool-*damaged*")) == []


def _one_only(unlink: Any) -> Any:
    done: list[Path] = []

    def one(path: Path, **options: Any) -> None:
        if done:
            raise OSError("killed")
        done.append(path)
        unlink(path, **options)

    return one


async def test_as_a_command_it_works_beside_the_server_without_mongodb(spool: Path, command: Command) -> None:
    held = Spool(spool, MB)
    done = await asyncio.to_thread(
        command, "scripts.spool", "list", "--json", TWINMETER_MONGODB_URI="mongodb://[::1]:1"
    )
    held.close()

    assert (done.returncode, done.stderr, json.loads(done.stdout)["refused"]) == (3, "", 1)

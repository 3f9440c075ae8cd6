"""What is saved of a damaged spool, and that nothing of it is deleted unread."""

import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.spool.files import damaged_files
from app.spool.journal import Spool, SpoolDamagedError, SpoolError
from app.spool.pages import BadRow, DamagedFile, is_torn
from app.spool.salvage import Salvage, not_salvaged, noted, salvage
from tests.ledger.test_ledger import pair
from tests.spool.spools import connection_of, waiting

MB = 1_000_000
PAGE = 4_096
CALLS = 120


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed spool with 120 calls, of which one is larger than a page, and one that was refused."""
    path = tmp_path / "spool-shop.sqlite3"
    spool = Spool(path, 10 * MB)
    calls = [pair(f"r{i}", metadata={"k": "x" * (10 * i)}) for i in range(CALLS)]
    calls[7].entry["errorMessage"] = "y" * 20_000
    spool.append([*calls, pair("refused")])
    spool.settle([], {pair("refused").id: "a validator"})
    spool.close()
    return path


def renewed(path: Path) -> tuple[Spool, Salvage]:
    """The spool after it was opened, found damaged, set aside and salvaged, as a server does it."""
    spool = Spool(path, 10 * MB)
    try:
        assert spool.page(1_000) is None
    except SpoolDamagedError as error:
        spool.renew(error.detail)
    (damaged,) = not_salvaged(path)
    found = salvage(damaged, spool)
    assert (not_salvaged(path), noted(damaged)) == ([], found)
    return spool, found


def ids(spool: Spool) -> set[str]:
    return {str(each.id) for each in waiting(spool)}


def all_ids() -> set[str]:
    return {str(pair(f"r{i}").id) for i in range(CALLS)}


def overwritten(path: Path, first: int, last: int) -> None:
    with path.open("r+b") as file:
        file.seek(first)
        file.write(b"\xff" + os.urandom(last - first - 1))  # never by chance the beginning of a page with rows


def root_of_calls(path: Path) -> int:
    """Where the page is through which SQLite finds all others of the table."""
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'calls'").fetchone()
    return (int(page) - 1) * PAGE


@pytest.mark.parametrize("what", ["header", "first page", "root"])
def test_without_what_sqlite_needs_to_read_it_every_call_is_saved(path: Path, what: str) -> None:
    first = root_of_calls(path) if what == "root" else 0
    overwritten(path, first, first + (100 if what == "header" else PAGE))

    spool, found = renewed(path)

    assert found == Salvage(calls=CALLS, refused=1, unreadable=0, missing=0)
    assert (ids(spool), spool.refused(), spool.depth().calls) == (all_ids(), 1, CALLS)
    assert waiting(spool, 1)[0].entry["userId"] == "u"
    spool.close()


def test_what_a_bad_page_had_is_counted_and_all_others_are_saved(path: Path) -> None:
    pages = [n for n in range(2, path.stat().st_size // PAGE) if path.read_bytes()[n * PAGE] == 13]
    for page in pages[8:11]:
        overwritten(path, page * PAGE, (page + 1) * PAGE)

    spool, found = renewed(path)

    assert found.missing is not None
    assert 0 < found.missing < 20
    assert (found.calls + found.unreadable + found.missing, len(ids(spool))) == (CALLS, found.calls)
    assert set(found.lost) == all_ids() - ids(spool)
    spool.close()


def test_of_a_file_cut_in_half_what_is_left_is_saved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // PAGE * PAGE)

    spool, found = renewed(path)

    assert found.missing is not None
    assert found.calls > 20
    assert found.calls + found.unreadable + found.missing == CALLS
    spool.close()


@pytest.mark.parametrize(
    "place", [0, 16, 24, 32 + 16, 32 + 24 + 4_000], ids=["magic", "salts", "sums", "frame", "page"]
)
def test_calls_that_only_the_journal_has_are_saved_though_it_is_damaged(path: Path, tmp_path: Path, place: int) -> None:
    spool = Spool(path, 10 * MB)
    connection_of(spool).execute("PRAGMA wal_autocheckpoint = 0")
    spool.append([pair(f"new{i}") for i in range(30)])
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        shutil.copy(tmp_path / name, killed / name)
    spool.close()
    log = killed / f"{path.name}-wal"
    assert not is_torn(log.read_bytes())
    overwritten(log, place, place + 8)  # SQLite itself would read what is before, and delete the rest
    assert is_torn(log.read_bytes())

    opened = Spool(killed / path.name, 10 * MB)
    (damaged,) = damaged_files(opened.path)
    assert damaged.with_name(f"{damaged.name}-wal").stat().st_size > 30_000
    assert salvage(damaged, opened) == Salvage(calls=CALLS + 30, refused=1, unreadable=0, missing=0)
    assert ids(opened) == all_ids() | {str(pair(f"new{i}").id) for i in range(30)}
    opened.close()


def test_a_kill_as_a_journal_begins_its_next_round_is_no_damage(path: Path) -> None:
    """SQLite then writes a new header over the pages that it has written back, and waits for the disk."""
    spool, log = Spool(path, 10 * MB), path.with_name(f"{path.name}-wal")
    before = after = b""
    while before[:32] == after[:32] or len(before) <= 32:
        before = log.read_bytes()
        spool.append([pair(f"new{log.stat().st_mtime_ns}", metadata={"k": "x" * 3_000})])
        after = log.read_bytes()
    spool.close()

    assert not is_torn(after[:32] + before[32:])


@pytest.mark.parametrize("asked", [False, True], ids=["at a start", "by another process"])
def test_a_kill_as_a_file_is_set_aside_costs_no_call_of_its_journal(path: Path, tmp_path: Path, asked: bool) -> None:
    spool, killed = Spool(path, 10 * MB), tmp_path / "killed"
    spool.append([pair("new")])
    killed.mkdir()
    shutil.copy(path, killed / f"{path.name}.damaged-20260101T000000000000")  # and not yet the journal beside it
    shutil.copy(f"{path}-wal", killed)
    spool.close()
    if asked:
        (killed / "spool-shop.renew").touch()

    opened = Spool(killed / path.name, 10 * MB)
    assert opened.depth().calls == 0
    assert salvage(not_salvaged(opened.path)[0], opened).calls >= CALLS + 1
    assert ids(opened) == {*all_ids(), str(pair("new").id)}
    opened.close()


def test_a_damaged_page_number_of_the_journal_does_not_make_a_salvage_endless(path: Path, tmp_path: Path) -> None:
    spool, killed = Spool(path, 10 * MB), tmp_path / "killed"
    spool.append([pair("new")])
    killed.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        shutil.copy(tmp_path / name, killed / name)
    spool.close()
    with (killed / f"{path.name}-wal").open("r+b") as log:
        log.seek(32)
        log.write(b"\xff\xff\xff\xf0")

    opened = Spool(killed / path.name, 10 * MB)
    (damaged,) = not_salvaged(opened.path)
    assert salvage(damaged, opened).calls >= CALLS
    assert str(pair("new").id) in ids(opened)
    opened.close()


def test_tables_of_an_unknown_shape_are_salvaged_too(tmp_path: Path) -> None:
    path = tmp_path / "spool-shop.sqlite3"
    spool = Spool(tmp_path / "other.sqlite3", MB)
    spool.append([pair("a"), pair("b")])
    blobs = connection_of(spool).execute("SELECT pair FROM calls").fetchall()
    spool.close()
    with closing(sqlite3.connect(path)) as older:
        older.execute("CREATE TABLE calls (number INTEGER PRIMARY KEY, at TEXT, document BLOB)")
        older.executemany("INSERT INTO calls (document) VALUES (?)", blobs)
        older.commit()

    spool, found = renewed(path)

    assert found == Salvage(calls=2, refused=0, unreadable=0, missing=None)
    assert ids(spool) == {str(pair("a").id), str(pair("b").id)}
    spool.close()


def test_a_call_whose_figures_have_changed_is_not_taken_for_one(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (blob,) = connection.execute("SELECT pair FROM calls WHERE seq = 5").fetchone()
        changed = blob.replace(b"gpt-4o", b"gpt-4x")
        connection.execute("UPDATE calls SET pair = ? WHERE seq = 5", (changed,))
        connection.commit()
    overwritten(path, 0, 100)

    spool, found = renewed(path)

    assert found == Salvage(calls=CALLS - 1, refused=1, unreadable=1, missing=0)
    spool.close()


def test_a_salvage_that_was_killed_is_done_again_and_adds_nothing_twice(path: Path) -> None:
    overwritten(path, 0, 100)
    spool, found = renewed(path)
    (damaged,) = damaged_files(path)
    damaged.with_name(f"{damaged.name}.json").unlink()

    assert salvage(damaged, spool) == found
    assert (spool.depth().calls, spool.refused(), spool.unreadable()) == (CALLS, 1, 0)
    assert noted(damaged) == found
    spool.close()


def test_the_pages_of_a_sound_file_have_exactly_its_rows(path: Path) -> None:
    rows = [row for row in DamagedFile(path).rows() if not isinstance(row, BadRow)]
    with closing(sqlite3.connect(path)) as connection:
        calls = connection.execute("SELECT id, pair, crc FROM calls ORDER BY seq").fetchall()

    assert sorted(tuple(row[1:]) for row in rows if len(row) == 4 and row[0] is None) == sorted(calls)


def test_who_else_has_it_open_lets_go_first_and_loses_no_call(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is renamed while it is open would have its successor's journal deleted by SQLite."""
    one, other = Spool(path, 10 * MB), Spool(path, 10 * MB)
    other.append([pair("of the other")])
    connection_of(other).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    overwritten(path, 0, 100)
    one.close()
    monkeypatch.setattr("app.spool.files.RENEW_SECONDS", 0.0)
    with pytest.raises(SpoolError, match="another process still has it open"):
        Spool(path, 10 * MB).depth()

    assert other.depth().calls == 0  # it was asked to let go, and has begun the new one
    (damaged,) = not_salvaged(path)
    found = salvage(damaged, other)
    assert (found.calls, found.missing) == (CALLS + 1, 0)
    other.append([pair("later")])
    assert ids(other) == all_ids() | {str(pair("of the other").id), str(pair("later").id)}
    other.close()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_damaged_page_has_stops_no_salvage(path: Path, seed: int) -> None:
    noise = random.Random(seed)
    content = bytearray(path.read_bytes())
    for page in noise.sample(range(len(content) // PAGE), 6):
        kind = noise.choice([2, 5, 10, 13, 13])  # as if it were one of SQLite's
        content[page * PAGE : (page + 1) * PAGE] = bytes([kind]) + noise.randbytes(PAGE - 1)
    content[100] = 13
    path.write_bytes(content)
    (path.parent / "noise").mkdir()
    spool = Spool(path.parent / "noise" / path.name, 10 * MB)

    found = salvage(path, spool)

    assert found.calls > 60
    assert ids(spool) <= all_ids()
    spool.close()

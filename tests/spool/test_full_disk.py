"""A spool on a full disk drains: on a real small file system where one may be mounted, and with faults injected."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.database import Database
from app.ledger.outcomes import Outcome
from app.observability.metrics import Counters
from app.observability.troubles import Troubles
from app.settings import Settings
from app.spool.files import SpoolFiles
from app.spool.journal import Depth, Spool, SpoolError
from app.spool.spooler import Spooler
from app.spool.waiting import Waiting
from app.tracking import open_tracker
from tests.ledger.test_ledger import pair
from tests.patience import until
from tests.spool.spools import connection_of, waiting
from tests.tracking.test_durability import delivered
from tests.twins import assert_twins

MB = 1_000_000
OTHERS = "others"
"""What somebody else keeps on that disk."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    (folder / OTHERS).touch()
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def filled(spool: Spool, calls: int = 10_000) -> int:
    """Append calls, ten at a time, until the disk is full, and then the rest of the disk. Returns how many."""
    for number in range(0, calls, 10):
        try:
            spool.append([pair(f"r{n}") for n in range(number, number + 10)])
        except SpoolError:
            fill_up(spool.path.parent)
            return number
    raise AssertionError("the disk was never full")


def fill_up(folder: Path) -> None:
    """Leave no byte to anybody."""
    with (folder / OTHERS).open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4_096)


async def test_a_spool_on_a_full_disk_is_delivered_and_emptied(
    settings: Settings, database: Database, small_disk: Path
) -> None:
    own = settings.model_copy(update={"data_dir": small_disk})
    spool = Spool.of(small_disk, own.database, 100 * MB)
    calls = filled(spool)
    assert calls > 500
    spool.close()
    fill_up(small_disk)
    assert shutil.disk_usage(small_disk).free == 0

    async with open_tracker(own, database, Counters()) as tracker:
        await delivered(tracker)
        assert (await tracker.standing()).spool.error is None

        async def is_well() -> bool:
            return (await tracker.standing()).troubles == []

        await until(is_well)
        await until((small_disk / f"spool-{own.database}.reserve").exists)  # made again, as there is room again
    assert len(await assert_twins(database)) == calls


async def test_without_room_and_reserve_a_start_is_not_refused_and_what_waited_is_delivered_when_there_is(
    settings: Settings, database: Database, small_disk: Path
) -> None:
    own = settings.model_copy(update={"data_dir": small_disk})
    spool = Spool.of(small_disk, own.database, 100 * MB)
    calls = filled(spool)
    spool.close()
    (small_disk / f"spool-{own.database}.reserve").unlink(missing_ok=True)
    fill_up(small_disk)

    async with open_tracker(own, database, Counters()) as tracker:
        receipt = await tracker.track(user_id="u", content_type="chat", model="gpt-4o")
        assert receipt.status == "committed"
        (small_disk / OTHERS).unlink()
        await delivered(tracker)

        async def all_are_there() -> bool:
            return await database.ledger.count_documents({}) == calls + 1

        await until(all_are_there)
    assert len(await assert_twins(database)) == calls + 1


def test_the_reserve_is_given_back_to_delete_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path / "spool-shop.sqlite3", 100 * MB)
    spool.append([pair(f"r{i}") for i in range(100)])
    reserve = tmp_path / "spool-shop.reserve"
    assert reserve.stat().st_size == 4 * MB
    assert abs(reserve.stat().st_blocks * 512 - 4 * MB) <= 8_192

    spool.settle_on_a_full_disk([each.id for each in waiting(spool)][:70])

    assert not reserve.exists()
    assert spool.depth().calls == 30
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10 * MB, 9 * MB, 200_000))
    spool.shrink()
    assert not reserve.exists()
    monkeypatch.undo()
    spool.shrink()
    assert reserve.exists()
    spool.close()


def test_a_reserve_whose_making_was_killed_is_made_again(tmp_path: Path) -> None:
    reserve = tmp_path / "spool-shop.reserve"
    reserve.touch()

    Spool(tmp_path / "spool-shop.sqlite3", 100 * MB).close()

    assert reserve.stat().st_size == 4 * MB


def test_a_disk_that_is_full_at_the_start_is_told_when_something_is_to_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Spool(tmp_path / "spool-shop.sqlite3", MB).close()
    (tmp_path / "spool-shop.reserve").unlink()
    open_, full = SpoolFiles.open, [True]

    def on_a_full_disk(files: SpoolFiles) -> object:
        connection = open_(files)
        if full[0]:
            connection.execute("PRAGMA max_page_count = 1")
            try:
                connection.execute("CREATE TABLE more (something)")
            finally:
                connection.close()
        return connection

    monkeypatch.setattr(SpoolFiles, "open", on_a_full_disk)
    spool = Spool(tmp_path / "spool-shop.sqlite3", MB)
    with pytest.raises(SpoolError, match="full"):
        spool.depth()
    full[0] = False
    assert spool.append([pair("a")])[0].status == "spooled"
    assert connection_of(spool).execute("PRAGMA user_version").fetchone() == (1,)
    spool.close()


async def test_what_fails_after_calls_were_written_makes_no_receipt_untrue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Spool) -> Depth:
        raise SpoolError("another process found the file damaged")

    spooler = Spooler(Spool(tmp_path / "spool-shop.sqlite3", MB), Counters(), Troubles())
    answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Spool, "depth", lambda spool: failing(spool) if waiting(spool) else Depth(0, 0))
        spooler.take([Waiting(pair("r"), "function", "", 0.0, 1.0, 2.0, answer)])
        assert (await answer).status == "spooled"
    await spooler.close()

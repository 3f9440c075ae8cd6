"""The journal on disk."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from bson import Decimal128

from app.errors import ConfigurationError
from app.spool.journal import Depth, Spool, SpoolError
from tests.ledger.test_ledger import pair
from tests.spool.spools import connection_of, waiting

MB = 1_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool.sqlite3", MB)


def test_calls_come_out_in_the_order_in_which_they_went_in_just_as_they_were(spool: Spool) -> None:
    pairs = [pair(f"r{i}", input_tokens=i, video_seconds=Decimal("1.5")) for i in range(5)]

    assert [outcome.status for outcome in spool.append(pairs[:3])] == ["spooled"] * 3
    spool.append(pairs[3:])

    assert waiting(spool) == pairs
    assert [each.id for each in waiting(spool, 2)] == [pairs[0].id, pairs[1].id]
    assert waiting(spool)[0].entry["videoSeconds"] == Decimal128("1.500000")


def test_the_first_of_two_calls_with_one_request_id_stands(spool: Spool) -> None:
    first, same, other = pair("r", input_tokens=1), pair("r", input_tokens=1), pair("r", input_tokens=2)

    spool.append([first])
    outcomes = spool.append([same, other])

    assert [(outcome.status, outcome.conflicting) for outcome in outcomes] == [
        ("duplicate", False),
        ("duplicate", True),
    ]
    assert [each.entry["inputTokens"] for each in waiting(spool)] == [1]


def test_what_mongodb_has_is_forgotten_and_the_depth_says_so(spool: Spool) -> None:
    spool.append([pair(f"r{i}") for i in range(10)])
    full = spool.depth()
    spool.settle(each.id for each in waiting(spool, 4))

    assert (full.calls, spool.depth().calls) == (10, 6)
    assert 0 < spool.depth().bytes < full.bytes
    spool.settle(each.id for each in waiting(spool))
    assert spool.depth() == Depth(0, 0)
    spool.shrink()
    assert spool.path.stat().st_size < 100_000


def test_what_mongodb_will_never_take_is_set_aside_with_the_reason(spool: Spool) -> None:
    spool.append([pair("good"), pair("bad")])
    good, bad = waiting(spool)

    spool.settle([good.id], {bad.id: "too large"})

    assert (spool.depth().calls, spool.refused()) == (0, 1)


def test_what_bson_cannot_hold_is_rejected_and_does_not_sink_the_others(spool: Spool) -> None:
    odd = pair("odd")
    odd.entry["inputTokens"] = 2**70

    outcomes = spool.append([pair("a"), odd, pair("b")])

    assert [outcome.status for outcome in outcomes] == ["spooled", "rejected", "spooled"]
    assert spool.depth().calls == 2


def test_beyond_its_cap_it_takes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite3", max_bytes=3_000)
    spool.append([pair("a")])

    with pytest.raises(SpoolError, match="has reached its cap"):
        spool.append([pair("b"), pair("c"), pair("d"), pair("e")])
    assert [each.id for each in waiting(spool)] == [pair("a").id]


@pytest.mark.disk
def test_a_full_disk_is_said_and_what_was_there_stays(spool: Spool) -> None:
    spool.append([pair("a")])
    connection_of(spool).execute("PRAGMA max_page_count = 12")

    with pytest.raises(SpoolError, match="full"):
        spool.append([pair(f"r{i}") for i in range(100)])
    connection_of(spool).execute("PRAGMA max_page_count = 10000")
    assert spool.depth().calls == 1
    assert spool.append([pair("b")])[0].status == "spooled"


def test_two_processes_share_one(spool: Spool) -> None:
    other = Spool(spool.path, MB)
    spool.append([pair("a")])
    other.append([pair("b")])

    assert spool.depth().calls == other.depth().calls == 2
    assert set(other.find([pair("a").id, pair("nowhere").id])) == {pair("a").id}


def test_a_second_one_in_a_process_leaves_the_first_its_locks(spool: Spool) -> None:
    """Else SQLite in another process takes itself for the last one, and deletes the journal that the first has open."""
    Spool(spool.path, MB).close()
    look = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT * FROM totals'))"
    for calls in range(1, 3):
        spool.append([pair(f"r{calls}")])
        seen = subprocess.run([sys.executable, "-c", look, spool.path], capture_output=True, text=True, check=True)
        assert seen.stdout.startswith(f"({calls}, ")
    assert spool.path.with_name(f"{spool.path.name}-wal").exists()


def test_a_damaged_file_is_kept_aside_and_a_new_one_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite3"
    path.write_bytes(b"this is no database" * 100)

    spool = Spool(path, MB)

    assert spool.append([pair("a")])[0].status == "spooled"
    (kept,) = tmp_path.glob("spool.sqlite3.damaged-*")
    assert kept.read_bytes().startswith(b"this is no database")


def test_what_it_took_is_on_the_disk_before_anybody_is_told(spool: Spool) -> None:
    asked = [connection_of(spool).execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous")]

    assert asked == [("wal",), (2,)]  # FULL: every transaction is synced


def test_it_is_its_owner_s_alone(spool: Spool) -> None:
    spool.append([pair("a")])

    assert {path.stat().st_mode & 0o777 for path in spool.path.parent.glob("spool.sqlite3*")} == {0o600}


def test_a_spool_that_cannot_be_opened_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite3").mkdir()

    with pytest.raises(ConfigurationError, match="TWINMETER_DATA_DIR"):
        Spool(tmp_path / "spool.sqlite3", MB)


def test_a_spool_that_can_no_longer_be_opened_says_so_without_its_folder(spool: Spool) -> None:
    spool.close()
    spool.path.unlink()
    spool.path.mkdir()

    with pytest.raises(SpoolError, match=r"^spool\.sqlite3 cannot be opened \(.*\): set TWINMETER_DATA_DIR") as failed:
        spool.depth()

    assert str(spool.path.parent) not in failed.value.detail


def test_a_damaged_spool_that_cannot_be_set_aside_says_so_without_its_folder(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> None:
        raise PermissionError(13, "Permission denied", str(spool.path.with_suffix(".damaged-1")))

    monkeypatch.setattr(spool._files, "renew", refuse)

    with pytest.raises(SpoolError, match=r"^spool\.sqlite3 is damaged.*Permission denied: 'spool\.damaged-1'$"):
        spool.renew("it is damaged")

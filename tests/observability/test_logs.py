"""The log, and what happens where it cannot be written."""

import io

import pytest

from app.database import Database
from app.ledger.ledger import Ledger
from app.observability.logs import configure_logging, unwritten
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking import open_tracker
from tests.twins import assert_twins


def count() -> float:
    return next(sample.value for sample in next(iter(unwritten().collect())).samples if sample.name.endswith("_total"))


@pytest.fixture
def closed_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event is to be written, and none can be."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging("debug")
    stream.close()


@pytest.mark.usefixtures("closed_log")
async def test_a_log_that_cannot_be_written_holds_up_no_call(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = count()
    counters = Counters()
    async with open_tracker(settings, database, counters) as tracker:
        first = await tracker.track(user_id="u", content_type="chat", model="gpt-4o")
        with monkeypatch.context() as broken:

            async def fail(*_: object, **__: object) -> None:
                raise RuntimeError

            broken.setattr(Ledger, "commit", fail)
            failed = await tracker.track(user_id="u", content_type="chat", model="gpt-4o")
        last = await tracker.track(user_id="u", content_type="chat", model="gpt-4o")

    assert [first.status, failed.status, last.status] == ["committed", "spooled", "committed"]
    assert len(await assert_twins(database)) in {2, 3}  # what was spooled is delivered now, or by the next start
    # at least a commit and a receipt for each of two calls, and the fault
    assert count() - before >= 5
    assert f"twinmeter_unwritten_log_lines_total {count()}" in counters.exposition().decode()

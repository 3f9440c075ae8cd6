"""A real MongoDB for the whole run, and a database of its own for every test that writes."""

import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from app.database import Database, connected
from app.database.mongod import EmbeddedMongod
from app.observability.logs import configure_logging
from app.observability.metrics import Counters
from app.settings import Settings
from app.tracking import Tracker, open_tracker
from tests import folders
from tests.patience import PATIENT_MS

# the same examples every time: a suite that fails by chance is one that nobody believes
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")

TOGETHER = ("tests/browser/", "tests/real_clients/", "tests/live/", "client/tests/")
"""Folders with a server for all their tests, which one worker runs."""
LONG = (
    *("tests/browser/", "tests/scripts/test_drill.py", "client/tests/"),
    *("tests/real_clients/", "tests/database/test_mongod.py"),
    *(
        "tests/routes/test_lag.py",
        "tests/releases/test_upgrade.py",
        "tests/workers/test_life.py",
        "tests/test_server.py",
        "tests/maintenance/test_erasure.py",
        "tests/scripts/test_commands.py",
    ),
    *("tests/tracking/test_durability.py", "tests/reports/", "tests/pricing/test_token_prices.py", "tests/live/"),
    *("tests/scripts/test_purge_synthetic.py", "tests/scripts/test_reconcile.py", "tests/scripts/", "tests/rollups/"),
)
"""What takes longest, the longest first."""
SECRET = "0123456789abcdef0123456789abcdef"

# no test speaks TLS to anybody outside: without this each new client of httpx reads all certificates, which takes 20 ms
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the folder of this run before pytest makes one, where nobody named one. Workers are told theirs."""
    if not config.option.basetemp and not hasattr(config, "workerinput") and (folder := folders.in_memory()):
        config.option.basetemp = folder / "tmp"
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, as tests wait a third of their time for servers to start, stop and fail; and at
    most four, for each has a mongod and a server or two.
    """
    return min(4, len(os.sched_getaffinity(0)) + 1) if sys.platform == "linux" else 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker ends alone."""

    def rank(item: pytest.Item) -> int:
        return next((rank for rank, place in enumerate(LONG) if item.nodeid.startswith(place)), len(LONG))

    items.sort(key=rank)


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Give workers whole files, in our order: what a file or a folder shares is then made once."""

    def place(nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid.partition("::")[0])

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = place
    return scheduler


@pytest.fixture
def tmp_path(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of the test's own; on a disk for who is marked so."""
    if request.node.get_closest_marker("disk") is None:
        yield tmp_path
        return
    folder = folders.on_disk()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _quiet_logs() -> None:
    configure_logging("error")


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The suite's own mongod."""
    with EmbeddedMongod(tmp_path_factory.mktemp("mongodb")) as mongod:
        yield mongod.uri


@pytest.fixture(scope="session")
def as_new() -> list[str]:
    """Databases that a test left as new: to make all collections and indexes takes longer than most tests."""
    return []


def new_settings(mongodb_uri: str, folder: Path, **more: Any) -> Settings:
    """Settings of a deployment with a database of its own."""
    own = {
        "mongodb_uri": mongodb_uri,
        "database": f"test_{uuid.uuid4().hex[:12]}",
        "data_dir": folder,
        "jwt_secret": SECRET,
        "track_deadline_ms": PATIENT_MS,
        "port": 0,
    }
    return Settings(_env_file=None, **{**own, **more})


@pytest.fixture
def settings(mongodb_uri: str, tmp_path: Path, as_new: list[str], request: pytest.FixtureRequest) -> Settings:
    """Settings of a deployment with nothing in it."""
    made = {"database": as_new.pop()} if as_new and "database" in request.fixturenames else {}
    return new_settings(mongodb_uri, tmp_path, **made)


@pytest.fixture
async def database(settings: Settings, mongodb_uri: str, as_new: list[str]) -> AsyncIterator[Database]:
    async with connected(mongodb_uri, settings.database) as database:
        made = await _structure(database)
        yield database
        await _end_transactions(database)
        if await _structure(database) == made:
            for name in made:
                await database.writes[name].delete_many({})
            for view in await database.writes.list_collection_names(filter={"type": "view"}):
                await database.writes.drop_collection(view)
            as_new.append(settings.database)
        else:
            await database.writes.client.drop_database(settings.database)


async def _end_transactions(database: Database) -> None:
    """End what killed processes left open: for a minute it would hold up whoever changes the same documents."""
    open_ones: list[dict[str, Any]] = [
        {"$currentOp": {}},
        {"$match": {"type": "idleSession", "transaction": {"$exists": True}}},
    ]
    admin = database.writes.client.admin
    if sessions := [{"id": one["lsid"]["id"]} async for one in admin.aggregate(open_ones)]:
        await admin.command("killSessions", sessions)


async def _structure(database: Database) -> dict[str, Any]:
    """Every collection with its options and indexes. Views have none; they are dropped."""
    own = {"db": database.writes.name, "type": "collection", "name": {"$ne": "system.views"}}
    # one question, where listing the indexes would be one for each collection
    catalog = database.writes.client.admin.aggregate([{"$listCatalog": {}}, {"$match": own}])
    return {
        one["name"]: (one["md"]["options"], [index["spec"] for index in one["md"]["indexes"]]) async for one in catalog
    }


@pytest.fixture
async def tracker(settings: Settings, database: Database) -> AsyncIterator[Tracker]:
    async with open_tracker(settings, database, Counters()) as tracker:
        yield tracker

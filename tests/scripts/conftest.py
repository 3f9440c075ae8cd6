"""Operator commands run as an operator runs them: as processes, with settings in the environment."""

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from app.database import Database, connected
from app.database.mongod_binary import find_mongod
from app.settings import Settings
from tests.patience import patience
from tests.scripts.imports import Importer, importer

ROOT = Path(__file__).parents[2]

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process with these settings."""
    assert settings.mongodb_uri is not None
    assert settings.jwt_secret is not None
    own = {name: value for name, value in os.environ.items() if not name.startswith("TWINMETER_")}
    return {
        **own,
        "PYTHONPATH": str(ROOT),
        "TWINMETER_MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "TWINMETER_DATABASE": settings.database,
        "TWINMETER_DATA_DIR": str(settings.data_dir),
        "TWINMETER_JWT_SECRET": settings.jwt_secret.get_secret_value(),
    }


@pytest.fixture
def usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """What `python -m NAME ARGUMENTS…` ends with that does no work: in this process, as a start takes seconds."""

    def run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        spec = importlib.util.find_spec(name)
        assert spec is not None
        module = importlib.import_module(name if spec.submodule_search_locations is None else f"{name}.__main__")
        monkeypatch.setattr("sys.argv", [name, *arguments])
        with pytest.raises(SystemExit) as ended:
            module.main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess([name, *arguments], ended.value.code, said.out, said.err)

    return run


@pytest.fixture
def command(settings: Settings, tmp_path: Path) -> Command:
    """Run `python -m NAME ARGUMENTS…` to its end, away from any .env file."""

    def run(name: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", name, *arguments],
            cwd=tmp_path,
            env={**environment(settings), **variables},
            capture_output=True,
            text=True,
            timeout=patience(120),
            check=False,
        )

    return run


@pytest.fixture(scope="module")
async def beside(mongodb_uri: str) -> AsyncIterator[Database]:
    name = f"test_{uuid4().hex[:12]}"
    async with connected(mongodb_uri, name) as database:
        yield database
        await database.writes.client.drop_database(name)


@pytest.fixture
async def other(beside: Database) -> AsyncIterator[Database]:
    """An empty database beside the first one: the same every time, for it takes long to make one."""
    yield beside
    for name in await beside.writes.list_collection_names():
        await beside.writes[name].delete_many({})


@pytest.fixture
def imported(settings: Settings, tmp_path: Path) -> Importer:
    """Import sources into a database, in this process."""
    return importer(settings, tmp_path)


@pytest.fixture(scope="session")
def guarded_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A standalone mongod that asks for passwords, as its root user."""
    folder, port = tmp_path_factory.mktemp("auth"), free_port()
    arguments = ["--auth", "--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(folder)]
    with subprocess.Popen([find_mongod(), *arguments], stdout=subprocess.DEVNULL) as mongod:
        try:
            with MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{port}") as anyone:
                anyone.admin.command("createUser", "root", pwd="secret", roles=["root"])
            yield f"mongodb://root:secret@127.0.0.1:{port}/?authSource=admin"
        finally:
            mongod.terminate()


@pytest.fixture(scope="session")
def reader_uri(guarded_uri: str) -> str:
    """The same as a user who may only read; its database is `shop`."""
    with MongoClient[dict[str, Any]](guarded_uri) as root:
        root.admin.command("createUser", "reader", pwd="secret", roles=["readAnyDatabase"])
    return guarded_uri.replace("root:", "reader:").replace("/?", "/shop?")


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])

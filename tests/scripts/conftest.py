"""Operator commands run as an operator runs them, with settings in the environment."""

import importlib.util
import io
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient

from app.database import Database, connected
from app.database.mongod_binary import find_mongod
from app.observability.logs import configure_logging
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
def command(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `python -m NAME ARGUMENTS…` to its end, away from any .env file, in a thread of this process: to start one
    takes longer than what most of them do.
    """

    def run(name: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        with monkeypatch.context() as given, ThreadPoolExecutor(1) as thread:
            given.chdir(tmp_path)
            given.setattr("sys.argv", [name, *arguments])
            for variable in [each for each in os.environ if each.startswith("TWINMETER_")]:
                given.delenv(variable)
            for variable, value in {**environment(settings), **variables}.items():
                given.setenv(variable, value)
            try:
                return thread.submit(ended, name).result(patience(120))
            finally:
                configure_logging("error")

    return run


def ended(name: str) -> "subprocess.CompletedProcess[str]":
    """What a command ends with and prints, in this process."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    module = importlib.import_module(name if spec.submodule_search_locations is None else f"{name}.__main__")
    with redirect_stdout(io.StringIO()) as output, redirect_stderr(io.StringIO()) as errors:
        try:
            status = module.main()
        except SystemExit as end:
            status = end.code
    assert isinstance(status, int)
    return subprocess.CompletedProcess(sys.argv, status, output.getvalue(), errors.getvalue())


@pytest.fixture
def process(settings: Settings, tmp_path: Path) -> Command:
    """The same as a process of its own, as an operator runs it."""

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


@pytest.fixture
def usage(monkeypatch: pytest.MonkeyPatch) -> Command:
    """What `python -m NAME ARGUMENTS…` ends with that does no work."""

    def run(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        monkeypatch.setattr("sys.argv", [name, *arguments])
        return ended(name)

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

"""`python -m app` from start to end, as a process of its own with its embedded MongoDB."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.__main__ import main
from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.settings import Settings
from tests.forked import Forked
from tests.patience import PATIENT_MS, patience

ROOT = Path(__file__).parents[1]
CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_000, "outputTokens": 500}


@contextmanager
def running(data_dir: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in `data_dir`, and its address."""
    with start(data_dir, **variables) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("twinmeter answers at http://"), first + process.communicate()[1]
            yield process, first.split()[-1]
        finally:
            process.kill()


def start(data_dir: Path, **variables: str) -> subprocess.Popen[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TWINMETER_")}
    ours = {"TWINMETER_PORT": "0", "TWINMETER_TRACK_DEADLINE_MS": str(PATIENT_MS)}
    env = {**own, "PYTHONPATH": str(ROOT), "TWINMETER_DATA_DIR": str(data_dir), **ours, **variables}
    return Forked(
        [sys.executable, "-m", "app"],
        cwd=data_dir.parent,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def admin(data_dir: Path) -> dict[str, str]:
    settings = Settings(_env_file=None, data_dir=data_dir)
    token = Tokens(settings.signing_secret).issue("me", Role.ADMIN, timedelta(minutes=5))
    return {"Authorization": f"Bearer {token}"}


def requests_today(address: str, headers: dict[str, str]) -> Any:
    return httpx.get(f"{address}/api/admin/ai/overview", headers=headers).json()["today"]["requests"]


def test_what_was_reported_is_there_after_a_clean_stop_and_after_a_kill(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    for stop, already in [(signal.SIGTERM, 0), (signal.SIGKILL, 1), (signal.SIGINT, 2)]:
        with running(data_dir) as (process, address):
            headers = admin(data_dir)
            assert requests_today(address, headers) == already
            assert httpx.post(f"{address}/api/ai/track", json=CALL, headers=headers).status_code == 201
            process.send_signal(stop)
            assert process.wait(patience(60)) == (-signal.SIGKILL if stop is signal.SIGKILL else 0)


def acknowledged_until_refused(address: str, headers: dict[str, str], process: subprocess.Popen[str]) -> set[str]:
    """What eight clients were told is committed, with the server told to stop in the middle."""
    ids: set[str] = set()
    enough = threading.Event()

    def report() -> None:
        http = httpx.Client(base_url=address, headers=headers, timeout=60)
        with http as client, contextlib.suppress(httpx.HTTPError):
            while (answer := client.post("/api/ai/track", json=CALL)).status_code == 201:
                ids.add(answer.json()["id"])
                if len(ids) >= 100:
                    enough.set()

    with ThreadPoolExecutor(8) as threads:
        for _ in range(8):
            threads.submit(report)
        enough.wait(60)
        process.terminate()
    return ids


def all_calls(address: str, headers: dict[str, str]) -> set[str]:
    """The ids of all that are listed, of however many pages."""
    ids: set[str] = set()
    cursor: dict[str, str] = {}
    while True:
        page = httpx.get(f"{address}/api/admin/ai/calls", headers=headers, params={"limit": 200, **cursor}).json()
        ids |= {call["id"] for call in page["calls"]}
        if page["nextCursor"] is None:
            return ids
        cursor = {"cursor": page["nextCursor"]}


def test_told_to_stop_under_load_it_answers_what_it_took_and_ends_cleanly(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    # a slow machine would spool what takes longer than usual, and that is listed only when it has been replayed
    with running(data_dir, TWINMETER_TRACK_DEADLINE_MS="60000") as (process, address):
        ids = acknowledged_until_refused(address, admin(data_dir), process)
        assert process.wait(patience(60)) == 0

    with running(data_dir) as (_, address):
        listed = all_calls(address, admin(data_dir))
    assert len(ids) >= 100
    assert ids <= listed


def test_the_embedded_mongodb_says_where_it_is_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "Forked", subprocess.Popen)  # as an operator starts it
    data_dir = tmp_path / "data"
    with running(data_dir) as (process, _):
        assert (data_dir / "mongodb.uri").read_text().startswith("mongodb://twinmeter:")
        process.terminate()
        process.wait(patience(60))

    assert not (data_dir / "mongodb.uri").exists()


def test_the_made_up_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    secret = Settings(_env_file=None, data_dir=tmp_path).signing_secret

    assert secret == Settings(_env_file=None, data_dir=tmp_path).signing_secret
    assert len(secret) == 64
    assert (tmp_path / "jwt_secret").stat().st_mode & 0o777 == 0o600


def failure(process: subprocess.Popen[str]) -> str:
    """What a process says that cannot start."""
    _, stderr = process.communicate(timeout=patience(30))
    assert process.returncode == 1
    assert "Traceback" not in stderr
    return stderr


def test_two_servers_on_one_data_folder_are_told_apart(tmp_path: Path) -> None:
    with running(tmp_path / "data") as (process, _):
        said = failure(start(tmp_path / "data"))

    assert str(process.pid) in said
    assert "TWINMETER_DATA_DIR" in said


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"TWINMETER_TIMEZONE": "Mars/Olympus"}, "TWINMETER_TIMEZONE must be an IANA time zone"),
        (
            {"TWINMETER_JWT_SECRET": "short"},
            "TWINMETER_JWT_SECRET must have at least 32 bytes; `openssl rand -hex 32` makes one; .env",
        ),
        ({"TWINMETER_FEATURES_FILE": "nowhere.toml"}, "nowhere.toml cannot be used"),
        ({"TWINMETER_MONGODB_URI": "postgres://localhost"}, "TWINMETER_MONGODB_URI must begin with mongodb://"),
        ({"TWINMETER_TRACK_DEADLINE_MS": "0"}, "TWINMETER_TRACK_DEADLINE_MS must be at least 1"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_the_start_with_a_sentence(
    tmp_path: Path,
    mongodb_uri: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    said: str,
) -> None:
    own = {"TWINMETER_MONGODB_URI": mongodb_uri, "TWINMETER_DATA_DIR": str(tmp_path), "TWINMETER_PORT": "0"}
    for name, value in (own | variables).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    assert main([]) == 1

    assert said in capsys.readouterr().err


def test_a_data_folder_that_cannot_be_used_ends_the_start_with_the_reason_and_the_way_out(
    tmp_path: Path, mongodb_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sessions").touch()
    own = {"TWINMETER_MONGODB_URI": mongodb_uri, "TWINMETER_DATA_DIR": str(tmp_path), "TWINMETER_PORT": "0"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)

    assert main([]) == 1

    said = f"twinmeter cannot start: The data folder {tmp_path} cannot be used: [Errno 17] File exists: "
    assert capsys.readouterr().err.startswith(said)


def test_told_to_stop_while_its_mongodb_is_dead_it_ends_in_the_documented_time(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with running(data_dir) as (process, _):
        os.kill(int((data_dir / "mongodb" / "mongod.lock").read_text()), signal.SIGKILL)
        process.terminate()
        assert process.wait(patience(10)) == 0


@pytest.mark.parametrize(("argument", "status"), [("--help", 0), ("--prot=80", 2), ("start", 2)])
def test_what_it_is_asked_on_the_command_line_is_answered_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, argument: str, status: int
) -> None:
    monkeypatch.setenv("TWINMETER_DATA_DIR", str(tmp_path / "data"))

    with pytest.raises(SystemExit) as ended:
        main([argument])

    said = "".join(capsys.readouterr())
    assert ended.value.code == status
    assert ("TWINMETER_MONGODB_URI" in said) if status == 0 else ("unrecognized arguments" in said)
    assert not (tmp_path / "data").exists()


def test_a_taken_port_is_said_with_the_way_out(tmp_path: Path, mongodb_uri: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start(tmp_path / "data", TWINMETER_MONGODB_URI=mongodb_uri, TWINMETER_PORT=port) as process:
            said = failure(process)

    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "TWINMETER_PORT" in said

"""Record what a release leaves behind: its database, its data folder, and what it answers about them.

    python -m tests.releases.recording 0.6.0 v0.6.0

The release's own code, taken from the git revision, runs as a server and reports calls, is stopped, rebuilt for another
time zone, killed with calls in its spool, and dumped. Only then it is started once more, and says what all of it comes
to. The dump and the answers go to `tests/data/releases/VERSION`, where `test_upgrade.py` finds them.
"""

import argparse
import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pymongo

from app.database.mongod import EmbeddedMongod
from tests.patience import patience
from tests.pricing.data_files import data_file
from tests.releases import scene
from tests.releases.dump import DATABASE, Recording, dumped

ROOT = Path(__file__).parents[2]
FIRST_WITH_ROLLUPS, FIRST_WITH_KEYS, FIRST_WITH_PAGES, FIRST_WITH_REASONS = (0, 2), (0, 3), (0, 4), (0, 5)
SHORT_MS, LONG_MS = "1000", "60000"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.releases.recording", description=__doc__)
    parser.add_argument("version", help="the release's number, such as 0.6.0")
    parser.add_argument("revision", help="its tag or commit")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="twinmeter-release-") as folder:
        code = Path(folder) / "code"
        archive = subprocess.run(["git", "archive", arguments.revision], cwd=ROOT, check=True, capture_output=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(code, filter="data")
        with EmbeddedMongod(Path(folder) / "mongodb") as mongod:
            release = Release(arguments.version, code, Path(folder) / "data", mongod)
            recording = release.record()
    written = recording.write(arguments.version)
    sys.stdout.write(f"{sum(file.stat().st_size for file in written.iterdir()):,} bytes in {written}\n")
    return 0


class Release:
    """One release's code over a MongoDB and a data folder."""

    def __init__(self, version: str, code: Path, data_dir: Path, mongod: EmbeddedMongod) -> None:
        self._number = tuple(int(part) for part in version.split("."))
        self._code, self._data_dir, self._mongod = code, data_dir, mongod
        self._zone = "UTC"
        self._facts: dict[str, Any] = {"recordedAt": datetime.now(UTC).isoformat()}

    def record(self) -> Recording:
        if self._number < FIRST_WITH_ROLLUPS:
            self._zone = scene.ZONE
        with self.serving() as (process, http):
            self._set_prices(http)
            self._report(http, scene.EARLY)
            process.terminate()
            assert process.wait(patience(20)) == 0
        self._maintain()
        with self.serving() as (process, http):
            self._report(http, scene.LATE)
            self._keys(http)
            self._user(http)
            self._pages(http)
            self._refused(http)
            # killed, so that deltas wait to be merged
            process.kill()
        if self._number >= FIRST_WITH_KEYS:
            self._spool(scene.SPOOLED)
        self._end_sessions()
        recording = dumped(self._mongod.uri, self._data_dir, self._facts)
        with self.serving() as (process, http):
            self._wait_until_delivered(http)
            self._facts["answers"] = scene.answers(http, of_clients=self._number >= FIRST_WITH_ROLLUPS)
            process.terminate()
        return recording

    @contextmanager
    def serving(self, deadline_ms: str = LONG_MS) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
        """The release's server, and an administrator's client of it."""
        with subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=self._code,
            env=self._environment(TWINMETER_PORT="0", TWINMETER_TRACK_DEADLINE_MS=deadline_ms),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                first = process.stdout.readline()
                assert first.startswith("twinmeter answers at "), first + process.stderr.read()
                Thread(target=process.stderr.read, daemon=True).start()
                token = self._command("create_token", "--role", "admin", "--user", "me").strip()
                headers = {"Authorization": f"Bearer {token}"}
                with httpx.Client(base_url=first.split()[-1], headers=headers, timeout=60) as http:
                    yield process, http
            finally:
                process.kill()

    def _environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TWINMETER_")}
        ours = {
            "PYTHONPATH": str(self._code),
            "TWINMETER_DATA_DIR": str(self._data_dir),
            "TWINMETER_MONGODB_URI": self._mongod.uri,
            "TWINMETER_DATABASE": DATABASE,
            "TWINMETER_TIMEZONE": self._zone,
        }
        return {**kept, **ours, **more}

    def _command(self, name: str, *arguments: str, ok: tuple[int, ...] = (0,)) -> str:
        command = [sys.executable, "-m", f"scripts.{name}", *arguments]
        run = subprocess.run(
            command, cwd=self._code, env=self._environment(), capture_output=True, text=True, check=False
        )
        assert run.returncode in ok, run.stderr
        return run.stdout

    def _set_prices(self, http: httpx.Client) -> None:
        for override in scene.OVERRIDES:
            _sent(http.post("/api/admin/prices", json=override))

    def _report(self, http: httpx.Client, calls: list[dict[str, Any]]) -> None:
        for call in calls:
            assert _sent(http.post("/api/ai/track", json=call))["status"] == "committed"

    def _maintain(self) -> None:
        """What operators do between two runs."""
        scene.add_legacy_events(self._mongod.uri, with_calls=self._number >= FIRST_WITH_PAGES)
        if self._number >= FIRST_WITH_ROLLUPS:
            self._zone = scene.ZONE
            self._command("rebuild_rollups")
        if self._number >= FIRST_WITH_KEYS:
            self._command("erase_user", scene.FORGOTTEN, "--execute")
        if self._number >= FIRST_WITH_PAGES:
            self._command("backfill_usage", "--execute", ok=(0, 3))
            self._command("reprice", "--execute", ok=(0, 3))
        if self._number >= FIRST_WITH_REASONS:
            prices = self._data_dir / "prices.json"
            prices.write_bytes(data_file())
            self._command("update_prices", str(prices), "--execute")
            self._facts["priceVersion"] = self._prices_in_use()
            prices.unlink()

    def _prices_in_use(self) -> str:
        with pymongo.MongoClient[dict[str, Any]](self._mongod.uri) as client:
            (table,) = client[DATABASE]["price_tables"].find({}, {"version": 1})
        return str(table["version"])

    def _keys(self, http: httpx.Client) -> None:
        if self._number < FIRST_WITH_KEYS:
            return
        wanted = {"name": "shop", "clientId": "acme", "scopes": ["ingest", "read", "admin"]}
        key, revoked = (_sent(http.post("/api/admin/keys", json=wanted)) for _ in range(2))
        _sent(http.post(f"/api/admin/keys/{revoked['id']}/revoke"))
        by_key = {"Authorization": f"Bearer {key['key']}"}
        rows = _sent(http.post("/api/ai/track/batch", json=scene.OF_KEY, headers=by_key))
        assert {row["status"] for row in rows.get("results") or rows["receipts"]} == {"committed"}
        self._facts |= {"key": key["key"], "revokedKey": revoked["key"]}

    def _user(self, http: httpx.Client) -> None:
        """A person who reports calls with a token of their own."""
        if self._number >= FIRST_WITH_KEYS:
            token = self._command("create_token", "--role", "user", "--user", scene.PERSON).strip()
            for call in scene.OF_PERSON:
                _sent(http.post("/api/ai/track", json=call, headers={"Authorization": f"Bearer {token}"}))

    def _pages(self, http: httpx.Client) -> None:
        if self._number < FIRST_WITH_PAGES:
            return
        address = str(http.base_url).rstrip("/")
        answer = httpx.post(f"{address}/admin/session", json={"token": self._facts["key"]}, headers={"Origin": address})
        assert answer.is_success, answer.text
        self._facts["cookie"] = answer.cookies["twinmeter_session"]
        self._facts["export"] = self._command("export_usage", "--format", "jsonl", "--synthetic", "include")

    def _refused(self, http: httpx.Client) -> None:
        if self._number >= FIRST_WITH_REASONS:
            assert http.post("/api/ai/track", json={"userId": "u1"}).status_code == 400
            time.sleep(3)  # they are written within two seconds, and nothing says when

    def _spool(self, calls: list[dict[str, Any]]) -> None:
        """Calls that a release took while MongoDB was away, and that it had no time to deliver."""
        with self.serving(SHORT_MS) as (process, http):
            os.kill(self._mongod.pid, signal.SIGSTOP)
            try:
                for call in calls:
                    assert _sent(http.post("/api/ai/track", json=call))["status"] == "spooled"
                process.kill()
                process.wait()
            finally:
                os.kill(self._mongod.pid, signal.SIGCONT)
        self._facts["spooled"] = len(calls)

    def _end_sessions(self) -> None:
        scene.end_transactions(self._mongod.uri)

    def _wait_until_delivered(self, http: httpx.Client) -> None:
        if "spooled" in self._facts:
            _until(lambda: http.get("/ready").json()["spool"]["calls"] == 0)


def _sent(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json()


def _until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + patience(60)
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())

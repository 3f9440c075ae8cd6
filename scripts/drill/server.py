"""The server under test: `python -m app` as a process of its own, started, killed and started again."""

import asyncio
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

from pydantic import SecretStr

from app.auth.principals import Role
from app.auth.tokens import Tokens
from app.settings import Settings
from scripts.toolkit.job import FOUND

ROOT = Path(__file__).parents[2]
DATABASE = "drill"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
LOCAL = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For a client of a server without TLS: by default each new one reads all certificates, which takes 20 ms."""
TOKEN_LIFETIME = timedelta(days=1)


class DrillError(Exception):
    """The drill itself cannot continue; the message says what did not happen in time."""


class Server:
    """One server over the folder's data and an external MongoDB."""

    process: "subprocess.Popen[str]"
    spawned_at: float  # by time.monotonic(), like all moments here
    answered_at: float

    def __init__(
        self,
        folder: Path,
        uri: str,
        workers: int = 1,
        *,
        secret: str | None = None,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`secret` signs the tokens, where several servers are to know the same ones; `more` are variables."""
        self.folder = folder
        self.uri = uri
        self.settings = Settings(
            _env_file=None,
            data_dir=folder / "data",
            database=DATABASE,
            timezone="UTC",
            workers=workers,
            jwt_secret=None if secret is None else SecretStr(secret),
        )
        self._more = dict(more)
        self.address = ""
        self.answering = asyncio.Event()
        """Set while clients may send."""
        self.headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}

    def _token(self) -> str:
        return Tokens.of(self.settings).issue("drill", Role.ADMIN, TOKEN_LIFETIME)

    def spawn(self, *module: str) -> None:
        """Start the process, without waiting for it: the server, or a `module` that runs it, with its arguments."""
        self.spawned_at = time.monotonic()
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - a module of our own
                [sys.executable, "-m", *(module or ("app",))],
                cwd=self.folder,  # away from the deployment's .env
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    async def answers(self) -> None:
        """Wait until it answers, and let clients send. Raises DrillError."""
        assert self.process.stdout is not None  # noqa: S101 - see spawn
        try:
            async with asyncio.timeout(START_SECONDS):
                said = await asyncio.to_thread(self.process.stdout.readline)
        except TimeoutError:
            raise DrillError(f"the server did not answer within {START_SECONDS:g} s") from None
        if not said:
            raise DrillError(f"the server could not start; see {self.folder / 'server.log'}")
        self.answered_at = time.monotonic()
        self.address = said.split()[-1]
        self.answering.set()

    async def kill(self) -> None:
        """As kill -9 does, at whatever it is doing."""
        self.answering.clear()
        self.process.kill()
        await self._end()

    async def ended(self) -> int:
        """Its exit status; one that neither answers nor ends is killed."""
        if self.process.poll() is None:
            self.process.kill()
        return await self._end()

    async def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        self.answering.clear()
        self.process.terminate()
        return await self._end()

    async def command(self, name: str, *arguments: str) -> str:
        """What an operator's command prints beside this server. Raises DrillError where it cannot do its work."""
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", name, *arguments],
            cwd=self.folder,
            env={**self._environment(), "TWINMETER_PORT": self.address.rpartition(":")[2]},
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode not in {0, FOUND}:
            raise DrillError(f"{name} ended with exit status {ended.returncode}: {ended.stderr}")
        return ended.stdout

    async def _end(self) -> int:
        try:
            status = await asyncio.to_thread(self.process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise DrillError(f"the server did not end within {STOP_SECONDS:g} s") from None
        assert self.process.stdout is not None  # noqa: S101 - see spawn
        self.process.stdout.close()
        return status

    def _environment(self) -> dict[str, str]:
        foreign = {name: value for name, value in os.environ.items() if not name.startswith("TWINMETER_")}
        return {
            **foreign,
            "PYTHONPATH": str(ROOT),
            "TWINMETER_MONGODB_URI": self.uri,
            "TWINMETER_DATA_DIR": str(self.settings.data_dir),
            "TWINMETER_DATABASE": DATABASE,
            "TWINMETER_JWT_SECRET": self.settings.signing_secret,
            "TWINMETER_PORT": "0",
            "TWINMETER_WORKERS": str(self.settings.workers),
            "TWINMETER_LOG_LEVEL": "warning",
            **self._more,
        }

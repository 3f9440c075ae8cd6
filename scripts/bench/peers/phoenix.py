"""Arize Phoenix: its server on a port of this machine, with SQLite in a folder that is removed at the end."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from scripts.bench.peers.shown import Shown

START_SECONDS = 240.0
STOP_SECONDS = 30.0
_PROJECTS = """
{projects {edges {node {recordCount tokenCountPrompt tokenCountCompletion costSummary {total {cost}}}}}}
"""


class Phoenix:
    """A running server."""

    def __init__(self, port: int, client: httpx.AsyncClient) -> None:
        self.port = port
        self._client = client

    async def shown(self) -> Shown:
        """The sums of its projects, as its first page shows them."""
        answer = (await self._client.post("/graphql", json={"query": _PROJECTS})).raise_for_status().json()
        projects = [edge["node"] for edge in answer["data"]["projects"]["edges"]]
        return Shown(
            sum(project["recordCount"] for project in projects),
            int(sum(project["tokenCountPrompt"] + project["tokenCountCompletion"] for project in projects)),
            sum(project["costSummary"]["total"]["cost"] or 0 for project in projects),
        )


@asynccontextmanager
async def phoenix(venv: Path) -> AsyncIterator[Phoenix]:
    """Raises RuntimeError where it does not start."""
    port, grpc_port = _free_ports()
    with TemporaryDirectory(prefix="phoenix-") as folder:
        variables = {
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": str(grpc_port),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
            "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
        }
        with (Path(folder) / "log").open("w") as log:
            process = await asyncio.create_subprocess_exec(
                *(str(venv / "bin" / "python"), "-m", "phoenix.server.main", "serve"),
                env={**os.environ, **variables},
                stdout=log,
                stderr=log,
            )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                await _answers(client, process)
                yield Phoenix(port, client)
        finally:
            await _end(process)


async def _answers(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.returncode is None:
        try:
            if (await client.get("/healthz")).is_success:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.2)
    raise RuntimeError("Phoenix did not start")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (one, other)]

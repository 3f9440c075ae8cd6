"""Arize Phoenix: its server on a port of this machine, with SQLite in a folder that is removed at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from scripts.bench.peers.process import free_ports, running
from scripts.bench.peers.shown import Shown

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
    port, grpc_port = free_ports(2)
    address = f"http://127.0.0.1:{port}"
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
        command = (str(venv / "bin" / "python"), "-m", "phoenix.server.main", "serve")
        async with (
            running(command, f"{address}/healthz", Path(folder), variables),
            httpx.AsyncClient(base_url=address, timeout=60) as client,
        ):
            yield Phoenix(port, client)

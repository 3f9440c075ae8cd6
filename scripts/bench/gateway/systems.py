"""What is measured: the stand-in itself, and gateways of others in front of it. Each is a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from scripts.bench.gateway.stand_in import MODEL
from scripts.bench.http_load import request
from scripts.bench.peers.process import free_ports, running

TENSORZERO = Path(__file__).parents[1] / "peers" / "tensorzero_app.py"
MASTER_KEY = "sk-bench"
CHATS = "/v1/chat/completions"
_QUESTION = "What did I ask you before, and how did you answer? " * 5
_MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant. " * 10},
    *({"role": role, "content": _QUESTION} for role in ("user", "assistant", "user")),
]
_TENSORZERO_CONFIG = """
[gateway]
observability.enabled = false

[models."{model}"]
routing = ["bench"]

[models."{model}".providers.bench]
type = "openai"
model_name = "{model}"
api_base = "{address}/v1"
api_key_location = "none"
"""
_LITELLM_CONFIG = """
model_list:
  - model_name: {model}
    litellm_params: {{model: "openai/{model}", api_base: "{address}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
litellm_settings: {{telemetry: false}}
"""


class System(NamedTuple):
    """A running server, and how it is asked for a chat."""

    name: str
    address: str
    pid: int
    path: str = CHATS
    model: str = MODEL
    bearer: str | None = None
    users: Sequence[str] = ()
    """Named in a header, by turns."""

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def requests(self, count: int, *, stream: bool = False) -> list[bytes]:
        """So many chats; equal ones are one object, so that it is little that a process is handed."""
        fields = {"model": self.model, "messages": _MESSAGES, "max_tokens": 500}
        body = msgspec.json.encode(fields | ({"stream": True} if stream else {}))
        heads = [["Content-Type: application/json", *([f"X-User-Id: {user}"] if user else [])] for user in self._whose]
        asked = [request(self.path, body, self.bearer, *head) for head in heads]
        return (asked * (count // len(asked) + 1))[:count]

    @property
    def _whose(self) -> Sequence[str]:
        return self.users or ("",)


@asynccontextmanager
async def stand_in() -> AsyncIterator[System]:
    """The provider, asked directly."""
    async with _announced(sys.executable, "-m", "scripts.bench.gateway.stand_in") as (address, pid):
        yield System("direct", address, pid)


@asynccontextmanager
async def tensorzero(python: Path, provider: System) -> AsyncIterator[System]:
    """Without a database, observability and keys."""
    with TemporaryDirectory(prefix="tensorzero-") as folder:
        config = Path(folder) / "tensorzero.toml"
        config.write_text(_TENSORZERO_CONFIG.format(model=MODEL, address=provider.address))
        async with _announced(str(python), str(TENSORZERO), str(config)) as (address, pid):
            at = urlsplit(address)
            model = f"tensorzero::model_name::{MODEL}"
            yield System("tensorzero", f"http://{at.netloc}", pid, f"{at.path}/chat/completions", model)


@asynccontextmanager
async def litellm(python: Path, provider: System) -> AsyncIterator[System]:
    """One worker, without a database: it knows its master key alone."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    command = (str(python.parent / "litellm"), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port))
    variables = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with TemporaryDirectory(prefix="litellm-") as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(_LITELLM_CONFIG.format(model=MODEL, address=provider.address, key=MASTER_KEY))
        async with running(command, f"{address}/health/liveliness", Path(folder), variables) as process:
            yield System("litellm", address, process.pid, bearer=MASTER_KEY)


@asynccontextmanager
async def _announced(*command: str) -> AsyncIterator[tuple[str, int]]:
    """The address that a server prints, in whatever it says at its start, and its process. Raises RuntimeError."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        async for line in process.stdout:
            if line.startswith(b"http://"):
                yield line.decode().strip(), process.pid
                break
        else:
            raise RuntimeError(f"{command[0]} did not start")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

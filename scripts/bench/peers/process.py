"""Another system's server in a process of its own: where it listens, whether it answers, how it ends."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import httpx

START_SECONDS = 240.0
STOP_SECONDS = 30.0


@asynccontextmanager
async def running(
    command: Sequence[str], health: str, folder: Path, variables: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """That server once it answers at `health`. Raises RuntimeError, with the end of what it said, where it does not."""
    log = folder / "log"
    with log.open("w") as out:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env={**os.environ, **variables}, stdout=out, stderr=out
        )
    try:
        if not await _answers(health, process):
            said = log.read_text(errors="replace")[-2_000:]
            raise RuntimeError(f"{command[0]} did not start: {said}")
        yield process
    finally:
        await _end(process)


async def _answers(health: str, process: asyncio.subprocess.Process) -> bool:
    until = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient(timeout=60) as client:
        while time.monotonic() < until and process.returncode is None:
            try:
                if (await client.get(health)).is_success:
                    return True
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)
    return False


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]

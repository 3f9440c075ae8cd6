"""Who computes the statistics: a process of its own, started when it is first asked, and ended when nobody asks."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.errors import AppError
from app.observability.logs import Log

log = Log(__name__)

EXTRA = "twinmeter-server[experiments]"
LIBRARY = "tea_tasting"
PROGRAM = Path(__file__).with_name("analysis.py")
ANSWER_SECONDS = 30.0
"""Of the first answer, which imports the library: a second or two on a quiet machine."""
KEPT_SECONDS = 600.0
"""For so long without a question it is kept: it has 150 MB."""
MOST_BYTES = 1_000_000
"""Of an answer."""


class AnalysisFailedError(AppError):
    """The statistics could not be computed."""

    title = "Analysis failed"


def is_installed() -> bool:
    """Whether the library is there."""
    return find_spec(LIBRARY) is not None


class Analyst:
    """Of one server process. One question at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._asked = 0

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """See `analysis.analysed`. Raises AnalysisFailedError."""
        async with self._turn:
            self._asked += 1
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    found = await self._exchanged(json.dumps(question).encode() + b"\n")
            except (OSError, TimeoutError, ValueError) as error:
                await self._end()
                log.exception("experiments.analysis_failed")
                raise AnalysisFailedError("the statistics could not be computed; the reason is in the log") from error
            asyncio.get_running_loop().call_later(KEPT_SECONDS, self._end_if_idle, self._asked)
            return found

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _exchanged(self, line: bytes) -> dict[str, Any]:
        if self._process is None or self._process.returncode is not None:
            self._process = await _started()
        writes, reads = self._process.stdin, self._process.stdout
        if writes is None or reads is None:
            raise OSError("it has no pipes")
        writes.write(line)
        await writes.drain()
        if not (answer := await reads.readline()):
            raise OSError("it has ended")
        found: dict[str, Any] = json.loads(answer)
        return found

    def _end_if_idle(self, asked: int) -> None:
        if asked == self._asked and not self._turn.locked() and self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _started() -> asyncio.subprocess.Process:
    # -P: its folder is no place to import from. None of our settings and secrets is passed on
    passed = {name: value for name in ("PATH", "LANG", "SYSTEMROOT", "TMPDIR") if (value := os.environ.get(name))}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MOST_BYTES,
        env={**passed, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )


@asynccontextmanager
async def open_analyst() -> AsyncIterator[Analyst]:
    """An analyst for the length of a block."""
    analyst = Analyst()
    try:
        yield analyst
    finally:
        await analyst.close()

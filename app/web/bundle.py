"""Vega, Vega-Lite and vega-embed as one JavaScript module: made from the installed package, kept in the data folder."""

import asyncio
import contextlib
import gzip
import os
import secrets
import sys
import zlib
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from app.errors import BundleUnavailableError
from app.observability.logs import Log

PACKAGE = "vl-convert-python"
INSTALLED = Path(sys.prefix) / "share" / "twinmeter"
"""Where an installation keeps it, beside the packages it is made from: `python -m app.web.bundle` makes it there."""
BUILD_SECONDS = 60.0
BUILD = "import sys, vl_convert; sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())"

log = Log(__name__)


async def built() -> bytes:
    """Build the bundle. Raises BundleUnavailableError.

    In a process of its own: it takes a second or more in which no other thread runs, and leaves 130 MB in use.
    """
    pipe = asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", BUILD, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise BundleUnavailableError(f"the charts' JavaScript cannot be made: {error}") from error
    try:
        async with asyncio.timeout(BUILD_SECONDS):
            script, said = await child.communicate()
    except TimeoutError as error:
        raise BundleUnavailableError(f"the charts' JavaScript was not made within {BUILD_SECONDS:.0f} s") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
    if child.returncode != 0:
        log.error("bundle.failed", status=child.returncode, said=said.decode(errors="replace")[-500:])
        raise BundleUnavailableError("the charts' JavaScript cannot be made; the server's log has the details")
    return script


class VegaBundle:
    """Built when it is installed, or first requested: once per environment or data folder, and package version."""

    def __init__(self, folder: Path, build: Callable[[], Awaitable[bytes]] = built) -> None:
        self.version = version(PACKAGE)
        name = f"vega-{self.version}.js.gz"
        self._path = folder / name
        self._places = (INSTALLED / name, self._path)
        self._build = build
        self._gzipped: bytes | None = None
        self._one_at_a_time = asyncio.Lock()

    async def gzipped(self) -> bytes:
        """The module, compressed. Raises BundleUnavailableError."""
        async with self._one_at_a_time:
            if self._gzipped is None:
                self._gzipped = await asyncio.to_thread(self._kept) or await self._made()
            return self._gzipped

    def _kept(self) -> bytes | None:
        for path in self._places:
            with contextlib.suppress(OSError, EOFError, zlib.error):
                content = path.read_bytes()
                gzip.decompress(content)  # a truncated file is rebuilt
                return content
        return None

    async def _made(self) -> bytes:
        content = await asyncio.to_thread(gzip.compress, await self._build(), mtime=0)
        try:
            await asyncio.to_thread(self._keep, content)
        except OSError as error:
            log.warning("bundle.not_kept", error=str(error))
        return content

    def _keep(self, content: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.write_bytes(content)
        draft.replace(self._path)


if __name__ == "__main__":
    asyncio.run(VegaBundle(INSTALLED).gzipped())

"""The upstreams of a deployment: those of the file as it is now, and how they fare."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from app.errors import ConfigurationError
from app.gateway.formats.base import Api
from app.gateway.upstreams.attempts import Attempts
from app.gateway.upstreams.building import ENV_FILE, Surroundings, built, key_files
from app.gateway.upstreams.catalog import Catalog, ModelRow
from app.gateway.upstreams.file import Fault, GatewayFileError, read
from app.gateway.upstreams.health import Health, Outcome
from app.gateway.upstreams.key import Key
from app.gateway.upstreams.upstream import Target, Upstream
from app.observability.logs import Log
from app.observability.metrics import Counters
from app.observability.troubles import Code, Troubles
from app.process import background
from app.settings import Settings
from app.threads import DaemonThreads

__all__ = ["Health", "Key", "ModelRow", "Outcome", "Target", "Upstream", "Upstreams", "open_upstreams"]

LOOK_SECONDS = 1.0
"""How often it is looked whether the file, or one of a key, has changed."""

log = Log(__name__)


class _Read(NamedTuple):
    """What was read, and of which state of the files that is."""

    catalog: Catalog
    stamps: "Stamps"


Stamps = dict[Path, tuple[int, int, int] | None]
"""Time of change, size and number of files; None of one that is not there."""


class Upstreams:
    """Those of the current file."""

    def __init__(self, path: Path, around: Callable[[], Surroundings], health: Health | None = None) -> None:
        """`around` is asked at each reading. Raises GatewayFileError."""
        self.path = path
        self.health = health or Health()
        self.loaded_at: datetime
        self.fault: GatewayFileError | None = None
        """Why the file as it is now is not in use."""
        self._around = around
        self._use(self._read())

    @property
    def catalog(self) -> Catalog:
        """What the file says."""
        return self._now.catalog

    def targets(self, model: str, api: Api) -> Sequence[Target]:
        """Who answers for a model, the first to be asked first; those that do not fare well come last.

        Raises GatewayError: 404 `model_not_found`, 503 `upstream_unavailable`.
        """
        return self.health.ordered(self._now.catalog.resolve(model, api))

    def models(self, allowed: Callable[[str], bool], api: Api | None = None) -> list[ModelRow]:
        """The models that the file names, of those allowed, and of one API where that is said."""
        return self._now.catalog.rows(allowed, api)

    def model(self, name: str, allowed: Callable[[str], bool], api: Api | None = None) -> ModelRow | None:
        """One that may be asked for, also where only a glob stands for it; None where it may not."""
        return self._now.catalog.row(name, api) if allowed(name) else None

    def look(self) -> bool:
        """Whether a file has changed since it was read, or is still no good. It blocks."""
        return self.fault is not None or _stamps(self._now.stamps) != self._now.stamps

    async def follow(self, troubles: Troubles, seconds: float = LOOK_SECONDS) -> None:
        """Keep to the file as it changes; one that cannot be used changes nothing, and is told. Never ends."""
        threads, loop = DaemonThreads("gateway"), asyncio.get_running_loop()
        while True:
            await asyncio.sleep(seconds)
            if not await loop.run_in_executor(threads, self.look):
                continue
            try:
                found = await loop.run_in_executor(threads, self._read)
            except GatewayFileError as error:
                self._tell(error, troubles)
                continue
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the following
                self._tell(
                    GatewayFileError(self.path, "", [Fault((), f"a fault of ours, {type(error).__name__}")]),
                    troubles,
                    error,
                )
                continue
            changed = found.stamps != self._now.stamps
            self._use(found)
            if changed:
                log.info("gateway.file_read", upstreams=len(self.catalog.upstreams), models=len(self.catalog.aliases))
            troubles.gone(Code.GATEWAY)

    def _tell(self, fault: GatewayFileError, troubles: Troubles, error: Exception | None = None) -> None:
        if self.fault is None or self.fault.detail != fault.detail:
            troubles.report(Code.GATEWAY, f"the gateway's file cannot be used: {fault.where}", error=error or fault)
        self.fault = fault

    def _read(self) -> _Read:
        """It blocks. Raises GatewayFileError."""
        before = _stamps([self.path])
        found = read(self.path)
        stamps = {**_stamps([ENV_FILE, *key_files(found)]), **before}
        return _Read(built(found, self._around()), stamps)

    def _use(self, found: _Read) -> None:
        self._now = found
        self.fault = None
        self.loaded_at = datetime.now(UTC)
        self.health.keep(found.catalog.upstreams.values())


@asynccontextmanager
async def open_upstreams(settings: Settings, troubles: Troubles, counters: Counters) -> AsyncIterator[Upstreams]:
    """The upstreams of a deployment, for the length of a block. Raises ConfigurationError."""
    if settings.gateway_file is None:
        raise ConfigurationError("TWINMETER_GATEWAY_FILE names no file")
    health = Health(attempts=Attempts(counters.registry))
    upstreams = Upstreams(settings.gateway_file, lambda: Surroundings.of(settings), health)
    async with background(upstreams.follow(troubles), "gateway file"):
        yield upstreams


def _stamps(paths: "Stamps | list[Path]") -> Stamps:
    return {path: _stamp(path) for path in paths}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

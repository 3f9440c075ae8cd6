"""The circuit breaker: while MongoDB is away, calls go straight to the spool instead of each waiting for it."""

import time

from app.observability.logs import Log

log = Log(__name__)


class Breaker:
    """Open while MongoDB is considered away. The writer opens it; the next commit closes it."""

    def __init__(self) -> None:
        self._since: float | None = None

    @property
    def is_open(self) -> bool:
        return self._since is not None

    @property
    def seconds(self) -> float | None:
        """For how long it has been open; None while it is closed."""
        return None if self._since is None else time.monotonic() - self._since

    def open(self, reason: str) -> None:
        """MongoDB has failed, or taken too long."""
        if self._since is None:
            self._since = time.monotonic()
            log.warning("mongodb.away", reason=reason[:200])

    def close(self) -> None:
        """MongoDB has committed."""
        if self._since is not None:
            log.warning("mongodb.back", seconds=round(time.monotonic() - self._since, 1))
            self._since = None

"""Refused credentials: counted by reason, told in the log, and slowed down where they are guesses."""

import math
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path

from cachetools import TTLCache

from app.auth.refused import GUESSES, RefusedError, SessionEndedError
from app.buckets import Buckets
from app.errors import AppError, TooManyRequestsError
from app.observability.logs import Log
from app.observability.metrics import Counters

BURST = 20
"""How many wrong credentials an address may send at once."""
PER_SECOND = 1.0
"""How many more, from then on."""
RETRY_AFTER = {"Retry-After": str(math.ceil(1 / PER_SECOND))}
LOG_SECONDS = 60.0
"""How often one and the same reason is in the log, at most."""
MOST_TOLD = 1_000
IPV6_BITS = 64
"""Of an IPv6 address: who has one has the whole network."""

log = Log(__name__)


class TooManyGuessesError(TooManyRequestsError):
    """Wrong credentials beyond the rate of an address. Right ones are never refused like this."""

    logged = False


class RefusedCredentials:
    """What a server has refused. `host` is the caller's address, as trusted proxies say it."""

    def __init__(
        self, counters: Counters, clock: Callable[[], float] = time.monotonic, shared: Path | None = None
    ) -> None:
        """`shared`: a file that the workers have in common."""
        self._counter = counters.refused_credentials
        self._guesses = Buckets(per_second=PER_SECOND, most=BURST, shared=shared, clock=clock)
        """By address."""
        self._told: TTLCache[tuple[str, str], None] = TTLCache(MOST_TOLD, LOG_SECONDS, clock)

    def answer(self, error: RefusedError, host: str | None) -> AppError:
        """How a refused credential is answered: by `error` itself, or that its address has sent too many."""
        self._counter.labels(error.reason).inc()
        if (error.reason, error.detail) not in self._told:
            self._told[error.reason, error.detail] = None
            log.info("credential.refused", reason=error.reason, detail=error.detail)
        # a session is not guessed, and one that has ended must be cleared
        guessed = error.reason in GUESSES and not isinstance(error, SessionEndedError)
        if guessed and not self._guesses.take(_address(host)):
            message = (
                "too many wrong tokens or API keys came from this address; check yours, and wait before you try again"
            )
            return TooManyGuessesError(message, headers=RETRY_AFTER)
        return error


def _address(host: str | None) -> str:
    try:
        address = ip_address(host or "")
    except ValueError:
        return host or ""
    return str(address) if address.version == 4 else str(ip_network((address, IPV6_BITS), strict=False))  # noqa: PLR2004

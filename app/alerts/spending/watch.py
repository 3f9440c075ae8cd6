"""The watch over spending: one process of a deployment looks every half minute, and has told what is unusual."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Protocol

import pymongo
from pymongo.errors import PyMongoError

from app.alerts.spending.cells import Cells, Moment, reading
from app.alerts.spending.failing import ErrorRule
from app.alerts.spending.slow import LatencyRule
from app.alerts.spending.spent import CostRule
from app.alerts.spending.telling import Place, Told
from app.alerts.spending.unpriced import UnpricedRule
from app.database import Database
from app.database.blocking import OwnThread
from app.database.following import follow
from app.rollups.lease import Lease
from app.settings import Settings
from models.alerts import AlertKind
from models.money import exact_units

EVERY_SECONDS = 30.0
LEASE_SECONDS = 75
"""Where the process that looks is killed, another one looks after so long."""
LOOK_SECONDS = 30.0
LATE = timedelta(minutes=5)
"""So long after its end an hour is looked at still: for what came in its last seconds."""

Raise = Callable[[AlertKind, str, Mapping[str, Any]], Awaitable[None]]


class Rule(Protocol):
    """Finds what is to be told."""

    def find(self, cells: Cells, moments: list[Moment]) -> Iterator[Told]: ...


class Watch:
    """One process's. Only the one with the lease looks."""

    def __init__(
        self, database: Database, settings: Settings, raise_: Raise, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        """The `clock` is MongoDB's own, unless another is given."""
        self._database = database
        self._clock = clock
        self._raise = raise_
        self._lease = Lease(database, None, name="spending", seconds=LEASE_SECONDS)
        self._thread = OwnThread("spending")
        place = Place(settings.public_url)
        floor = exact_units(settings.spending_alerts_floor_usd) or 0
        self._rules: tuple[Rule, ...] = (
            CostRule(floor, place),
            UnpricedRule(place),
            ErrorRule(place),
            LatencyRule(place),
        )

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            await follow(self.look, what="spending", every=EVERY_SECONDS)
        finally:
            with suppress(PyMongoError), pymongo.timeout(1):
                await self._lease.release()

    async def look(self) -> None:
        """Look once, if no other process does. Raises PyMongoError."""
        with pymongo.timeout(LOOK_SECONDS):
            if not await self._lease.acquire():
                return
            for told in await self._thread.run(self._find):
                await self._raise(told.kind, told.key, told.payload)

    def _find(self) -> list[Told]:
        with reading(self._database) as cells:
            now = cells.moment()
            if now is None:
                return []
            if self._clock is not None:
                now = now._replace(at=self._clock())
            before = now.back(LATE)
            moments = [now] if before.hour == now.hour else [now, before]
            mutes = cells.mutes(now.at)
            found = [told for rule in self._rules for told in rule.find(cells, moments)]
            return [told for told in found if not any(mute.covers(told.kind, told.payload) for mute in mutes)]

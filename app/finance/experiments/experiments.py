"""Experiments as they are asked for: their definitions, and their results as of one moment."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.database import Database
from app.errors import ConflictError
from app.finance.experiments.analyst import Analyst, is_installed, open_analyst
from app.finance.experiments.answers import ExperimentResults, Seen
from app.finance.experiments.book import ExperimentBook
from app.finance.experiments.history import names_seen
from app.finance.experiments.known import KnownUsers
from app.finance.experiments.memory import Kept, Memory
from app.finance.experiments.results import results_of
from app.finance.experiments.sights import Sights
from app.finance.experiments.tallies import Tallies, question
from app.reports.query import Synthetic
from app.reports.reader import Reader, in_time, opened, reading
from app.reports.readiness import checked
from app.reports.single_flight import SharedComputations
from app.reports.windows import TimeWindow
from models.experiments import Experiment


class Experiments:
    """In one process. Equal requests at the same time share one computation."""

    def __init__(
        self, database: Database, zone: ZoneInfo, analyst: Analyst, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.book = ExperimentBook(database)
        self._database = database
        self._zone = zone
        self._analyst = analyst
        self._clock = clock or (lambda: datetime.now(UTC))
        self._shared = SharedComputations()
        self._memory = Memory()

    def today(self) -> date:
        """In the deployment's zone."""
        return self._clock().astimezone(self._zone).date()

    async def undefined(self, client: str | None) -> list[Seen]:
        """Experiments that calls name, of one client or of any, and nobody has defined. Raises as reports do."""
        defined = await self.book.names(client)
        async with reading(self._database) as read:
            seen = await names_seen(read, client)
        advice = "not defined: define it, with the share that each variant should have, and when it began"
        return [Seen(name=name, variants=sorted(seen[name]), advice=advice) for name in sorted(seen.keys() - defined)]

    async def results(self, name: str, client: str | None, synthetic: Synthetic) -> ExperimentResults:
        """Of the experiment of this name. Raises NotFoundError, ConflictError before it begins, RollupsNotReadyError,
        AnalysisFailedError and DatabaseUnavailableError.
        """
        experiment = await self.book.one(name, client)
        today = self.today()
        if today < experiment.begins:
            raise ConflictError(f"the experiment begins on {experiment.begins}: there are no results before")
        last = today if experiment.ends is None else min(today, experiment.ends)
        window = TimeWindow(experiment.begins, last, self._zone)

        async def compute() -> ExperimentResults:
            return await self._computed(experiment, window, synthetic)

        return await self._shared.share((experiment.id, synthetic), compute)

    async def _computed(self, experiment: Experiment, window: TimeWindow, synthetic: Synthetic) -> ExperimentResults:
        with in_time():
            read = await opened(self._database)
        try:
            tallies, analysis = await self._found(read, experiment, Sights(experiment, window, synthetic), synthetic)
        finally:
            await read.close()
        return results_of(
            experiment, window, tallies, analysis, available=is_installed(), synthetic=synthetic, now=self._clock()
        )

    async def _found(
        self, read: Reader, experiment: Experiment, sights: Sights, synthetic: Synthetic
    ) -> tuple[Tallies, dict[str, Any] | None]:
        with in_time():
            state = (await checked(read, self._zone)).state
        async with self._memory.up_to_date(read, state, sights, synthetic) as kept:
            if await asyncio.to_thread(kept.users.count):
                kept.analysis = ()
            tallies = _tallies(experiment, kept.users)
            return tallies, await self._analysed(experiment, tallies, kept)

    async def _analysed(self, experiment: Experiment, tallies: Tallies, kept: Kept) -> dict[str, Any] | None:
        asked = question(experiment, tallies) if is_installed() else None
        if asked is None:
            return None
        if not kept.analysis:
            kept.analysis = (await self._analyst.answer(asked),)
        found: dict[str, Any] = kept.analysis[0]
        return found


def _tallies(experiment: Experiment, users: KnownUsers) -> Tallies:
    defined = [variant.name for variant in experiment.variants]
    unknown = {
        name: users.tallies[place].moments.users for name, place in users.variants.items() if name not in defined
    }
    return Tallies(
        {name: users.tallies[users.variants[name]] for name in defined},
        {name: count for name, count in unknown.items() if count},
        users.mixed,
        users.unexposed,
    )


@asynccontextmanager
async def open_experiments(database: Database, zone: ZoneInfo) -> AsyncIterator[Experiments]:
    """The experiments of a deployment, for the length of a block."""
    async with open_analyst() as analyst:
        yield Experiments(database, zone, analyst)

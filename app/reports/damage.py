"""Why a report cannot be computed: which stored documents are damaged, where that is the reason."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from cachetools import TTLCache

from app.database import Database
from app.database.damaged import Damaged, find_damaged
from app.errors import AppError, DamagedDataError
from app.observability.logs import Log
from app.reports.queries.stages import match
from app.reports.query import ReportQuery
from app.reports.reader import in_time
from models import AIUsage, Analytics
from models.stored_shapes import SHAPES

LOOK_AGAIN_SECONDS = 10.0
"""A page asks again and again, and a look reads every cell."""
ROLLUPS = tuple(name for name in SHAPES if name not in {AIUsage.Settings.name, Analytics.Settings.name})

log = Log(__name__)

Answer = TypeVar("Answer")


class Damage:
    """Names the damage where a report fails; what fails for another reason is a fault of ours, and stays one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: TTLCache[ReportQuery | None, list[Damaged]] = TTLCache(100, LOOK_AGAIN_SECONDS)

    async def named(self, compute: Callable[[], Awaitable[Answer]], query: ReportQuery | None = None) -> Answer:
        """What `compute` returns; of the ledger, only the entries of `query` may be in its way.

        Raises DamagedDataError, and what it raises.
        """
        try:
            return await compute()
        except AppError:
            raise
        except Exception as error:
            if found := await self._look(query):
                places = {f"{each.collection} ({', '.join(each.fields)})": None for each in found}
                raise DamagedDataError(
                    f"stored documents are damaged, so this cannot be answered: {'; '.join(places)}; "
                    "`python -m scripts.doctor` names each of them, and the way out"
                ) from error
            raise

    async def _look(self, query: ReportQuery | None) -> list[Damaged]:
        if (known := self._found.get(query)) is None:
            known = self._found[query] = await self._search(query)
            for each in known:
                log.error("reports.damaged", document=str(each))
        return known

    async def _search(self, query: ReportQuery | None) -> list[Damaged]:
        with in_time():
            found = [each for name in ROLLUPS for each in await find_damaged(self._database.reads, name, most=1)]
            if query is not None and not found:
                entries = match(query.window, query.filters, query.synthetic)["$match"]
                found += await find_damaged(self._database.reads, AIUsage.Settings.name, entries, most=1)
        return found

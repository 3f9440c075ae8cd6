"""Deltas that were set aside because they cannot be read: the days that they held may lack their calls."""

from datetime import date

from app.database import Database
from app.maintenance.reconcile.days import DELTA, Difference
from app.rollups.set_aside import forget, within
from models.rollups import SET_ASIDE


class UnreadCheck:
    """The check of those whose days are all from `first` to `last`; of all where these are None."""

    def __init__(self, database: Database, first: date | None, last: date | None) -> None:
        self._database = database
        self._span = first, last

    async def differences(self) -> list[Difference]:
        """One for each. Raises PyMongoError."""
        found = self._database.writes[SET_ASIDE].find(within(*self._span))
        return [
            Difference(
                DELTA,
                min(delta["days"], default=""),
                delta["_id"],
                f"was set aside, damaged in {', '.join(delta['fields'])}: its days may lack its calls",
            )
            async for delta in found
        ]

    async def repair(self) -> None:
        """Forget them, once their days have been recounted or agree."""
        await forget(self._database, *self._span)

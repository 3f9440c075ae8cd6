"""Erasure in the cells that are kept by user: the figures of the id are added to those of the pseudonym.

That includes calls whose entries retention has deleted, and waiting deltas. All of it belongs in one transaction. It
writes the state of the rollups, so that merges and recounts see either all of it or nothing.
"""

from collections import Counter
from collections.abc import Iterable

from app.database import Database, Session
from app.database.updates import apply_updates
from app.maintenance.erasure.pseudonyms import Rename
from app.rollups.active_users import count_updates
from app.rollups.cell_updates import figures_of
from app.rollups.state import touch
from models.active_days import NewUsers
from models.documents import Document
from models.rollups import (
    ACTIVE_USERS,
    DELTAS,
    EVERYONE,
    TRAILING,
    USER_DAYS,
    USER_MONTHS,
    USER_NUMBERS,
    USERS,
    VARIANTS,
)

DAYS_OF_MONTH = range(1, 32)


class ErasedCells:
    """The cells of one user."""

    def __init__(self, database: Database, rename: Rename) -> None:
        self._database = database
        self._rename = rename
        self._of_user = {"_id.user": rename.user, **({} if rename.client is None else {"_id.client": rename.client})}

    async def move(self, session: Session | None) -> int:
        """Move all cells. Returns how many. Raises PyMongoError."""
        await touch(self._database, session)
        # with that, the sheets of users' days are of an earlier build, and name nobody any more
        await self._database.writes[USER_NUMBERS].delete_many({"_id.user": self._rename.user}, session=session)
        await self._database.writes[USER_DAYS].delete_many({"_id.user": self._rename.user}, session=session)
        await self._rename_in_deltas(session)
        moved = 0
        for month in await self._months(session):
            moved += await self._move_month(month, session)
        moved += await self._move_cells(VARIANTS, self._of_user, session)
        return moved + await self._move_trailing(session)

    async def _rename_in_deltas(self, session: Session | None) -> None:
        client = {} if self._rename.client is None else {"client": self._rename.client}
        for named in ("users", "variants"):
            row = {f"{named}.user": self._rename.user, **client}
            await self._database.writes[DELTAS].update_many(
                {"usage": {"$elemMatch": row}},
                {"$set": {f"usage.$[row].{named}.$[who].user": self._rename.pseudonym}},
                array_filters=[{f"row.{name}": value for name, value in row.items()}, {"who.user": self._rename.user}],
                session=session,
            )

    async def _months(self, session: Session | None) -> list[str]:
        writes = self._database.writes
        months = writes[USER_MONTHS].find(self._of_user, {"_id": 1}, session=session)
        days = writes[USERS].find(self._of_user, {"_id": 1}, session=session)
        found = {cell["_id"]["month"] async for cell in months} | {cell["_id"]["day"][:7] async for cell in days}
        return sorted(found)

    async def _move_month(self, month: str, session: Session | None) -> int:
        """The cells of a month's days, on which days there were any, and how many users that makes."""
        days = {"_id.day": {"$gte": f"{month}-01", "$lte": f"{month}-31"}}
        moved = await self._move_cells(USERS, {**self._of_user, **days}, session)
        both = {"_id.month": month, "_id.user": {"$in": [self._rename.user, self._rename.pseudonym]}}
        stored = await self._database.writes[USER_MONTHS].find(both, session=session).to_list(None)
        mine = [cell for cell in stored if self._is_mine(cell)]
        await apply_updates(self._database, ACTIVE_USERS, count_updates(self._change_of_counts(stored)), session)
        bits = [self._statement(cell, {"$bit": _bits(cell)}) for cell in mine]
        await apply_updates(self._database, USER_MONTHS, bits, session)
        ids = [cell["_id"] for cell in mine]
        await self._database.writes[USER_MONTHS].delete_many({"_id": {"$in": ids}}, session=session)
        return moved + len(mine)

    async def _move_trailing(self, session: Session | None) -> int:
        """For a single client, its figures are moved in the totals of everyone as well."""
        user, client = {"_id.user": self._rename.user}, self._rename.client
        if client is None:
            return await self._move_cells(TRAILING, user, session)
        totals = self._database.writes[TRAILING]
        async for cell in totals.find({**user, "_id.scope": client}, session=session):
            everyone = {**cell["_id"], "scope": EVERYONE}
            for name, sign in ((self._rename.user, -1), (self._rename.pseudonym, 1)):
                change = {"$inc": {"requests": sign * cell["requests"]}, "$setOnInsert": {"last": cell["last"]}}
                statement = {"q": {"_id": {**everyone, "user": name}}, "u": change, "upsert": True}
                await apply_updates(self._database, TRAILING, [statement], session)
        moved = await self._move_cells(TRAILING, {**user, "_id.scope": client}, session)
        await totals.delete_many({**user, "_id.scope": EVERYONE, "requests": 0}, session=session)
        return moved

    async def _move_cells(self, collection: str, condition: Document, session: Session | None) -> int:
        cells = await self._database.writes[collection].find(condition, session=session).to_list(None)
        updates = [self._statement(cell, _addition(cell)) for cell in cells if figures_of(cell)]
        await apply_updates(self._database, collection, updates, session)
        ids = [cell["_id"] for cell in cells]
        await self._database.writes[collection].delete_many({"_id": {"$in": ids}}, session=session)
        return len(cells)

    def _statement(self, cell: Document, update: Document) -> Document:
        return {"q": {"_id": {**cell["_id"], "user": self._rename.pseudonym}}, "u": update, "upsert": True}

    def _is_mine(self, cell: Document) -> bool:
        key = cell["_id"]
        return key["user"] == self._rename.user and self._rename.client in {None, key["client"]}

    def _change_of_counts(self, stored: list[Document]) -> NewUsers:
        """One less where both names were active; for a single client, one more where the user was in another too."""
        before = _present((cell["_id"]["user"], cell) for cell in stored)
        after = _present(
            (self._rename.pseudonym if self._is_mine(cell) else cell["_id"]["user"], cell) for cell in stored
        )
        return {key: after[key] - before[key] for key in before | after if after[key] != before[key]}


def _addition(cell: Document) -> Document:
    # only trailing totals have it: the window's last day
    last = {"$setOnInsert": {"last": cell["last"]}} if "last" in cell else {}
    return {"$inc": figures_of(cell), **last}


def _bits(month: Document) -> Document:
    return {path: {"or": bits} for path, bits in figures_of(month).items()}


def _present(months: Iterable[tuple[str, Document]]) -> Counter[tuple[str, str, bool]]:
    """How many of these users were active in each day and month, by scope, as `ACTIVE_USERS` counts them."""
    active: Counter[tuple[str, str, bool, str]] = Counter()
    for user, cell in months:
        key = cell["_id"]
        for scope in (key["client"], EVERYONE):
            active[key["month"], scope, key["synthetic"], user] |= cell["days"]
    counts: Counter[tuple[str, str, bool]] = Counter()
    for (month, scope, synthetic, _), days in active.items():
        counts[month, scope, synthetic] += 1
        counts.update((f"{month}-{day:02}", scope, synthetic) for day in DAYS_OF_MONTH if days & 1 << (day - 1))
    return counts

"""Compares the sheets of users' days with the cells that they are made from, in one snapshot."""

from decimal import Decimal
from typing import Any

from app.database import Database, Session
from app.maintenance.reconcile.days import Difference
from app.rollups.state import STATE_KEY
from models.documents import Document
from models.money import to_decimal, usd_of_units
from models.rollups import CHANGED, EVERYONE, SHEET_PART, STATE, USER_SHEETS, USERS
from models.user_sheets import bits, build_of, figures

SHEET = "sheet of a day"
_PARTS = [f"_id.{name}" for name in SHEET_PART]

Sums = dict[bool, tuple[int, int, int, Decimal]]
"""By synthetic: users, requests, tokens and USD."""


class SheetCheck:
    """The check of the sheets that reports read, and their repair: the compactor makes them anew."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def differences(self, most: int | None = None) -> list[Difference]:
        """Differences of all days, or of so many of the latest. Raises PyMongoError."""
        async with self._database.snapshot() as session:
            state = await self._database.writes[STATE].find_one(STATE_KEY, session=session) or {}
            made = {"_id.build": build_of(state), "_id.scope": "", "_id.synthetic": False}
            marks = self._database.writes[USER_SHEETS].find(made, {"_id": 1}, session=session)
            days = sorted([mark["_id"]["day"] async for mark in marks], reverse=True)
            checked = [await self._day(day, build_of(state), session) for day in days[:most]]
        return [difference for found in checked for difference in found]

    async def repair(self) -> None:
        """Have all sheets made anew. Until they are, reports sum the cells. Raises PyMongoError."""
        await self._database.writes[STATE].update_one(STATE_KEY, {"$inc": {"late": 1, **CHANGED}})

    async def _day(self, day: str, build: int, session: Session | None) -> list[Difference]:
        cells, sheets = await self._of_cells(day, session), await self._of_sheets(day, build, session)
        return [
            Difference(SHEET, day, f"{USER_SHEETS} synthetic={kind}", f"{sheets.get(kind)}, not {cells.get(kind)}")
            for kind in sorted(cells.keys() | sheets.keys())
            if cells.get(kind) != sheets.get(kind)
        ]

    async def _of_sheets(self, day: str, build: int, session: Session | None) -> Sums:
        key = {"_id.build": build, "_id.scope": EVERYONE, "_id.day": day, **dict.fromkeys(_PARTS)}
        return {
            sheet["_id"]["synthetic"]: (
                bits(sheet).bit_count(),
                sum(figures(sheet, "requests")),
                sum(figures(sheet, "tokensUsed")),
                usd_of_units(sum(figures(sheet, "cost"))),
            )
            async for sheet in self._database.writes[USER_SHEETS].find(key, session=session)
        }

    async def _of_cells(self, day: str, session: Session | None) -> Sums:
        sums = {name: {"$sum": f"${name}"} for name in ("requests", "tokensUsed", "cost")}
        pipeline: list[dict[str, Any]] = [
            {"$match": {"_id.day": day}},
            {"$group": {"_id": {"synthetic": "$_id.synthetic", "user": "$_id.user"}, **sums}},
            {"$match": {"requests": {"$ne": 0}}},
            {"$group": {"_id": "$_id.synthetic", "users": {"$sum": 1}, **sums}},
        ]
        found = self._database.writes[USERS].aggregate(pipeline, session=session)
        return {row["_id"]: _sums(row) async for row in found}


def _sums(row: Document) -> tuple[int, int, int, Decimal]:
    return row["users"], row["requests"], row["tokensUsed"], to_decimal(row["cost"])

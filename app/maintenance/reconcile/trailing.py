"""Compares the trailing totals with the days that they sum, in one snapshot."""

from functools import partial
from typing import Any

from app.database import Database, Session
from app.database.transactions import transact
from app.maintenance.reconcile.days import Difference
from app.rollups.state import STATE_KEY
from app.rollups.trailing import totals_of
from models.documents import Document
from models.rollups import CHANGED, EVERYONE, STATE, TRAILING, USERS

TRAILING_TOTAL = "trailing total"


class TrailingCheck:
    """The check of all windows that reports read, and their repair: the compactor rebuilds them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def differences(self) -> list[Difference]:
        """All differences. Raises PyMongoError."""
        async with self._database.snapshot() as session:
            return await self._differences(session)

    async def repair(self) -> None:
        """Drop the windows with differences. Until they are rebuilt, rankings are summed from the days."""
        for window in await self._windows(None):
            if await self._differences(None, window):
                await transact(self._database, partial(self._forget, window))

    async def _forget(self, window: Document, session: Session | None) -> None:
        change = {"$pull": {"trailing": {"build": window["build"]}}, "$inc": {"late": 1, **CHANGED}}
        await self._database.writes[STATE].update_one(STATE_KEY, change, session=session)
        await self._database.writes[TRAILING].delete_many({"_id.build": window["build"]}, session=session)

    async def _differences(self, session: Session | None, only: Document | None = None) -> list[Difference]:
        windows = await self._windows(session) if only is None else [only]
        return [
            Difference(
                TRAILING_TOTAL,
                window["last"],
                f"{TRAILING} {window['days']} days {row['_id']}",
                f"requests {row['stored']}, not {row['requests']}",
            )
            for window in windows
            for client, scope in ((None, {"$eq": EVERYONE}), ("$_id.client", {"$ne": EVERYONE}))
            for row in await self._rows(window, client, scope, session)
        ]

    async def _windows(self, session: Session | None) -> list[Document]:
        state = await self._database.writes[STATE].find_one(STATE_KEY, session=session) or {}
        windows: list[Document] = state.get("trailing", [])
        return windows

    async def _rows(
        self, window: Document, client: str | None, scope: Document, session: Session | None
    ) -> list[Document]:
        """`requests` according to the days, and as `stored`, where these differ."""
        in_window, summed, *_ = totals_of(window, client)
        stored = [
            {"$match": {"_id.build": window["build"], "_id.scope": scope}},
            {"$project": {"stored": "$requests"}},
        ]
        figures = {name: {"$sum": f"${name}"} for name in ("requests", "stored")}
        pipeline: list[dict[str, Any]] = [
            in_window,
            summed,
            {"$unionWith": {"coll": TRAILING, "pipeline": stored}},
            {"$group": {"_id": "$_id", **figures}},
            {"$match": {"$expr": {"$ne": ["$requests", "$stored"]}}},
        ]
        found = self._database.writes[USERS].aggregate(pipeline, session=session, allowDiskUse=True)
        return await found.to_list(None)

"""Repricing that administrators ask for: what it would change, and doing it beside all else, one at a time.

Its state is one document, which is written with every page: a run that was interrupted goes on where it was.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from app import audit
from app.audit import Target, acting_as
from app.database import Database, Session
from app.database.connection import VERSIONS
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError
from app.maintenance.repricing.repricing import Looked, Repricing
from app.maintenance.repricing.selection import Selection, versions_of
from app.observability.logs import Log
from app.rollups.state import RollupState
from app.settings import Settings
from models.documents import Document
from models.money import ZERO, stored_usd, to_decimal

log = Log(__name__)

CHANGE_SECONDS = 5.0
MOST_LOOKED_AT = 20_000
"""Calls of a preview; a longer one says that there are more."""
STALE = timedelta(minutes=2)
"""A run that has not said anything for so long is not running."""
REPRICING = {"_id": "repricing"}
"""The document of `versions` with the state of the last run."""


class RunState(StrEnum):
    """What became of a run."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Its process is gone: the same wish goes on where it was."""


class Preview(NamedTuple):
    """What repricing would change. Costs in USD."""

    calls: int
    """That were looked at."""
    changed: int
    before: Decimal
    """The cost of those that change, where they have one."""
    after: Decimal
    without_price: int
    """Of those that were looked at."""
    complete: bool
    """False where there are more calls than are looked at."""


class Run(NamedTuple):
    """A run, as far as it is."""

    selection: Selection
    state: RunState
    total: int
    done: int
    changed: int
    difference: Decimal
    """USD, so far."""
    started_at: datetime
    by: str


class Repricings:
    """Those of a process."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings, self._zone = database, settings, settings.zone
        self._state = database.writes[VERSIONS]
        self._tasks: set[asyncio.Task[None]] = set()

    async def preview(self, selection: Selection) -> Preview:
        """Look at the first calls of a selection. Writes nothing. Raises DatabaseUnavailableError."""
        found = Preview(0, 0, ZERO, ZERO, 0, complete=True)
        with answering(CHANGE_SECONDS * 4):
            repricing = await self._repricing()
            async with aclosing(selection.pages(self._database, self._zone, None)) as pages:
                async for entries, _ in pages:
                    if found.calls >= MOST_LOOKED_AT:
                        return found._replace(complete=False)
                    looked = await asyncio.to_thread(repricing.look, entries)
                    before, after = _costs(looked)
                    found = Preview(
                        found.calls + len(entries),
                        found.changed + len(looked.changes),
                        found.before + before,
                        found.after + after,
                        found.without_price + looked.kept["unpriced"],
                        complete=True,
                    )
        return found

    async def start(self, selection: Selection, by: str) -> Run:
        """Begin, or go on with an interrupted run of the same. Raises ConflictError while one runs."""
        with answering(CHANGE_SECONDS):
            total = await self._database.ledger.count_documents(selection.condition(self._zone))
            fingerprint = (await versions_of(self._database, self._settings)).fingerprint()
            try:
                stored = await transact(
                    self._database, lambda session: self._claim(selection, total, fingerprint, by, session)
                )
            except DuplicateKeyError as error:
                raise ConflictError("a repricing is running: look again when it is done") from error
        with acting_as(None):
            task = asyncio.create_task(self._carry_out(selection, stored), name="twinmeter-repricing")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return _run(stored)

    async def last(self) -> Run | None:
        """The run that is under way, or the last one."""
        with answering(CHANGE_SECONDS):
            stored = await self._state.find_one(REPRICING)
        return None if stored is None else _run(stored)

    async def close(self) -> None:
        """Stop at the next page; the run can be gone on with."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _claim(self, selection: Selection, total: int, prices: str, by: str, session: Session | None) -> Document:
        now, wish = datetime.now(UTC), _wish(selection)
        before = await self._state.find_one(REPRICING, session=session)
        if before is not None and _state_of(before, now) is RunState.RUNNING:
            raise ConflictError(
                f"a repricing is running since {before['startedAt']:%H:%M} UTC: look again when it is done"
            )
        fresh: Document = {"wish": wish, "state": "running", "total": total, "at": now, "prices": prices, "by": by}
        same = before is not None and (before["wish"], before["prices"]) == (wish, prices)
        if same and before is not None and before["state"] in {"running", "interrupted", "failed"}:
            fresh = {**before, **fresh}  # it goes on where it was
        else:
            fresh |= {"startedAt": now, "after": None, "done": 0, "changed": 0, "difference": stored_usd(ZERO)}
        fresh.pop("_id", None)
        stored: Document = await self._state.find_one_and_replace(
            REPRICING, fresh, upsert=True, return_document=ReturnDocument.AFTER, session=session
        )
        target = Target(kind="calls", id=selection.model or "all", client_id=selection.client, name=selection.model)
        await audit.record(self._database, session, "calls.repriced", target, after={**wish, "calls": total})
        return stored

    async def _carry_out(self, selection: Selection, state: Document) -> None:
        ended = RunState.INTERRUPTED
        try:
            repricing = await self._repricing()
            async with aclosing(selection.pages(self._database, self._zone, state["after"])) as pages:
                async for entries, after in pages:
                    looked = await repricing.reprice([entry["_id"] for entry in entries])
                    before, now = _costs(looked)
                    change: Document = {
                        "$set": {"after": after, "at": datetime.now(UTC)},
                        "$inc": {
                            "done": len(entries),
                            "changed": len(looked.changes),
                            "difference": stored_usd(now - before),
                        },
                    }
                    await self._state.update_one(REPRICING, change)
            ended = RunState.DONE
        except PyMongoError as error:
            ended = RunState.FAILED
            log.warning("repricing.failed", error=str(error)[:200])
        finally:
            await self._state.update_one(REPRICING, {"$set": {"state": ended.value, "at": datetime.now(UTC)}})

    async def _repricing(self) -> Repricing:
        state = await RollupState.in_zone(self._database, self._zone, execute=False)
        versions = await versions_of(self._database, self._settings)
        return Repricing(self._database, state.zone, versions.today())


@asynccontextmanager
async def open_repricings(database: Database, settings: Settings) -> AsyncIterator[Repricings]:
    """For the length of a block."""
    repricings = Repricings(database, settings)
    try:
        yield repricings
    finally:
        await repricings.close()


def _costs(looked: Looked) -> tuple[Decimal, Decimal]:
    """Of the calls that change: before, and after."""
    before, after = ZERO, ZERO
    for change in looked.changes:
        before += to_decimal(change.before["cost"]) or ZERO
        after += to_decimal(change.after["cost"]) or ZERO
    return before, after


def _wish(selection: Selection) -> Document:
    return {
        "from": selection.first.isoformat(),
        "to": None if selection.last is None else selection.last.isoformat(),
        "clientId": selection.client,
        "model": selection.model,
    }


def _state_of(stored: Document, now: datetime) -> RunState:
    state = RunState(stored["state"])
    stale = state is RunState.RUNNING and now - stored["at"] > STALE
    return RunState.INTERRUPTED if stale else state


def _run(stored: dict[str, Any]) -> Run:
    wish = stored["wish"]
    last = None if wish["to"] is None else date.fromisoformat(wish["to"])
    return Run(
        selection=Selection(date.fromisoformat(wish["from"]), last, wish["clientId"], wish["model"]),
        state=_state_of(stored, datetime.now(UTC)),
        total=stored["total"],
        done=stored["done"],
        changed=stored["changed"],
        difference=to_decimal(stored["difference"]) or ZERO,
        started_at=stored["startedAt"],
        by=stored["by"],
    )

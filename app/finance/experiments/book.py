"""The stored definitions of experiments."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from pydantic import ValidationError
from pymongo.errors import DuplicateKeyError

from app import audit
from app.database import Database, Session
from app.database.listing import After, following, newest_first
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError, NotFoundError
from app.limits.defining.storage import changed, made, new_id
from app.observability.logs import Log
from models.audit import Target
from models.experiments import EXPERIMENTS, Experiment
from models.faults import fields_at_fault, shortened
from models.moments import moment_now

log = Log(__name__)

QUERY_SECONDS = 10.0
FIXED = ("name", "clientId")
"""What calls name, and whose they are: another of these is another experiment."""
COMPARED = ("variants", "control", "begins", "conversion_event")
"""What says what is compared: who changes it when figures are known may choose the figures."""


class ExperimentBook:
    """`client` is the only client whose experiments are seen and changed; None for all, and for those over all."""

    def __init__(self, database: Database) -> None:
        self._database, self._stored = database, database.writes[EXPERIMENTS]

    async def page(self, client: str | None, *, after: After | None, size: int) -> list[Experiment]:
        """The newest first. Raises DatabaseUnavailableError."""
        chosen = _of(client) | following("createdAt", after)
        with answering(QUERY_SECONDS):
            cursor = self._stored.find(chosen).sort(newest_first("createdAt")).limit(size)
            return [one async for stored in cursor if (one := _read(stored)) is not None]

    async def names(self, client: str | None) -> set[str]:
        """Those that are defined for a client, or for all. Raises DatabaseUnavailableError."""
        mine = {} if client is None else {"clientId": {"$in": [client, None]}}
        with answering(QUERY_SECONDS):
            return set(await self._stored.distinct("name", mine))

    async def one(self, name: str, client: str | None) -> Experiment:
        """The one of this name, or id; of several, that over all clients.

        Raises NotFoundError, for another client's too, ConflictError where the client has to be named, and
        DatabaseUnavailableError.
        """
        with answering(QUERY_SECONDS):
            either = {"$or": [{"name": {"$eq": name}}, {"_id": {"$eq": name}}]}
            stored = await self._stored.find({**either, **_of(client)}).to_list(None)
        found = [one for each in stored if (one := _read(each)) is not None]
        if not found:
            raise NotFoundError(f"there is no experiment {shortened(name)}: define it first, by POST")
        over_all = [one for one in found if one.client_id is None]
        if len(found) > 1 and not over_all:
            raise ConflictError(f"{len(found)} clients have an experiment of this name: give clientId, too")
        return (over_all or found)[0]

    async def add(self, fields: Mapping[str, Any], *, client: str | None, by: str) -> Experiment:
        """Define one. Raises InvalidRequestError, ConflictError where it is there, and DatabaseUnavailableError."""
        own = {"id": new_id(), "client_id": client, "created_at": moment_now(), "created_by": by}
        experiment = made(Experiment, {**fields, **own})

        async def insert(session: Session | None) -> None:
            await self._stored.insert_one(experiment.stored(), session=session)
            await audit.record(self._database, session, "experiment.created", _target(experiment), after=experiment)

        try:
            with answering(QUERY_SECONDS):
                await transact(self._database, insert)
        except DuplicateKeyError as error:
            message = f"experiment {shortened(experiment.name)} is there already: change it by PATCH"
            raise ConflictError(message) from error
        return experiment

    async def change(self, name: str, changes: Mapping[str, Any], *, client: str | None, today: date) -> Experiment:
        """The same with other values of some fields. Raises NotFoundError, InvalidRequestError, ConflictError where
        somebody else changes it at the same time, and DatabaseUnavailableError.
        """
        before = await self.one(name, client)
        after = changed(before, {**changes, "revision": before.revision + 1})
        if before.begins <= today and any(getattr(before, field) != getattr(after, field) for field in COMPARED):
            after = after.model_copy(update={"redefined_at": moment_now()})

        async def replace(session: Session | None) -> None:
            as_it_was = {"_id": before.id, "revision": before.revision}
            replaced = await self._stored.replace_one(as_it_was, after.stored(), session=session)
            if not replaced.matched_count:
                raise ConflictError(f"experiment {shortened(name)} was changed by somebody else meanwhile: look again")
            await audit.record(
                self._database, session, "experiment.changed", _target(after), before=before, after=after
            )

        with answering(QUERY_SECONDS):
            await transact(self._database, replace)
        return after


def _target(experiment: Experiment) -> Target:
    return Target(kind="experiment", id=experiment.name, client_id=experiment.client_id)


def _of(client: str | None) -> dict[str, Any]:
    return {} if client is None else {"clientId": {"$eq": client}}


def _read(stored: dict[str, Any]) -> Experiment | None:
    try:
        return Experiment.read(stored)
    except ValidationError as error:
        log.warning("experiments.damaged", id=str(stored.get("_id")), fields=fields_at_fault(error))
        return None

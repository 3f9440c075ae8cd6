"""How definitions are listed, found and kept; each kind of them has a class of its own beside this one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from bson import ObjectId
from pydantic import ValidationError

from app import audit
from app.audit.trail import last_change
from app.database import Database, Session
from app.database.listing import After, following, newest_first
from app.database.outages import answering
from app.errors import AppError, ConflictError, InvalidRequestError, NotFoundError
from app.limits.defining.changes import CHANGE_SECONDS, Change, change_definitions
from app.limits.definitions import Definitions
from app.limits.stored_definitions import read
from models.audit import Target
from models.base import camel
from models.documents import Document
from models.faults import faults_of
from models.limits import LimitScope
from models.shape import Shape

MAX_ID = 100
"""Characters of an id that are repeated to who named it."""

Kind = TypeVar("Kind", bound=Shape)


class Owner(NamedTuple):
    """Whose a definition is."""

    subject: str
    client: str | None
    """The only client that it is for; None where it reaches beyond."""


class Storage(Generic[Kind]):
    """One kind of definitions. `client` is the only client whose definitions are seen and changed; None for all."""

    shape: type[Kind]
    collection: ClassVar[str]
    what: ClassVar[str]
    """What one is called."""

    def __init__(self, database: Database, definitions: Definitions) -> None:
        self.database, self._definitions = database, definitions
        self._stored = database.writes[self.collection]

    async def page(
        self,
        client: str | None,
        conditions: Mapping[str, Any],
        *,
        ended: bool | None = None,
        named: str | None = None,
        after: After | None,
        size: int,
    ) -> list[Kind]:
        """The newest first, after the one that `after` names; with `ended`, only those that have ended, or have not;
        with `named`, only those that have a name there, whichever.

        Raises DatabaseUnavailableError.
        """
        chosen = (
            {name: {"$eq": value} for name, value in conditions.items() if value is not None}
            | _of(client)
            | following("createdAt", after)
        )
        if named is not None:
            chosen.setdefault(named, {"$gt": ""})
        if ended is not None:
            now = datetime.now(UTC)
            chosen["endedAt"] = {"$lte": now} if ended else {"$not": {"$lte": now}}
        with answering(CHANGE_SECONDS):
            cursor = self._stored.find(chosen).sort(newest_first("createdAt")).limit(size)
            return [one async for stored in cursor if (one := read(self.shape, stored)) is not None]

    async def one(self, id_: str, client: str | None, session: Session | None = None) -> Kind:
        """Raises NotFoundError, for another client's too, and DatabaseUnavailableError."""
        chosen = {"_id": {"$eq": id_}, **_of(client)}
        if session is not None:
            stored = await self._stored.find_one(chosen, session=session)
        else:
            with answering(CHANGE_SECONDS):
                stored = await self._stored.find_one(chosen)
        found = None if stored is None else read(self.shape, stored)
        if found is None:
            raise NotFoundError(f"there is no {self.what} {id_[:MAX_ID]}")
        return found

    async def _check_version(self, one: Kind, seen: str | None, session: Session | None) -> None:
        """Raises ConflictError where it is not as it was when it was seen, with who changed it."""
        if seen is None or seen == version_of(one):
            return
        last = await last_change(self.database, self.what, one.stored()["_id"], session)
        who = "somebody" if last is None else f"{last.actor.subject} at {last.at:%Y-%m-%d %H:%M} UTC"
        message = f"it was changed meanwhile by {who}"
        raise ConflictError(f"version: {message}; look at it again", errors=[{"field": "version", "message": message}])

    async def _insert(self, one: Kind, owner: Owner, version: int, session: Session | None) -> None:
        found_by = {name: value for name, value in owner._asdict().items() if value is not None}
        document = {**one.stored(), **found_by, "changed": version}
        await self._stored.insert_one(document, session=session)
        await self._record("created", one, None, document, session)

    async def _replace(self, one: Kind, version: int, session: Session | None) -> None:
        key = {"_id": one.stored()["_id"]}
        found = await self._stored.find_one(key, session=session)
        before: Document = found if found is not None else {}
        kept: Document = {name: before[name] for name in ("client", "subject") if name in before}
        after = {**one.stored(), **kept, "changed": version}
        await self._stored.replace_one(key, after, session=session)
        ended = after.get("endedAt") is not None and before.get("endedAt") is None
        await self._record("ended" if ended else "changed", one, before, after, session)

    async def _record(
        self, done: str, one: Kind, before: Document | None, after: Document, session: Session | None
    ) -> None:
        target = Target(kind=self.what, id=after["_id"], client_id=after.get("client"), name=called(one))
        await audit.record(self.database, session, f"{self.what}.{done}", target, before=before, after=after)

    async def _change(self, change: Change) -> None:
        """Raises what `change` raises, and DatabaseUnavailableError."""
        await change_definitions(self.database, change)
        with answering(CHANGE_SECONDS, "it was changed, and could not be read again: MongoDB does not answer"):
            await self._definitions.refresh()


def _of(client: str | None) -> dict[str, Any]:
    return {} if client is None else {"client": {"$eq": client}}


def called(one: Shape) -> str | None:
    """What a person calls it: by its name, else by whose it is."""
    name: str | None = getattr(one, "name", None)
    scope = getattr(one, "scope", None)
    return told(scope) if name is None and isinstance(scope, LimitScope) else name


def version_of(one: Shape) -> str:
    """Another text whenever anything of it is another: by it a change tells what it was made of."""
    told = json.dumps(one.model_dump(mode="json", by_alias=True), sort_keys=True)
    return blake2b(told.encode(), digest_size=8).hexdigest()


def new_id() -> str:
    """In the order of their making."""
    return str(ObjectId())


def made(shape: type[Kind], fields: Mapping[str, Any]) -> Kind:
    """One with these fields. Raises InvalidRequestError that names those at fault."""
    try:
        return shape.model_validate(dict(fields))
    except ValidationError as error:
        raise refused(error) from error


def changed(one: Kind, changes: Mapping[str, Any]) -> Kind:
    """The same with other values of some fields, checked as a new one is. Raises InvalidRequestError."""
    return made(type(one), {**{name: getattr(one, name) for name in type(one).model_fields}, **changes})


def refused(error: ValidationError) -> AppError:
    """What was wrong with fields, for who sent them."""
    faults = [{"field": _in_camel(fault.field), "message": fault.message} for fault in faults_of(error)]
    return InvalidRequestError("; ".join(f"{one['field']}: {one['message']}" for one in faults), errors=faults)


def _in_camel(field: str) -> str:
    first, dot, rest = field.partition(".")
    return camel(first) + dot + rest


def told(scope: LimitScope) -> str:
    """A scope in words."""
    names = {
        "user_id": "user",
        "campaign_id": "campaign",
        "client_id": "client",
        "key_id": "key",
        "subscription": "subscription",
        "feature": "feature",
    }
    given = [f"{word} {getattr(scope, name)}" for name, word in names.items() if getattr(scope, name) is not None]
    return " of ".join(given) or "everyone"

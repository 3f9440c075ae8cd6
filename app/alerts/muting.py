"""Alerts about unusual spending that nobody wants for a while."""

from datetime import datetime, timedelta

from bson import ObjectId

from app import audit
from app.alerts.recording import Clock
from app.database import Database, Session
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import ConflictError, NotFoundError, invalid
from models.alerts import MUTES, SPENDING, AlertKind, Mute
from models.audit import Target
from models.documents import Document
from models.moments import moment_now

CHANGE_SECONDS = 5.0
MOST, MOST_OF_A_CLIENT = 1_000, 100
"""That hold: of the deployment, and of each client."""
LONGEST = timedelta(days=366)


class Mutes:
    """Those of a deployment. `client` is the only one whose mutes are seen and changed; None for all."""

    def __init__(self, database: Database, clock: Clock = moment_now) -> None:
        self._database, self._mutes = database, database.writes[MUTES]
        self._clock = clock

    async def all(self, client: str | None) -> list[Mute]:
        """Those that hold, the one that ends first before others."""
        with answering(CHANGE_SECONDS):
            found = self._mutes.find({"until": {"$gt": self._clock()}, **_of(client)}).sort([("until", 1), ("_id", 1)])
            return [Mute.read(each) async for each in found.limit(MOST)]

    async def add(
        self, kind: AlertKind, until: datetime, *, client: str | None, provider: str | None, model: str | None, by: str
    ) -> Mute:
        """Mute a kind, or what of it concerns these. Raises InvalidRequestError and ConflictError."""
        at = self._clock()
        if kind not in SPENDING:
            raise invalid("kind", f"must be one of {', '.join(sorted(SPENDING))}: limits are always told")
        if not at < until <= at + LONGEST:
            raise invalid("until", f"must be within the next {LONGEST.days} days")
        mute = Mute(
            id=str(ObjectId()),
            kind=kind,
            client_id=client,
            provider=provider,
            model=model,
            until=until,
            created_at=at,
            created_by=by,
        )

        async def insert(session: Session | None) -> None:
            most = MOST if client is None else MOST_OF_A_CLIENT
            if await self._mutes.count_documents({"clientId": {"$eq": client}}, limit=most, session=session) >= most:
                raise ConflictError(f"there are {most:,} mutes already: end some")
            await self._mutes.insert_one(mute.stored(), session=session)
            await audit.record(self._database, session, "mute.created", _target(mute), after=mute)

        with answering(CHANGE_SECONDS):
            await self._mutes.delete_many({"until": {"$lte": at}})
            await transact(self._database, insert)
        return mute

    async def end(self, mute_id: str, client: str | None) -> Mute:
        """End one before its time. Raises NotFoundError."""
        chosen = {"_id": {"$eq": mute_id}, **_of(client)}

        async def delete(session: Session | None) -> Mute:
            stored = await self._mutes.find_one_and_delete(chosen, session=session)
            if stored is None:
                raise NotFoundError(f"there is no mute {mute_id}")
            mute = Mute.read(stored)
            await audit.record(self._database, session, "mute.ended", _target(mute), before=mute)
            return mute

        with answering(CHANGE_SECONDS):
            return await transact(self._database, delete)


def _target(mute: Mute) -> Target:
    return Target(kind="mute", id=mute.id, client_id=mute.client_id, name=mute.kind.value)


def _of(client: str | None) -> Document:
    return {} if client is None else {"clientId": {"$eq": client}}

"""Caps on the names that a client has in the rollups. The ledger keeps every name as it was reported.

The first names to come are admitted, in every process; calls with later ones are counted under `other`.
"""

import contextlib

from pymongo.errors import DuplicateKeyError

from app.database import Database
from models.rollups import CAPS, NAMES, OTHER


class NameCaps:
    """One process's view of the admitted names. Names are only ever added."""

    def __init__(self, database: Database) -> None:
        self._stored = database.writes[NAMES]
        self._admitted: dict[str, dict[str, set[str]]] = {}

    async def admit(self, client: str, **names: str) -> None:
        """Admit a name of each dimension, as far as there is room. Raises PyMongoError."""
        for dimension, name in names.items():
            await self._admit(client, dimension, name)

    def counted_as(self, client: str, dimension: str, name: str) -> str:
        """`name` where it has been admitted, else `other`."""
        return name if name in self._admitted[client][dimension] else OTHER

    async def _admit(self, client: str, dimension: str, name: str) -> None:
        known = self._admitted.get(client, {}).get(dimension, set())
        if name in known or len(known) >= CAPS[dimension]:
            return
        room = {f"{dimension}.{CAPS[dimension] - 1}": {"$exists": False}}
        # where there is no room, the upsert tries to insert the client once more
        with contextlib.suppress(DuplicateKeyError):
            await self._stored.update_one({"_id": client, **room}, {"$addToSet": {dimension: name}}, upsert=True)
        await self._read(client)

    async def _read(self, client: str) -> None:
        stored = await self._stored.find_one({"_id": client}) or {}
        self._admitted[client] = {dimension: set(stored.get(dimension, ())) for dimension in CAPS}


class KnownNames(NameCaps):
    """The same for dry runs: what there is room for counts as admitted, and nothing is written."""

    async def _admit(self, client: str, dimension: str, name: str) -> None:  # noqa: ARG002 - they are all the same
        if client not in self._admitted:
            await self._read(client)

    def counted_as(self, client: str, dimension: str, name: str) -> str:
        if len(self._admitted[client][dimension]) < CAPS[dimension]:
            return name
        return super().counted_as(client, dimension, name)

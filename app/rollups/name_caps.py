"""Caps on the names that a client has in the rollups. The ledger keeps every name as it was reported.

The first names to come are admitted, in every process; calls with later ones are counted under `other`.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from app.database import Database
from models.rollups import CAPS, NAMES, OTHER

Names = Mapping[str, Collection[str]]
"""By dimension, in the order of their coming."""


class NameCaps:
    """One process's view of the admitted names. Names are only ever added. It asks MongoDB in the caller's thread."""

    def __init__(self, database: Database) -> None:
        self._stored = database.blocking[NAMES]
        self._admitted: dict[str, dict[str, set[str]]] = {}

    def admit(self, client: str, names: Names) -> None:
        """Admit a client's names, as far as there is room, all in one round trip. Raises PyMongoError."""
        new = self._new(client, names)
        if any(new.values()):
            self._admit(client, new)

    def counted_as(self, client: str, dimension: str, name: str) -> str:
        """`name` where it has been admitted, else `other`."""
        return name if name in self._admitted[client][dimension] else OTHER

    def _new(self, client: str, names: Names) -> dict[str, list[str]]:
        """Those that are not known here, as many as there may be room for."""
        admitted = self._admitted.setdefault(client, {dimension: set() for dimension in CAPS})
        new = {}
        for dimension, of_dimension in names.items():
            known = admitted[dimension]
            room = CAPS[dimension] - len(known)
            new[dimension] = [name for name in of_dimension if name not in known][:room] if room > 0 else []
        return new

    def _admit(self, client: str, new: dict[str, list[str]]) -> None:
        update = [{"$set": {dimension: _with_new(dimension, names) for dimension, names in new.items() if names}}]
        try:
            stored = self._stored.find_one_and_update(
                {"_id": client}, update, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:  # another process was the first to admit a name of this client
            stored = self._stored.find_one_and_update({"_id": client}, update, return_document=ReturnDocument.AFTER)
        self._remember(client, stored or {})

    def _remember(self, client: str, stored: Mapping[str, Any]) -> None:
        self._admitted[client] = {dimension: set(stored.get(dimension, ())) for dimension in CAPS}


def _with_new(dimension: str, new: list[str]) -> dict[str, Any]:
    """What a client's names of a dimension become: those that it has and the new ones after them, up to the cap.

    One document's update is all or nothing, so that processes which admit names at once never admit too many.
    """
    before = {"$ifNull": [f"${dimension}", []]}
    added = {"$filter": {"input": {"$literal": new}, "cond": {"$not": {"$in": ["$$this", before]}}}}
    return {"$slice": [{"$concatArrays": [before, added]}, CAPS[dimension]]}


class KnownNames(NameCaps):
    """The same for dry runs: what there is room for counts as admitted, and nothing is written."""

    def admit(self, client: str, names: Names) -> None:  # noqa: ARG002 - they are all the same
        if client not in self._admitted:
            self._remember(client, self._stored.find_one({"_id": client}) or {})

    def counted_as(self, client: str, dimension: str, name: str) -> str:
        if len(self._admitted[client][dimension]) < CAPS[dimension]:
            return name
        return super().counted_as(client, dimension, name)

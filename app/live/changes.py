"""Changes of figures, as a change stream reports them: calls that were committed, and cells that were rebuilt.

Every batch, correction and recount inserts a delta. Other changes of cells (the end of an erasure, a recount that
finds nothing, another time zone) increment the `epoch` of the rollups' state. Merges do not change any figure.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from bson.timestamp import Timestamp

from models.rollups import DELTAS, STATE

_COMMITTED = {"operationType": "insert", "ns.coll": DELTAS}
_MADE_ANEW = {
    "operationType": "update",
    "ns.coll": STATE,
    "$or": [{f"updateDescription.updatedFields.{field}": {"$exists": True}} for field in ("epoch", "complete")],
}
_PART = {"client": "$$this.client", "synthetic": "$$this.synthetic"}
PIPELINE: list[dict[str, Any]] = [
    {"$match": {"$or": [_COMMITTED, _MADE_ANEW]}},
    # a delta has a row for each user: only the clients are sent over the wire
    {
        "$project": {
            "clusterTime": 1,
            "at": "$fullDocument.at",
            "parts": {"$setUnion": [{"$map": {"input": "$fullDocument.usage", "in": _PART}}, []]},
        }
    },
]
"""Of a stream over the whole database."""

_VERSION = re.compile(r"[0-9a-f]{16}")


class News(NamedTuple):
    """A notification: figures requested from now on include everything up to `version`."""

    version: str
    at: datetime
    """When that was committed."""
    real: bool
    """Whether it changed figures of real calls."""
    synthetic: bool
    """Likewise of demo data."""

    def followed_by(self, later: "News") -> "News":
        """Both at once."""
        return later._replace(real=self.real or later.real, synthetic=self.synthetic or later.synthetic)


class Change(NamedTuple):
    """One commit."""

    version: str
    at: datetime
    parts: frozenset[tuple[str, bool]] | None
    """Whose figures: clients, each with whether it was demo data. None for everyone's."""

    @classmethod
    def of(cls, event: dict[str, Any]) -> "Change":
        """From an event of the stream."""
        moment, parts = event["clusterTime"], event["parts"]
        found = None if parts is None else frozenset((part["client"], part["synthetic"]) for part in parts)
        return cls(version_of(moment), event.get("at") or moment.as_datetime(), found)

    @classmethod
    def of_everything(cls, moment: Timestamp) -> "Change":
        """The change where anything may have changed up to a moment."""
        return cls(version_of(moment), moment.as_datetime(), None)

    def clients(self) -> Iterable[str]:
        """Whose figures, where it is not everyone's."""
        return {client for client, _ in self.parts or ()}

    def about(self, client: str | None) -> News | None:
        """The notification for a page about this client, or about all."""
        if self.parts is None:
            return News(self.version, self.at, real=True, synthetic=True)
        kinds = {synthetic for name, synthetic in self.parts if client in {None, name}}
        return News(self.version, self.at, real=False in kinds, synthetic=True in kinds) if kinds else None


def version_of(moment: Timestamp) -> str:
    """A moment of the cluster's clock as a string of fixed length, so that later ones sort after earlier ones."""
    return f"{moment.time:08x}{moment.inc:08x}"


def is_version(text: str) -> bool:
    return _VERSION.fullmatch(text) is not None

"""Ending reservations that nothing was used of: claimed, their holds taken out, ended. Blocking, many at once.

A claim wins or loses against the call that settles the reservation. One stays open until its holds are out, so that
whoever is killed in between is followed by another.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from app.limits.holding import changed_if
from app.limits.reserving.taking import Taking
from models.counters import RESERVATIONS
from models.documents import Document


def end(taking: Taking, how: str, claims: Mapping[str, Document | None]) -> dict[str, Document]:
    """End these reservations as `released` or `expired`, those that are open: by id, on what other condition.

    Returns what they were when they were claimed; `ending` and `state` say whether they are ended now. Raises
    PyMongoError.
    """
    ids = list(claims)
    taking.update([_claim(id_, how, condition) for id_, condition in claims.items()], collection=RESERVATIONS)
    found = taking.reservations(ids)
    holds: dict[str, list[str]] = defaultdict(list)
    claimed = [id_ for id_, reservation in found.items() if "ending" in reservation]
    for id_ in claimed:
        for hold in found[id_]["holds"]:
            holds[hold["counter"]].append(id_)
    taking.take_out(holds)
    taking.update([_ended(id_) for id_ in claimed], collection=RESERVATIONS)
    return found


def was_ended(reservation: Document | None, how: Collection[str]) -> bool:
    """Whether one that `end` returned was ended so, by it or before."""
    return reservation is not None and (reservation.get("ending") or reservation["state"]) in how


def _claim(id_: str, how: str, condition: Document | None) -> dict[str, Any]:
    free: Document = {"$eq": [["$state", {"$type": "$ending"}], ["open", "missing"]]}
    where = free if condition is None else {"$and": [free, condition]}
    # were this process killed now, others come soon
    return {
        "q": {"_id": id_},
        "u": [changed_if(where, {"ending": how, "expiresAt": {"$min": ["$expiresAt", "$$NOW"]}})],
    }


def _ended(id_: str) -> dict[str, Any]:
    claimed = {"$eq": [["$state", {"$type": "$ending"}], ["open", "string"]]}
    return {
        "q": {"_id": id_},
        "u": [changed_if(claimed, {"state": "$ending", "endedAt": "$$NOW"}), {"$unset": "ending"}],
    }

"""How a counter is changed: conditional updates of one document, each of which may be sent again without harm.

A hold is an entry of the counter's `holds`, by the id of its reservation. What takes it looks whether it is there, and
so does what takes it out: settling, releasing and expiring a reservation commute, in any order and any number of times.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from bson import Decimal128

from models.counters import Number
from models.documents import Document

Update = dict[str, Any]
"""`{q, u}`, as the `update` command accepts it."""


MOST_BYTES = 4_000_000
"""Of all holds of a counter, about 55,000: each take and each settlement writes the whole document, which has room for
16 MB."""
_HAS_PLACE = {"$lt": [{"$bsonSize": "$holds"}, MOST_BYTES]}


class Take(NamedTuple):
    """An ask of one counter, for one reservation."""

    counter: str
    reservation: str
    amount: Number
    allowance: Number | None
    """What the counter may have, used and held; None where it may have anything."""
    expires: datetime
    """By the server's clock. From then on nothing is taken: it may have been expired already."""

    @property
    def hold(self) -> Document:
        return {"amount": self.amount, "expires": self.expires}


def taking(takes: Sequence[Take]) -> Update:
    """Take all of these from their one counter, or none. Also none where one of them is there already.

    The condition of a single one is in the pipeline, not in the query: the server then finds the counter by its id,
    without a plan, which is half of the work. For several a plan is made once, and only what is new is written.
    """
    total = added([take.amount for take in takes])
    fits: list[Document] = [{"$lt": ["$$NOW", min([take.expires for take in takes])]}, _HAS_PLACE]
    allowances = [take.allowance for take in takes if take.allowance is not None]
    if allowances:
        fits.append({"$lte": [{"$add": ["$used", "$held", total]}, min(allowances, key=exact)]})
    if len(takes) == 1:
        (take,) = takes
        types = [{"$type": "$counting"}, {"$type": f"$holds.{take.reservation}"}]
        fits.append({"$eq": [types, ["missing", "missing"]]})
        holds = {"$mergeObjects": ["$holds", {take.reservation: take.hold}]}
        taken = {"held": {"$add": ["$held", total]}, "holds": holds}
        return {"q": {"_id": take.counter}, "u": [changed_if({"$and": fits}, taken)]}
    absent = {f"holds.{take.reservation}": {"$exists": False} for take in takes}
    return {
        "q": {"_id": takes[0].counter, "counting": {"$exists": False}, "$expr": {"$and": fits}, **absent},
        "u": {"$inc": {"held": total}, "$set": {f"holds.{take.reservation}": take.hold for take in takes}},
    }


def taking_in_order(takes: Sequence[Take]) -> Update:
    """Take of these, from their one counter, as many as fit, one after the other."""
    asks = [{"k": take.reservation, "v": take.hold, "most": take.allowance, "at": take.expires} for take in takes]
    sum_of = {"$add": ["$held", "$$value.sum", "$$this.v.amount"]}
    fits = {
        "$and": [
            {"$lt": ["$$NOW", "$$this.at"]},
            {"$or": [{"$eq": ["$$this.most", None]}, {"$lte": [{"$add": ["$used", sum_of]}, "$$this.most"]}]},
            {"$not": {"$in": ["$$this.k", "$$names"]}},
        ]
    }
    granted = {
        "sum": {"$add": ["$$value.sum", "$$this.v.amount"]},
        "holds": {"$concatArrays": ["$$value.holds", [{"k": "$$this.k", "v": "$$this.v"}]]},
    }
    taken = {
        "$let": {
            "vars": {"names": {"$map": {"input": {"$objectToArray": "$holds"}, "in": "$$this.k"}}},
            "in": {
                "$reduce": {
                    "input": {"$literal": asks},
                    "initialValue": {"sum": 0, "holds": []},
                    "in": {"$cond": [fits, granted, "$$value"]},
                }
            },
        }
    }
    held = {
        "held": {"$add": ["$held", "$taken.sum"]},
        "holds": {"$mergeObjects": ["$holds", {"$arrayToObject": "$taken.holds"}]},
    }
    return {
        "q": {"_id": takes[0].counter, "counting": {"$exists": False}, "$expr": _HAS_PLACE},
        "u": [{"$set": {"taken": taken}}, {"$set": held}, {"$unset": "taken"}],
    }


def taken_out(reservations: Sequence[str]) -> list[Document]:
    """Stages that take the holds of these reservations out of a counter, those that are there, each once."""
    if not reservations:
        return []
    reservations = list(dict.fromkeys(reservations))
    amounts = [{"$ifNull": [f"$holds.{reservation}.amount", 0]} for reservation in reservations]
    return [
        {"$set": {"held": {"$subtract": ["$held", {"$add": amounts}]}}},
        {"$unset": [f"holds.{reservation}" for reservation in reservations]},
    ]


def shares_taken_out(shares: Mapping[str, Number]) -> list[Document]:
    """Stages that take what was granted of leases out of a counter: `shares` by owner of the lease.

    To be applied once. The lease of an owner that is gone was taken out as a whole.
    """
    stages: list[Document] = []
    for owner, share in shares.items():
        amount = f"$holds.{owner}.amount"
        less = {"$min": [share, {"$ifNull": [amount, 0]}]}
        left = {"$mergeObjects": [f"$holds.{owner}", {"amount": {"$subtract": [amount, "$taken"]}}]}
        has = {"$ne": [{"$type": f"$holds.{owner}"}, "missing"]}
        stages += [
            {"$set": {"taken": less}},
            {
                "$set": {
                    "held": {"$subtract": ["$held", "$taken"]},
                    f"holds.{owner}": {"$cond": [has, left, "$$REMOVE"]},
                }
            },
        ]
    return [*stages, {"$unset": "taken"}] if stages else []


def removal(counter: str, reservations: Sequence[str]) -> Update:
    """Take the holds of these reservations out of a counter."""
    return {"q": {"_id": counter}, "u": taken_out(reservations)}


def changed_if(condition: Document, fields: Document) -> Document:
    """A stage that sets fields where a condition holds."""
    return {"$replaceWith": {"$cond": [condition, {"$mergeObjects": ["$$ROOT", fields]}, "$$ROOT"]}}


class Change(NamedTuple):
    """Of the lease that an owner has in a counter. It is made once, however often it is sent."""

    counter: str
    owner: str
    number: int
    """Its own, never used again."""
    after: int | None
    """The number of the last change; None for a lease that is not there."""


def growing(change: Change, amount: Number, allowance: Number, expires: datetime) -> Update:
    """Let a lease be larger by so much, where the counter has room and the owner has not expired."""
    counter, owner, number, after = change
    room = {"$lte": [{"$add": ["$used", "$held", amount]}, allowance]}
    return {
        "q": {
            "_id": counter,
            "counting": {"$exists": False},
            f"holds.{owner}.number": after,
            "$expr": {"$and": [{"$lt": ["$$NOW", expires]}, room]},
        },
        "u": {
            "$inc": {"held": amount, f"holds.{owner}.amount": amount},
            "$set": {f"holds.{owner}.expires": expires, f"holds.{owner}.number": number},
        },
    }


def shrinking(change: Change, amount: Number) -> Update:
    """Let a lease be smaller by so much; an empty one goes."""
    counter, owner, number, after = change
    left = {"$subtract": [f"$holds.{owner}.amount", amount]}
    smaller = {"$mergeObjects": [f"$holds.{owner}", {"amount": left, "number": number}]}
    return {
        "q": {"_id": counter, f"holds.{owner}.number": {"$eq": after, "$exists": True}},
        "u": [
            {
                "$set": {
                    "held": {"$subtract": ["$held", amount]},
                    f"holds.{owner}": {"$cond": [{"$lte": [left, 0]}, "$$REMOVE", smaller]},
                }
            }
        ],
    }


def exact(number: Number) -> Decimal:
    """A stored number, to calculate with."""
    return number.to_decimal() if isinstance(number, Decimal128) else Decimal(number)


def added(numbers: Iterable[Number]) -> Number:
    """The sum of stored numbers of one kind."""
    listed = list(numbers)
    if isinstance(listed[0], int):
        return sum(number for number in listed if isinstance(number, int))
    return Decimal128(sum(map(exact, listed)))

"""What calls settle: the reservations that they name, in the ledger's own transaction.

A call is recorded and counted whatever became of its reservation; which it was is a remark on its receipt.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from bson import ObjectId

from app.database.blocking import BlockingDatabase, ClientSession
from app.database.updates import raise_errors
from app.ledger.templates import TemplatePair
from app.ledger.twins import Pair
from models.counters import LEASED, RESERVATIONS, UNENFORCED, UNLIMITED, Remark
from models.documents import Document


class Leased(Protocol):
    """Reservations that a process gave from what it has in hand: of them MongoDB has no document. In any thread."""

    def settling(self, reservation: str, user_id: str, client_id: str) -> Sequence[Document] | Remark:
        """What goes out of which counter, the same each time until `settled`; or why nothing does."""

    def settled(self, reservation: str) -> None:
        """What goes with it is stored."""


class Settlement(NamedTuple):
    """Of the calls of one transaction."""

    remarks: dict[ObjectId, Remark]
    """By call; only those that name a reservation."""
    settled: list[str]
    """Reservations with a document."""
    shares: list[Document]
    """What goes out of leases: `{counter, owner, amount}`."""

    def added_to(self, uncounted: Document | None) -> Document | None:
        """What limits are to count of the transaction, with this."""
        if not (self.settled or self.shares):
            return uncounted
        uncounted = {"at": datetime.now(UTC), "groups": []} if uncounted is None else uncounted
        return uncounted | {name: value for name in ("settled", "shares") if (value := getattr(self, name))}


class Settlements:
    """Of one ledger."""

    def __init__(self, database: BlockingDatabase[Any]) -> None:
        self._reservations = database[RESERVATIONS]
        self.leased: Leased | None = None

    def settle(self, pairs: Sequence[Pair], session: ClientSession | None) -> Settlement:
        """Settle what these calls name, which are inserted by the transaction of `session`. Raises PyMongoError."""
        settlement = Settlement({}, [], [])
        stored: list[tuple[Pair, str]] = []
        for pair in pairs:
            if (reservation := named_by(pair)) is None:
                continue
            if reservation.startswith(LEASED):
                self._settle_leased(pair, reservation, settlement)
            elif reservation.startswith(UNENFORCED):
                settlement.remarks[pair.id] = Remark.UNENFORCED
            elif reservation.startswith(UNLIMITED):
                settlement.remarks[pair.id] = Remark.SETTLED
            else:
                stored.append((pair, reservation))
        if stored:
            self._settle_stored(stored, session, settlement)
        return settlement

    def known(self, stored: Sequence[tuple[Pair, Document]], session: ClientSession | None) -> dict[ObjectId, Remark]:
        """What became of what these calls name, that were reported before, as these entries. Raises PyMongoError."""
        named = [(pair, entry["_id"], id_) for pair, entry in stored if (id_ := named_by(pair)) is not None]
        if not named:
            return {}
        ids = {"_id": {"$in": [id_ for _, _, id_ in named]}}
        found = {one["_id"]: one for one in self._reservations.find(ids, session=session)}
        ended = {id_: one for id_, one in found.items() if "ending" in one or one["state"] != "open"}
        return {pair.id: _remark(pair, ended[id_], entry) for pair, entry, id_ in named if id_ in ended}

    def committed(self, pairs: Sequence[Pair]) -> None:
        """These calls are stored."""
        if self.leased is not None:
            for pair in pairs:
                if (reservation := named_by(pair)) is not None and reservation.startswith(LEASED):
                    self.leased.settled(reservation)

    def _settle_leased(self, pair: Pair, reservation: str, settlement: Settlement) -> None:
        told = Remark.UNKNOWN if self.leased is None else self.leased.settling(reservation, *_whose(pair))
        if not isinstance(told, Remark):
            settlement.shares.extend(told)
            told = Remark.SETTLED
        settlement.remarks[pair.id] = told

    def _settle_stored(
        self, named: list[tuple[Pair, str]], session: ClientSession | None, settlement: Settlement
    ) -> None:
        now = datetime.now(UTC)
        updates = [{"q": {"_id": reservation}, "u": _settled(pair, now)} for pair, reservation in named]
        command = {"update": self._reservations.name, "updates": updates, "ordered": True}
        answer = self._reservations.database.command(command, session=session)
        raise_errors(answer)
        found: dict[str, Document] = {}
        if not (everything := answer["nModified"] == len(named)):
            ids = {"_id": {"$in": [reservation for _, reservation in named]}}
            found = {one["_id"]: one for one in self._reservations.find(ids, session=session)}
        for pair, reservation in named:
            remark = Remark.SETTLED if everything else _remark(pair, found.get(reservation), pair.id)
            settlement.remarks[pair.id] = remark
            if remark is Remark.SETTLED:
                settlement.settled.append(reservation)


def named_by(pair: Pair) -> str | None:
    """The reservation that a call names."""
    more = pair.said.more if isinstance(pair, TemplatePair) and not pair.is_built else pair.entry
    reservation: str | None = more.get("reservationId")
    return reservation


def _whose(pair: Pair) -> tuple[str, str]:
    """User and client of a call."""
    if isinstance(pair, TemplatePair) and not pair.is_built:
        return pair.said.user, pair.template.counted_as[0]
    return pair.entry["userId"], pair.entry["clientId"]


def _settled(pair: Pair, now: datetime) -> list[Document]:
    """Settle a reservation by this call, where it is open and the same caller's.

    The conditions are not in the query, so that the server finds it by its id without any plan.
    """
    user_id, client_id = _whose(pair)
    known = ["$state", {"$type": "$ending"}, "$userId", "$clientId"]
    mine = {"$eq": [known, ["open", "missing", {"$literal": user_id}, {"$literal": client_id}]]}
    settled = {"state": "settled", "entry": pair.id, "endedAt": now}
    return [{"$replaceWith": {"$cond": [mine, {"$mergeObjects": ["$$ROOT", settled]}, "$$ROOT"]}}]


def _remark(pair: Pair, stored: Document | None, entry: ObjectId) -> Remark:
    """Of a call that is stored as `entry`."""
    if stored is None:
        return Remark.UNKNOWN
    if (stored["userId"], stored["clientId"]) != _whose(pair):
        return Remark.NOT_YOURS
    if stored["state"] == "settled":
        return Remark.SETTLED if stored["entry"] == entry else Remark.ALREADY_SETTLED
    return Remark(stored.get("ending") or stored["state"])

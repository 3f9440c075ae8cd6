"""What is stored of Stripe's objects: the newest state of each, and of subscriptions every state with its moment."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from app.database import Database, Session
from app.finance.stripe.facts import KINDS, Facts, SubscriptionState, Whose
from app.finance.stripe.terms import Moment
from models.documents import Document
from models.stripe import OBJECTS

MOST_STATES = 1_000
"""Of a subscription; the oldest are forgotten."""

Some = TypeVar("Some", bound=Facts)


class Told(NamedTuple):
    """Which of two states of an object is newer: the greater one, or of equal ones that which came later."""

    at: datetime
    weight: int
    """Within another object 0, of an event 1, fetched 2."""
    order: int
    """Of events of the same second: what is created, what changes, what ends."""
    event: str


class Kept(NamedTuple):
    """One object as it is stored."""

    facts: Facts
    document: Document

    @property
    def whose(self) -> Whose | None:
        return _whose(self.document.get("whose"))

    @property
    def owner(self) -> Whose | None:
        """Whose it is, once that is settled."""
        return _whose(self.document.get("owner"))

    @property
    def at(self) -> datetime:
        """When it was so."""
        at: datetime = self.document["told"][0]
        return at


class Objects:
    """The stored objects. All of these raise PyMongoError."""

    def __init__(self, database: Database) -> None:
        self._stored = database.writes[OBJECTS]

    async def keep(
        self, facts: Facts, told: Told, now: datetime, session: Session | None, before: Facts | None = None
    ) -> bool:
        """Keep what was told, unless something newer is known; whether anything changed. `before`: what the same event
        says that it was.
        """
        there = await self._stored.find_one({"_id": facts.id}, session=session)
        document = there or {"_id": facts.id, "kind": facts.kind, "since": now, "state": "new"}
        changed = False
        if isinstance(facts, SubscriptionState) and told.weight:
            changed = _add_state(document, facts, told, before)
        if there is None or "told" not in there or list(told) >= list(there["told"]):
            changed |= "facts" not in document or _facts_of(facts) != document["facts"] or _changed(document, facts)
            document |= {"told": list(told), "facts": _facts_of(facts), **_found_by(facts)}
            # of an erased user the pseudonym stays, whatever the metadata at Stripe still say
            if (whose := getattr(facts, "whose", None)) is not None and not document.get("erased"):
                document["whose"] = whose.stored()
        await self._stored.replace_one({"_id": facts.id}, document, upsert=True, session=session)
        return changed

    async def one(self, id_: str | None, session: Session | None) -> Kept | None:
        if id_ is None:
            return None
        document = await self._stored.find_one({"_id": id_}, session=session)
        return None if document is None else _kept(document)

    async def named(self, ids: Iterable[str], kind: type[Some], session: Session | None) -> dict[str, Some]:
        """Those of a kind, by id."""
        chosen = {"_id": {"$in": list(ids)}, "kind": kind.kind}
        found = [_kept(document) async for document in self._stored.find(chosen, session=session)]
        return {kept.facts.id: kept.facts for kept in found if isinstance(kept.facts, kind)}

    async def by_keys(self, kinds: Sequence[str], keys: Iterable[str], session: Session | None) -> list[Kept]:
        """Those that name any of these ids."""
        chosen = {"keys": {"$in": list(keys)}, "kind": {"$in": list(kinds)}}
        return [_kept(document) async for document in self._stored.find(chosen, session=session)]

    async def of_invoice(self, kinds: Sequence[str], invoice: str, session: Session | None) -> list[Kept]:
        chosen = {"invoice": invoice, "kind": {"$in": list(kinds)}}
        return [_kept(document) async for document in self._stored.find(chosen, session=session)]

    async def waiting(self, ids: Iterable[str], session: Session | None) -> list[str]:
        """The ids of those that wait for any of these; subscriptions first, which others are of."""
        found = self._stored.find({"waits": {"$in": list(ids)}}, {"kind": 1}, session=session).sort("_id")
        documents = [document async for document in found]
        documents.sort(key=lambda one: one["kind"] != SubscriptionState.kind)
        return [document["_id"] for document in documents]

    async def settled(
        self,
        id_: str,
        state: str,
        session: Session | None,
        *,
        reason: str | None = None,
        waits: Iterable[str | None] = (),
        owner: Whose | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Note what became of one."""
        values = {
            "state": state,
            "reason": reason,
            "waits": sorted({each for each in waits if each}) or None,
            "owner": None if owner is None else owner.stored(),
            **(notes or {}),
        }
        change: dict[str, Any] = {"$set": {name: value for name, value in values.items() if value is not None}}
        gone = {name: "" for name, value in values.items() if value is None and name != "owner"}
        await self._stored.update_one({"_id": id_}, change | ({"$unset": gone} if gone else {}), session=session)


def history(document: Document) -> list[Moment]:
    """The states of a subscription in their order."""
    known = {print_: SubscriptionState.read(state) for print_, state in document.get("prints", {}).items()}
    states = _ordered(document.get("states", []))
    fetched = document.get("fetched")
    moments = [Moment(one["at"], known[one["is"]]) for one in states]
    if fetched is not None:
        later = [moment for moment in moments if moment.at > fetched["at"]]
        before = moments[: len(moments) - len(later)]
        moments = [*before, Moment(fetched["at"], known[fetched["is"]]), *later]
    return moments


def _ordered(states: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By time. Of one second: what was created, changed and ended; of changes, each behind the one that it changes."""
    ordered: list[Mapping[str, Any]] = []
    left = sorted(states, key=lambda one: (one["at"], one["order"], one["event"]))
    while left:
        tied = [one for one in left if (one["at"], one["order"]) == (left[0]["at"], left[0]["order"])]
        last = ordered[-1]["is"] if ordered and ordered[-1]["at"] == left[0]["at"] else None
        chained = [one for one in tied if one["was"] is not None and one["was"] == last]
        results = {one["is"] for one in tied}
        first = chained or [one for one in tied if one["was"] not in results] or tied
        ordered.append(first[0])
        left.remove(first[0])
    return ordered


def _add_state(document: Document, facts: SubscriptionState, told: Told, before: Facts | None) -> bool:
    prints = document.setdefault("prints", {})
    print_ = _printed(facts)
    prints.setdefault(print_, _facts_of(facts))
    if told.weight == 2:  # noqa: PLR2004 - what was fetched
        fetched = document.get("fetched")
        newer = fetched is None or told.at >= fetched["at"]
        if newer:
            document["fetched"] = {"at": told.at, "is": print_}
        _forget(document)
        return newer and (fetched is None or fetched["is"] != print_)
    states = document.setdefault("states", [])
    if any(one["event"] == told.event for one in states):
        return False
    was = None if before is None else _printed(before)
    states.append({"at": told.at, "order": told.order, "event": told.event, "is": print_, "was": was})
    document["states"] = _ordered(states)[-MOST_STATES:]
    _forget(document)
    return True


def _forget(document: Document) -> None:
    """What no state refers to any more."""
    named = {one["is"] for one in document.get("states", [])} | {document.get("fetched", {}).get("is")}
    document["prints"] = {print_: state for print_, state in document["prints"].items() if print_ in named}


def _printed(facts: Facts) -> str:
    return hashlib.sha256(facts.model_dump_json(exclude={"whose"}).encode()).hexdigest()[:16]


def _facts_of(facts: Facts) -> Document:
    stored = facts.stored()
    stored.pop("whose", None)
    return stored


def _changed(document: Document, facts: Facts) -> bool:
    whose = getattr(facts, "whose", None)
    return whose is not None and not document.get("erased") and document.get("whose") != whose.stored()


def _found_by(facts: Facts) -> Document:
    """What it is looked for by."""
    found: Document = {"keys": list(facts.keys)} if facts.keys else {}
    named = ((name, getattr(facts, name, None)) for name in ("customer", "invoice"))
    return found | {name: value for name, value in named if value is not None}


def _kept(document: Document) -> Kept:
    return Kept(KINDS[document["kind"]].read(document["facts"]), document)


def _whose(stored: Document | None) -> Whose | None:
    return None if stored is None else Whose.read(stored)

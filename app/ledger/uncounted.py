"""What a transaction on the ledger adds to what limits count, or takes from it. Synthetic calls never count.

The figures are frozen with the transaction, so that a fold, a recount and an exact reading add the same ones, whatever
becomes of the entries meanwhile. Whoever changes or deletes entries takes out what they counted and adds what they do.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from app.ledger.templates import TemplatePair
from app.ledger.twins import Pair
from models.documents import Document
from models.money import from_units, stored_units

_HEAD = ("clientId", "feature", "serviceType", "model", "keyId", "campaignId", "minute")
_FIGURES = ("requests", "tokens", "usd", "images", "seconds")
_USUAL = 3
"""Figures that every call may have; a group without the others does not name them."""
_AMOUNTS = frozenset({"usd", "seconds"})

LATEST = datetime.max.replace(tzinfo=UTC)
_MINUTE = timedelta(minutes=1)

Sums = list[int]
_Key = tuple[Any, ...]


class Tally:
    """Sums of calls, by what limits tell apart."""

    def __init__(self) -> None:
        self._groups: dict[_Key, dict[str, Sums]] = {}

    def add(self, pairs: Iterable[Pair]) -> None:
        """Count calls that are inserted. What one has in common with the call before it is not looked up again."""
        template, more, start, end = None, None, LATEST, LATEST
        users: dict[str, Sums] | None = None
        for pair in pairs:
            if not isinstance(pair, TemplatePair) or pair.is_built:
                self.add_entry(pair.entry)
                continue
            said = pair.said
            at = said.created_at or pair.now
            if pair.template is not template or said.more != more or not start <= at < end:
                template, more = pair.template, said.more
                start = at.replace(second=0, microsecond=0)
                end = start + _MINUTE
                *where, synthetic = template.counted_as
                key = *where, more.get("keyId"), more.get("campaignId"), start
                users = None if synthetic else self._groups.setdefault(key, {})
            if users is None:
                continue
            if (sums := users.get(said.user)) is None:
                users[said.user] = [1, said.input_tokens + said.output_tokens, pair.cost, 0, 0]
            else:
                sums[0] += 1
                sums[1] += said.input_tokens + said.output_tokens
                sums[2] += pair.cost

    def add_entry(self, entry: Document, times: int = 1) -> None:
        """Count an entry as stored; -1 times where it is deleted, or changed into another one."""
        if entry["synthetic"]:
            return
        get = entry.get
        minute = entry["createdAt"].replace(second=0, microsecond=0)
        where = entry["clientId"], entry["feature"], entry["serviceType"], entry["aiModel"]
        cost = 0 if entry["cost"] is None else stored_units(entry["cost"])
        users = self._groups.setdefault((*where, get("keyId"), get("campaignId"), minute), {})
        sums = users.setdefault(entry["userId"], [0] * len(_FIGURES))
        sums[0] += times
        sums[1] += times * (get("tokensUsed") or 0)
        sums[2] += times * cost
        if images := get("images"):
            sums[3] += times * images
        for name in ("videoSeconds", "audioSeconds"):
            if (seconds := get(name)) is not None:
                sums[4] += times * stored_units(seconds)

    def document(self) -> Document | None:
        """The document to insert in the same transaction; None where nothing counts."""
        groups = [group for key, users in self._groups.items() if (group := _group(key, users))]
        return {"at": datetime.now(UTC), "groups": groups} if groups else None


def _group(key: _Key, users: dict[str, Sums]) -> Document | None:
    counted = {user: sums for user, sums in users.items() if any(sums)}
    if not counted:
        return None
    group: Document = {name: value for name, value in zip(_HEAD, key, strict=True) if value is not None}
    group["users"] = list(counted)
    for at, (name, figures) in enumerate(zip(_FIGURES, zip(*counted.values(), strict=True), strict=True)):
        if at < _USUAL or any(figures):
            group[name] = [from_units(each) for each in figures] if name in _AMOUNTS else list(figures)
    return group


def uncounted_of(pairs: Iterable[Pair]) -> Document | None:
    """What the insertion of `pairs` adds."""
    tally = Tally()
    tally.add(pairs)
    return tally.document()


def changes_of(before: Iterable[Document], after: Iterable[Document]) -> Document | None:
    """What it adds and takes when stored entries become others, or are deleted."""
    tally = Tally()
    for entries, times in ((before, -1), (after, 1)):
        for entry in entries:
            tally.add_entry(entry, times)
    return tally.document()

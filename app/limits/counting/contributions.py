"""What transactions on the ledger add to counters, from the documents that they left. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from app.limits.meters import FRACTIONS, Caller, CounterKey, Purpose, matches
from models.documents import Document
from models.limits import Unit
from models.money import stored_units
from models.subjects import EVERYONE_SUBJECT, campaign_subject, subject_of, user_subject

Sums = tuple[int, ...]
"""One for each of `_FIGURES`, as `in_units` counts."""
_FIGURES = (Unit.REQUESTS, Unit.TOKENS, Unit.USD, Unit.IMAGES, Unit.SECONDS)
_PLACE = {unit: place for place, unit in enumerate(_FIGURES)}


class _Kind(NamedTuple):
    """What calls of a group share."""

    purpose: Purpose
    minute: datetime
    client: str
    key: str | None
    campaign: str | None


_Part = tuple[_Kind, Sums]
"""Calls of one subject that are alike, and their sums."""


class Contributions:
    """What some documents add, by subject. For each user of each of them: written for speed."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._parts: dict[str, list[_Part]] = {}
        self._users: list[tuple[_Kind, list[str]]] = []
        self.settled: list[str] = []
        """Reservations that calls of them have settled."""
        self.shares: list[Document] = []
        """Of leases, that calls of them have used up."""
        for document in documents:
            for group in document.get("groups", ()):
                self._add(group)
            self.settled += document.get("settled", ())
            self.shares += document.get("shares", ())

    def _add(self, group: Document) -> None:
        client, feature, users = group["clientId"], group["feature"], group["users"]
        purpose = Purpose(feature, group["serviceType"], group["model"])
        kind = _Kind(purpose, group["minute"], client, group.get("keyId"), group.get("campaignId"))
        columns = [_column(group, unit, len(users)) for unit in _FIGURES]
        parts, at_client = self._parts, user_subject("", client).removeprefix("user:")
        for user, sums in zip(users, zip(*columns, strict=True), strict=True):
            part = kind, sums
            subject = user_subject(user)
            parts.setdefault(subject, []).append(part)
            parts.setdefault(subject + at_client, []).append(part)
        self._users.append((kind, users))
        total: _Part = kind, tuple(map(sum, columns))
        subjects = [subject_of("client", client), subject_of("feature", feature), EVERYONE_SUBJECT]
        subjects += [] if kind.key is None else [subject_of("key", kind.key)]
        if kind.campaign is not None:
            subjects += [campaign_subject(kind.campaign), campaign_subject(kind.campaign, client)]
        for subject in subjects:
            parts.setdefault(subject, []).append(total)

    def __bool__(self) -> bool:
        return bool(self._parts or self.settled or self.shares)

    @property
    def callers(self) -> Iterator[tuple[Caller, Purpose, datetime]]:
        """Whose calls they are, of what kind and of which minute; each once."""
        seen: set[tuple[_Kind, str]] = set()
        for kind, users in self._users:
            for user in users:
                if (who := (kind, user)) not in seen:
                    seen.add(who)
                    yield Caller(user, kind.client, kind.key, kind.campaign), kind.purpose, kind.minute

    @property
    def subjects(self) -> list[str]:
        """Those of whose counters any may change."""
        return list(self._parts)

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """The first and the last minute of the calls."""
        minutes = {kind.minute for kind, _ in self._users}
        return (min(minutes), max(minutes)) if minutes else None

    def of(self, counter: CounterKey) -> int:
        """What they add to a counter, as `in_units` counts."""
        (subject, unit, filter_, _), (start, end) = counter
        if (place := _PLACE.get(unit)) is None:  # nothing of concurrent calls is ever used
            return 0
        added = 0
        for kind, sums in self._parts.get(subject, ()):
            if start <= kind.minute < end and matches(filter_, kind.purpose):
                added += sums[place]
        return added


def _column(group: Document, unit: Unit, length: int) -> Sequence[Any]:
    """The figures of a group's users."""
    stored = group.get(unit.value)
    if stored is None:
        return [0] * length
    if unit in FRACTIONS:
        return [stored_units(each) for each in stored]
    figures: Sequence[int] = stored
    return figures

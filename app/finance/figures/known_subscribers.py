"""Subscriptions as one process keeps them: what each was worth a month, and of which plan, at any moment.

One takes some 500 bytes, 20,000 of them some 10 MB. A customer is the subject of subscriptions: a user, a user of one
client, or a client; who has demo subscriptions as well is another customer by these. What is known is replaced and
never changed, so that whoever reads it sees one moment.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from app.finance.figures.recognised import EVERYONE, Scope
from app.finance.figures.timelines import Segment, VersionOf, segments, together
from models.plans import Subscription

Identity = tuple[str, bool]
"""The subject, and whether it is demo data."""


class Customer(NamedTuple):
    """All subscriptions of a user, a user of one client, or a client; or a single one of them."""

    subject: str
    user: str | None
    client: str | None
    synthetic: bool
    segments: tuple[Segment, ...]
    """In order; none overlaps another one."""

    @property
    def identity(self) -> Identity:
        """What tells it from all others."""
        return self.subject, self.synthetic

    def at(self, moment: int) -> Segment | None:
        """What held at a moment."""
        place = bisect_right(self.segments, moment, key=_start)
        found = self.segments[place - 1] if place else None
        return found if found is not None and moment < found.end else None

    def paid_before(self, moment: int) -> bool:
        """Whether anything was ever paid for before."""
        return any(segment.amounts and segment.start < moment for segment in self.segments)

    def plan_on(self, start: int, end: int) -> str | None:
        """The plan of a day: that of its first moment; where there was none, the first one that begins on it."""
        if (found := self.at(start)) is not None:
            return found.plan
        place = bisect_right(self.segments, start, key=_start)
        if place < len(self.segments) and self.segments[place].start < end:
            return self.segments[place].plan
        return None


class Subscribers:
    """All of them, as of one version of the definitions."""

    def __init__(
        self,
        version: int,
        by_id: Mapping[str, Customer],
        customers: Mapping[Identity, Customer],
        generation: int = 0,
    ) -> None:
        self.version, self.generation = version, generation
        self._by_id, self._customers = by_id, customers

    @classmethod
    def of(cls, version: int, subscriptions: Iterable[Subscription], version_of: VersionOf) -> "Subscribers":
        """From all that are stored."""
        return cls(-1, {}, {}).with_changed(version, subscriptions, version_of)

    def with_changed(self, version: int, changed: Iterable[Subscription], version_of: VersionOf) -> "Subscribers":
        """The same with some that are new, or are otherwise now, and another generation where there are any."""
        if not (changed := list(changed)):
            return Subscribers(version, self._by_id, self._customers, self.generation)
        by_id, concerned = dict(self._by_id), set[Identity]()
        for one in changed:
            scope = one.scope
            found = together(list(segments(one, version_of)))
            by_id[one.id] = Customer(scope.subject or "", scope.user_id, scope.client_id, one.synthetic, found)
            concerned.add(by_id[one.id].identity)
        of_customers: defaultdict[Identity, list[Customer]] = defaultdict(list)
        for each in by_id.values():
            if each.identity in concerned:
                of_customers[each.identity].append(each)
        customers = dict(self._customers) | {identity: _customer(each) for identity, each in of_customers.items()}
        return Subscribers(version, by_id, customers, self.generation + 1)

    def customers(self, scope: Scope = EVERYONE) -> Iterator[Customer]:
        """Those that a scope counts."""
        for customer in self._customers.values():
            if (
                scope.client in {None, customer.client}
                and scope.user in {None, customer.user}
                and customer.synthetic in scope.synthetic
            ):
                yield customer

    def turns(self) -> list[int]:
        """Every moment at which any subscription changes, in order."""
        moments: set[int] = set()
        for customer in self._customers.values():
            for segment in customer.segments:
                moments.update((segment.start, segment.end))
        return sorted(moments)


def _customer(subscriptions: list[Customer]) -> Customer:
    if len(subscriptions) == 1:
        return subscriptions[0]
    segments = together([segment for one in subscriptions for segment in one.segments])
    return subscriptions[0]._replace(segments=segments)


def _start(segment: Segment) -> int:
    return segment.start

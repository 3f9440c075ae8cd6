"""What grants have given in the periods that are over: decided once, in order, and kept with the grant.

In a period the limit's own amount is used first (an override in its place, and what was carried over), then top-ups,
soonest expiring first. What is left of top-ups stays for the next period; of the own amount, as much as a carry-over
may take along. Periods that are settled are never settled again: a call that is reported afterwards, for a period that
is over, takes nothing from the next one and gives nothing back.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import takewhile

import pymongo

from app.database import Database, Session
from app.database.transactions import transact
from app.limits.answers import LimitsUnavailableError
from app.limits.meters import CounterKey, key_of
from app.limits.rules import Rule, SubjectRules, carry_overs, is_active, is_settled_by_period, top_ups
from app.limits.stored_definitions import StoredDefinitions
from models.documents import Document
from models.limits import Period
from models.money import to_decimal
from models.plans import Grant, Settled

SETTLE_SECONDS = 5.0

Before = Callable[[Sequence[CounterKey]], Awaitable[None]]
"""Has all that was recorded counted, and these counters made: also of periods in which nobody asked."""
OwnAmount = Callable[[Period], Decimal | None]
"""What a limit gave by itself in a period, without what was carried into it; None where there was no limit."""


async def _nothing(_: Sequence[CounterKey]) -> None:
    """Where nothing counts calls."""


class Settling:
    """Has the grants of a subject settled, and stored so, when a period of theirs has begun."""

    def __init__(self, stored: StoredDefinitions, database: Database) -> None:
        self._stored, self._database = stored, database
        self.before: Before = _nothing

    async def settled(self, rules: SubjectRules, at: datetime) -> bool:
        """Whether grants of a subject had to be settled up to the periods of a moment, and have been.

        Raises PyMongoError, and LimitsUnavailableError while what was used is being counted.
        """
        if not rules.grants:
            return False
        due = [rule for rule in rules.at(at).rules if rule.grants and rule.unsettled(rule.period(at))]
        if due:
            await self.before([key for rule in due for key in _over(rule, at)])
        for rule in due:
            with pymongo.timeout(SETTLE_SECONDS):
                await transact(self._database, partial(self._settle, rules, rule, at))
        return bool(due)

    async def _settle(self, rules: SubjectRules, rule: Rule, at: datetime, session: Session | None) -> None:
        current = rule.period(at)
        ids = [grant.id for grant in rule.grants if is_settled_by_period(grant)]
        grants = [grant for grant in await self._stored.grants(ids, session) if grant.ended_at is None]
        due = [grant for grant in grants if grant.settled_to < current.start]
        if not due:
            return  # another process was first
        first = min(grant.settled_to for grant in due)
        counters = await self._stored.counters(rule.meter.subject, first, session)
        settlement = Settlement(grants, lambda period: rules.own_in(rule, period), _used(rule, counters))
        for grant in settlement.settle(periods_from(first, rule.period), current):
            await self._stored.keep_settled(grant, session)


class Settlement:
    """The grants of one rule, settled period by period: works out, and stores nothing."""

    def __init__(self, grants: Iterable[Grant], own: OwnAmount, used: Mapping[datetime, Decimal]) -> None:
        """`used`: by the start of the period, what was used, and held when it was settled; nothing where absent."""
        self._grants = {grant.id: grant for grant in grants}
        self._own, self._used = own, used

    def settle(self, periods: Iterator[Period], current: Period) -> list[Grant]:
        """Every grant, settled from the first of `periods`, which follow each other, up to the current one."""
        for period in periods:
            if period.start >= current.start:
                break
            self._settle(period)
        return [
            grant.model_copy(update={"settled_to": max(grant.settled_to, current.start)})
            for grant in self._grants.values()
        ]

    def _settle(self, period: Period) -> None:
        own = self._own(period)
        if own is None:
            return
        due = [grant for grant in self._grants.values() if grant.settled_to <= period.start]
        active = [grant for grant in due if is_active(grant, period)]
        own += sum((grant.carried_into(period.start) for grant in carry_overs(active)), Decimal(0))
        used = self._used.get(period.start, Decimal(0))
        beyond = used - own
        for grant in top_ups(active):
            spent = min(beyond, grant.amount - grant.settled_before(period.start))
            if spent > 0:
                self._keep(grant, period.start, spent)
                beyond -= spent
        for grant in carry_overs(due):
            carried = min(grant.amount, own - used)
            if carried > 0 and is_active(grant, Period(period.end, period.end)):
                self._keep(grant, period.end, carried)

    def _keep(self, grant: Grant, start: datetime, amount: Decimal) -> None:
        settled = (*grant.settled, Settled(start=start, amount=amount))
        self._grants[grant.id] = grant.model_copy(update={"settled": settled})


def periods_from(moment: datetime, period: Callable[[datetime], Period]) -> Iterator[Period]:
    """The period of a moment, and all that follow."""
    found = period(moment)
    while True:
        yield found
        found = period(found.end)


def _over(rule: Rule, at: datetime) -> Iterator[CounterKey]:
    """The counters of the periods that are to be settled."""
    current = rule.period(at)
    first = min(grant.settled_to for grant in rule.grants if is_settled_by_period(grant))
    for period in takewhile(lambda period: period.start < current.start, periods_from(first, rule.period)):
        yield CounterKey(rule.meter, period)


def _used(rule: Rule, counters: list[Document]) -> dict[datetime, Decimal]:
    """What a meter has counted, by the start of the period. What is still held counts as used."""
    used: dict[datetime, Decimal] = {}
    for counter in counters:
        if key_of(counter).meter != rule.meter:
            continue
        if counter.get("counting"):
            raise LimitsUnavailableError(f"what was used of {counter['_id']} is being counted; try again in a second")
        used[counter["start"]] = to_decimal(counter["used"]) + to_decimal(counter["held"])
    return used

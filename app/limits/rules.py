"""What one subject is bound by at a moment: its own limits, and those of its plan, with what is granted beside them.

Pure: it is made of what is stored, and answers for any moment without asking again.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.limits.meters import Applied, CounterKey, Meter, Purpose
from app.limits.periods import Cycle, period_of
from models.fields import OLDEST
from models.limits import NEVER, Interval, Limit, LimitScope, Period
from models.plans import Grant, GrantKind, PlanVersion, Subscription, Term

_MONDAY, _FIRST = date(2000, 1, 3), date(2000, 1, 1)

Allowances = Callable[[str, int], Sequence[Limit]]
"""What a version of a plan, by its name and number, allows; of what scope is yet to be said."""


class Rule:
    """One limit of one subject, in whatever period."""

    __slots__ = ("_last", "cycles", "grants", "limit", "meter", "zone")

    def __init__(
        self, limit: Limit, subject: str, zone: ZoneInfo, cycles: Sequence[Cycle], grants: Iterable[Grant]
    ) -> None:
        self.limit, self.zone, self.cycles = limit, zone, cycles
        self.meter = Meter(subject, limit.unit, limit.filter, limit.window)
        self.grants = [grant for grant in grants if _is_for(grant, limit)]
        self._last: Applied | None = None

    def counts(self, purpose: Purpose) -> bool:
        """Whether a call of this purpose is counted by it."""
        return self.limit.filter.matches(purpose.service_type, purpose.model, purpose.feature)

    def period(self, moment: datetime) -> Period:
        return period_of(moment, self.meter.window, self.zone, self.cycles)

    def applied(self, moment: datetime) -> Applied | None:
        """The limit in the period of a moment; None where its grants are to be settled up to there first."""
        last = self._last
        if last is not None and last.counter.period.start <= moment < last.counter.period.end:
            return last
        period = self.period(moment)
        if self.unsettled(period):
            return None
        self._last = Applied(self.limit, CounterKey(self.meter, period), self.allowance(period), self.zone.key)
        return self._last

    def unsettled(self, period: Period) -> bool:
        """Whether periods before this one decide what grants give in it, and have not been settled."""
        return any(is_settled_by_period(grant) and grant.settled_to < period.start for grant in self.active(period))

    def active(self, period: Period) -> list[Grant]:
        """The grants that are for a period."""
        return [grant for grant in self.grants if is_active(grant, period)]

    def own(self, period: Period) -> Decimal:
        """What the limit gives in a period by itself: the newest override, else its amount."""
        overrides = [grant for grant in self.active(period) if grant.kind is GrantKind.OVERRIDE]
        if not overrides:
            return self.limit.amount
        return max(overrides, key=lambda grant: (grant.created_at, grant.id)).amount

    def allowance(self, period: Period) -> Decimal:
        """What may be used in a period: the own amount, what was carried into it, and what top-ups had left then."""
        active = self.active(period)
        carried = (grant.carried_into(period.start) for grant in carry_overs(active))
        left = (grant.amount - grant.settled_before(period.start) for grant in top_ups(active))
        return sum((*carried, *left), self.own(period))


def is_active(grant: Grant, period: Period) -> bool:
    """Whether a grant is for a period."""
    return grant.starts_at < period.end and (grant.expires_at is None or period.start < grant.expires_at)


def is_settled_by_period(grant: Grant) -> bool:
    """Whether what it gives depends on what was used in earlier periods."""
    return grant.kind is not GrantKind.OVERRIDE


def top_ups(grants: Iterable[Grant]) -> list[Grant]:
    """In the order in which they are spent."""
    found = [grant for grant in grants if grant.kind is GrantKind.TOP_UP]
    return sorted(found, key=lambda grant: (grant.expires_at or NEVER, grant.created_at, grant.id))


def carry_overs(grants: Iterable[Grant]) -> list[Grant]:
    return [grant for grant in grants if grant.kind is GrantKind.CARRY_OVER]


def _is_for(grant: Grant, limit: Limit) -> bool:
    if grant.limit is not None:
        return grant.limit == limit.id
    return is_allowance(limit) and (grant.unit, grant.filter, grant.window) == (limit.unit, limit.filter, limit.window)


class Bound(NamedTuple):
    """The rules of a subject that hold from a moment up to another one."""

    start: datetime
    end: datetime
    rules: tuple[Rule, ...]


class SubjectRules:
    """Everything that one subject is bound by."""

    def __init__(
        self,
        subject: str,
        zone: ZoneInfo,
        allowances: Allowances,
        *,
        limits: Sequence[Limit] = (),
        subscription: Subscription | None = None,
        grants: Sequence[Grant] = (),
        by_default: bool = False,
    ) -> None:
        """`zone` is the deployment's. `by_default`: the subscription is what stands for one, and its plan's allowances
        are the same objects for everyone, who may be many.
        """
        self.subject, self.subscription = subject, subscription
        self.grants = grants
        self._zone, self._allowances = zone, allowances
        self._limits = [limit for limit in limits if limit.scope.subscription is None]
        self._of_subscription = [
            limit for limit in limits if subscription is not None and limit.scope.subscription == subscription.id
        ]
        self._by_default = by_default
        self._own = [Rule(limit, subject, self._zone_of(limit, None), (), grants) for limit in self._limits]
        self._by_term: dict[Term, list[Rule]] = {}
        self._edges = self._found_edges()
        self._last: Bound | None = None

    def at(self, moment: datetime) -> Bound:
        """The rules that hold at a moment."""
        last = self._last
        if last is not None and last.start <= moment < last.end:
            return last
        place = bisect_right(self._edges, moment)
        start = self._edges[place - 1] if place else datetime.min.replace(tzinfo=UTC)
        end = self._edges[place] if place < len(self._edges) else NEVER
        rules = [rule for rule in (*self._own, *self._subscribed(moment)) if _in_force(rule.limit, moment)]
        self._last = Bound(start, end, tuple(rules))
        return self._last

    def term(self, moment: datetime) -> Term | None:
        """The term of the subscription at a moment; None where there is none."""
        subscription = self.subscription
        if subscription is None or (subscription.ended_at is not None and moment >= subscription.ended_at):
            return None
        return subscription.term_at(moment)

    def own_in(self, rule: Rule, period: Period) -> Decimal | None:
        """What a rule's limit gave by itself in an earlier period, at its end; None where there was none."""
        return next((other.own(period) for other in self.at(period.end - _TICK).rules if _same(other, rule)), None)

    def _subscribed(self, moment: datetime) -> list[Rule]:
        term = self.term(moment)
        if term is None or self.subscription is None:
            return []
        if term not in self._by_term:
            cycles = cycles_of(self.subscription.terms)
            allowed = self._allowances(term.plan, term.version)
            if not self._by_default:
                scope = {"scope": LimitScope(subscription=self.subscription.id)}
                allowed = [limit.model_copy(update=scope) for limit in allowed]
            self._by_term[term] = [
                Rule(limit, self.subject, self._zone_of(limit, term), cycles, self.grants)
                for limit in (*allowed, *self._of_subscription)
            ]
        return self._by_term[term]

    def _zone_of(self, limit: Limit, term: Term | None) -> ZoneInfo:
        if limit.timezone is not None:
            return ZoneInfo(limit.timezone)
        return self._zone if term is None else ZoneInfo(term.timezone)

    def _found_edges(self) -> list[datetime]:
        """The moments at which other rules begin to hold."""
        edges = {limit.ended_at for limit in (*self._limits, *self._of_subscription)}
        if self.subscription is not None:
            edges |= {self.subscription.ended_at, *(term.since for term in self.subscription.terms)}
        return sorted(edge for edge in edges if edge is not None)


_TICK = datetime.resolution


def _same(one: Rule, other: Rule) -> bool:
    """Whether they are the same limit, or allowances of the same."""
    if is_allowance(one.limit) and is_allowance(other.limit):
        return one.meter == other.meter
    return one.limit.id == other.limit.id


def _in_force(limit: Limit, moment: datetime) -> bool:
    return limit.ended_at is None or moment < limit.ended_at


def is_allowance(limit: Limit) -> bool:
    """Whether it is one of a plan."""
    return "#" in limit.id


OF_WHOEVER = LimitScope(everyone=True)
"""The scope of the default plan's allowances: each counts for one user all the same."""


def allowances_of(version: PlanVersion) -> list[Limit]:
    """What a version of a plan allows, as limits; of what scope is yet to be said where it is not the default one."""
    own: dict[str, Any] = {
        "scope": OF_WHOEVER,
        "generation": 1,
        "created_at": version.created_at,
        "created_by": version.created_by,
        "ended_at": None,
    }
    # validated as a part of the plan
    return [
        Limit.model_construct(
            allowance.model_fields_set | own.keys(), **allowance.__dict__, **own, id=f"{version.id}#{n}"
        )
        for n, allowance in enumerate(version.allowances, start=1)
    ]


def cycles_of(terms: Sequence[Term]) -> tuple[Cycle, ...]:
    """How periods go on over the terms of a subscription."""
    cycles: list[Cycle] = []
    for term in terms:
        cycle = Cycle(term.anchor, term.interval, ZoneInfo(term.timezone))
        if not cycles:
            cycles.append(cycle)
        elif cycles[-1]._replace(since=None) != cycle:
            cycles.append(cycle._replace(since=term.since))
    return tuple(cycles)


def default_subscription(version: PlanVersion, zone: ZoneInfo) -> Subscription:
    """What stands for the subscription of users who have none: periods are those of the calendar."""
    anchor = _MONDAY if version.interval is Interval.WEEK else _FIRST
    term = Term(
        since=OLDEST,
        plan=version.plan,
        version=version.version,
        anchor=anchor,
        interval=version.interval,
        timezone=zone.key,
    )
    return Subscription(id="default", scope=OF_WHOEVER, terms=(term,), created_at=OLDEST, created_by=version.created_by)

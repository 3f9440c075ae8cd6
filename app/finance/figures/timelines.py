"""What a subscription was worth a month, and of which plan it was, from moment to moment. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from app.finance.figures.formulas import per_month
from app.finance.figures.known_revenue import moment
from app.finance.revenue.prices import interval_price
from models.limits import NEVER
from models.money import USD_PLACES
from models.plans import PlanVersion, Status, Subscription, Term

FOREVER = moment(NEVER)

VersionOf = Callable[[str, int], PlanVersion | None]


Monthly = tuple[str, int]
"""A currency, and units of 1e-15 of it a month."""
BESIDE = "beside"
"""The status of a subscription that gives no plan, as its subject has another one."""


class Segment(NamedTuple):
    """A stretch of time in which nothing about a subscription changed. Moments are microseconds since 1970."""

    start: int
    end: int
    """It holds before this moment."""
    plan: str | None
    """None of one that somebody pays for beside the one that gives the plan."""
    amounts: tuple[Monthly, ...]
    """What is paid, if anything is."""
    trial: bool
    priced: bool
    """False where neither the subscription nor its plan says a price."""


def segments(subscription: Subscription, version_of: VersionOf) -> tuple[Segment, ...]:
    """All that a subscription ever was, in order."""
    over, gives_plan = _end_of(subscription), subscription.status != BESIDE
    found: list[Segment] = []
    terms = subscription.terms
    for term, following in zip(terms, [*terms[1:], None], strict=True):
        until = over if following is None else min(following.since, over)
        found += _of_term(term, until, version_of(term.plan, term.version), gives_plan=gives_plan)
    return tuple(found)


def _end_of(subscription: Subscription) -> datetime:
    if subscription.ended_at is not None:
        return subscription.ended_at
    return subscription.terms[-1].since if subscription.status is Status.ENDED else NEVER


def _of_term(term: Term, until: datetime, version: PlanVersion | None, *, gives_plan: bool) -> Iterator[Segment]:
    turns = {term.since, until, *_turns(term)}
    for start, end in pairwise(sorted(turn for turn in turns if term.since <= turn <= until)):
        price = interval_price(term, version, start)
        units = 0 if price is None else int(per_month(price.amount, term.interval).scaleb(USD_PLACES))
        yield Segment(
            moment(start),
            moment(end),
            term.plan if gives_plan else None,
            _amounts(price.currency, units) if price is not None and units else (),
            trial=price is not None and price.trial,
            priced=price is not None,
        )


@lru_cache(4_096)
def _amounts(currency: str, units: int) -> tuple[Monthly, ...]:
    """One object for all who pay the same: 20,000 subscriptions have few prices."""
    return ((currency, units),)


def together(found: list[Segment]) -> tuple[Segment, ...]:
    """Segments of several subscriptions of one subject as such that follow each other: what overlaps is added up."""
    found = sorted((each for each in found if each.start < each.end), key=lambda each: each.start)
    if all(later.start >= earlier.end for earlier, later in pairwise(found)):
        return tuple(found)
    turns = sorted({turn for each in found for turn in (each.start, each.end)})
    added: list[Segment] = []
    for start, end in pairwise(turns):
        holding = [each for each in found if each.start <= start and end <= each.end]
        if holding:
            added.append(_added(start, end, holding))
    return tuple(added)


def _added(start: int, end: int, holding: list[Segment]) -> Segment:
    amounts: Counter[str] = Counter()
    for each in holding:
        amounts.update(dict(each.amounts))
    return Segment(
        start,
        end,
        next((each.plan for each in holding if each.plan is not None), None),
        tuple(sorted(amounts.items())),
        trial=not amounts and any(each.trial for each in holding),
        priced=all(each.priced for each in holding),
    )


def _turns(term: Term) -> Iterator[datetime]:
    """When what is paid may change within a term."""
    if term.trial_until is not None:
        yield term.trial_until
    for discount in term.discounts:
        yield from (turn for turn in (discount.since, discount.until) if turn is not None)

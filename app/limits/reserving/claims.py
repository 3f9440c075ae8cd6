"""What a call claims of which counters, and what is answered where one of them has too little. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from app.limits.answers import Held, Hold, Refusal
from app.limits.meters import Applied, Asked, CounterKey, stored_amount, units_of
from app.limits.reserving.taking import Figures, Shortage
from models.counters import Number
from models.limits import Unbounded, Unit, WhenAway
from models.money import USD_PLACES, ZERO

_LAST_DECIMAL = Decimal(1).scaleb(-USD_PLACES)
_LATEST = datetime.max.replace(tzinfo=UTC)


class Terms(NamedTuple):
    """What the limits that share a counter say together."""

    applied: tuple[Applied, ...]
    key: CounterKey
    counter: str
    unit: Unit
    ceiling: int | None
    """What the counter may have, used and held, in units of `meters.in_units`; None where it may have anything."""
    refuses_unbounded: bool
    needs_presence: bool
    """Whether nothing is granted while MongoDB is away, not even what is in hand."""


class Claim(NamedTuple):
    """What a call asks of one counter."""

    terms: Terms
    asked: Decimal
    units: int
    """The same in units of `meters.in_units`."""

    @property
    def amount(self) -> Number:
        """As it is stored."""
        return stored_amount(self.terms.unit, self.units)

    @property
    def allowance(self) -> Number | None:
        ceiling = self.terms.ceiling
        return None if ceiling is None else stored_amount(self.terms.unit, ceiling)


def terms_of(applied: Iterable[Applied]) -> list[Terms]:
    """By counter. A limit that refuses nothing has no part in it, but that it counts calls that are under way."""
    sharing: dict[CounterKey, list[Applied]] = {}
    for one in applied:
        if one.ceiling is not None or one.limit.unit is Unit.CONCURRENT:
            sharing.setdefault(one.counter, []).append(one)
    return [_terms(key, together) for key, together in sharing.items()]


def _terms(key: CounterKey, together: Sequence[Applied]) -> Terms:
    unit = key.meter.unit
    refusing = [one.limit for one in together if one.ceiling is not None]
    ceilings = [units_of(unit, one.ceiling) for one in together if one.ceiling is not None]
    return Terms(
        tuple(together),
        key,
        key.id,
        unit,
        min(ceilings, default=None),
        any(limit.unbounded is Unbounded.REFUSE for limit in refusing),
        any(limit.when_away is WhenAway.CLOSED for limit in refusing),
    )


def claims_of(terms: Iterable[Terms], asked: Asked) -> list[Claim]:
    """What a call asks of each counter, where it asks for anything: a call without a price asks for no money."""
    claims = []
    for each in terms:
        bound = asked.of(each.unit)
        if bound:
            exact = bound if bound == bound.to_integral_value() else bound.quantize(_LAST_DECIMAL, ROUND_CEILING)
            claims.append(Claim(each, exact, units_of(each.unit, exact)))
    return claims


def unbounded(terms: Iterable[Terms], asked: Asked) -> Refusal | None:
    """The refusal of a call of which nobody can say how much it will use at most, where a limit does not allow that."""
    for each in terms:
        if each.refuses_unbounded and asked.of(each.unit) is None:
            one = next(one for one in each.applied if one.limit.unbounded is Unbounded.REFUSE)
            zero = Decimal(0)
            return Refusal(one.limit, one.allowance, zero, zero, zero, None, (), asked.unbounded, one.counter)
    return None


def refusal_of(claims: Iterable[Claim], short: Iterable[Shortage]) -> Refusal | None:
    """What is lacking: first the limit that resets last, then the others. None where nothing is."""
    by_counter = {claim.terms.counter: claim for claim in claims}
    refusals = [refusal for one in short for refusal in _refusals(by_counter[one.take.counter], one)]
    if not refusals:
        return None
    refusals.sort(key=lambda refusal: refusal.resets_at or _LATEST, reverse=True)
    return refusals[0]._replace(others=tuple(refusals[1:]))


def _refusals(claim: Claim, short: Shortage) -> Iterator[Refusal]:
    """Of the limits that share a counter, those that the call would pass."""
    for one in claim.terms.applied:
        if one.ceiling is not None and short.used + short.held + claim.asked > one.ceiling:
            resets_at = one.counter.period.resets_at
            figures = short.used, short.held, claim.asked, resets_at
            yield Refusal(one.limit, one.allowance, *figures, counter=one.counter, zone=one.zone)


def held_of(
    reservation: str, expires: datetime, claims: Iterable[Claim], after: Mapping[str, Figures] | None = None
) -> Held:
    """What was granted. `after`: what is known of the counters since then."""
    after = after or {}
    holds = [
        Hold(one, claim.asked, _left(one, after.get(claim.terms.counter)))
        for claim in claims
        for one in claim.terms.applied
    ]
    return Held(reservation, expires, tuple(holds))


def _left(applied: Applied, figures: Figures | None) -> Decimal | None:
    return None if figures is None else max(ZERO, applied.allowance - figures.used - figures.held)


def passes_when_away(applied: Iterable[Applied]) -> bool:
    """Whether everything that could refuse a call lets it pass while MongoDB is away."""
    refusing = [one.limit for one in applied if one.ceiling is not None]
    return bool(refusing) and all(limit.when_away is WhenAway.OPEN for limit in refusing)

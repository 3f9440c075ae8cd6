"""Whether an entry may be booked, and what it is then. Pure: all that is stored is in the `Background`."""

from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from app.errors import invalid
from app.finance.revenue.background import Background, may_overlap
from models.fields import CLOCK_TOLERANCE, OLDEST
from models.money import plain, quantize_usd
from models.plans import Subscription
from models.revenue import (
    MOST_AMOUNT,
    TAKES_BACK,
    CurrencyRate,
    NewRevenue,
    Revenue,
    RevenueKind,
    RevenueSource,
    revenue_id,
)

LONGEST_AHEAD = timedelta(days=3_653)
"""How far after it came due a service may end: ten years."""
ONE = Decimal(1)
MAX_ID = 100
"""Characters of an id that are repeated to who named it."""
_EXACT = Context(prec=60)
_SAME = ("kind", "user_id", "client_id", "amount", "currency", "at", "start", "end", "refunds")
"""What one that is sent again must say as before. Of a refund the book decides the period."""
_INHERITED = ("client_id", "user_id", "subscription_id", "plan", "plan_version")
_NAMES = {"user_id": "userId", "client_id": "clientId", "subscription_id": "subscriptionId"}


class Asker(NamedTuple):
    """Who books, when, and in which zone the deployment's days are."""

    client: str | None
    """The only client whose entries they may book; None for all."""
    by: str
    now: datetime
    zone: ZoneInfo


def id_of(new: NewRevenue, client: str | None) -> str:
    """The `_id` of an entry that a caller of `client` (None for any) sends."""
    return revenue_id(new.source, new.source_id, client)


def owned(new: NewRevenue, client: str | None) -> NewRevenue:
    """The entry as a caller of `client` (None for any) means it. Raises InvalidRequestError where it is another's."""
    if client is None or new.client_id == client:
        return new
    if new.client_id is not None:
        raise invalid("clientId", f"must be {client}: this caller is limited to it; leave clientId out")
    return new.model_copy(update={"client_id": client})


def differing(new: NewRevenue, there: Revenue) -> str | None:
    """In what one that is sent again is not as it was booked, in words; None where it is."""
    fields = [name for name in _SAME if name not in {"start", "end"} or there.refunds is None]
    if there.refunds is not None or there.subscription_id is not None:
        fields = [name for name in fields if getattr(new, name) is not None]  # the book had filled it in
    wrong = [_NAMES.get(name, name) for name in fields if getattr(new, name) != getattr(there, name)]
    return f"it was booked before with another {', '.join(wrong)}, and stays so" if wrong else None


def entry_of(new: NewRevenue, known: Background, asker: Asker) -> Revenue:
    """The entry that is booked. Raises InvalidRequestError where it cannot be."""
    _check_times(new, asker.now)
    refunded = _refunded(new, known, asker.client)
    if refunded is not None:
        new = _taking_back(new, refunded)
    else:
        new = _with_subscription(new, known.subscriptions, asker.client)
        _check_overlap(new, known)
    rate_day, rate = _rate(new, known, asker.zone, refunded)
    fields = {name: getattr(new, name) for name in NewRevenue.model_fields if name != "overlaps"}
    return Revenue(
        **fields,
        id=id_of(new, asker.client),
        rate=rate,
        rate_day=rate_day,
        usd=_usd(new, rate, known, refunded),
        recognised_from=max(new.start, known.closed_until),
        sequence=known.sequence + 1,
        created_at=asker.now,
        created_by=asker.by,
    )


def _check_times(new: NewRevenue, now: datetime) -> None:
    if new.at > now + CLOCK_TOLERANCE:
        raise invalid("at", f"is in the future: {new.at.isoformat()} has not come due yet")
    for field in ("at", "start"):
        if getattr(new, field) < OLDEST:
            raise invalid(field, f"must not be before {OLDEST.date()}")
    if new.end > new.at + LONGEST_AHEAD:
        raise invalid("end", f"is too far in the future: a service ends within ten years after {new.at.date()}")


def _refunded(new: NewRevenue, known: Background, client: str | None) -> Revenue | None:
    """What a refund takes back."""
    if new.kind is not RevenueKind.REFUND:
        return None
    if new.refunds is None:
        raise invalid("refunds", "is missing: it names the entry that a refund takes back; a credit names none")
    found = known.entries.get(new.refunds)
    if found is None or client not in {None, found.client_id}:
        no_such = f"names no entry: there is no {new.refunds[:MAX_ID]}"
        raise invalid("refunds", f"{no_such}; it is the id of one, such as manual:SOURCE_ID")
    if found.kind in TAKES_BACK:
        raise invalid("refunds", f"names a {found.kind.value}: only what was charged can be refunded")
    if found.currency != new.currency:
        raise invalid("currency", f"must be {found.currency}, as of what is refunded")
    if found.synthetic != new.synthetic:
        raise invalid("refunds", "names an entry of the demo data" if found.synthetic else "names a real entry")
    taken = sum((one.amount for one in known.refunds.get(found.id, [])), Decimal(0))
    left = found.amount + taken
    if -new.amount > left:
        of = f"{plain(left)} of {plain(found.amount)} {found.currency} are left to be refunded"
        raise invalid("amount", f"is more than that: {of}, not {plain(-new.amount)}")
    return found


def _taking_back(new: NewRevenue, refunded: Revenue) -> NewRevenue:
    """A refund takes back from its own moment on, to the end of what it refunds; where that is over, at its moment."""
    start = max(new.at, refunded.recognised_from)
    ours = {name: getattr(refunded, name) for name in _INHERITED}
    for name in ("client_id", "user_id"):
        if getattr(new, name) not in {None, ours[name]}:
            raise invalid(_NAMES[name], "must be that of the entry that is refunded; leave it out")
    return new.model_copy(update={**ours, "start": start, "end": max(refunded.end, start)})


def _with_subscription(new: NewRevenue, subscriptions: dict[str, Subscription], client: str | None) -> NewRevenue:
    """With what the subscription says of it, where it names one."""
    if new.subscription_id is None:
        return new
    found = subscriptions.get(new.subscription_id)
    if found is None or client not in {None, found.scope.client_id}:
        if new.source is RevenueSource.SUBSCRIPTION:
            return new
        raise invalid("subscriptionId", f"is not one: there is no subscription {new.subscription_id[:MAX_ID]}")
    if new.user_id not in {None, found.scope.user_id}:
        raise invalid("userId", f"is not the user of subscription {found.id[:MAX_ID]}; leave it out")
    if found.scope.client_id is not None and new.client_id not in {None, found.scope.client_id}:
        raise invalid("clientId", f"is not the client of subscription {found.id[:MAX_ID]}; leave it out")
    more: dict[str, Any] = {"user_id": found.scope.user_id, "client_id": new.client_id or found.scope.client_id}
    if new.plan is None:
        term = found.term_at(new.start)
        more |= {"plan": term.plan, "plan_version": term.version}
    return new.model_copy(update=more)


def _check_overlap(new: NewRevenue, known: Background) -> None:
    if not may_overlap(new) or new.user_id is None or new.start == new.end:
        return
    for other in known.paid.get(new.user_id, []):
        same = other.subscription_id == new.subscription_id is not None and other.source is new.source
        if same or other.synthetic != new.synthetic or other.client_id != new.client_id:
            continue
        if other.start < new.end and new.start < other.end and not _is_taken_back(other, known):
            paid = f"{other.start.isoformat()} to {other.end.isoformat()} is paid by {other.id[:MAX_ID]}"
            raise invalid(
                "start", f"overlaps what this user has paid for: {paid}; send overlaps: true where both are meant"
            )


def _is_taken_back(entry: Revenue, known: Background) -> bool:
    return entry.amount + sum((one.amount for one in known.refunds.get(entry.id, [])), Decimal(0)) <= 0


def _rate(new: NewRevenue, known: Background, zone: ZoneInfo, refunded: Revenue | None) -> tuple[Any, Decimal]:
    """The day and the value of the rate; of a refund, those of what it takes back."""
    if refunded is not None:
        return refunded.rate_day, refunded.rate
    rate: CurrencyRate | None = known.rates.required(new.currency, new.at.astimezone(zone).date())
    return (None, ONE) if rate is None else (rate.day, rate.usd)


def _usd(new: NewRevenue, rate: Decimal, known: Background, refunded: Revenue | None) -> Decimal:
    """In USD. The refund that takes the rest takes all that is left of it in USD, too."""
    if refunded is not None:
        before = known.refunds.get(refunded.id, [])
        if -new.amount == refunded.amount + sum((one.amount for one in before), Decimal(0)):
            return -(refunded.usd + sum((one.usd for one in before), Decimal(0)))
    too_large = f"is too large: at most {MOST_AMOUNT:,} USD"
    try:
        usd = quantize_usd(_EXACT.multiply(new.amount, rate))
    except InvalidOperation:
        raise invalid("amount", too_large) from None
    if abs(usd) > MOST_AMOUNT:
        raise invalid("amount", too_large)
    if not usd:
        raise invalid("amount", f"is too small: in USD it rounds to 0 at the rate of {plain(rate)}")
    return usd

"""A year of subscriptions, and what it comes to by hand: MRR, movement, churn, recognised and billed of each month.

All moments are 2025, UTC. Nothing here computes: the steps are what happened, `ENTRIES` what came due by them, and
`MONTHS` what a person worked out with paper and pencil; the arithmetic stands beside it.

anna   $10 a month from January; $30 from March (at renewal); $5 of May's are refunded in June, when May is over
carla  $365 a year from January: a dollar a day, and 365/12 = 30.416666666666667 a month
gina   $30 a month from January, half off until April
hans   $30 a month from January; $10 from July (at renewal)
ida    $90 a quarter from January: a dollar a day of its 90; ends at once on February 15, and is refunded the other 45
dora   tries from February 1 to 15, then $28 a month: a dollar a day of 28; not renewed on March 15
nora   $21 a week from March 3, two weeks: comes and goes within one month
ben    $30 a month from April 16: a dollar a day of 30; not renewed on May 16; $30 a month again from September
kappa  a client: $100 a month from May, $25 off until October; $500 once; $12.50 of usage for June
emil   tries from June 1 to 15, and leaves on the 10th: never pays
jane   $30 a month from June; from June 16 on $60: half of the month is credited, half of the new price is charged; not
       renewed on December 1
lea    EUR 100 a month from August; EUR is at 1.10 from August 1 on, and at 1.20 from October 1 on
fred   tries from November 20 to December 4, then $31 a month: a dollar a day of 31
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

YEAR = 2025
OF_CLIENT = {"lea": "beta", "kappa": "kappa"}
"""Whose customer each is; everyone else is of `acme`. kappa is that client itself, all others are users."""
RATES = {("EUR", date(2025, 8, 1)): Decimal("1.10"), ("EUR", date(2025, 10, 1)): Decimal("1.20")}


def at(month: int, day: int = 1, year: int = YEAR) -> datetime:
    """The first moment of a day."""
    return datetime(year, month, day, tzinfo=UTC)


def client_of(customer: str) -> str:
    """The client of a customer."""
    return OF_CLIENT.get(customer, "acme")


class Off(NamedTuple):
    """A discount: of percent, or of an amount for an interval, until a moment."""

    percent: Decimal | None
    amount: Decimal | None
    until: datetime


class Started(NamedTuple):
    """A subscription begins; with a trial it costs nothing before the trial's end."""

    at: datetime
    customer: str
    plan: str
    amount: Decimal
    """For an interval, in `currency`, before discounts."""
    interval: str
    anchor: date
    """Periods that are paid begin here."""
    currency: str = "USD"
    trial_until: datetime | None = None
    off: Off | None = None


class Changed(NamedTuple):
    """Another plan and price, from a moment on; within a period what is left of it is credited and charged anew."""

    at: datetime
    customer: str
    plan: str
    amount: Decimal


class Ended(NamedTuple):
    """A subscription ends."""

    at: datetime
    customer: str


class Refunded(NamedTuple):
    """So much of what came due at `of` is given back."""

    at: datetime
    customer: str
    amount: Decimal
    of: datetime


class Charged(NamedTuple):
    """What is no subscription: once (`start` is `end`), or usage."""

    at: datetime
    customer: str
    amount: Decimal
    start: datetime
    end: datetime


Step = Started | Changed | Ended | Refunded | Charged


def usd(text: str) -> Decimal:
    return Decimal(text)


STEPS: tuple[Step, ...] = (
    Started(at(1), "anna", "basic", usd("10"), "month", date(2025, 1, 1)),
    Started(at(1), "carla", "annual", usd("365"), "year", date(2025, 1, 1)),
    Started(at(1), "gina", "pro", usd("30"), "month", date(2025, 1, 1), off=Off(usd("50"), None, at(4))),
    Started(at(1), "hans", "pro", usd("30"), "month", date(2025, 1, 1)),
    Started(at(1), "ida", "quarterly", usd("90"), "quarter", date(2025, 1, 1)),
    Started(at(2), "dora", "pro", usd("28"), "month", date(2025, 2, 15), trial_until=at(2, 15)),
    Ended(at(2, 15), "ida"),
    Refunded(at(2, 15), "ida", usd("45"), of=at(1)),
    Changed(at(3), "anna", "pro", usd("30")),
    Started(at(3, 3), "nora", "weekly", usd("21"), "week", date(2025, 3, 3)),
    Ended(at(3, 15), "dora"),
    Ended(at(3, 17), "nora"),
    Started(at(4, 16), "ben", "pro", usd("30"), "month", date(2025, 4, 16)),
    Started(at(5), "kappa", "team", usd("100"), "month", date(2025, 5, 1), off=Off(None, usd("25"), at(10))),
    Charged(at(5), "kappa", usd("500"), at(5), at(5)),
    Ended(at(5, 16), "ben"),
    Started(at(6), "emil", "pro", usd("30"), "month", date(2025, 6, 15), trial_until=at(6, 15)),
    Started(at(6), "jane", "pro", usd("30"), "month", date(2025, 6, 1)),
    Refunded(at(6, 10), "anna", usd("5"), of=at(5)),
    Ended(at(6, 10), "emil"),
    Changed(at(6, 16), "jane", "team", usd("60")),
    Changed(at(7), "hans", "basic", usd("10")),
    Charged(at(7), "kappa", usd("12.50"), at(6), at(7)),
    Started(at(8), "lea", "pro", usd("100"), "month", date(2025, 8, 1), currency="EUR"),
    Started(at(9), "ben", "pro", usd("30"), "month", date(2025, 9, 1)),
    Started(at(11, 20), "fred", "pro", usd("31"), "month", date(2025, 12, 4), trial_until=at(12, 4)),
    Ended(at(12), "jane"),
)
"""In order of time."""


class Entry(NamedTuple):
    """What came due: an amount in its currency for a service period."""

    customer: str
    kind: str
    amount: Decimal
    start: datetime
    end: datetime
    at: datetime
    plan: str | None = None
    currency: str = "USD"
    refunds: datetime | None = None
    """When what it refunds came due."""


_END = at(1, 1, 2026)


def _monthly(customer: str, plan: str, amount: str, first: int, last: int, currency: str = "USD") -> tuple[Entry, ...]:
    """Of whole months, from one to another."""
    return tuple(
        Entry(
            customer,
            "subscription",
            usd(amount),
            at(month),
            at(month + 1) if month < 12 else _END,
            at(month),
            plan,
            currency,
        )
        for month in range(first, last + 1)
    )


ENTRIES: tuple[Entry, ...] = (
    *_monthly("anna", "basic", "10", 1, 2),
    *_monthly("anna", "pro", "30", 3, 12),
    Entry("anna", "refund", usd("-5"), at(6, 10), at(6, 10), at(6, 10), "pro", refunds=at(5)),
    Entry("carla", "subscription", usd("365"), at(1), _END, at(1), "annual"),
    *_monthly("gina", "pro", "15", 1, 3),
    *_monthly("gina", "pro", "30", 4, 12),
    *_monthly("hans", "pro", "30", 1, 6),
    *_monthly("hans", "basic", "10", 7, 12),
    Entry("ida", "subscription", usd("90"), at(1), at(4), at(1), "quarterly"),
    Entry("ida", "refund", usd("-45"), at(2, 15), at(4), at(2, 15), "quarterly", refunds=at(1)),
    Entry("dora", "subscription", usd("28"), at(2, 15), at(3, 15), at(2, 15), "pro"),
    Entry("nora", "subscription", usd("21"), at(3, 3), at(3, 10), at(3, 3), "weekly"),
    Entry("nora", "subscription", usd("21"), at(3, 10), at(3, 17), at(3, 10), "weekly"),
    Entry("ben", "subscription", usd("30"), at(4, 16), at(5, 16), at(4, 16), "pro"),
    *_monthly("ben", "pro", "30", 9, 12),
    *_monthly("kappa", "team", "75", 5, 9),
    *_monthly("kappa", "team", "100", 10, 12),
    Entry("kappa", "one_time", usd("500"), at(5), at(5), at(5)),
    Entry("kappa", "usage", usd("12.50"), at(6), at(7), at(7)),
    *_monthly("jane", "pro", "30", 6, 6),
    Entry("jane", "credit", usd("-15"), at(6, 16), at(7), at(6, 16), "pro"),
    Entry("jane", "subscription", usd("30"), at(6, 16), at(7), at(6, 16), "team"),
    *_monthly("jane", "team", "60", 7, 11),
    *_monthly("lea", "pro", "100", 8, 12, "EUR"),
    Entry("fred", "subscription", usd("31"), at(12, 4), at(1, 4, 2026), at(12, 4), "pro"),
)


class Month(NamedTuple):
    """What a month comes to. MRR and customers are those of its last moment; movements that are nothing are 0."""

    month: int
    mrr: Decimal
    customers: int
    """Who pay at its end."""
    trials: int
    new: Decimal
    reactivation: Decimal
    upgrade: Decimal
    downgrade: Decimal
    churn: Decimal
    exchange: Decimal
    customer_churn: Decimal | None
    """Percent."""
    recognised: Decimal
    billed: Decimal


CARLA = usd("30.416666666666667")
"""365 / 12, to 15 decimals."""
_0 = usd("0")

# fmt: off
MONTHS: tuple[Month, ...] = (
    # MRR: anna 10, gina 15, hans 30, ida 90/3 = 30, and carla: 85 + carla, all of it new
    # recognised: carla 31, anna 10, gina 15, hans 30, ida 31 = 117; billed: 10 + 365 + 15 + 30 + 90 = 510
    Month(1, 85 + CARLA, 5, 0, 85 + CARLA, _0, _0, _0, _0, _0, None, usd("117"), usd("510")),
    # MRR: 85 + dora 28 - ida 30 = 83; one of five is lost
    # recognised: carla 28, anna 10, gina 15, hans 30, ida 28 - 14 of her refund = 14, dora's 14 days = 111
    # billed: anna 10, gina 15, hans 30, dora 28, ida -45 = 38
    Month(2, 83 + CARLA, 5, 0, usd("28"), _0, _0, _0, usd("-30"), _0, usd("20.00"), usd("111"), usd("38")),
    # MRR: 83 + anna's 20 more - dora 28 = 75; one of five is lost; nora is there at neither end
    # recognised: carla 31, anna 30, gina 15, hans 30, ida 31 - 31 = 0, dora 14, nora 42 = 162
    # billed: anna 30, gina 15, hans 30, nora 21 + 21 = 117
    Month(3, 75 + CARLA, 4, 0, _0, _0, usd("20"), _0, usd("-28"), _0, usd("20.00"), usd("162"), usd("117")),
    # MRR: 75 + ben 30 + gina's discount of 15 that ends = 120
    # recognised: carla 30, anna 30, gina 30, hans 30, ben's 15 days = 135; billed: 4 x 30 = 120
    Month(4, 120 + CARLA, 5, 0, usd("30"), _0, usd("15"), _0, _0, _0, usd("0.00"), usd("135"), usd("120")),
    # MRR: 120 - ben 30 + kappa 100 - 25 = 165; one of five is lost
    # recognised: carla 31, anna 30, gina 30, hans 30, ben's other 15, kappa 75 + 500 = 711
    # billed: anna 30, gina 30, hans 30, kappa 75 + 500 = 665
    Month(5, 165 + CARLA, 5, 0, usd("75"), _0, _0, _0, usd("-30"), _0, usd("20.00"), usd("711"), usd("665")),
    # MRR: 165 + jane 60 = 225
    # recognised: carla 30, anna 30 - 5, gina 30, hans 30, kappa 75 + 12.50, jane 30 - 15 + 30 = 45: 247.50
    # billed: anna 30 - 5, gina 30, hans 30, kappa 75, jane 45 = 205
    Month(6, 225 + CARLA, 6, 0, usd("60"), _0, _0, _0, _0, _0, usd("0.00"), usd("247.50"), usd("205")),
    # MRR: 225 - hans's 20 less = 205
    # recognised: carla 31, anna 30, gina 30, hans 10, kappa 75, jane 60 = 236
    # billed: anna 30, gina 30, hans 10, kappa 75 and 12.50 of usage, jane 60 = 217.50
    Month(7, 205 + CARLA, 6, 0, _0, _0, _0, usd("-20"), _0, _0, usd("0.00"), usd("236"), usd("217.50")),
    # MRR: 205 + lea 100 x 1.10 = 315; recognised: 236 + 110 = 346; billed: 30 + 30 + 10 + 75 + 60 + 110 = 315
    Month(8, 315 + CARLA, 7, 0, usd("110"), _0, _0, _0, _0, _0, usd("0.00"), usd("346"), usd("315")),
    # MRR: 315 + ben again 30 = 345; recognised: 346 - carla's 31st day + 30 = 375; billed: 315 + 30 = 345
    Month(9, 345 + CARLA, 8, 0, _0, usd("30"), _0, _0, _0, _0, usd("0.00"), usd("375"), usd("345")),
    # MRR: 345 + kappa's 25 more + lea 100 x (1.20 - 1.10) = 380
    # recognised: 375 + carla's 31st day + 25 + 10 = 411; billed: 345 + 25 + 10 = 380
    Month(10, 380 + CARLA, 8, 0, _0, _0, usd("25"), _0, _0, usd("10"), usd("0.00"), usd("411"), usd("380")),
    # fred tries; recognised: 411 - carla's 31st day = 410
    Month(11, 380 + CARLA, 8, 1, _0, _0, _0, _0, _0, _0, usd("0.00"), usd("410"), usd("380")),
    # MRR: 380 - jane 60 + fred 31 = 351; one of eight is lost
    # recognised: carla 31, anna 30, gina 30, hans 10, kappa 100, lea 120, ben 30, fred's 28 days = 379
    # billed: anna 30, gina 30, hans 10, kappa 100, lea 120, ben 30, fred 31 = 351
    Month(12, 351 + CARLA, 8, 0, usd("31"), _0, _0, _0, usd("-60"), _0, usd("12.50"), usd("379"), usd("351")),
)
# fmt: on

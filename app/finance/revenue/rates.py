"""What currencies are worth in USD, by day, as the operator says: never guessed, never fetched."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from app import audit
from app.database import Database, Session
from app.database.connection import VERSIONS
from app.database.outages import answering
from app.database.transactions import transact
from app.errors import invalid
from app.limits.stored_definitions import read
from models.audit import Target
from models.currencies import USD
from models.documents import Document
from models.faults import Fault
from models.moments import moment_now
from models.money import plain
from models.revenue import RATES, REVENUE, STATE, CurrencyRate, NewRate

SECONDS = 5.0
REFUSED = "the rates may not have been added: MongoDB does not answer; look, and try again"
ONE = Decimal(1)


class RateStatus(StrEnum):
    """What became of a rate that was sent."""

    ADDED = "added"
    THERE = "there"
    REPLACED = "replaced"
    """There was another one of that day, with which nothing had been booked yet."""
    REFUSED = "refused"


class AddedRate(NamedTuple):
    """The receipt of one rate."""

    status: RateStatus
    rate: CurrencyRate | None
    """As it is stored; None where it was refused."""
    message: str | None
    errors: Sequence[Fault] = ()


class KnownRates:
    """Rates in memory."""

    def __init__(self, rates: Iterable[CurrencyRate]) -> None:
        by_currency: dict[str, dict[date, CurrencyRate]] = {}
        for rate in rates:
            by_currency.setdefault(rate.currency, {})[rate.day] = rate
        self._rates = {currency: [days[day] for day in sorted(days)] for currency, days in by_currency.items()}

    def of(self, currency: str, day: date) -> CurrencyRate | None:
        """The newest rate dated on or before a day; None where there is none. USD has none, and needs none."""
        rates = self._rates.get(currency, [])
        place = bisect_right(rates, day, key=lambda rate: rate.day)
        return rates[place - 1] if place else None

    def required(self, currency: str, day: date) -> CurrencyRate | None:
        """The same; None for USD alone. Raises InvalidRequestError where there is none."""
        if currency == USD:
            return None
        if (found := self.of(currency, day)) is None:
            raise invalid(
                "currency",
                f"{currency}: there is no rate on or before {day}; add one with POST /api/admin/revenue/rates",
            )
        return found


class Rates:
    """The stored rates."""

    def __init__(self, database: Database) -> None:
        self._database, self._stored = database, database.writes[RATES]

    async def usd(self, currency: str, day: date, session: Session | None = None) -> Decimal:
        """USD of one unit of a currency: its newest rate dated on or before the day; 1 for USD.

        Raises InvalidRequestError where there is none, and DatabaseUnavailableError.
        """
        with answering(SECONDS):
            rate = (await self.known({currency}, session)).required(currency, day)
        return ONE if rate is None else rate.usd

    async def known(self, currencies: Iterable[str], session: Session | None = None) -> KnownRates:
        """All rates of some currencies. Raises PyMongoError."""
        wanted = {"currency": {"$in": sorted(currencies)}}
        return KnownRates([one async for one in self._found(wanted, session)])

    async def page(self, currency: str | None, *, after: tuple[str, str] | None, size: int) -> list[CurrencyRate]:
        """By currency, the newest day first, behind the currency and day that `after` names.

        Raises DatabaseUnavailableError.
        """
        chosen: Document = {} if currency is None else {"currency": {"$eq": currency}}
        if after is not None:
            last, day = after
            chosen["$or"] = [{"currency": {"$gt": last}}, {"currency": last, "day": {"$lt": day}}]
        with answering(SECONDS):
            cursor = self._stored.find(chosen).sort([("currency", 1), ("day", -1)]).limit(size)
            return [one async for stored in cursor if (one := read(CurrencyRate, stored)) is not None]

    async def add(self, rates: Sequence[NewRate], *, by: str, execute: bool = True) -> list[AddedRate]:
        """Add rates in one transaction; a receipt for each. Of a day there is one of a currency: another value replaces
        it until something is booked with it, and is refused from then on. Without `execute`, only look.

        Raises DatabaseUnavailableError.
        """
        receipts: list[AddedRate] = []

        async def work(session: Session | None) -> None:
            now, changed = moment_now(), list[CurrencyRate]()
            receipts.clear()
            for rate in rates:
                made = CurrencyRate(**rate.model_dump(), created_at=now, created_by=by)
                receipt = await self._receipt(made, session)
                receipts.append(receipt)
                if receipt.status in {RateStatus.ADDED, RateStatus.REPLACED} and execute:
                    changed.append(made)
                    stored = made.stored()
                    await self._stored.replace_one({"_id": stored["_id"]}, stored, upsert=True, session=session)
            if changed:
                # bookings write the same document: none uses a rate that is replaced at the same time
                raised = {"$inc": {"rates": len(changed)}}
                await self._database.writes[VERSIONS].update_one(STATE, raised, session=session)
                said = {f"{rate.currency} {rate.day}": rate.usd for rate in changed}
                await audit.record(
                    self._database, session, "rate.set", Target(kind="rate", id=changed[0].id), after=said
                )

        with answering(SECONDS, REFUSED):
            await transact(self._database, work)
        return receipts

    async def _receipt(self, rate: CurrencyRate, session: Session | None) -> AddedRate:
        if rate.currency == USD:
            return _refused("currency", "is USD, in which all others are told: it has no rate")
        there = [one async for one in self._found({"_id": rate.id}, session)]
        if not there:
            return AddedRate(RateStatus.ADDED, rate, None)
        if there[0].usd == rate.usd:
            return AddedRate(RateStatus.THERE, there[0], None)
        used = {"currency": rate.currency, "rateDay": rate.day.isoformat()}
        if await self._database.writes[REVENUE].find_one(used, {"_id": 1}, session=session) is None:
            return AddedRate(RateStatus.REPLACED, rate, f"it was {plain(there[0].usd)}")
        why = f"{rate.currency} is worth {plain(there[0].usd)} on {rate.day}, and revenue was booked with that"
        return _refused("usd", f"cannot change any more: {why}; add a rate for a later day")

    async def _found(self, chosen: Mapping[str, object], session: Session | None) -> AsyncIterator[CurrencyRate]:
        async for stored in self._stored.find(chosen, session=session):
            if (one := read(CurrencyRate, stored)) is not None:
                yield one


def _refused(field: str, message: str) -> AddedRate:
    return AddedRate(RateStatus.REFUSED, None, f"{field} {message}", [Fault(field, message)])

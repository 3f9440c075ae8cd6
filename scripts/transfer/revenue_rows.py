"""Rows that say what came due: what they say is read, and nothing is guessed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from app.limits.periods import Cycle, period_of
from models.base import snake
from models.currencies import DECIMALS
from models.faults import faults_of
from models.limits import Interval, Window
from models.revenue import NewRevenue, RevenueKind, RevenueSource, revenue_id
from scripts.transfer.revenue_presets import OWN, Preset
from scripts.transfer.subscription_rows import RowError
from scripts.transfer.values import UnreadableError, flag, moment, number, text, whole

Value = TypeVar("Value")
_UTC = ZoneInfo("UTC")


class RevenueOptions(NamedTuple):
    """What the operator says of the rows."""

    preset: Preset | None = None
    columns: Mapping[str, str] = {}
    """The column of a field, where it has another name."""
    client: str | None = None
    """Of rows that name none."""
    currency: str | None = None
    kind: RevenueKind | None = None
    period: Interval | None = None
    """How long rows pay for that do not say it."""


@dataclass(frozen=True)
class ReadRevenue:
    """What a row says."""

    entries: tuple[NewRevenue, ...] = ()
    """Without its user, where that is known by the customer."""
    customer: str | None = None
    """Stripe's."""
    subscription: str | None = None
    """Stripe's."""


class RevenueRows:
    """Reads rows. `zone`: of times without one."""

    def __init__(self, options: RevenueOptions, zone: ZoneInfo) -> None:
        self._options = options
        self._preset = options.preset
        self._zone = _UTC if options.preset is not None and options.preset.utc else zone
        self._columns = dict(OWN if options.preset is None else options.preset.columns)
        self._columns |= {name: (column,) for name, column in options.columns.items()}

    def missing(self, header: list[str]) -> list[str]:
        """Columns that the source should have, and does not."""
        needed = ("source_id",) if self._preset is None else self._preset.needed
        there = self._names(header)
        return [self._columns[name][0] for name in needed if not there.intersection(self._columns[name])]

    def read(self, row: Mapping[str, Any]) -> ReadRevenue:
        """Raises RowError. Without entries: the row is left out."""
        given = self._given(row)
        kind = self._kind(given)
        if kind is None or not self._counts(given):
            return ReadRevenue()
        try:
            return self._read(given, kind)
        except ValidationError as error:
            raise RowError("; ".join(f"{fault.field}: {fault.message}" for fault in faults_of(error))) from error

    def _names(self, header: Any) -> set[str]:
        return set(header) if self._preset is not None else {*header, *map(snake, header)}

    def _given(self, row: Mapping[str, Any]) -> dict[str, Any]:
        cells = {name: value for name, value in row.items() if value not in {None, ""}}
        if self._preset is None:
            cells = {snake(name): value for name, value in cells.items()} | cells
        found = {
            name: next((cells[column] for column in columns if column in cells), None)
            for name, columns in self._columns.items()
        }
        return {name: value for name, value in found.items() if value is not None}

    def _kind(self, given: Mapping[str, Any]) -> RevenueKind | None:
        said = _read(given, "kind", text)
        if self._preset is not None and self._preset.kinds:
            return self._preset.kinds.get((said or "").lower())
        if said is None:
            return self._options.kind or (RevenueKind.ONE_TIME if self._preset is None else RevenueKind.SUBSCRIPTION)
        try:
            return RevenueKind(said.lower())
        except ValueError:
            raise RowError(f"kind: {said[:60]} is not one of {', '.join(RevenueKind)}") from None

    def _counts(self, given: Mapping[str, Any]) -> bool:
        statuses = self._preset.statuses if self._preset is not None else frozenset[str]()
        status = (_read(given, "status", text) or "").lower()
        return (not statuses or status in statuses) and _read(given, "captured", flag) is not False

    def _read(self, given: Mapping[str, Any], kind: RevenueKind) -> ReadRevenue:
        currency = (_read(given, "currency", text) or self._options.currency or "").upper()
        if currency not in DECIMALS:
            raise RowError(f"currency: {currency or 'is missing'}" + (" is not one of ISO 4217" if currency else ""))
        amount = self._amount(given, currency)
        at = self._needed(given, "at", self._moment)
        invoice = _read(given, "invoice", text)
        source_id = self._needed(given, "source_id", text)
        if not amount:
            return ReadRevenue()
        customer, subscription = _read(given, "customer", text), _read(given, "subscription", text)
        whose = {name: _read(given, name, text) for name in ("user_id", "subscription_id", "plan", "note")}
        entry = {
            **whose,
            "client_id": _read(given, "client_id", text) or self._options.client,
            "plan_version": _read(given, "plan_version", whole),
            "currency": currency,
            "at": at,
            "source": RevenueSource.IMPORT,
        }
        if kind is RevenueKind.REFUND:
            refunds = invoice or self._needed(given, "refunds", text)
            # whose it is, is what it takes back
            theirs = {"client_id": _read(given, "client_id", text)}
            back = {**theirs, "refunds": revenue_id(RevenueSource.IMPORT, refunds), "kind": kind}
            taken = NewRevenue(**{**entry, **back}, amount=-abs(amount), start=at, end=at, source_id=source_id)
            return ReadRevenue((taken,), customer, subscription)
        name = invoice or source_id
        if amount < 0:
            kind = RevenueKind.CREDIT
        elif self._preset is not None and subscription is None and not name.startswith("in_"):
            kind = RevenueKind.ONE_TIME
        start, end = self._service(given, at, kind)
        booked = NewRevenue(**entry, kind=kind, amount=amount, start=start, end=end, source_id=name)
        return ReadRevenue((booked, *self._refund(given, booked)), customer, subscription)

    def _amount(self, given: Mapping[str, Any], currency: str) -> Decimal:
        minor, amount = _read(given, "amount_minor", whole), _read(given, "amount", number)
        if (minor is None) == (amount is None):
            raise RowError("amount: is needed, or amount_minor: exactly one of them")
        if amount is None:
            amount = Decimal(minor or 0).scaleb(-DECIMALS[currency])
        return amount - (_read(given, "tax", number) or 0)

    def _service(self, given: Mapping[str, Any], at: datetime, kind: RevenueKind) -> tuple[datetime, datetime]:
        start, end = _read(given, "start", self._moment), _read(given, "end", self._moment)
        start = start or at
        if end is None and self._options.period is not None and kind is RevenueKind.SUBSCRIPTION:
            # of that time of the day: the period of an anchor begins at midnight
            zone = self._zone
            cycle = Cycle(start.astimezone(zone).date(), self._options.period, zone)
            period = period_of(start, Window.PERIOD, zone, [cycle])
            end = start + (period.end - period.start)
        return start, max(end or start, start) if self._preset is not None else end or start

    def _refund(self, given: Mapping[str, Any], of: NewRevenue) -> tuple[NewRevenue, ...]:
        """What the row of a payment says was given back of it: without tax, as much of it as of the whole."""
        refunded = _read(given, "refunded", number)
        if not refunded:
            return ()
        at = _read(given, "refunded_at", self._moment) or of.at
        with_tax = of.amount + (_read(given, "tax", number) or 0)
        share = refunded if with_tax == of.amount else round(refunded * of.amount / with_tax, DECIMALS[of.currency])
        changes = {
            "kind": RevenueKind.REFUND,
            "client_id": None,
            "amount": -share,
            "refunds": revenue_id(RevenueSource.IMPORT, of.source_id),
            "source_id": f"{of.source_id}/refunded",
            "at": at,
            "start": at,
            "end": at,
        }
        return (NewRevenue(**{**{name: getattr(of, name) for name in NewRevenue.model_fields}, **changes}),)

    def _moment(self, value: object) -> datetime:
        return moment(value, self._zone).astimezone(UTC)

    def _needed(self, given: Mapping[str, Any], name: str, reader: Callable[[object], Value]) -> Value:
        found = _read(given, name, reader)
        if found is None:
            column = self._columns.get(name, (name,))[0]
            raise RowError(f"{name}: is missing" + ("" if column == name else f" (column {column})"))
        return found


def _read(given: Mapping[str, Any], name: str, reader: Callable[[object], Value]) -> Value | None:
    if name not in given:
        return None
    try:
        return reader(given[name])
    except UnreadableError as error:
        raise RowError(f"{name}: {error}") from error

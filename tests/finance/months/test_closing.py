"""A closed month stays as it was, and says what has changed since."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from bson import Decimal128

from app.errors import ConflictError, InvalidRequestError, NotAllowedError
from app.finance.figures.finance import Finance
from app.finance.months.closing import Closings, drift
from app.finance.months.details import Since, changed_since
from app.finance.months.month import Month
from app.finance.months.months import Months, Wanted
from app.finance.months.report import MonthStatus
from app.finance.revenue.book import RevenueBook
from app.limits.defining.limits import LimitBook
from app.limits.definitions import Definitions
from app.maintenance.erasure.months import ErasedMonths
from app.maintenance.erasure.pseudonyms import Rename
from app.reports.query import Filters, ReportQuery
from app.reports.reader import reading
from app.reports.rows import Totals
from models.limits import Allowance, LimitScope, Unit, Window
from models.months import InvoiceFields
from models.revenue import STATE, NewRevenue, RevenueKind, RevenueSource
from tests.finance.months.scene import OCTOBER, ZONE, Scene, scene, track
from tests.twins import entries

COST = Decimal("0.0075")
"""Of one call as `track` makes it."""


@pytest.fixture
async def house(mongodb_uri: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(mongodb_uri, tmp_path) as found:
        await track(found.tracker)
        await track(found.tracker, client_id="zeta", user_id="u2")
        yield found


async def test_a_closed_month_keeps_its_figures_and_tells_of_late_calls(house: Scene) -> None:
    house.clock.now = datetime.now(UTC)  # calls that come later are recorded later
    await house.months.close(OCTOBER, "root")
    await house.months.close(OCTOBER, "another")  # changes nothing
    await track(house.tracker, input_tokens=3_000)

    report = await house.months.report(Wanted(OCTOBER, Filters()))
    acme = await house.months.report(Wanted(OCTOBER, Filters(client_id="acme")))
    zeta = await house.months.report(Wanted(OCTOBER, Filters(client_id="zeta")))

    assert (report.status, report.closed_by) == (MonthStatus.CLOSED, "root")
    assert (report.totals.requests, report.totals.cost) == (2, 2 * COST)
    assert report.drift is not None
    assert (report.drift.requests, report.drift.late_calls, report.drift.repriced_calls) == (1, 1, 0)
    assert report.drift.cost == report.drift.late_cost == Decimal("0.0125")
    assert report.drift.other_cost == 0
    assert (acme.totals.cost, acme.drift and acme.drift.late_calls) == (COST, 1)
    assert (zeta.totals.cost, zeta.drift) == (COST, None)


async def test_new_prices_are_told_apart_from_late_calls(house: Scene) -> None:
    closed = max(entry["recordedAt"] for entry in await entries(house.database))
    await track(house.tracker, client_id="late", input_tokens=3_000)
    former = [{"cost": Decimal128(text), "at": closed + timedelta(seconds=n)} for n, text in ((-1, "9"), (1, "0.0125"))]
    await house.database.ledger.update_one({"clientId": "acme"}, {"$set": {"repriced": former}})
    query = ReportQuery(OCTOBER.window(ZONE))
    async with reading(house.database) as read:
        since = Since.of(await read.ledger(changed_since(query, closed)))

    assert since.late == {"calls": 1, "cost": Decimal("0.0125")}
    assert since.repriced == {"calls": 1, "cost": COST - Decimal("0.0125")}


def test_what_changed_is_in_three_parts_that_sum_to_it() -> None:
    kept, now = (Totals.from_stored({"requests": n, "cost": Decimal(cost)}) for n, cost in ((5, "10"), (6, "13")))
    since = Since({"calls": 2, "cost": Decimal(5)}, {"calls": 1, "cost": Decimal("-0.5")})
    found = drift(kept, now, since)
    assert found is not None
    assert (found.requests, found.cost, found.other_cost) == (1, Decimal(3), Decimal("-1.5"))
    assert drift(kept, kept, since) is None
    unknown = drift(kept, now, None)
    assert unknown is not None
    assert (unknown.cost, unknown.late_calls, unknown.other_cost) == (Decimal(3), None, None)


async def test_a_client_with_revenue_and_no_calls_has_its_month_kept_too(house: Scene) -> None:
    october = OCTOBER.window(ZONE)
    entry = NewRevenue(
        client_id="payer",
        kind=RevenueKind.ONE_TIME,
        amount=Decimal(7),
        currency="USD",
        start=october.start,
        end=october.start,
        at=october.start,
        source=RevenueSource.MANUAL,
        source_id="set-up",
    )
    await RevenueBook(house.database, ZONE).book([entry], client=None, by="root")
    await house.months.close(OCTOBER, "root")

    report = await house.months.report(Wanted(OCTOBER, Filters(client_id="payer")))

    assert (report.status, report.revenue and report.revenue.recognised) == (MonthStatus.CLOSED, Decimal(7))


async def test_months_are_closed_in_order_and_only_when_over(house: Scene) -> None:
    with pytest.raises(ConflictError, match=r"2024-11 is not over: it can be closed from 2024-12-01T00:00:00\+01:00"):
        await house.months.close(OCTOBER.after, "root")
    await house.months.close(OCTOBER, "root")
    with pytest.raises(ConflictError, match="2024-09 is before the first month that was closed"):
        await house.months.close(OCTOBER.before, "root")
    house.clock.now = datetime(2025, 3, 1, tzinfo=UTC)
    with pytest.raises(ConflictError, match="2024-11 is not closed: close it before 2025-01"):
        await house.months.close(Month(2025, 1), "root")
    assert (await house.months.close(OCTOBER.after, "root")).status is MonthStatus.CLOSED
    # revenue that is booked later is of what is open
    state = await house.database.writes["versions"].find_one(STATE)
    assert state is not None
    assert state["closedUntil"] == OCTOBER.after.window(ZONE).end


async def test_an_interrupted_closing_is_done_again(house: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Closings, "_document", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            await house.months.close(OCTOBER, "root")
    assert (await house.months.report(Wanted(OCTOBER, Filters()))).status is MonthStatus.OPEN
    assert (await house.months.close(OCTOBER, "root")).totals.requests == 2


async def test_of_two_that_close_at_once_one_does(house: Scene) -> None:
    other = Months(house.database, Definitions(house.database, ZONE), Finance(house.database, ZONE), house.clock)
    async with other._finance.reading():
        assert await other._closings._lease.acquire()
        with pytest.raises(ConflictError, match="a month is being closed just now"):
            await house.months.close(OCTOBER, "root")
    await other.close(OCTOBER, "another")
    assert (await house.months.close(OCTOBER, "root")).closed_by == "another"


async def test_revenue_that_is_booked_later_is_of_the_next_month(house: Scene) -> None:
    book, october = RevenueBook(house.database, ZONE), OCTOBER.window(ZONE)

    async def pay(source_id: str) -> None:
        entry = NewRevenue(
            client_id="acme",
            kind=RevenueKind.SUBSCRIPTION,
            amount=Decimal(31),
            currency="USD",
            start=october.start,
            end=october.end,
            at=october.start,
            source=RevenueSource.MANUAL,
            source_id=source_id,
            overlaps=True,
        )
        (receipt,) = await book.book([entry], client=None, by="root")
        assert receipt.status == "booked"

    await pay("in time")
    closed = await house.months.close(OCTOBER, "root")
    await pay("late")
    house.clock.now = datetime(2024, 12, 5, tzinfo=UTC)
    after = await house.months.report(Wanted(OCTOBER, Filters()))
    november = await house.months.report(Wanted(OCTOBER.after, Filters()))

    assert closed.revenue is not None
    assert (closed.revenue.recognised, closed.revenue.margin) == (Decimal(31), 31 - 2 * COST)
    assert after.revenue == closed.revenue
    assert november.revenue is not None
    assert (november.revenue.recognised, november.totals.requests) == (Decimal(31), 0)


async def test_invoices_that_come_later_are_reconciled_with_what_was_kept(house: Scene) -> None:
    await house.months.close(OCTOBER, "root")
    invoice = InvoiceFields(provider="openai", month="2024-10", currency="USD", total=Decimal(1), number="INV-1")
    assert (await house.months.invoices.add(invoice, client=None, by="root"))[1]
    assert not (await house.months.invoices.add(invoice, client=None, by="root"))[1]  # counts once
    with pytest.raises(ConflictError, match="invoice INV-1 is there already, with 1 USD of openai for 2024-10"):
        await house.months.invoices.add(invoice.model_copy(update={"total": Decimal(2)}), client=None, by="root")

    report = await house.months.report(Wanted(OCTOBER, Filters()))
    acme = await house.months.report(Wanted(OCTOBER, Filters(client_id="acme")))

    assert report.reconciliation is not None
    (openai,) = report.reconciliation
    assert (openai.recorded, openai.difference, openai.unexplained) == (2 * COST, 1 - 2 * COST, 1 - 2 * COST)
    assert acme.reconciliation is not None
    assert [(each.recorded, each.invoiced) for each in acme.reconciliation] == [(COST, None)]


async def test_an_invoice_in_a_currency_without_a_rate_or_of_another_client_is_refused(house: Scene) -> None:
    invoice = InvoiceFields(provider="openai", month="2024-10", currency="EUR", total=Decimal(1), number="INV-1")
    with pytest.raises(InvalidRequestError, match="EUR"):
        await house.months.invoices.add(invoice, client=None, by="root")
    of_zeta = invoice.model_copy(update={"currency": "USD", "client_id": "zeta"})
    with pytest.raises(NotAllowedError, match="limited to acme"):
        await house.months.invoices.add(of_zeta, client="acme", by="ann")


async def test_budgets_are_shown_against_what_was_spent(house: Scene) -> None:
    book = LimitBook(house.database, Definitions(house.database, ZONE))
    for scope, amount in (
        (LimitScope(client_id="acme"), "0.01"),
        (LimitScope(everyone=True), "0.1"),
        (LimitScope(client_id="zeta", user_id="u2"), "0"),
    ):
        allowance = Allowance(unit=Unit.USD, window=Window.MONTH, amount=Decimal(amount))
        limit = await book.add(scope, allowance, client=None, by="root")
        made = {"createdAt": datetime(2024, 10, 2, tzinfo=UTC)}
        await house.database.writes["limits"].update_one({"_id": limit.id}, {"$set": made})

    report = await house.months.report(Wanted(OCTOBER, Filters()))
    acme = await house.months.report(Wanted(OCTOBER, Filters(client_id="acme")))
    u2 = await house.months.report(Wanted(OCTOBER, Filters(user_id="u2")))

    assert [(each.of, each.spent, each.percent) for each in report.budgets] == [
        ("user u2 of client zeta", COST, None),
        ("client acme", COST, Decimal(75)),
        ("everyone", 2 * COST, Decimal(15)),
    ]
    assert [each.of for each in acme.budgets] == ["client acme"]
    assert [each.of for each in u2.budgets] == ["user u2 of client zeta"]


async def test_an_erased_user_is_gone_from_closed_months_and_the_figures_stay(house: Scene) -> None:
    before = await house.months.close(OCTOBER, "root")
    erasure = ErasedMonths(house.database, Rename.fresh("u1", "acme"))
    assert await erasure.count() == 2
    assert await erasure.erase() == 2
    assert await erasure.erase() == 0

    after = await house.months.report(Wanted(OCTOBER, Filters()))
    kept = [str(one) async for one in house.database.writes["month_closings"].find()]

    assert after.totals == before.totals
    assert not any("'u1'" in one for one in kept)
    assert {user.user_id for user in after.top_users} > {"u2"}

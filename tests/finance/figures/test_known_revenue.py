from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.finance.figures.known_revenue import Entries, moment
from app.finance.figures.recognised import Recognised, Scope, total
from app.finance.revenue.recognition import recognised_units
from models.money import usd_of_units
from models.revenue import Revenue
from tests.finance.a_year import ENTRIES, Entry
from tests.finance.figures.the_year import entries, months, revenue, stored_entries

EVERYONE = Scope(None, None, frozenset({False}))
START = datetime(2025, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 400 * 86_400_000).map(lambda ms: START + timedelta(milliseconds=ms))


def known(stored: list[dict[str, Any]]) -> Entries:
    found = Entries()
    for one in stored:
        found.add(one)
    return found


def test_each_month_of_the_year_is_what_was_worked_out_by_hand() -> None:
    found = known(stored_entries())
    recognised = Recognised(found)
    for start, end, month in months():
        window = moment(start), moment(end)
        sums = recognised.by_holder(*window, len(found))
        assert usd_of_units(total(sums, recognised.wanted(EVERYONE))) == month.recognised, month.month
        billed = found.billed(*window, len(found))
        assert usd_of_units(total(billed, recognised.wanted(EVERYONE))) == month.billed, month.month


@st.composite
def booked(draw: st.DrawFn) -> list[Revenue]:
    """Entries of any service, also of one moment, above and below zero."""
    found = []
    for number in range(1, draw(st.integers(1, 12)) + 1):
        start = draw(MOMENTS)
        length = timedelta(milliseconds=draw(st.sampled_from([0, 1, 86_400_000, 31 * 86_400_000, 365 * 86_400_000])))
        units = draw(st.integers(1, 10**18)) * draw(st.sampled_from([1, -1]))
        kind = "one_time" if units > 0 else "credit"
        customer = draw(st.sampled_from(["anna", "ben", "lea"]))
        entry = Entry(customer, kind, usd_of_units(units), start, start + length, start)
        found.append(revenue(entry, number))
    return found


@given(booked(), st.lists(MOMENTS, min_size=2, max_size=40, unique=True), st.data())
def test_windows_and_days_are_recognised_as_entry_by_entry(
    booked: list[Revenue], cuts: list[datetime], data: st.DataObject
) -> None:
    found = known([each.stored() for each in booked])
    recognised, cuts = Recognised(found), sorted(cuts)
    bounds = [moment(cut) for cut in cuts]

    def plain(count: int, client: str | None) -> list[int]:
        chosen = [each for each in booked[:count] if client in {None, each.client_id}]
        by_cut = [sum(recognised_units(each, cut) for each in chosen) for cut in cuts]
        return [later - earlier for earlier, later in pairwise(by_cut)]

    # as snapshots come: later ones, and now and then an older one
    for count in data.draw(st.lists(st.integers(0, len(booked)), min_size=1, max_size=5)):
        for client in (None, "acme"):
            scope = Scope(client, None, frozenset({False}))
            assert recognised.by_day(bounds, count, scope) == plain(count, client)
            today = recognised.of_today((bounds[0], bounds[-1]), bounds[1], count)
            assert total(today, recognised.wanted(scope)) == plain(count, client)[0]
            whole = recognised.by_holder(bounds[0], bounds[-1], count)
            assert total(whole, recognised.wanted(scope)) == sum(plain(count, client))


def test_days_that_were_asked_for_in_parts_are_whole() -> None:
    found = known(stored_entries())
    days = [moment(START + timedelta(days=number)) for number in range(366)]
    in_parts, at_once = Recognised(found), Recognised(found)
    in_parts.by_day(days[100:110], len(found), EVERYONE)
    in_parts.by_day(days[200:210], len(found), EVERYONE)
    expected = at_once.by_day(days, len(found), EVERYONE)
    assert in_parts.by_day(days, len(found), EVERYONE) == expected
    assert usd_of_units(sum(expected)) == sum((month.recognised for _, _, month in months()), Decimal(0))


def test_demo_data_is_a_scope_of_its_own() -> None:
    stored = [{**each, "synthetic": number % 2 == 0} for number, each in enumerate(stored_entries())]
    found = known(stored)
    window = moment(START), moment(START + timedelta(days=365))
    recognised = Recognised(found)
    sums = recognised.by_holder(*window, len(found))
    parts = [total(sums, recognised.wanted(Scope(None, None, frozenset({kind})))) for kind in (False, True)]
    assert sum(parts) == total(sums, recognised.wanted(Scope(None, None, frozenset({False, True}))))
    assert all(parts)


def test_the_year_has_entries_for_all_that_came_due() -> None:
    assert len(entries()) == len(ENTRIES)

"""Results of an experiment, as they follow from calls and events."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import Decimal128

from app.errors import ConflictError, NotFoundError
from app.finance.experiments import memory
from app.finance.experiments.analyst import Analyst
from app.finance.experiments.answers import ExperimentResults, VariantResult
from app.finance.experiments.experiments import Experiments
from app.maintenance.erasure.erasure import Erasure
from app.maintenance.reconcile.days import DayCheck
from app.maintenance.retention import Retention
from app.reports.query import Synthetic
from app.rollups.corrections import correction
from app.rollups.local_time import LocalTime
from app.rollups.merging import merging
from app.rollups.name_caps import NameCaps
from app.rollups.recount import Recount
from app.spool.journal import Spool
from models.call import AICall
from models.money import quantize_usd
from models.rollups import DELTAS, STATE
from tests.finance.experiments.conftest import BEGINS, DAY, DEFINED, HOUR, NOON, NOW, House


@pytest.fixture
def experiments(house: House, analyst: Analyst) -> Experiments:
    return Experiments(house.database, ZoneInfo("UTC"), analyst, clock=lambda: NOW)


async def define(experiments: Experiments, client: str | None = None, **more: Any) -> None:
    await experiments.book.add({**DEFINED, **more}, client=client, by="me")


async def results(experiments: Experiments, client: str | None = None, **more: Any) -> ExperimentResults:
    return await experiments.results("tone", client, more.get("synthetic", Synthetic.EXCLUDE))


async def of_variants(experiments: Experiments, **more: Any) -> dict[str, VariantResult]:
    return {variant.name: variant for variant in (await results(experiments, **more)).variants}


async def test_each_variant_has_what_its_users_did(house: House, experiments: Experiments) -> None:
    await define(experiments)
    await house.call("ann", "a", "0.000000000000001")
    await house.call("ann", "a", "0.10", NOON + DAY)
    await house.call("art", "a", "0.20")
    await house.call("bob", "b", "0.50")
    await house.call("bea", "b", None)
    await house.call("eve", None, "9")
    await house.event("ann", at=NOON + HOUR, value="19.99")
    await house.event("ann", at=NOON + DAY, value="-5")
    await house.event("bob", at=NOON + DAY)

    found = await of_variants(experiments)

    a, b = found["a"], found["b"]
    assert (a.users, a.calls, a.tokens, a.cost, a.unpriced) == (2, 3, 45, Decimal("0.300000000000001"), 0)
    assert (a.converted, a.conversions, a.value) == (1, 2, Decimal("14.99"))
    assert (b.users, b.calls, b.cost, b.unpriced, b.converted, b.value) == (2, 2, Decimal("0.5"), 1, 1, Decimal(0))
    assert (a.control, b.control) == (True, False)
    values = {name: figure.value for name, figure in a.figures.items()}
    assert values == {
        "callsPerUser": Decimal("1.5"),
        "costPerUser": Decimal("0.15"),
        "conversionRate": Decimal("0.5"),
        "costPerConversion": Decimal("0.300000000000001"),
        "valuePerUser": Decimal("7.495"),
    }


async def test_of_few_users_nothing_is_said_but_how_many(house: House, experiments: Experiments) -> None:
    await define(experiments, minimum_conversions=3)
    await house.call("ann", "a")
    await house.call("bob", "b")

    found = await results(experiments)

    for variant in found.variants:
        assert variant.differences == {}
        assert {(figure.low, figure.high, figure.few) for figure in variant.figures.values()} == {
            (None, None, "fewer than 100 users")
        }
    assert found.variants[0].figures["costPerConversion"].value is None
    assert {"few_users", "running"} <= {notice.code for notice in found.notices}


async def test_a_user_in_two_variants_is_in_neither(house: House, experiments: Experiments) -> None:
    await define(experiments)
    await house.call("ann", "a")
    await house.call("ann", "b", at=NOON + DAY)
    await house.call("bob", "b")
    await house.event("bob", "exposed", experiment="tone", variant="a", at=NOON + DAY)
    await house.call("bea", "b")

    found = await results(experiments)

    assert found.mixed_users == 2
    assert [variant.users for variant in found.variants] == [0, 1]
    assert "mixed_users" in {notice.code for notice in found.notices}


async def test_events_alone_show_who_takes_part_but_a_conversion_does_not(
    house: House, experiments: Experiments
) -> None:
    await define(experiments)
    tone_a: dict[str, Any] = {"experiment": "tone", "variant": "a"}
    await house.event("ann", "exposed", **tone_a)
    await house.event("ann", at=NOON + HOUR)
    await house.event("art", **tone_a)

    found = await results(experiments)

    assert [variant.users for variant in found.variants] == [1, 0]
    assert (found.variants[0].converted, found.unexposed_conversions) == (1, 1)


async def test_a_conversion_before_the_first_call_does_not_count_to_the_millisecond(
    house: House, experiments: Experiments
) -> None:
    await define(experiments)
    for user in ("ann", "art"):
        await house.call(user, "a", at=NOON)
        await house.call(user, "a", at=NOON + HOUR)
    await house.event("ann", at=NOON.replace(hour=11, minute=59, second=59, microsecond=999_000))
    await house.event("art", at=NOON)

    found = await results(experiments)

    assert (found.variants[0].converted, found.unexposed_conversions) == (1, 1)


async def test_only_its_own_days_count(house: House, experiments: Experiments) -> None:
    await define(experiments, ends=BEGINS)
    await house.call("ann", "a", "1", NOON - DAY)
    await house.call("ann", "a", "2")
    await house.call("ann", "a", "4", NOON + DAY)
    await house.event("ann", at=NOON + DAY)

    found = await results(experiments)

    a = found.variants[0]
    assert (a.cost, a.calls, a.converted, found.experiment.state) == (Decimal(2), 1, 0, "ended")
    assert (found.first, found.last) == (BEGINS, BEGINS)


async def test_variants_that_are_not_defined_are_told(house: House, experiments: Experiments) -> None:
    await define(experiments)
    await house.call("ann", "<script>alert(1)</script>")

    found = await results(experiments)

    assert [(each.name, each.users) for each in found.unknown_variants] == [("<script>alert(1)</script>", 1)]
    assert [variant.users for variant in found.variants] == [0, 0]


async def test_demo_data_counts_only_where_it_is_asked_for(house: House, experiments: Experiments) -> None:
    await define(experiments)
    await house.call("ann", "a", synthetic=True)
    await house.event("ann", at=NOON + HOUR, synthetic=True)

    for synthetic, users in ((Synthetic.EXCLUDE, 0), (Synthetic.INCLUDE, 1), (Synthetic.ONLY, 1)):
        a = (await of_variants(experiments, synthetic=synthetic))["a"]
        assert (a.users, a.converted) == (users, users)


async def test_an_experiment_of_one_client_counts_that_client_alone(house: House, experiments: Experiments) -> None:
    await define(experiments, "shop")
    await house.call("ann", "a", client_id="shop")
    await house.call("ann", "b", client_id="bank")

    found = await results(experiments, "shop")

    assert (found.mixed_users, [variant.users for variant in found.variants]) == (0, [1, 0])
    with pytest.raises(NotFoundError):
        await results(experiments, "bank")


async def test_what_others_write_into_analytics_breaks_nothing(house: House, experiments: Experiments) -> None:
    await define(experiments)
    await house.call("ann", "a")
    events = house.database.events
    for odd in ({"value": "19.99"}, {"value": 2.5}, {"value": None}, {"userId": 7}, {"createdAt": "x"}):
        await events.insert_one({**_EVENT, **odd})
    await events.insert_one({"event": "exposed", "experiment": "tone", "variant": 3, **_EVENT, "userId": "bob"})

    found = await results(experiments)

    assert [(each.users, each.conversions, each.value) for each in found.variants] == [
        (1, 3, Decimal(0)),
        (0, 0, Decimal(0)),
    ]


_EVENT = {"userId": "ann", "clientId": "default", "event": "purchase", "synthetic": False, "createdAt": NOON + HOUR}


async def test_before_it_begins_there_are_no_results(experiments: Experiments) -> None:
    await define(experiments, begins=NOW.date() + DAY)

    with pytest.raises(ConflictError, match="begins on 2026-05-21"):
        await results(experiments)


async def test_with_users_enough_differences_come_with_intervals(house: House, experiments: Experiments) -> None:
    """120 users in each variant, of whom those of b cost 0.02 more, whatever they had cost before."""
    await define(experiments)
    calls, events = [], []
    for number in range(240):
        user, variant, base = f"u{number}", "ab"[number % 2], 1 + number // 2 % 10
        before = {"user_id": user, "cost": Decimal(base) / 100, "created_at": NOON - 3 * DAY}
        cost = Decimal(base + 2 * (number % 2) + number // 2 % 3 - 1) / 100
        during = {"user_id": user, "cost": cost, "created_at": NOON}
        calls += [before, {**during, "experiment": "tone", "variant": variant}]
        if number % 8 < 2:
            events.append(user)
    common = {"content_type": "chat", "model": "gpt-4o", "input_tokens": 1, "output_tokens": 1}
    await house.tracker.track_calls([AICall(**common, **call) for call in calls], "test")
    for user in events:
        await house.event(user, at=NOON + HOUR, value="1")

    found = await results(experiments)

    a, b = found.variants
    assert found.sample_ratio.trusted is True
    assert (a.figures["costPerUser"].value, b.figures["costPerUser"].value) == (Decimal("0.055"), Decimal("0.075"))
    more = b.differences["costPerUser"]
    assert more.absolute == pytest.approx(Decimal("0.02"))
    assert more.cuped
    assert more.narrower is not None
    assert more.narrower > Decimal("0.7")
    assert [more.low, more.high] == pytest.approx([Decimal("0.0179"), Decimal("0.0221")], abs=Decimal("0.0001"))
    assert found.method.with_history == 240
    assert b.differences["conversionRate"].absolute == 0
    assert b.figures["costPerConversion"].few is None


async def merged(house: House) -> None:
    async with merging(house.database) as compactor:
        await compactor.merge_all()


async def test_cells_deltas_and_ledger_say_the_same(house: House, experiments: Experiments) -> None:
    await define(experiments)
    state, states = {"_id": "rollups"}, house.database.writes[STATE]
    said = []
    for number in range(24):
        user, variant = f"u{number % 9}", "ab"[number % 9 % 2]
        await house.call(user, variant, f"0.{number + 1:02}" if number % 5 else None, NOON + number % 4 * DAY)
        if number % 3 == 0:
            await house.event(user, at=NOON + number % 5 * DAY - HOUR, value=str(number))
        if number == 8:
            await merged(house)

    async def say() -> None:
        found = await results(experiments)
        said.append((found.variants, found.mixed_users, found.unexposed_conversions))

    await say()  # cells, and what waits
    await states.update_one(state, {"$unset": {"tagged": ""}})
    await say()  # the ledger
    await states.update_one(state, [{"$set": {"tagged": "$merges"}}])
    await merged(house)
    await say()  # cells alone

    assert said[0] == said[1] == said[2]
    assert sum(variant.calls for variant in said[0][0]) == 24
    assert said[0][0][0].converted > 0


async def test_of_days_whose_calls_are_deleted_the_cells_know(house: House, experiments: Experiments) -> None:
    await define(experiments)
    await house.call("ann", "a", "0.25")
    await house.call("ann", "a", "0.50", NOON + DAY)
    await house.event("ann", at=NOON - HOUR)
    await merged(house)
    before = await results(experiments)
    await Retention(house.database).begin(ZoneInfo("UTC"), (NOON + DAY).date())
    await house.database.ledger.delete_many({"createdAt": {"$lt": NOON + HOUR}})
    after = await results(experiments)
    await house.database.writes[STATE].update_one({"_id": "rollups"}, {"$unset": {"tagged": ""}})
    from_both = await results(experiments)

    for found in (before, after, from_both):
        assert (found.variants[0].cost, found.variants[0].calls) == (Decimal("0.75"), 2)
    # at which moment of that day the first call was, nobody knows any more
    assert [found.variants[0].converted for found in (before, after, from_both)] == [0, 1, 1]


async def test_a_call_that_is_priced_anew_costs_what_it_costs_now(house: House, experiments: Experiments) -> None:
    """A correction changes the cost alone, while it waits as well as in the cell."""
    await define(experiments)
    await house.call("ann", "a", "0.25")
    (entry,) = await house.database.ledger.find({}).to_list(None)
    for cost in ("0.40", "0.10"):
        dearer = {**entry, "cost": Decimal128(quantize_usd(Decimal(cost)))}
        local_time, caps = LocalTime(ZoneInfo("UTC")), NameCaps(house.database)
        await house.database.writes[DELTAS].insert_one(await correction([entry], [dearer], local_time, caps))
        entry = dearer
        waiting = (await of_variants(experiments))["a"]
        await merged(house)
        cell = (await of_variants(experiments))["a"]

        assert (waiting.cost, waiting.calls) == (cell.cost, cell.calls) == (Decimal(cost), 1)


async def test_a_first_day_that_is_taken_back_is_no_first_day(house: House, experiments: Experiments) -> None:
    await define(experiments)
    await house.call("ann", "a", at=NOON)
    await house.call("ann", "a", at=NOON + 2 * DAY)
    await house.event("ann", at=NOON + DAY)
    first, _ = await house.database.ledger.find({}).sort("createdAt", 1).to_list(None)
    await merged(house)
    local_time, caps = LocalTime(ZoneInfo("UTC")), NameCaps(house.database)
    await house.database.writes[DELTAS].insert_one(await correction([first], [], local_time, caps))
    waiting = await results(experiments)
    await merged(house)
    cell = await results(experiments)

    assert [found.variants[0].converted for found in (waiting, cell)] == [0, 0]
    assert [found.variants[0].calls for found in (waiting, cell)] == [1, 1]


async def test_what_is_kept_in_memory_is_what_is_stored_whatever_changes(house: House, analyst: Analyst) -> None:
    """After each change the one who kept all in memory, and one who has just started, say the same."""
    keeping, said = Experiments(house.database, ZoneInfo("UTC"), analyst, clock=lambda: NOW), []
    await define(keeping, "default")
    local_time, caps = LocalTime(ZoneInfo("UTC")), NameCaps(house.database)

    async def correct(user: str, **change: Any) -> None:
        entry = await house.database.ledger.find_one({"userId": user})
        assert entry is not None
        changed = {**entry, **change}
        await house.database.ledger.replace_one({"_id": entry["_id"]}, changed)
        delta = await correction([entry], [changed], local_time, caps)
        await house.database.writes[DELTAS].insert_one(delta)

    steps: list[Callable[[], Awaitable[object]]] = [
        partial(house.call, "ann", "a", "0.10", NOON + DAY),
        partial(merged, house),
        partial(house.call, "bob", "b", "0.20", NOON + DAY),
        partial(house.call, "ann", "a", "0.30", NOON),
        partial(house.event, "ann", at=NOON + HOUR),
        partial(merged, house),
        partial(house.call, "ann", "b", client_id="other"),
        partial(house.event, "bob", at=NOON, value="3"),
        partial(house.event, "bob", "exposed", experiment="tone", variant="b", at=NOON - HOUR),
        partial(correct, "bob", cost=Decimal128(quantize_usd(Decimal("0.45")))),
        partial(merged, house),
        partial(house.call, "bob", None, "0.70", NOON - 3 * DAY),
        partial(merged, house),
        partial(house.call, "ann", "b", "0.01", NOON + 2 * DAY),
        partial(Recount(house.database, ZoneInfo("UTC")).days, BEGINS, BEGINS + 3 * DAY),
        partial(house.event, "ann", at=NOON + 3 * DAY, value="0.5"),
    ]
    for step in steps:
        await step()
        fresh = Experiments(house.database, ZoneInfo("UTC"), analyst, clock=lambda: NOW)
        found = [await results(each, "default") for each in (keeping, fresh)]
        assert found[0] == found[1], step
        said.append(found[0].model_dump(exclude={"generated_at"}))
    assert all(one != other for one, other in pairwise(said[::3]))
    assert keeping._memory._kept


async def test_an_erased_user_counts_as_before(house: House, experiments: Experiments, tmp_path: Path) -> None:
    await define(experiments)
    await house.call("ann", "a", "0.10")
    await house.call("art", "a", "0.20")
    await house.event("ann", at=NOON + HOUR, value="5", properties={"name": "Ann"})
    before = await results(experiments)
    spool = Spool(tmp_path / "spool.sqlite3", 1_000_000)
    await Erasure(house.database, ZoneInfo("UTC"), "ann", None, spool).run(lambda _: None)
    after = await results(experiments)

    assert after == before
    assert after.variants[0].converted == 1
    (event,) = await house.database.events.find({"event": "purchase"}).to_list(None)
    assert (event["userId"][:7], event["properties"]) == ("erased-", {})


async def test_an_audit_has_nothing_to_say_of_product_events(house: House) -> None:
    await house.call("ann", "a")
    await house.event("ann", value="5", experiment="tone", variant="a")

    found = await DayCheck(house.database, ZoneInfo("UTC")).day(BEGINS, first=True)

    assert (found.differences, found.entries) == ([], 1)


async def test_beside_writers_and_merges_nothing_is_lost_and_nothing_counts_twice(
    house: House, analyst: Analyst
) -> None:
    keeping = Experiments(house.database, ZoneInfo("UTC"), analyst, clock=lambda: NOW)
    await define(keeping)
    random = Random(1)

    async def write(number: int) -> None:
        user, at = f"u{random.randrange(12)}", NOON + random.randrange(4) * DAY
        if number % 4 == 0:
            await house.event(user, at=at + random.randrange(-2, 3) * HOUR, value=str(number))
        else:
            variant = "ab"[int(user[1:]) % 2] if number % 29 else "b"
            await house.call(user, variant, f"0.{number:03}", at)

    for burst in range(4):
        writes = [write(burst * 30 + number) for number in range(30)]
        await asyncio.gather(*writes, merged(house), *(results(keeping) for _ in range(3)))
        fresh = Experiments(house.database, ZoneInfo("UTC"), analyst, clock=lambda: NOW)
        assert await results(keeping) == await results(fresh)
    calls = await house.database.ledger.find({"experiment": "tone"}).to_list(None)
    variants_of: dict[str, set[str]] = {}
    for call in calls:
        variants_of.setdefault(call["userId"], set()).add(call["variant"])
    whole = [call for call in calls if len(variants_of[call["userId"]]) == 1]
    found = await results(keeping)
    assert found.mixed_users == sum(len(variants) > 1 for variants in variants_of.values())
    for variant in found.variants:
        costs = [call["cost"].to_decimal() for call in whole if call["variant"] == variant.name]
        assert (variant.calls, variant.cost) == (len(costs), sum(costs))


@pytest.mark.parametrize("most", [1, 2, 9])
async def test_however_many_cells_a_merge_changes_all_of_their_users_are_read_again(
    house: House, analyst: Analyst, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(memory, "MOST_CHANGED", most)
    keeping = Experiments(house.database, ZoneInfo("UTC"), analyst, clock=lambda: NOW)
    await define(keeping)
    await house.call("eve", "a")
    await merged(house)
    await results(keeping)
    for day in range(4):
        await house.call("ann", "a", at=NOON + day * DAY)
    await house.call("bob", "b")
    await merged(house)

    found = await results(keeping)

    assert [(variant.users, variant.calls) for variant in found.variants] == [(2, 5), (1, 1)]

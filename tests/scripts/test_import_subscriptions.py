"""Subscriptions of earlier systems: what is understood, what is not, and that it can be repeated."""

import asyncio
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.database import Database
from models.limits import Interval, LimitScope
from models.plans import SUBSCRIPTIONS, Discount, Price, Subscription
from scripts.import_subscriptions import ImportSubscriptions
from tests.limits.defined import allowance, define, plan, subscription, term
from tests.scripts.conftest import Command
from tests.scripts.jobs import Interrupted, failing_after

HEADER = (
    "user_id,plan,status,current_period_start,current_period_end,stripe_customer_id,stripe_subscription_id,"
    "content_generations_used,content_generations_limit,chat_messages_limit,usage_alerts_enabled,created_at,colour\n"
)
ROWS = [
    "u1,pro,active,2026-07-12T09:30:00Z,2026-08-12T09:30:00Z,cus_1,sub_1,17,100,500,false,2026-01-01T00:00:00Z,red",
    "u2,pro,trialing,1783848600,1786527000,,,,100,500,,,",
    "u3,pro,canceled,,,,,,,,,,",
    "u4,gold,active,,,,,,,,,,",
    "u5,pro,past_due,,,,,,,,,,",
    "u6,pro,active,2026-07-12T09:30:00Z,2027-07-12T09:30:00Z,,,,,,,,",
    ",pro,active,,,,,,,,,,",
    "u7,pro,active,soon,,,,,,,,,",
    "u1,free,active,,,,,,,,,,",
    "u8,pro,active,,,,,,250,,maybe,,",
]


async def run(command: Command, *arguments: str, status: int = 0) -> Any:
    ended = await asyncio.to_thread(command, "scripts.import_subscriptions", *arguments, "--json")
    assert ended.returncode == status, ended.stderr
    return json.loads(ended.stdout) if ended.stdout else ended.stderr


async def stored(database: Database) -> dict[str, Subscription]:
    found = [Subscription.read(one) async for one in database.writes[SUBSCRIPTIONS].find()]
    return {str(one.scope.subject): one for one in found}


def rejected(source: str) -> list[Any]:
    return [json.loads(line) for line in Path(f"{source}.rejects.jsonl").read_text().splitlines()]


@pytest.fixture
async def plans(database: Database) -> Database:
    named = allowance(100, name="content generations"), allowance(500, name="Chat messages")
    await define(database, plan("pro", *named), plan("free"), plan("yearly", interval=Interval.YEAR))
    return database


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "user_subscriptions.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in ROWS))
    return str(path)


async def test_rows_become_subscriptions_and_each_other_one_is_told_with_its_reason(
    command: Command, plans: Database, source: str
) -> None:
    dry = await run(command, source, status=3)
    assert (await stored(plans), dry["executed"]) == ({}, False)

    done = await run(command, source, "--execute", status=3)

    counts = {name: done[name] for name in ("new", "known", "ended", "rejected", "other limits")}
    assert counts == {"new": 2, "known": 0, "ended": 1, "rejected": 7, "other limits": 0}
    assert counts == {name: dry[name] for name in counts}
    assert {one["line"]: one["reason"].partition(":")[0] for one in rejected(source)} == {
        "line 5": "plan",
        "line 6": "status",
        "line 7": "current_period_end",
        "line 8": "user_id",
        "line 9": "current_period_start",
        "line 10": "user_id",
        "line 11": "usage_alerts_enabled",
    }
    assert any("column colour is not understood" in note for note in done["notes"])
    assert any("counters of the rows are not imported" in note for note in done["notes"])


async def test_what_a_row_says_is_kept_and_its_counters_are_not(command: Command, plans: Database, source: str) -> None:
    await run(command, source, "--execute", status=3)

    found = await stored(plans)

    one, two = found["user:u1"], found["user:u2"]
    assert (one.terms[0].plan, one.terms[0].version, one.terms[0].anchor) == ("pro", 1, date(2026, 7, 12))
    assert (one.stripe_customer_id, one.stripe_subscription_id, one.usage_alerts_enabled) == ("cus_1", "sub_1", False)
    assert (two.terms[0].anchor, two.usage_alerts_enabled, two.stripe_customer_id) == (date(2026, 7, 12), True, None)
    assert await plans.writes["limit_counters"].count_documents({}) == 0


async def test_it_can_be_repeated_and_changes_nothing_that_is_there(
    command: Command, plans: Database, source: str
) -> None:
    await run(command, source, "--execute", status=3)
    before = await stored(plans)

    again = await run(command, source, "--execute", status=3)

    assert (again["new"], again["known"], again["rejected"]) == (0, 2, 7)
    assert await stored(plans) == before


async def test_whose_subscription_is_over_gets_that_of_the_row(command: Command, plans: Database, source: str) -> None:
    over = subscription(term("free"), scope=LimitScope(user_id="u1"), ended_at=datetime.now(UTC))
    await define(plans, over)

    dry = await run(command, source, status=3)
    done = await run(command, source, "--execute", status=3)

    assert (dry["new"], done["new"], done["rejected"]) == (2, 2, 7)
    theirs = plans.writes[SUBSCRIPTIONS].find({"subject": "user:u1"}).sort("status")
    assert [(one["status"], one["terms"][-1]["plan"]) async for one in theirs] == [("active", "pro"), ("ended", "free")]


async def test_words_of_theirs_are_translated_where_the_operator_says_so(
    command: Command, plans: Database, source: str
) -> None:
    words = ["--plan", "gold=free", "--status", "past_due=ended", "--column", "client_id=colour", "--client", "shop"]

    done = await run(command, source, *words, "--execute", status=3)

    assert (done["new"], done["ended"]) == (4, 2)
    assert sorted(await stored(plans)) == ["user:u1@red", "user:u1@shop", "user:u2@shop", "user:u4@shop"]


async def test_a_collection_is_read_in_camel_case_too(
    command: Command, plans: Database, other: Database, mongodb_uri: str
) -> None:
    start = datetime(2026, 7, 31, 22, tzinfo=UTC)
    row = {"userId": "u1", "plan": "pro", "status": "active", "currentPeriodStart": start, "stripeCustomerId": "cus_1"}
    limits = {"contentGenerationsUsed": 3, "contentGenerationsLimit": 250, "imagesLimit": 5, "cancelAtPeriodEnd": True}
    await other.writes["user_subscriptions"].insert_one({**row, **limits})
    address = mongodb_uri.replace("/?", f"/{other.writes.name}?")
    arguments = [address, "--collection", "user_subscriptions", "--timezone", "Europe/Berlin"]

    done = await run(command, *arguments, "--execute", status=3)

    (one,) = (await stored(plans)).values()
    assert (done["new"], done["other limits"], done["rejected"]) == (1, 1, 0)
    assert any("content_generations 250, in plan pro 100; images 5, in plan pro none" in note for note in done["notes"])
    assert (one.terms[0].anchor, one.terms[0].timezone) == (date(2026, 8, 1), "Europe/Berlin")
    assert one.ended_at is not None


async def test_one_row_that_is_odd_stops_no_other(command: Command, plans: Database, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    rows = [
        {"user_id": "u1", "plan": "pro", "timezone": "Mars/Olympus", "current_period_start": "2026-07-12"},
        {"user_id": "u2", "plan": "pro", "settings": {"theme": "dark"}, "tags": ["a"], "chat_messages_limit": {}},
        {"user_id": "u3", "plan": "pro", "stripe_customer_id": {"id": "cus_3"}},
        {"user_id": "u4", "plan": "pro", "settings": {}, "tags": []},
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))

    await run(command, str(source), "--execute", status=3)

    assert list(await stored(plans)) == ["user:u4"]
    assert [one["reason"].partition(":")[0] for one in rejected(str(source))] == [
        "timezone",
        "chat_messages_limit",
        "stripe_customer_id",
    ]


@pytest.mark.usefixtures("plans")
async def test_an_interrupted_import_resumes(command: Command, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.import_subscriptions.PAGE", 3)
    with monkeypatch.context() as patched:
        failing_after(patched, ImportSubscriptions, "do", 1)
        with pytest.raises(Interrupted):
            await run(command, source, "--execute")

    resumed = await run(command, source, "--execute", status=3)

    assert resumed["resumed"]
    assert (resumed["new"], resumed["known"], resumed["rejected"]) == (2, 0, 7)
    assert len(rejected(source)) == 7


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--plan", "gold"], "must be like THIS=THAT"),
        (["--status", "x=maybe"], "maybe is neither active nor ended"),
        (["--timezone", "Europe/Atlantis"], "Europe/Atlantis"),
    ],
)
def test_options_that_say_nothing_are_refused(usage: Command, arguments: list[str], said: str) -> None:
    ended = usage("scripts.import_subscriptions", "rows.csv", *arguments)

    assert (ended.returncode, said in ended.stderr) == (2, True)


async def test_what_a_subscription_costs_that_is_not_its_plan_s_is_imported(
    command: Command, plans: Database, tmp_path: Path
) -> None:
    source = tmp_path / "costs.csv"
    source.write_text(
        "user_id,plan,price,currency,discount_percent,discount_amount,discount_until,trial_until,current_period_start\n"
        "c1,pro,12.50,eur,50,,2099-01-01T00:00:00Z,,2026-07-12T09:30:00Z\n"
        "c2,pro,,,,,,2099-03-05T12:00:00Z,2026-07-12T09:30:00Z\n"
        "c3,pro,20,,,5,2020-01-01T00:00:00Z,2020-01-01T00:00:00Z,\n"
        "c4,pro,much,,,,,,\n"
        "c5,pro,5,XYZ,,,,,\n"
        "c6,pro,,EUR,,,,,\n"
        "c7,pro,5,,10,1,,,\n"
    )

    await run(command, str(source), "--timezone", "UTC", "--execute", status=3)

    found = {user.removeprefix("user:"): one.terms[0] for user, one in (await stored(plans)).items()}
    assert sorted(found) == ["c1", "c2", "c3"]
    assert found["c1"].price == Price(amount=Decimal("12.50"), currency="EUR")
    assert found["c1"].discounts == (Discount(percent=Decimal(50), until=datetime(2099, 1, 1, tzinfo=UTC)),)
    assert (found["c1"].anchor, found["c1"].trial_until) == (date(2026, 7, 12), None)
    assert (found["c2"].anchor, found["c2"].trial_until) == (date(2099, 3, 5), datetime(2099, 3, 5, 12, tzinfo=UTC))
    # what is over is none
    assert (found["c3"].price, found["c3"].discounts) == (Price(amount=Decimal(20)), ())
    assert found["c3"].trial_until is None
    reasons = [one["reason"].partition(":")[0] for one in rejected(str(source))]
    assert reasons == ["price", "currency", "currency", "discount_percent"]
    await run(command, str(source), "--timezone", "UTC", "--execute", status=3)
    assert len(await stored(plans)) == 3

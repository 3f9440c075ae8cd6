"""What limits and alerts keep of a user who is erased."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import json_util

from app.database import Database
from app.limits.definitions import Definitions
from app.limits.meters import Caller
from app.maintenance.erasure.erasure import Erasure
from app.maintenance.erasure.limits import ErasedLimits
from app.settings import Settings
from app.spool.journal import Spool
from app.tracking import Tracker
from models.alerts import ALERTS, DELIVERIES
from models.counters import COUNTERS, LEASES, RESERVATIONS
from models.limits import LIMITS, Interval, Limit, LimitScope, Unit, Window
from models.plans import GRANTS, SUBSCRIPTIONS, Grant, GrantKind, Subscription, Term
from models.subjects import user_subject
from tests.limits.defined import define
from tests.scripts.jobs import dump

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = NOW.strftime("%Y-%m-%dT00:00:00Z")


def counter_of(subject: str) -> str:
    return f"{subject}|requests||day|{DAY}|9999-01-01T00:00:00Z"


async def keep(database: Database, user: str, client: str | None = None) -> None:
    """One of everything, about a user, or about one at a client alone."""
    writes, scope = database.writes, LimitScope(user_id=user, client_id=client)
    subject, at, by = user_subject(user, client), {"created_at": NOW, "created_by": "admin"}, f"{user}@{client}"
    limit = Limit(id=f"l{by}", scope=scope, unit=Unit.REQUESTS, window=Window.DAY, amount=Decimal(10), **at)
    grant: dict[str, Any] = {"unit": Unit.REQUESTS, "window": Window.DAY, "amount": Decimal(1), "starts_at": NOW}
    term = Term(since=NOW, plan="pro", version=1, anchor=date(2026, 1, 31), interval=Interval.MONTH, timezone="UTC")
    stripe = {"stripe_customer_id": "cus_1", "stripe_subscription_id": "sub_1"}
    subscription = Subscription(id=f"s-{len(by)}-{client}", scope=scope, terms=(term,), **stripe, **at)
    given = Grant(id=f"g{by}", kind=GrantKind.TOP_UP, scope=scope, settled_to=NOW, **grant, **at)
    await writes[LIMITS].insert_one(limit.stored())
    await writes[GRANTS].insert_one(given.stored())
    await writes[SUBSCRIPTIONS].insert_one(subscription.stored())
    await writes[COUNTERS].insert_one({"_id": counter_of(subject), "subject": subject, "used": 1})
    where = {"userId": user, "clientId": client or "default"}
    await writes[RESERVATIONS].insert_one({"_id": f"r{by}", "state": "settled", **where})
    alert = {"kind": "limit.warning", "text": f"{user} has used 80 %", "body": f'{{"userId":"{user}"}}', **where}
    await writes[ALERTS].insert_one({"_id": f"alert_{len(by)}_{client}", "at": NOW, **alert})
    await writes[DELIVERIES].insert_one({"_id": f"d{len(by)}_{client}", "alert": "alert_1", **where})


@pytest.fixture
async def kept(database: Database) -> None:
    for user in ("anna", "anna-lena"):
        for client in (None, "acme"):
            await keep(database, user, client)
    both = [counter_of(user_subject(user)) for user in ("anna", "anna-lena")]
    await database.writes[LEASES].insert_one({"_id": "owner", "expires": NOW, "counters": both})
    said = {"text": "anna spent most, anna-lena less", "lines": ["anna: 3 USD", "anna-lena: 1 USD"]}
    await database.writes[ALERTS].insert_one({"_id": "alert_spending", "kind": "spending.cost", "at": NOW, **said})


def erasure(settings: Settings, database: Database, client: str | None = None) -> Erasure:
    spool = Spool.of(settings.data_dir, settings.database, settings.spool_max_bytes)
    return Erasure(database, settings.zone, "anna", client, spool)


@pytest.mark.usefixtures("kept")
async def test_nothing_anywhere_names_the_user_any_more_and_others_keep_theirs(
    settings: Settings, database: Database, tracker: Tracker
) -> None:
    await tracker.track(user_id="anna", content_type="chat", model="gpt-4o", input_tokens=10)

    counted = await erasure(settings, database).count()
    pseudonym, done = await erasure(settings, database).run(lambda _: None)

    assert (counted.limits, done.limits) == (15, 15)
    found = await dump(database)
    said = json_util.dumps(found).replace("anna-lena", "")
    assert "anna" not in said
    names = (LIMITS, GRANTS, COUNTERS, RESERVATIONS, DELIVERIES)
    assert {name: len(found[name]) for name in names} == dict.fromkeys(names, 2)
    spending = next(alert for alert in found[ALERTS] if alert["_id"] == "alert_spending")
    assert spending["text"] == f"{pseudonym} spent most, anna-lena less"
    assert found[LEASES][0]["counters"] == [counter_of(user_subject("anna-lena"))]
    ended = [each for each in found[SUBSCRIPTIONS] if each["status"] == "ended"]
    assert [each["subject"] for each in ended] == [user_subject(pseudonym), user_subject(pseudonym, "acme")]
    assert all(each["terms"][0]["plan"] == "pro" and "stripeCustomerId" not in each for each in ended)
    assert len([each for each in found[SUBSCRIPTIONS] if each["status"] == "active"]) == 2


@pytest.mark.usefixtures("kept")
async def test_what_was_reserved_is_free_for_others(settings: Settings, database: Database) -> None:
    client = {"_id": "client:default|", "subject": "client:default", "held": 6}
    holds = {name: {"amount": amount, "expires": NOW} for name, amount in (("open", 2), ("other", 3), ("settled", 1))}
    await database.writes[COUNTERS].insert_one(client | {"holds": holds})
    held = [{"counter": "client:default|", "amount": 2}]
    hers = {"_id": "open", "state": "open", "userId": "anna", "clientId": "default", "holds": held}
    await database.writes[RESERVATIONS].insert_one(hers)
    # its call is recorded, and not counted yet
    await database.writes[RESERVATIONS].insert_one({**hers, "_id": "settled", "state": "settled", "endedAt": NOW})

    await erasure(settings, database).run(lambda _: None)

    left = await database.writes[COUNTERS].find_one({"_id": "client:default|"}) or {}
    assert (left["held"], list(left["holds"])) == (3, ["other"])


@pytest.mark.usefixtures("kept")
async def test_of_one_client_what_others_keep_of_the_user_stays(settings: Settings, database: Database) -> None:
    counted = await erasure(settings, database, "acme").count()
    _, done = await erasure(settings, database, "acme").run(lambda _: None)

    assert (counted.limits, done.limits) == (8, 8)
    found = await dump(database)
    assert {each["subject"] for each in found[LIMITS]} == {"user:anna", "user:anna-lena", "user:anna-lena@acme"}
    assert {each["subject"] for each in found[COUNTERS]} == {"user:anna", "user:anna-lena", "user:anna-lena@acme"}
    assert len(found[RESERVATIONS]) == 3


class KilledError(Exception):
    """Nothing follows."""


def killed(_: object) -> None:
    raise KilledError


@pytest.mark.usefixtures("kept")
async def test_who_is_killed_in_the_middle_leaves_no_process_with_what_is_gone(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions = Definitions(database, settings.zone)
    await define(database)
    await definitions.learn([Caller("anna", "acme"), Caller("anna-lena", "acme")])

    for point in ("_take_out_holds", "_naming"):
        with monkeypatch.context() as until:
            until.setattr(ErasedLimits, point, killed)
            with pytest.raises(KilledError):
                await erasure(settings, database).run(lambda _: None)
        await definitions.refresh()
        assert await limited(definitions, "anna") == []
    await erasure(settings, database).run(lambda _: None)

    assert await limited(definitions, "anna-lena") == ["lanna-lena@None", "lanna-lena@acme"]
    assert "anna" not in json_util.dumps(await dump(database)).replace("anna-lena", "")


async def limited(definitions: Definitions, user: str) -> list[str]:
    caller, at = Caller(user, "acme"), datetime.now(UTC)
    await definitions.learn([caller], at)
    return sorted(one.limit.id for one in definitions.applying(caller, None, at) or ())

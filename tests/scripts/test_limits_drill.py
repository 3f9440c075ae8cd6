"""The drill of limits, small; and that it finds what it is to find."""

import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, ObjectId

from app.database import Database
from models.alerts import ALERTS
from models.counters import COUNTERS, RESERVATIONS
from models.limits import LIMITS
from scripts.drill.limits import blows, checks, drill
from scripts.drill.limits.callers import Told
from scripts.drill.limits.checks import Law
from scripts.drill.limits.drill import limits
from tests.forked import Forked

AGO = datetime(2026, 3, 1, tzinfo=UTC)
DAY = "2026-03-01T00:00:00Z|2026-03-02T00:00:00Z"
ANNA = f"user:anna|requests||day|{DAY}"
METER = ("user:anna", "requests", "", "day")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that start soon; and half a minute passes at once, after which what nobody settled expires."""
    until_quiet = checks.until_quiet

    async def later(database: Database) -> float:
        passed = {"$set": {"expiresAt": datetime.now(UTC) - timedelta(minutes=2)}}
        await database.writes[RESERVATIONS].update_many({"state": "open"}, passed)
        return await until_quiet(database)

    monkeypatch.setattr(checks, "until_quiet", later)
    monkeypatch.setattr(drill, "SERVERS", 2)
    monkeypatch.setattr(blows, "STEP_SECONDS", 1.0)
    monkeypatch.setattr(subprocess, "Popen", Forked)


@pytest.mark.usefixtures("small")
async def test_servers_killed_in_the_middle_of_limits_leave_nothing_over_held_or_untold(tmp_path: Path) -> None:
    result = await limits(tmp_path, 2, lambda _: None, members=1)

    assert result.faults == []
    assert result.figures["kills of servers"] == 2
    assert result.figures["last units granted in the quiet"][1] == "63 of what was new"


@pytest.fixture
async def spoilt(database: Database) -> Database:
    """A limit of two, three calls of which two were asked for, and a counter that says so."""
    entries = [ObjectId() for _ in range(3)]
    call: dict[str, Any] = {"userId": "anna", "clientId": "c", "createdAt": AGO, "synthetic": False}
    asked = [{**call, "reservationId": f"r{n}"} for n in range(2)]
    await database.ledger.insert_many([{"_id": id_, **each} for id_, each in zip(entries, [*asked, call], strict=True)])
    holds = [{"counter": ANNA, "amount": 1}]
    settled = [{"_id": f"r{n}", "state": "settled", "entry": entries[n], "holds": holds} for n in range(2)]
    await database.writes[RESERVATIONS].insert_many(settled)
    period = {"start": AGO, "end": AGO + timedelta(days=1)}
    counter = {"_id": ANNA, "subject": "user:anna", "unit": "requests", "used": 3, "held": 0, "holds": {}, **period}
    await database.writes[COUNTERS].insert_one(counter)
    limit = {"_id": "l", "subject": "user:anna", "unit": "requests", "filter": {}, "window": "day"}
    await database.writes[LIMITS].insert_one({**limit, "amount": Decimal128("2")})
    return database


async def found(database: Database, *, amount: int, loose: bool) -> list[str]:
    told = Told()
    told.faults = []
    laws: dict[checks.Meter, Law] = {METER: Law("l", Decimal(amount), loose)}
    _, wrong = await checks.faults(database, told, laws, checks.Watch(database))
    return [each.partition(":")[0] for each in wrong if "acknowledged" not in each]


async def test_what_is_over_is_found_unless_it_has_a_name(spoilt: Database) -> None:
    assert await found(spoilt, amount=3, loose=False) == []
    assert await found(spoilt, amount=2, loose=True) == []
    assert await found(spoilt, amount=2, loose=False) == ["over a hard limit"]
    assert await found(spoilt, amount=1, loose=True) == ["over a hard limit"]


async def test_a_call_that_came_when_its_reservation_had_ended_has_a_name(spoilt: Database) -> None:
    await spoilt.ledger.update_one({"reservationId": None}, {"$set": {"reservationId": "r2"}})
    ended = {"_id": "r2", "state": "expired", "holds": [{"counter": ANNA, "amount": 1}]}
    await spoilt.writes[RESERVATIONS].insert_one(ended)

    assert await found(spoilt, amount=2, loose=False) == []
    assert await found(spoilt, amount=1, loose=False) == ["over a hard limit"]


async def test_a_counter_that_differs_holds_or_lacks_is_found(spoilt: Database) -> None:
    counters = spoilt.writes[COUNTERS]
    await counters.update_one({}, {"$set": {"used": 2, "held": 1}})
    await spoilt.writes[RESERVATIONS].update_one({"_id": "r0"}, {"$set": {"entry": ObjectId()}})

    assert await found(spoilt, amount=5, loose=False) == [
        "not as a recount says",
        "held by nothing that is open",
        "settled by no entry",
    ]
    await counters.delete_many({})
    assert await found(spoilt, amount=5, loose=False) == ["settled by no entry", "a limit without a counter"]


async def test_thresholds_that_nobody_was_told_of_and_those_told_in_vain_are_found(spoilt: Database) -> None:
    at = {"limit": "l", "subject": "user:anna", "periodStart": AGO}
    alerts = [{"_id": f"a{threshold}", "threshold": threshold, "toldBy": "a110", **at} for threshold in (80, 90, 101)]
    await spoilt.writes[ALERTS].insert_many([*alerts, {"_id": "other", "threshold": 80, **at, "limit": "gone"}])

    _, wrong = await checks.alert_faults(spoilt, {"a110": [{}]})

    assert [each.partition(":")[0] for each in wrong] == [
        "crossed and not recorded",
        "recorded and not crossed, or twice",
        "an alert that no message told",
        "a message with an id that no alert has",
    ]

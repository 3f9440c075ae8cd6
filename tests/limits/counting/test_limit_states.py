"""What is used and held is told exactly, whatever is counted already."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.database import Database
from app.limits.answers import Held, LimitState
from app.limits.counting.fold_steps import FoldSteps
from app.limits.limits import Limits
from app.limits.meters import Asked, Caller, Purpose
from models.counters import COUNTERS, FOLD, STATE
from models.limits import LimitScope, Unit, Window
from tests.limits.counting.test_counters import COST, record
from tests.limits.defined import define, limit

CALLER, CHAT = Caller("u1", "default"), Purpose("chat", "chat", "gpt-4o")
ASKED = Asked(1, 2_000, Decimal("0.01"))


@pytest.fixture
async def limits(database: Database) -> Limits:
    await define(
        database,
        limit(10, Window.LIFETIME, id="calls", scope=LimitScope(user_id="u1")),
        limit("1.00", Window.LIFETIME, Unit.USD, id="money", scope=LimitScope(user_id="u1")),
        limit(1_000, Window.LIFETIME, Unit.TOKENS, id="tokens", scope=LimitScope(client_id="default")),
        limit(5, Window.LIFETIME, id="of-another", scope=LimitScope(user_id="u2")),
    )
    limits = Limits(database, ZoneInfo("UTC"))
    await limits.clock.set()
    await limits.definitions.refresh()
    return limits


async def states(limits: Limits) -> dict[str, Any]:
    return {each.limit.id: (each.used, each.held) for each in await limits.state(CALLER)}


def now() -> datetime:
    return datetime.now(UTC)


async def test_used_is_exact_before_during_and_after_a_fold_and_without_a_counter(
    limits: Limits, database: Database
) -> None:
    await record(database, *[{"created_at": now()}] * 3)
    expected = {"calls": (3, 0), "money": (3 * COST, 0), "tokens": (3_300, 0)}
    assert await states(limits) == expected  # no counter, nothing counted
    await limits.fold.now()
    assert await states(limits) == expected

    await record(database, {"created_at": now()})
    expected = {"calls": (4, 0), "money": (4 * COST, 0), "tokens": (4_400, 0)}
    assert await states(limits) == expected
    folds = FoldSteps(database)
    step = folds.begin()
    assert step is not None
    assert await states(limits) == expected
    folds.apply(step)
    assert await states(limits) == expected
    await record(database, {"created_at": now()})
    expected = {"calls": (5, 0), "money": (5 * COST, 0), "tokens": (5_500, 0)}
    assert await states(limits) == expected
    folds.finish(step)
    assert await states(limits) == expected


async def test_what_is_beyond_a_hard_limit_is_named(limits: Limits, database: Database) -> None:
    await record(database, {"created_at": now()})
    (tokens,) = [each for each in await limits.state(CALLER) if each.limit.id == "tokens"]
    assert isinstance(tokens, LimitState)
    assert [tokens.used, tokens.allowance, tokens.overrun, tokens.resets_at] == [1_100, 1_000, 100, None]


async def test_a_call_that_is_recorded_no_longer_holds_anything_although_no_fold_was_made(
    limits: Limits, database: Database
) -> None:
    held = await limits.reserve(CALLER, CHAT, ASKED._replace(tokens=500), principal="p", seconds=60)
    assert isinstance(held, Held)
    assert await states(limits) == {"calls": (0, 1), "money": (0, Decimal("0.01")), "tokens": (0, 500)}

    await record(database, {"created_at": now(), "reservation_id": held.id, "input_tokens": 300})

    cost = Decimal("0.00175")
    assert await states(limits) == {"calls": (1, 0), "money": (cost, 0), "tokens": (400, 0)}
    await limits.fold.now()
    assert await states(limits) == {"calls": (1, 0), "money": (cost, 0), "tokens": (400, 0)}
    assert {str(each["held"]) async for each in database.writes[COUNTERS].find()} <= {"0", "0.00", "0E-15"}
    assert (await database.writes[STATE].find_one({"_id": FOLD}))["calls"] == []  # type: ignore[index]


async def test_a_caller_without_limits_has_none(limits: Limits) -> None:
    assert await limits.state(Caller("u3", "shop")) == ()

"""Plans given to many at once."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.database import Database
from models.limits import LimitScope
from models.plans import SUBSCRIPTIONS, Subscription
from tests.limits.defined import allowance, define, plan, subscription, term
from tests.scripts.conftest import Command
from tests.scripts.jobs import Interrupted, failing_after


async def run(command: Command, *arguments: str, status: int = 0) -> Any:
    ended = await asyncio.to_thread(command, "scripts.assign_plan", *arguments, "--json")
    assert ended.returncode == status, ended.stderr
    return json.loads(ended.stdout) if ended.stdout else ended.stderr


async def plans_of(database: Database) -> dict[str, tuple[str, str | None]]:
    """By subject: the plan, and the one that is scheduled."""
    now = datetime.now(UTC)
    found = [Subscription.read(stored) async for stored in database.writes[SUBSCRIPTIONS].find({"status": "active"})]
    return {
        str(one.scope.subject): (one.term_at(now).plan, following.plan if (following := one.next_after(now)) else None)
        for one in found
    }


@pytest.fixture
async def plans(database: Database) -> Database:
    await define(database, plan("small", allowance(10)), plan("large", allowance(100)))
    return database


async def test_users_and_a_client_get_a_plan_and_a_dry_run_writes_nothing(
    command: Command, plans: Database, tmp_path: Path
) -> None:
    (tmp_path / "users.txt").write_text("bob\n\ncarl\nanna\n")
    users = ["small", "--user", "anna", "--users", str(tmp_path / "users.txt")]

    dry = await run(command, *users)
    assert (dry["new"], dry["executed"], await plans_of(plans)) == (3, False, {})
    done = await run(command, *users, "--execute")
    again = await run(command, *users, "--execute")
    await run(command, "large", "--client", "shop", "--execute")
    await run(command, "large", "--client", "shop", "--user", "anna", "--execute")

    assert (done["new"], again["new"], again["left alone"]) == (3, 0, 3)
    assert await plans_of(plans) == {
        "user:anna": ("small", None),
        "user:bob": ("small", None),
        "user:carl": ("small", None),
        "client:shop": ("large", None),
        "user:anna@shop": ("large", None),
    }


async def test_an_upgrade_is_made_at_once_and_a_downgrade_scheduled(command: Command, plans: Database) -> None:
    await define(plans, subscription(term("small")), subscription(term("large"), scope=LimitScope(user_id="bob")))

    up = await run(command, "large", "--having", "small", "--execute")
    down = await run(command, "small", "--having", "large", "--execute")
    forced = await run(command, "small", "--user", "bob", "--effective", "now", "--execute")

    assert (up["changed"], down["changed"], forced["left alone"]) == (1, 2, 1)
    assert await plans_of(plans) == {"user:anna": ("large", "small"), "user:bob": ("large", "small")}


async def test_whose_subscription_is_over_does_not_have_its_plan_any_more(command: Command, plans: Database) -> None:
    await define(plans, subscription(term("small"), ended_at=datetime.now(UTC)))

    moved = await run(command, "large", "--having", "small", "--execute")

    assert (moved["new"], moved["changed"]) == (0, 0)
    assert await plans.writes[SUBSCRIPTIONS].distinct("terms.plan") == ["small"]


async def test_everybody_moves_to_the_newest_version(command: Command, plans: Database) -> None:
    await define(plans, *(subscription(term("small"), scope=LimitScope(user_id=f"u{n}")) for n in range(5)))
    await define(plans, plan("small", allowance(20), version=2))

    moved = await run(command, "small", "--having", "small", "--execute")

    assert moved["changed"] == 5
    stored = await plans.writes[SUBSCRIPTIONS].distinct("terms.version")
    assert stored == [1, 2]


async def test_an_interrupted_run_resumes(
    command: Command, plans: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("scripts.assign_plan.PAGE", 2)
    (tmp_path / "users.txt").write_text("".join(f"u{n}\n" for n in range(5)))
    arguments = ["small", "--users", str(tmp_path / "users.txt"), "--execute"]
    with monkeypatch.context() as patched:
        from scripts.assign_plan import AssignPlan  # noqa: PLC0415 - patched here alone

        failing_after(patched, AssignPlan, "_assign", 3)
        with pytest.raises(Interrupted):
            await run(command, *arguments)

    resumed = await run(command, *arguments)

    assert (resumed["resumed"], resumed["new"], resumed["left alone"]) == (True, 4, 1)
    assert len(await plans_of(plans)) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["small"], "name users, a client, or --having PLAN"),
        (["small@new", "--user", "a"], "a version is a number"),
        (["small", "--user", "a", "--having", "large"], "name users"),
        (["small", "--user", "a", "--timezone", "Europe/Atlantis"], "Europe/Atlantis"),
        (["small", "--user", "a\tb"], "pattern"),
    ],
)
def test_arguments_that_contradict_are_refused(usage: Command, arguments: list[str], said: str) -> None:
    ended = usage("scripts.assign_plan", *arguments)

    assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr


async def test_a_plan_that_is_not_offered_is_said(command: Command, plans: Database) -> None:
    await define(plans, plan("gone", ended_at=datetime(2026, 1, 1, tzinfo=UTC)))

    assert "there is no plan nothing" in await run(command, "nothing", "--user", "a", status=1)
    assert "nobody subscribes to it any more" in await run(command, "gone", "--user", "a", status=1)

"""Plans, subscriptions and grants: as they are stored, and what holds when."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from models.limits import Interval, LimitScope, Unit, Window
from models.plans import Grant, GrantKind, PlanVersion, Settled, Subscription, Term

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def term(since: datetime, plan: str) -> Term:
    return Term(since=since, plan=plan, version=1, anchor=date(2026, 1, 31), interval=Interval.MONTH, timezone="UTC")


def subscription(*terms: Term) -> Subscription:
    return Subscription(id="s", scope=LimitScope(user_id="u"), terms=terms, created_at=NOW, created_by="someone")


def test_what_is_stored_reads_as_it_was() -> None:
    plan = PlanVersion.model_validate(
        {
            "plan": "pro",
            "version": 2,
            "name": "Pro",
            "price": "9.90",
            "created_at": NOW,
            "created_by": "someone",
            "allowances": [
                {"unit": "USD", "window": "period", "amount": Decimal("1.5"), "filter": {"model": "gpt-4o"}}
            ],
        }
    )
    subscribed = subscription(term(NOW, "pro"))
    grant = Grant(
        id="g",
        kind=GrantKind.TOP_UP,
        scope=LimitScope(user_id="u", client_id="c"),
        unit=Unit.USD,
        window=Window.PERIOD,
        amount=Decimal(5),
        starts_at=NOW,
        created_at=NOW,
        created_by="someone",
        settled=(Settled(start=NOW, amount=Decimal("0.25")),),
        settled_to=NOW,
    )

    assert plan.stored()["_id"] == "pro@2"
    assert PlanVersion.read(plan.stored()) == plan
    assert subscribed.stored()["terms"][0]["anchor"] == "2026-01-31"
    assert (subscribed.stored()["subject"], grant.stored()["subject"]) == ("user:u", "user:u@c")
    assert Subscription.read({**subscribed.stored(), "changed": 3}) == subscribed
    assert Grant.read(grant.stored()) == grant


def test_a_scheduled_change_holds_from_its_moment_on() -> None:
    day = timedelta(days=1)
    subscribed = subscription(term(NOW, "free"), term(NOW + day, "pro"))

    assert [subscribed.term_at(NOW + n * day).plan for n in (-1, 0, 1, 2)] == ["free", "free", "pro", "pro"]
    assert subscribed.next_after(NOW) == subscribed.terms[1]
    assert subscribed.next_after(NOW + day) is None


def test_a_day_that_is_none_and_an_unknown_zone_are_refused() -> None:
    stored = term(NOW, "free").stored()

    for change in ({"anchor": "2026-02-31"}, {"timezone": "Europe/Atlantis"}, {"interval": "fortnight"}):
        with pytest.raises(ValidationError):
            Term.model_validate({**stored, **change})

"""What is said of limits, to whom: figures of one's own, and no amounts of what others share."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.auth.principals import Principal, Scope
from app.limits.answers import LimitState
from app.limits.meters import CounterKey, Meter
from models.limits import Kind, Limit, LimitFilter, LimitScope, Period, Unit, Window
from models.subjects import subject_of, user_subject
from routes.panel_rows import limit_rows, tightest_first

DAY = Period(datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
ANN, ACME = Principal("ann", frozenset(), "acme", "ann"), Principal("key:1", frozenset(Scope), "acme", None)
ROOT = Principal("root", frozenset(Scope), None, None)


def state(
    name: str = "l",
    scope: LimitScope | None = None,
    used: str = "0",
    held: str = "0",
    allowance: str | None = None,
    overrun: str = "0",
    **more: Any,
) -> LimitState:
    """Of a limit of ten requests a day, unless `more` says otherwise."""
    scope = scope or LimitScope(user_id="ann")
    fields = {"unit": Unit.REQUESTS, "window": Window.DAY, "amount": Decimal(10), **more}
    limit = Limit(id=name, scope=scope, created_at=DAY.start, created_by="root", **fields)
    assert scope.subject is not None
    counter = CounterKey(Meter(scope.subject, limit.unit, limit.filter, limit.window), DAY)
    amount = limit.amount if allowance is None else Decimal(allowance)
    return LimitState(limit, counter, Decimal(used), Decimal(held), amount, Decimal(overrun))


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (state(used="7", held="1"), ("10", "0", "2", "70", False)),
        (state(used="11", overrun="1"), ("10", "0", "0", "110", True)),
        (state(used="9", held="1"), ("10", "0", "0", "90", True)),
        (state(used="9", allowance="15"), ("15", "5", "6", "60", False)),
        (state(used="14", held="1", allowance="15"), ("15", "5", "0", "93.33", True)),
        (state(amount=Decimal(0)), ("0", "0", "0", None, True)),
        (state(used="12", kind=Kind.SOFT), ("10", "0", "0", "120", False)),
        (state(used="14", kind=Kind.SOFT, overage_cap=Decimal(5)), ("10", "0", "0", "140", False)),
        (state(used="15", kind=Kind.SOFT, overage_cap=Decimal(5)), ("10", "0", "0", "150", True)),
        (
            state(held="3", amount=Decimal(4), unit=Unit.CONCURRENT, window=Window.LIFETIME),
            ("4", "0", "1", "75", False),
        ),
        (
            state(used="0.000000000000001", amount=Decimal("0.3"), unit=Unit.USD),
            ("0.3", "0", "0.299999999999999", "0", False),
        ),
    ],
)
def test_the_figures_of_a_limit(seen: LimitState, said: tuple[Any, ...]) -> None:
    ((row,), _) = limit_rows([seen], ANN)

    percent = None if said[3] is None else Decimal(said[3])
    assert (row.limit, row.grants, row.remaining) == tuple(Decimal(each) for each in said[:3])
    assert (row.percent, row.reached) == (percent, said[4])


def test_who_sees_amounts_and_who_only_how_much_is_used() -> None:
    scopes = {
        "user": LimitScope(user_id="ann"),
        "user at": LimitScope(user_id="ann", client_id="acme"),
        "client": LimitScope(client_id="acme"),
        "key": LimitScope(key_id="k"),
        "everyone": LimitScope(everyone=True),
        "campaign": LimitScope(campaign_id="c"),
    }
    states = [state(name, scope, used="6.99", unit=Unit.USD) for name, scope in scopes.items()]
    for viewer, sees in (
        (ANN, {"user", "user at"}),
        (ACME, {"user", "user at", "client", "key"}),
        (ROOT, scopes.keys()),
    ):
        own, shared = limit_rows(states, viewer)
        assert {row.id for row in own} == set(sees)
        assert {row.id for row in shared} == scopes.keys() - set(sees)
        assert {row.percent for row in shared} <= {69}
        assert all("6.99" not in row.model_dump_json() for row in shared)


def test_of_those_that_count_the_same_the_tightest_is_first() -> None:
    client = LimitScope(client_id="acme")
    states = [
        state("user, day", used="1"),
        state("user, hour", window=Window.HOUR, used="9"),
        state("client, day", client, used="8"),
        state("user, day, chat", filter=LimitFilter(feature="chat"), used="10"),
        state("also user, day", amount=Decimal(3), used="1"),
    ]

    assert [each.limit.id for each in tightest_first(states)] == [
        *("client, day", "also user, day", "user, day"),
        *("user, hour", "user, day, chat"),
    ]


def test_subjects_are_told_by_their_kind_whatever_their_names_hold() -> None:
    odd = state("odd", LimitScope(user_id="client:acme|@"))

    assert odd.counter.meter.subject == user_subject("client:acme|@") != subject_of("client", "acme|@")
    assert [row.scope for row in limit_rows([odd], ANN)[0]] == ["user"]

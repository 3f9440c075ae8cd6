"""Who is in which variant, which conversions count, and that what is counted anew leaves nothing behind."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.finance.experiments.known import Called, Conversion, KnownUsers, Shown, user_key
from app.finance.experiments.moments import COST, REQUESTS, VALUE
from app.finance.experiments.sights import milliseconds

ANN, BOB = user_key("a", "ann"), user_key("a", "bob")
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def called(user: str = ANN, variant: str = "x", day: str = "2026-05-04") -> Called:
    return Called(user, variant, day, requests=2, tokens=30, cost=500, unpriced=1)


def bought(user: str = ANN, at: datetime = NOON, value: int = 7) -> Conversion:
    return Conversion(user, milliseconds(at), at.date().isoformat(), value)


def shown(user: str = ANN, variant: str = "x", at: datetime = NOON) -> Shown:
    return Shown(user, variant, milliseconds(at))


def known(calls: list[Called], shows: list[Shown], *conversions: Conversion, **firsts: datetime) -> KnownUsers:
    users = KnownUsers(["x", "y"])
    users.calls(calls)
    users.shows(0, shows)
    users.conversions(0, conversions)
    users.answered(
        [user_key("a", name) for name in firsts],
        {user_key("a", name): milliseconds(moment) for name, moment in firsts.items()},
    )
    users.count()
    return users


def converted(calls: list[Called], shows: list[Shown], *conversions: Conversion, **firsts: datetime) -> list[int]:
    return [tally.conversions for tally in known(calls, shows, *conversions, **firsts).tallies[:1]]


def test_a_user_has_what_all_calls_of_the_experiment_sum_to() -> None:
    users = known([called(), called(day="2026-05-06"), called(BOB, "y")], [])

    x, y = users.tallies
    assert (x.moments.users, x.moments.sums[REQUESTS], x.moments.sums[COST], x.tokens, x.unpriced) == (
        1,
        4,
        1_000,
        60,
        2,
    )
    assert (y.moments.users, y.moments.sums[REQUESTS], users.mixed) == (1, 2, 0)


def test_who_was_seen_in_two_variants_is_mixed_whether_calls_or_events_say_so() -> None:
    by_calls = known([called(), called(variant="y")], [])
    by_event = known([called()], [shown(variant="y")])
    by_events = known([], [shown(), shown(variant="y")])
    same = known([called()], [shown(), shown(BOB, "y")])

    assert [users.mixed for users in (by_calls, by_event, by_events, same)] == [1, 1, 1, 0]
    assert [tally.moments.users for tally in by_calls.tallies] == [0, 0]
    assert [tally.moments.users for tally in same.tallies] == [1, 1]


def test_the_same_user_name_of_two_clients_is_two_users() -> None:
    users = known([called(), called(user_key("b", "ann"), "y")], [])

    assert ([tally.moments.users for tally in users.tallies], users.mixed) == ([1, 1], 0)


def test_a_conversion_before_the_first_sight_does_not_count() -> None:
    assert converted([], [shown()], bought(at=NOON - HOUR)) == [0]
    assert converted([], [shown()], bought(), bought(at=NOON + HOUR)) == [2]
    assert converted([called(day="2026-05-05")], [], bought()) == [0]
    assert converted([called(day="2026-05-03")], [], bought()) == [1]
    strangers = known([called()], [], bought(BOB), bought())
    assert (strangers.tallies[0].conversions, strangers.unexposed) == (1, 1)


def test_on_the_day_of_the_first_call_its_moment_decides() -> None:
    asking = KnownUsers(["x", "y"])
    asking.calls([called()])
    asking.conversions(0, [bought(), bought(BOB)])

    assert asking.to_ask() == {ANN: "2026-05-04"}
    assert converted([called()], [], bought(), ann=NOON + HOUR) == [0]
    assert converted([called()], [], bought(), ann=NOON) == [1]
    # its calls are deleted: the day is all that is known
    assert converted([called()], [], bought()) == [1]


def test_moments_are_asked_for_only_where_nothing_else_decides() -> None:
    for calls, shows, asked in (
        ([called()], [shown(at=NOON - HOUR)], {}),
        ([called(day="2026-05-03")], [], {}),
        ([called()], [shown(at=NOON + HOUR)], {ANN: "2026-05-04"}),
    ):
        users = KnownUsers(["x"])
        users.calls(calls)
        users.shows(0, shows)
        users.conversions(0, [bought()])
        assert users.to_ask() == asked


def test_what_it_was_worth_is_summed_and_given_back() -> None:
    (x, _) = known([], [shown()], bought(value=20), bought(value=-5)).tallies

    assert (x.converted, x.conversions, x.moments.sums[VALUE]) == (1, 2, 15)


def test_who_is_read_anew_is_what_is_read() -> None:
    users = known([called(), called(variant="y")], [], bought(at=NOON + DAY))
    users.calls([called(variant="y")], {ANN})
    users.count()

    assert (users.mixed, [tally.moments.users for tally in users.tallies]) == (0, [0, 1])
    assert users.tallies[1].conversions == 1
    users.calls((), {ANN})
    users.count()
    assert ([tally.moments.users for tally in users.tallies], users.unexposed) == ([0, 0], 1)


NAMES = st.sampled_from([ANN, BOB, user_key("a", "eve")])
VARIANTS = st.sampled_from(["x", "y", "z"])
DAYS = st.integers(0, 3)
CALLS = st.builds(lambda user, variant, day: called(user, variant, f"2026-05-0{4 + day}"), NAMES, VARIANTS, DAYS)
SHOWS = st.builds(lambda user, variant, day: shown(user, variant, NOON + day * DAY), NAMES, VARIANTS, DAYS)
BOUGHT = st.builds(lambda user, day, value: bought(user, NOON + day * DAY, value), NAMES, DAYS, st.integers(-5, 9))
STATES = st.tuples(st.lists(CALLS, max_size=5), st.lists(SHOWS, max_size=4), st.lists(BOUGHT, max_size=6))


@settings(max_examples=150)
@given(st.lists(STATES, min_size=2, max_size=4), st.dictionaries(NAMES, st.integers(1, 9)))
def test_whatever_came_before_it_is_as_if_all_were_read_at_once(
    states: list[tuple[list[Called], list[Shown], list[Conversion]]], before: dict[str, int]
) -> None:
    """Each state replaces calls by user, and events by the chunk of their day."""
    after = KnownUsers(["x", "y"])
    for number, (calls, shows, conversions) in enumerate(states):
        after.calls(calls, {ANN, BOB, user_key("a", "eve")})
        for day in range(4):
            moment = milliseconds(NOON + day * DAY)
            after.shows(day, [one for one in shows if one.at == moment])
            after.conversions(day, [one for one in conversions if one.at == moment])
        after.costs_before(before if number % 2 == 0 else {})
        after.count()
    after.costs_before(before)
    after.count()
    once = KnownUsers(["x", "y"])
    calls, shows, conversions = states[-1]
    once.calls(calls)
    once.shows(0, shows)
    once.conversions(0, conversions)
    once.costs_before(before)
    once.count()

    assert said(after) == said(once)


def said(users: KnownUsers) -> Any:
    told = {}
    for name, place in users.variants.items():
        if (tally := users.tallies[place]).moments.users:
            counts = tally.tokens, tally.unpriced, tally.conversions, tally.with_history
            told[name] = tally.moments.users, tally.moments.sums, tally.moments.products, counts
    return told, users.mixed, users.unexposed

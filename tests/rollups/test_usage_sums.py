"""Sums of calls: by columns as one by one, and of several parts as of one."""

from datetime import UTC, datetime

from app.rollups.usage_sums import Columns, Tags, UsageSums
from models.money import from_units
from models.speeds import speed_bucket

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)


def columns(users: str, *, success: bool = True, conversations: str = "", campaigns: str = "") -> Columns:
    """A call of each user, with a token more than the one before: 10 units a token in, 20 out, and a fee of 5."""
    tokens = list(range(1, len(users) + 1))
    return Columns(
        {"success": success, "status": "success" if success else "error"},
        (10, 20, 5),
        moments=[NOON] * len(users),
        users=list(users),
        conversations=[name if name != "-" else None for name in conversations or "-" * len(users)],
        tags=[_tags(name) for name in campaigns or "-" * len(users)],
        input_tokens=tokens,
        output_tokens=[1] * len(users),
        durations=[100 * count if count != 2 else None for count in tokens],
        first_tokens=[50 if count == 1 else None for count in tokens],
        costs=[10 * count + 25 for count in tokens],
    )


def _tags(name: str) -> Tags | None:
    """Of a letter: a campaign, and a capital one an experiment with one variant."""
    if name == "-":
        return None
    return Tags(None, (name, "b")) if name.isupper() else Tags(name, None)


def sums_of(*parts: tuple[str, Columns]) -> UsageSums:
    sums = UsageSums()
    for hour, each in parts:
        sums.add_columns(each, hour)
    return sums


def test_columns_are_summed_by_user_and_conversation_with_fees_and_without_what_is_unknown() -> None:
    row = sums_of(("12", columns("uvu", conversations="c-c"))).stored()

    assert (row["requests"], row["successes"], row["tokensUsed"], row["durations"]) == (3, 3, 9, 2)
    assert (row["duration"], row["cost"]) == (400, from_units(135))
    speeds = {"duration": (100, 300), "firstToken": (50,), "perSecond": (20_000, 3_333)}
    assert row["speeds"] == {name: {str(speed_bucket(value)): 1 for value in each} for name, each in speeds.items()}
    amounts = {"inputCost": from_units(60), "outputCost": from_units(60), "generationCost": from_units(15)}
    assert {name: row[name] for name in amounts} == amounts
    assert row["users"] == [
        {"user": "u", "requests": 2, "tokensUsed": 6, "cost": from_units(90), "successes": 2},
        {"user": "v", "requests": 1, "tokensUsed": 3, "cost": from_units(45), "successes": 1},
    ]
    assert row["conversations"] == [{"conversation": "c", "requests": 2, "tokensUsed": 6, "cost": from_units(90)}]


def test_campaigns_and_variants_are_summed_where_calls_name_them() -> None:
    row = sums_of(("12", columns("uvuw", campaigns="cTcT"))).stored()

    totals = {"inputTokens": 4, "outputTokens": 2, "tokensUsed": 6, "cost": from_units(90)}
    assert row["campaigns"] == [{"campaign": "c", "requests": 2, "successes": 2, **totals}]
    of_variant = {"experiment": "T", "variant": "b", "requests": 1}
    assert row["variants"] == [
        {**of_variant, "user": "v", "tokensUsed": 3, "cost": from_units(45)},
        {**of_variant, "user": "w", "tokensUsed": 5, "cost": from_units(65)},
    ]
    assert sums_of(("12", columns("uv"))).stored().keys().isdisjoint({"campaigns", "variants"})


def test_calls_that_failed_are_nobodys_success() -> None:
    row = sums_of(("12", columns("uu", success=False))).stored()

    assert (row["requests"], row.get("successes"), row["statuses"]) == (2, None, {"error": 2})
    assert row["users"] == [{"user": "u", "requests": 2, "tokensUsed": 5, "cost": from_units(80)}]
    assert row["hours"]["12"].get("successes") is None


def test_one_of_several_parts_is_what_they_are_together() -> None:
    first = "11", columns("uv", conversations="cd", campaigns="cT")
    second = "12", columns("vw", success=False, conversations="dc", campaigns="Tc")
    third = ("12", columns("u", campaigns="c"))
    parts = [sums_of(first), sums_of(second), sums_of(third)]

    assert UsageSums.of(parts).stored() == sums_of(first, second, third).stored()
    assert parts[0].stored() == sums_of(first).stored()

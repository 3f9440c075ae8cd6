"""What a refused caller is told: the sentence, the problem and the header fields."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.limits.answers import Hold, Refusal
from app.limits.meters import Applied, CounterKey, Meter, Missing
from app.limits.refusals import QUOTA_EXCEEDED, QuotaExceededError, UnboundedAskError, held_fields, message_of
from models.limits import Limit, Period, Unit

NOW = datetime(2026, 11, 30, 15, 0, 0, 400_000, tzinfo=UTC)
MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC)


def limit_of(**said: Any) -> Limit:
    known = {"_id": "L1", "scope": {"userId": "u1"}, "unit": "requests", "window": "day", "amount": 10}
    return Limit.model_validate({**known, "createdAt": NOW, "createdBy": "me", **said})


def refusal(
    used: str = "10", held: str = "0", asked: str = "1", resets_at: datetime | None = MIDNIGHT, **said: Any
) -> Refusal:
    limit = limit_of(**said)
    return Refusal(
        limit, limit.amount, Decimal(used), Decimal(held), Decimal(asked), resets_at, zone=limit.timezone or "UTC"
    )


CHAT: dict[str, Any] = {"filter": {"serviceType": "chat"}}
USD: dict[str, Any] = {"unit": "usd", "window": "month", "amount": "10"}
RESET = "They reset at 00:00 on 1 December 2026 (UTC)."
IN_BERLIN = "They reset at 01:00 on 1 December 2026 (Europe/Berlin)."
MONEY_RESETS = "It resets at 00:00 on 1 December 2026 (UTC)."
HELD = "too much of what is left is held by calls that are being made."
ENDED = "Try again when they have ended."


@pytest.mark.parametrize(
    ("refused", "message"),
    [
        (refusal(**CHAT), f"You have used all 10 of your chat messages for today. {RESET}"),
        (
            refusal(filter={"serviceType": "content"}, window="month"),
            f"You have used all 10 of your content generations for this month. {RESET}",
        ),
        (
            refusal(unit="images", window="period"),
            f"You have used all 10 of your images for this billing period. {RESET}",
        ),
        (refusal(filter={"serviceType": "video"}), f"You have used all 10 of your videos for today. {RESET}"),
        (refusal(name="cover letters"), f"You have used all 10 of your cover letters for today. {RESET}"),
        (refusal(filter={"feature": "career"}), f"You have used all 10 of your requests of career for today. {RESET}"),
        (
            refusal("12", **CHAT, timezone="Europe/Berlin"),
            f"You have used all 10 of your chat messages for today. {IN_BERLIN}",
        ),
        (refusal(window="lifetime", resets_at=None, **CHAT), "You have used all 10 of your chat messages."),
        (refusal("0", amount=0, **CHAT), "You have no chat messages for today."),
        (
            refusal("0", "0", "5000", unit="tokens", amount=300),
            "This needs up to 5,000, which is more than your 300 tokens for today.",
        ),
        (
            refusal("10", "0", "10.5", **USD),
            "This needs up to $10.50, which is more than your budget of $10.00 for this month.",
        ),
        (
            refusal("1200", "0", "5000", unit="tokens", amount=6_000),
            f"This needs up to 5,000, and 4,800 of your 6,000 tokens for today are left. {RESET}",
        ),
        (
            refusal("9.6", "0", "1.6", **USD),
            f"This needs up to $1.60, and $0.40 of your budget of $10.00 for this month is left. {MONEY_RESETS}",
        ),
        (
            refusal("10.123", **USD),
            "You have used all of your budget of $10.00 for this month. It resets at 00:00 on 1 December 2026 (UTC).",
        ),
        (
            refusal("4", "6", "1", **CHAT),
            f"4 of your 10 chat messages for today are used, and {HELD} {ENDED}",
        ),
        (
            refusal("0", "3", "1", None, unit="concurrent", window="lifetime", amount=3),
            "3 calls are being made already, which is the most at the same time. Try again when they have ended.",
        ),
        (
            refusal("0", "0", "1", None, unit="concurrent", window="lifetime", amount=0),
            "You have no calls at the same time.",
        ),
        (
            refusal("12", "3", "1", **CHAT, kind="soft", overageCap=5),
            f"12 of your 10 chat messages for today are used, and {HELD} {ENDED}",
        ),
        (
            refusal("15", "0", "1", **CHAT, kind="soft", overageCap=5),
            f"You have used all 10 of your chat messages for today. {RESET}",
        ),
        (refusal(scope={"clientId": "shop"}), f"All 10 requests for today are used. {RESET}"),
        (
            refusal(scope={"everyone": True}, **USD),
            "All of the budget of $10.00 for this month is used. It resets at 00:00 on 1 December 2026 (UTC).",
        ),
    ],
)
def test_the_user_is_told_in_plain_english(refused: Refusal, message: str) -> None:
    assert message_of(refused) == message


def test_a_problem_says_all_of_it() -> None:
    month = refusal("3", "7.5", "0.5", MIDNIGHT, _id="pro@2#0", scope={"subscription": "s"}, unit="usd", window="month")
    error = QuotaExceededError(refusal(**CHAT)._replace(others=(month,)), now=NOW, upgrade_url="https://a.example/up")
    assert (error.status, error.problem_type) == (429, QUOTA_EXCEEDED)
    first = {
        "id": "L1",
        "name": "chat messages",
        "unit": "requests",
        "window": "day",
        "filter": {"serviceType": "chat"},
        "limit": 10,
        "used": 10,
        "held": 0,
        "asked": 1,
        "resetsAt": MIDNIGHT,
    }
    second = {**first, "id": "pro@2#0", "name": "budget", "unit": "usd", "window": "month", "filter": {}}
    second |= {"used": 3, "held": Decimal("7.5"), "asked": Decimal("0.5")}
    assert error.members == {
        "violated-policies": ["L1", "pro@2#0"],
        "message": f"You have used all 10 of your chat messages for today. {RESET}",
        **first,
        "upgradeUrl": "https://a.example/up",
        "violations": [first, second],
    }
    assert error.headers == {
        "RateLimit-Policy": '"L1";q=10;qu="requests";w=86400, "pro@2#0";q=10000000;qu="usd-micros"',
        "RateLimit": '"L1";r=0;t=32400, "pro@2#0";r=0;t=32400',
        "Retry-After": "32400",
    }


@pytest.mark.parametrize(
    ("refused", "seconds"),
    [
        (refusal(), 32_400),
        (refusal(resets_at=NOW), 1),
        (refusal(window="lifetime", resets_at=None), None),
        (refusal("4", "6"), 1),
        (refusal("12", "3", kind="soft", overageCap=5), 1),
        (refusal("15", kind="soft", overageCap=5), 32_400),
        (refusal("0", amount=0), None),
        (refusal("0", asked="11"), None),
        (refusal("0", asked="15", kind="soft", overageCap=5), 1),
        (refusal("1", asked="16", kind="soft", overageCap=5), None),
        (refusal()._replace(others=(refusal("0", amount=0),)), None),
        (refusal("0", "3", "1", None, unit="concurrent", window="lifetime", amount=3), 1),
        (refusal()._replace(others=(refusal(window="lifetime", resets_at=None),)), None),
        (refusal("4", "6")._replace(others=(refusal(),)), 32_400),
    ],
)
def test_a_caller_is_told_when_to_come_again_where_that_is_of_any_use(refused: Refusal, seconds: int | None) -> None:
    error = QuotaExceededError(refused, now=NOW)
    assert error.retry_after == seconds
    assert error.headers.get("Retry-After") == (None if seconds is None else str(seconds))


def test_who_holds_a_reservation_is_told_what_is_left() -> None:
    limit = limit_of(amount=10)
    key = CounterKey(Meter("user:u1", Unit.REQUESTS, limit.filter, limit.window), Period(MIDNIGHT, MIDNIGHT))
    applied = Applied(limit, key, Decimal(12))
    assert held_fields([Hold(applied, Decimal(1), Decimal(4))], NOW) == {
        "RateLimit-Policy": '"L1";q=12;qu="requests";w=86400',
        "RateLimit": '"L1";r=4;t=32400',
    }
    assert held_fields([Hold(applied, Decimal(1))], NOW) == {"RateLimit-Policy": '"L1";q=12;qu="requests";w=86400'}
    assert held_fields([], NOW) == {}


def test_names_of_any_alphabet_are_fields_of_a_header() -> None:
    error = QuotaExceededError(refusal(_id='größe"\\@1#0'), now=NOW)
    assert error.headers["RateLimit"] == '"gr%C3%B6%C3%9Fe%22%5C@1#0";r=0;t=32400'


def test_a_call_without_a_bound_is_told_what_to_send() -> None:
    missing = (
        Missing(Unit.TOKENS, "inputTokens", "not asked for"),
        Missing(Unit.USD, "maxOutputTokens", "send how many tokens the model may answer at most"),
    )
    error = UnboundedAskError(refusal(**USD)._replace(unbounded=missing))
    assert error.status == 422
    assert error.errors == [
        {"field": "maxOutputTokens", "message": "send how many tokens the model may answer at most"}
    ]
    assert "L1" in error.detail

"""What a crossing is, and what is said of it."""

import json
from decimal import Decimal
from typing import Any

import pytest

from app.alerts.rules import group_of, limit_alert, other_alert, settled
from app.alerts.slack import message_of
from models.alerts import BEYOND, MAX_LINE, MAX_TEXT, AlertKind, Crossing
from models.limits import Kind, LimitScope, Unit, Window
from models.subjects import user_subject
from tests.alerts.scene import NOON, SOFT, crossing, limit

DOLLARS = limit(unit=Unit.USD, window=Window.MONTH, amount=Decimal("10.50"), name="budget")


@pytest.mark.parametrize(
    ("seen", "kind", "text"),
    [
        (crossing(80, 8), AlertKind.LIMIT_WARNING, "user u1 has used 80 % of 10 requests a day: 8 requests."),
        (crossing(100, 10), AlertKind.LIMIT_REACHED, "user u1 has used all of 10 requests a day: 10 requests."),
        (crossing(100, 10, SOFT), AlertKind.LIMIT_REACHED, "user u1 has used all of 10 requests a day: 10 requests."),
        (crossing(BEYOND, 12), AlertKind.LIMIT_OVERRUN, "user u1 has gone beyond 10 requests a day: 12 requests."),
        (crossing(110, 11, SOFT), AlertKind.LIMIT_OVERAGE, "user u1 is at 110 % of 10 requests a day: 11 requests."),
        (
            crossing(90, "9.453000000000000", DOLLARS, subject="client:shop"),
            AlertKind.LIMIT_WARNING,
            "client shop has used 90 % of $10.50 a month (budget): $9.453.",
        ),
        (
            crossing(80, 8000, limit(unit=Unit.TOKENS, window=Window.LIFETIME, amount=Decimal(10000))),
            AlertKind.LIMIT_WARNING,
            "user u1 has used 80 % of 10,000 tokens in all: 8,000 tokens.",
        ),
        (
            crossing(80, 8, subject=user_subject("a|b@c%", "x@y")),
            AlertKind.LIMIT_WARNING,
            "user a|b@c% of client x@y has used 80 % of 10 requests a day: 8 requests.",
        ),
        (
            crossing(80, 8, subject="everyone"),
            AlertKind.LIMIT_WARNING,
            "everyone has used 80 % of 10 requests a day: 8 requests.",
        ),
    ],
)
def test_an_alert_says_who_how_much_and_of_what(seen: Crossing, kind: AlertKind, text: str) -> None:
    alert = limit_alert(seen, NOON)
    assert (alert.kind, alert.text) == (kind, text)


def test_the_body_is_a_standard_webhook_with_exact_figures() -> None:
    alert = limit_alert(crossing(90, "9.450000000000001", DOLLARS, client_id="shop"), NOON)
    body = json.loads(alert.body, parse_float=Decimal)
    assert body["type"] == "limit.warning"
    assert body["timestamp"] == "2026-11-30T12:00:00.000Z"
    assert body["data"] == {
        "id": alert.id,
        "text": alert.text,
        "limit": {
            "id": "l1",
            "name": "budget",
            "unit": "usd",
            "window": "month",
            "kind": "hard",
            "generation": 1,
            "filter": {},
        },
        "subject": "user:u1",
        "userId": "u1",
        "clientId": "shop",
        "period": {"start": "2026-11-30T00:00:00.000Z", "end": "2026-12-01T00:00:00.000Z"},
        "threshold": 90,
        "used": Decimal("9.450000000000001"),
        "allowance": Decimal("10.5"),
    }
    assert alert.lines == (
        "Whose: user u1",
        "Used: $9.450000000000001",
        "Allowance: $10.50, hard",
        "Share: 90.0 %",
        "Period: 2026-11-30 00:00 UTC to 2026-12-01 00:00 UTC",
    )


def test_the_longest_names_fit() -> None:
    long = "%" * 256
    of = limit(scope=LimitScope(user_id=long, client_id=long), name="n" * 256)
    alert = limit_alert(crossing(80, 8, of, subject=user_subject(long, long), user_id=long, client_id=long), NOON)
    assert len(alert.body) < 20_000
    assert len(alert.text) <= MAX_TEXT
    assert json.loads(alert.body)["data"]["userId"] == long


def test_a_payload_that_is_too_large_says_that_something_is_left_out() -> None:
    payload: dict[str, Any] = {"text": "t" * 3_000, "lines": ["l" * 900], "model": "gpt-4o", "all": ["x" * 100] * 300}
    alert = other_alert(AlertKind.SPENDING_COST, "2026-11-30", payload, NOON)
    data = json.loads(alert.body)["data"]
    assert len(alert.body) < 20_000
    assert (data["truncated"], data["model"], "all" in data) == (True, "gpt-4o", False)
    assert (len(alert.text), len(alert.lines[0])) == (MAX_TEXT, MAX_LINE)


def test_of_several_the_highest_is_told_and_the_others_name_it() -> None:
    seen = [limit_alert(crossing(percent, 10), NOON) for percent in (80, 100, 90)]
    recorded, told = settled(seen, {}, ())
    assert [each.threshold for each in told] == [100]
    assert [each.told_by for each in recorded] == [seen[1].id, None, seen[1].id]


def test_a_lower_one_that_comes_late_is_not_told() -> None:
    late = limit_alert(crossing(80, 8), NOON)
    group = group_of(late)
    assert group is not None
    recorded, told = settled([late], {group: (90, "alert_of_90")}, ())
    assert (told, recorded[0].told_by) == ([], "alert_of_90")


def test_what_is_silenced_is_recorded_and_not_told() -> None:
    alert = limit_alert(crossing(80, 8), NOON)
    recorded, told = settled([alert], {}, {alert.id})
    assert ([each.silenced for each in recorded], told) == ([True], [])


def test_each_generation_limit_subject_and_period_has_alerts_of_its_own() -> None:
    same = [crossing(80, 8), crossing(80, 9, limit(kind=Kind.SOFT))]
    assert len({limit_alert(each, NOON).id for each in same}) == 1
    others = [
        crossing(80, 8, limit(generation=2)),
        crossing(80, 8, limit(id="l2")),
        crossing(80, 8, subject="user:u2"),
        crossing(80, 8, period_start=NOON),
        crossing(90, 9),
    ]
    assert len({limit_alert(each, NOON).id for each in [*same, *others]}) == 6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("@channel", "@\u2060channel"),
        ("a@shop.example", "a@\u2060shop.example"),
        ("[Renew](https://evil.example)", "[Renew]\u2060(https:\u2060//evil.example)"),
        ("![](//evil.example)", "![]\u2060(//evil.example)"),
        ("WWW.evil.example", "WWW.\u2060evil.example"),
        ("plain: 80 % of $1.50", "plain: 80 % of $1.50"),
    ],
)
def test_names_call_nobody_and_link_nowhere_where_markdown_is_read(name: str, text: str) -> None:
    assert message_of(other_alert(AlertKind.SPENDING_COST, "k", {"text": name}, NOON))["text"] == text


def test_names_are_no_markup_in_slack() -> None:
    alert = other_alert(AlertKind.SPENDING_COST, "k", {"text": "<!channel> & <b>", "lines": ["a", "b"]}, NOON)
    message = message_of(alert)
    assert message["text"] == "&lt;!channel&gt; &amp; &lt;b&gt;"
    assert [each["text"] for each in message["blocks"]] == [
        {"type": "plain_text", "text": "<!channel> & <b>", "emoji": False},
        {"type": "plain_text", "text": "a\nb", "emoji": False},
    ]

"""Meters, counters and whose calls they count."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from app.limits.meters import Caller, CounterKey, Meter, key_named, key_of
from models import ServiceType
from models.limits import Limit, LimitFilter, LimitScope, Period, Unit, Window
from models.subjects import user_subject

JULY = Period(datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC))


def test_a_counters_id_names_meter_and_period_and_is_read_back() -> None:
    chat = LimitFilter(service_type=ServiceType.CHAT, model="gpt|4@x")
    key = CounterKey(Meter(user_subject("a@b.c", "shop"), Unit.USD, chat, Window.MONTH), JULY)
    assert key.id == "user:a%40b.c@shop|usd|s=chat,m=gpt%7C4%40x|month|2026-07-01T00:00:00Z|2026-08-01T00:00:00Z"
    stored = {
        "subject": "user:a%40b.c@shop",
        "unit": "usd",
        "filter": {"serviceType": "chat", "model": "gpt|4@x"},
        "window": "month",
        "start": JULY.start,
        "end": JULY.end,
    }
    assert key_of(stored) == key_named(key.id) == key


@pytest.mark.parametrize("model", ["m,f=chat", "m,s=chat", "m=,", "m%2Cf=chat"])
def test_a_name_that_looks_like_another_part_of_a_filter_is_another_counter(model: str) -> None:
    named = CounterKey(Meter("everyone", Unit.REQUESTS, LimitFilter(model=model), Window.DAY), JULY)
    both = [LimitFilter(model="m", feature="chat"), LimitFilter(model="m", service_type=ServiceType.CHAT)]
    others = [CounterKey(named.meter._replace(filter=each), JULY).id for each in both]
    assert key_named(named.id) == named
    assert named.id not in others


def test_a_user_whose_id_looks_like_a_user_of_a_client_is_another_subject() -> None:
    assert user_subject("a@shop") != user_subject("a", "shop")


def test_a_call_belongs_to_its_user_client_key_campaign_and_feature_and_to_everyone() -> None:
    assert list(Caller("u1", "shop", "k1", "summer").subjects("assistant")) == [
        "user:u1",
        "user:u1@shop",
        "client:shop",
        "key:k1",
        "campaign:summer",
        "campaign:summer@shop",
        "feature:assistant",
        "everyone",
    ]


@pytest.mark.parametrize(
    "scope",
    [{}, {"userId": "u1", "keyId": "k1"}, {"clientId": "c", "feature": "f"}, {"everyone": False}, {"other": "x"}],
)
def test_a_scope_names_exactly_one_subject(scope: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LimitScope.model_validate(scope)


def test_a_limit_is_stored_and_read_back() -> None:
    limit = Limit.model_validate(
        {
            "_id": "l1",
            "scope": {"userId": "u1"},
            "unit": "USD",
            "window": "day",
            "amount": "2.50",
            "createdAt": JULY.start,
            "createdBy": "admin",
        }
    )
    stored = limit.stored()
    assert stored.pop("subject") == "user:u1"
    assert Limit.model_validate(stored) == limit
    assert (limit.unit, limit.alert_percents) == (Unit.USD, (80, 90, 100))


@pytest.mark.parametrize(
    "fault",
    [
        {"amount": "-1"},
        {"amount": "1000000000000000"},
        {"amount": "0.0000000000000001"},
        {"window": "31 February"},
        {"overageCap": "1"},
        {"unit": "requests", "amount": "1.5"},
        {"unit": "concurrent"},
        {"timezone": "Mars/Olympus"},
    ],
)
def test_what_cannot_be_a_limit_is_refused(fault: dict[str, str]) -> None:
    sound = {"_id": "l1", "scope": {"everyone": True}, "unit": "usd", "window": "day", "amount": "1"}
    with pytest.raises(ValidationError):
        Limit.model_validate({**sound, "createdAt": JULY.start, "createdBy": "admin", **fault})

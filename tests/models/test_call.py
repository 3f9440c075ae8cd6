"""What the tracker takes, and what it says of what it does not take."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from models import CallStatus
from models.call import AICall
from models.faults import Fault, faults_of

GOOD: dict[str, Any] = {"user_id": "u1", "content_type": "chat", "model": "gpt-4o"}


def faults(**reported: Any) -> list[Fault]:
    with pytest.raises(ValidationError) as caught:
        AICall(**{**GOOD, **reported})
    return faults_of(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", ""),
        ("user_id", "a\0b"),
        ("user_id", "line\nbreak"),
        ("user_id", "\ud800"),
        ("user_id", 12),
        ("user_id", {"$ne": None}),
        ("model", "m" * 10_000),
        ("content_type", ""),
        ("input_tokens", -1),
        ("input_tokens", 1.5),
        ("input_tokens", True),
        ("input_tokens", "12"),
        ("output_tokens", 10**12),
        ("tokens_used", -5),
        ("images", -1),
        ("request_duration", -3.5),
        ("request_duration", float("nan")),
        ("request_duration", float("inf")),
        ("request_duration", "fast"),
        ("cost", Decimal("-0.01")),
        ("cost", float("inf")),
        ("video_seconds", float("nan")),
        ("error_message", "\udfff"),
        ("created_at", datetime(2024, 1, 1)),  # noqa: DTZ001 - a time without a zone is the fault
        ("created_at", datetime(1999, 12, 31, tzinfo=UTC)),
        ("created_at", "9999-12-31T23:59:59-05:00"),
        ("created_at", "0001-01-01T00:00:00+05:00"),
        ("status", "exploded"),
        ("success", "yes"),
        ("metadata", ["no", "names"]),
        ("surprise", 1),
    ],
)
def test_bad_value_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    assert [fault.field for fault in faults(**{field: value})] == [field]


@pytest.mark.parametrize(("given", "missing"), [("experiment", "variant"), ("variant", "experiment")])
def test_an_experiment_and_its_variant_are_said_together(given: str, missing: str) -> None:
    assert [fault.field for fault in faults(**{given: "tone"})] == [missing]
    call = AICall(**GOOD, experiment="tone", variant="b")

    assert (call.experiment, call.variant) == ("tone", "b")


def test_every_fault_is_named_at_once() -> None:
    named = {fault.field for fault in faults(user_id="", input_tokens=-1, surprise=True)}

    assert named == {"user_id", "input_tokens", "surprise"}


def test_a_call_from_the_future_is_refused_beyond_a_small_tolerance() -> None:
    soon = datetime.now(UTC) + timedelta(minutes=4)

    assert AICall(**GOOD, created_at=soon).created_at is not None
    assert faults(created_at=soon + timedelta(minutes=2)) == [
        Fault("created_at", "is more than 5 minutes in the future; check the caller's clock")
    ]


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"$where": "1"}, "metadata.$where"),
        ({"a.b": 1}, "metadata.a.b"),
        ({"": 1}, "metadata."),
        ({"nul\0": 1}, "metadata.nul\0"),
        ({"k" * 65: 1}, "metadata." + "k" * 65),
        ({"deep": {"er": 1}}, "metadata"),
        ({"list": [1]}, "metadata"),
        ({"huge": "x" * 5_000}, "metadata"),
        ({f"key{i}": i for i in range(33)}, "metadata"),
        ({"surrogate": "\ud800"}, "metadata"),
        ({"nan": float("nan")}, "metadata"),
        ({"big": 2**63}, "metadata"),
    ],
)
def test_metadata_that_is_deep_large_or_named_like_an_operator_is_refused(metadata: Any, field: str) -> None:
    assert [fault.field for fault in faults(metadata=metadata)] == [field]


def test_flat_metadata_is_kept_with_dollar_and_nul_in_its_values() -> None:
    metadata = {"plan": "pro", "seats": 3, "ratio": 0.5, "trial": False, "ref": None, "odd": "$ne \0"}

    assert AICall(**GOOD, metadata=metadata).metadata == metadata


def test_parts_above_their_total_are_refused() -> None:
    assert faults(input_tokens=100, cache_read_tokens=60, cache_write_tokens=50) == [
        Fault("cache_read_tokens", "cache_read_tokens and cache_write_tokens cannot exceed input_tokens (100)")
    ]
    assert faults(output_tokens=5, reasoning_tokens=6)[0].field == "reasoning_tokens"


def test_a_total_that_is_no_sum_is_refused() -> None:
    assert faults(input_tokens=10, output_tokens=5, tokens_used=16)[0].field == "tokens_used"


def test_success_and_status_must_agree() -> None:
    assert faults(success=True, status="error")[0].field == "status"
    assert AICall(**GOOD, success=False).outcome is CallStatus.ERROR
    assert AICall(**GOOD, status="timeout").outcome is CallStatus.TIMEOUT
    assert AICall(**GOOD).outcome is CallStatus.SUCCESS


def test_json_names_are_taken_too() -> None:
    call = AICall.model_validate({"userId": "u", "contentType": "chat", "model": "m", "cacheWrite1hTokens": 0})

    assert (call.user_id, call.cache_write_1h_tokens) == ("u", 0)


def test_durations_are_whole_milliseconds_and_times_whole_milliseconds_in_utc() -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    call = AICall(**GOOD, request_duration=812.5, created_at=datetime(2024, 5, 1, 12, 0, 0, 123_999, kolkata))

    assert call.request_duration == 812
    assert call.created_at == datetime(2024, 5, 1, 6, 30, 0, 123_000, UTC)


def test_decimal_input_keeps_every_digit() -> None:
    assert AICall(**GOOD, cost=Decimal("0.0000001234567891")).cost == Decimal("0.0000001234567891")

"""A call sent with the provider's own usage: what it says itself, and what is read of the rest."""

import json
from decimal import Decimal
from typing import Any

import pytest

from app.errors import InvalidRequestError
from app.usage.reader import NOT_REPORTED
from app.usage.responses import reported_of
from app.usage.sent import MAX_BYTES, in_plain_fields
from models.call import AICall

CHAT = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
READ = {"input_tokens": 100, "output_tokens": 50}
CACHED = {**CHAT, "prompt_tokens_details": {"cached_tokens": 80}}
START = {"input_tokens": 10, "cache_read_input_tokens": 30, "output_tokens": 1}
END = {"output_tokens": 7}
UNTOLD = {"unreadable_usage": True, "unreadable_reason": NOT_REPORTED}
PICTURES = {"created": 1, "data": [{"url": ""}, {"b64_json": ""}, {}], "size": "1024x1024"}


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({"usage": CHAT, "model": "m"}, {"model": "m", **READ}),
        ({"usage": CHAT}, {"model": "unknown", **READ}),
        ({"usage": CHAT, "response": {"model": "r"}}, {"model": "r", **READ}),
        ({"usage": CHAT, "response": {"model": "r"}, "model": "m"}, {"model": "m", **READ}),
        ({"usage": CHAT, "response": {"model": "r"}, "model": None}, {"model": "r", **READ}),
        ({"response": {"model": "r", "usage": CHAT}}, {"model": "r", **READ}),
        ({"response": {"usage": {"prompt_tokens": 3}}, "usage": CHAT}, {"model": "unknown", **READ}),
        ({"usage": CACHED}, {"model": "unknown", **READ, "cache_read_tokens": 80}),
        (
            {"usage": CACHED, "inputTokens": 90},
            {"model": "unknown", **READ, "input_tokens": 90, "cache_read_tokens": 80},
        ),
        ({"usage": CACHED, "cacheReadTokens": 0}, {"model": "unknown", **READ, "cache_read_tokens": 0}),
        ({"usage": CHAT, "outputTokens": None}, {"model": "unknown", **READ}),
        (
            {"usage": [START, END], "response": {"model": "r"}},
            {"model": "r", "input_tokens": 40, "output_tokens": 7, "cache_read_tokens": 30},
        ),
        (
            {"usage": [CHAT, {**CHAT, "completion_tokens": 60, "total_tokens": 160}]},
            {"model": "unknown", "input_tokens": 100, "output_tokens": 60},
        ),
        (
            {"response": [{"model": "a"}, {"model": "b", "service_tier": "flex"}], "usage": CHAT},
            {"model": "b", **READ, "service_tier": "flex"},
        ),
        ({"response": PICTURES}, {"model": "unknown", "images": 2, "size": "1024x1024"}),
        ({"usage": {"seconds": 11}}, {"model": "unknown", "audio_seconds": Decimal(11)}),
        (
            {"usage": {**CHAT, "cost": Decimal("0.001234567891")}},
            {"model": "unknown", **READ, "cost": Decimal("0.001234567891"), "cost_basis": "usage.cost"},
        ),
        ({"usage": {**CHAT, "cost": 1}, "cost": 2}, {"model": "unknown", **READ, "cost": 2}),
        # no usage in a response: unreadable only where nothing else tells what was used
        ({"response": {"model": "r", "id": "x"}}, {"model": "r", **UNTOLD}),
        ({"response": {"model": "r"}, "inputTokens": 3}, {"model": "r", "input_tokens": 3}),
        ({"response": {"model": "r"}, "outputText": ""}, {"model": "r", "output_text": ""}),
        ({"response": {"model": "r"}, "status": "timeout"}, {"model": "r", "status": "timeout"}),
        ({"response": {"model": "r"}, "success": False}, {"model": "r", "success": False}),
        ({"response": {"model": "r"}, "status": "success"}, {"model": "r", "status": "success", **UNTOLD}),
        # nothing said is as if left out
        ({"usage": None, "response": {}, "model": "m"}, {"model": "m"}),
        ({"usage": [], "model": "m"}, {"model": "m"}),
        ({"usage": {}, "model": "m"}, {"model": "m"}),
    ],
)
def test_the_call_s_own_word_holds_and_what_it_does_not_say_is_read(
    sent: dict[str, Any], fields: dict[str, Any]
) -> None:
    who = {"user_id": "u", "content_type": "chat"}

    found = in_plain_fields({"userId": "u", "contentType": "chat", **sent})

    assert found == {**who, **fields}
    AICall.model_validate(found)


def test_what_cannot_be_read_is_recorded_with_its_reason() -> None:
    found = in_plain_fields({"usage": {"flux_tokens": 7}})

    assert found == {
        "model": "unknown",
        "unreadable_usage": True,
        "unreadable_reason": "usage: has no token count under a known name, only flux_tokens",
    }


@pytest.mark.parametrize("field", ["usage", "response"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, "must be a JSON object, or a list of objects"),
        ("prompt_tokens=5", "must be a JSON object, or a list of objects"),
        (False, "must be a JSON object, or a list of objects"),
        ([CHAT, 5], "must be a JSON object, or a list of objects"),
        ({"x": "y" * MAX_BYTES}, "has more than 16,000 bytes; no texts are needed"),
        (
            [{"x": "y" * 8_000}, {"x": "y" * 8_000}],
            "has more than 16,000 bytes; no texts are needed",
        ),
    ],
)
def test_what_is_no_object_or_too_large_is_refused_by_its_name(field: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        in_plain_fields({"model": "m", field: value})

    assert refused.value.errors == [{"field": field, "message": message}]


def test_what_is_as_large_as_is_allowed_is_read() -> None:
    padding = "y" * (MAX_BYTES - len('{"model":"m","x":""}'))

    assert in_plain_fields({"response": {"model": "m", "x": padding}, "tokensUsed": 5})["model"] == "m"


@pytest.mark.parametrize(
    "usage",
    [
        [{"a": 1}] * 101,
        {"prompt_tokens": 5, "l": [[0]] * 3_900},
        {"prompt_tokens": 5, "l": [{}] * 5_200},
        {f"k{number}": number for number in range(1_100)},
    ],
)
def test_more_than_any_usage_has_is_not_looked_at(usage: Any) -> None:
    found = in_plain_fields({"usage": usage, "response": {"model": "m"}})

    reason = "usage: with its response, has more than 1,000 values, or 100 events"
    assert found == {"model": "m", "unreadable_usage": True, "unreadable_reason": reason}


def test_one_field_under_both_of_its_names_is_refused() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        in_plain_fields({"usage": CHAT, "inputTokens": 5, "input_tokens": 6})

    message = "is told twice, as input_tokens too; leave one of them out"
    assert refused.value.errors == [{"field": "inputTokens", "message": message}]


@pytest.mark.parametrize(
    "events",
    [
        [{"usage": {"prompt_tokens": 100.0, "completion_tokens": 50.0, "total_tokens": 150.0}}],
        [{"usage": {"input_tokens": 10.0, "output_tokens": 1.0}}, {"usage": {"output_tokens": 7.0}}],
        [{"usage": {"prompt_tokens": 1.0}, "x_groq": {"usage": {"prompt_tokens": 2.0}}}],
        [{"embeddings": [[0.1, 0.2]], "usage": {"prompt_tokens": 5}}],
        [{"usage": {"input_tokens": 10, "output_tokens": 2, "input_token_details": {"flex": 3.0}}}],
        [{"tool_usage": {"image_gen": {"output_tokens": 5.0}}, "usage": {"input_tokens": 1, "output_tokens": 1}}],
        [{"usage": {"prompt_tokens": 5, "completion_tokens": 2, "cost": 0.1234567}}],
    ],
)
def test_a_number_with_a_fraction_says_the_same_sent_as_in_process(events: list[Any]) -> None:
    sent = in_plain_fields({"response": json.loads(json.dumps(events), parse_float=Decimal)})

    assert sent == {"model": "unknown", **reported_of(events, None)}

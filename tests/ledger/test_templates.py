"""A call of the common shape is recorded from a template exactly as it would be in full."""

import contextlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.ledger import packing, templates
from app.ledger.common import of_reported
from app.ledger.recording import Recorded, Recorder
from app.ledger.templates import TemplatePair
from app.pricing.overrides import OverrideTable
from app.settings import Settings
from app.spool.rows import decoded, encoded
from models import CallStatus, ServiceType
from models.call import AICall
from tests.pricing.test_costs import Book, override

NOW = datetime(2026, 10, 1, 12, 0, 0, 123_456, tzinfo=UTC)
COMMON: dict[str, Any] = {
    "user_id": "u",
    "content_type": "chat",
    "model": "gpt-4o",
    "provider": "openai",
    "input_tokens": 1_000,
    "output_tokens": 500,
}
SHARED = ("model", "provider", "content_type", "client_id", "success", "status", "service_type", "synthetic")


def recorder(book: Book) -> Recorder:
    return Recorder.of(Settings(_env_file=None), book)


RECORDER = recorder(Book())
IN_FULL = recorder(Book())
IN_FULL._templates.find = lambda *_: None  # type: ignore[method-assign]

NAMES = st.sampled_from(["u", "Zoë", "用户", "a b", "x" * 256])
COUNTS = st.integers(0, 5_000) | st.integers(190_000, 210_000) | st.sampled_from([0, 10**9])
MILLISECONDS = (
    st.none()
    | st.integers(0, 10**9)
    | st.floats(0, 10**9)
    | st.sampled_from([0, 0.5, 1.5, 2.5, Decimal("2.5"), Decimal(3)])
)
MODELS = st.sampled_from(
    [
        *(("gpt-4o", "openai"), ("gpt-4o", None), ("claude-sonnet-4-5", "anthropic"), ("gpt-4o", "groq")),
        *(("llama-3.1-8b-instant", "groq"), ("mistral-large-latest", "mistral"), ("gemini-2.5-pro", "google")),
        *(("deepseek-chat", "deepseek"), ("no-such-model", "openai"), ("gpt-4o", "somebody"), ("dall-e-3", "openai")),
        *(("us.amazon.nova-pro-v1:0", None), ("gpt-4o-mini", "openrouter"), ("text-embedding-3-small", "openai")),
    ]
)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "client_id": st.sampled_from(["default", "acme"]),
    "conversation_id": NAMES | st.none(),
    "success": st.sampled_from([True, False, None]),
    "request_duration": MILLISECONDS,
    "time_to_first_token": MILLISECONDS,
    "request_id": NAMES,
    "reservation_id": NAMES,
}
MOMENTS = [
    None,
    NOW,
    NOW - timedelta(days=400),
    NOW.replace(tzinfo=None),
    *("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.9999Z", "2026-01-01T00:00:00.123456+00:00", "2000-01-01T00:00:00Z"),
    *(
        "1999-01-01T00:00:00Z",
        "9999-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01 00:00:00Z",
        1_767_225_600,
    ),
    *("2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "0000-01-01T00:00:00Z", "2026-01-01", ""),
    *("2026-01-01T00:00:00", "2026-01-01T00:00:00,5Z", "\uff12026-01-01T00:00:00Z", "2026-01-01T00:00:00.1234567Z"),
]
RARE: dict[str, st.SearchStrategy[Any]] = {
    "created_at": st.sampled_from([*MOMENTS, *(datetime.now(UTC) + timedelta(minutes=ahead) for ahead in (2, 4, 9))]),
    "synthetic": st.sampled_from([True, False, 1]),
    "status": st.sampled_from(["success", "error", "timeout", "nonsense"]),
    "service_type": st.sampled_from(["chat", "image", ServiceType.CHAT, ServiceType.IMAGE, None]),
    "endpoint": NAMES | st.just(""),
    "campaign_id": NAMES,
    "upstream": NAMES,
    "experiment": NAMES,
    "variant": NAMES,
    "attempts": st.sampled_from([[], [{"upstream": "a", "model": "m", "milliseconds": 7}], [{"upstream": "a"}]]),
    "clerk_user_id": NAMES,
    "tokens_used": COUNTS,
    "metadata": st.sampled_from([{}, {"a": 1, "b": "x"}, {"a": {}}]),
    "cached": st.booleans(),
    "cache_read_tokens": st.integers(0, 10),
    "service_tier": st.sampled_from(["flex", "default"]),
    "cost": st.sampled_from([Decimal("0.1"), 1]),
    "images": st.integers(0, 2),
    "ip_address": st.just("203.0.113.7"),
    "error_message": st.just("key sk-SECRET12345678 refused"),
    "userId": NAMES,
    "nonsense": st.just(1),
}
NO_NUMBERS = [float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")]
ODD: dict[str, tuple[list[str], list[Any]]] = {
    "name": (
        [
            "user_id",
            "model",
            "provider",
            "client_id",
            "conversation_id",
            "content_type",
            "request_id",
            "reservation_id",
        ],
        ["", "x" * 257, "a\n", "\x7f", "\ud800", "a\u00a0b", "\u2028", b"u", 7, None, True, ["u"], "*"],
    ),
    "count": (["input_tokens", "output_tokens"], [-1, 10**9 + 1, 1.0, True, "5", None, Decimal(5), float("nan")]),
    "milliseconds": (
        ["request_duration", "time_to_first_token"],
        [-1, -0.4, 10**9 + 1, 1e9 + 0.4, *NO_NUMBERS, True, "5", Decimal("-0.4"), Decimal("1e999999")],
    ),
    "success": (["success"], [1, 0, "true", 1.0]),
}


@st.composite
def reports(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a call as they come: most are common, some are rare or wrong."""
    model, provider = draw(MODELS)
    content_type = draw(st.sampled_from(["chat", "summary", "of-our-own"]))
    call: dict[str, Any] = {"user_id": draw(NAMES), "content_type": content_type, "model": model, "provider": provider}
    call |= {"input_tokens": draw(COUNTS), "output_tokens": draw(COUNTS)}
    call |= draw(st.fixed_dictionaries({}, optional=OPTIONAL))
    for name in draw(st.just(()) | st.sets(st.sampled_from(sorted(RARE)), max_size=3).map(tuple)):
        call[name] = draw(RARE[name])
    if (odd := draw(st.sampled_from([None, None, *ODD]))) is not None:
        names, values = ODD[odd]
        call[draw(st.sampled_from(names))] = draw(st.sampled_from(values))
    return call


def by_template(recorder: Recorder, reported: dict[str, Any], key_id: str | None = None) -> Recorded | None:
    """None where it is not of the common shape, or not known to be valid."""
    call = recorder.common(reported)
    return None if call is None else recorder.record(call, NOW, key_id=key_id)


def in_full(reported: dict[str, Any], key_id: str | None = None) -> Recorded | None:
    """None where the call is refused."""
    try:
        return IN_FULL.record(AICall.model_validate(reported), NOW, key_id=key_id)
    except ValidationError:
        return None


def teach(recorder: Recorder, reported: dict[str, Any]) -> None:
    """As two valid calls of the same kind do."""
    same = {name: reported[name] for name in SHARED if name in reported}
    with contextlib.suppress(ValidationError):
        call = AICall.model_validate(COMMON | same)
        for _ in range(2):
            recorder.record(call, NOW)


def assert_same(reported: dict[str, Any], made: Recorded, expected: Recorded) -> None:
    """In every bit and in the order of fields; ids that nobody named are each its own."""
    packed = [bson.encode(document) for document in (made.pair.entry_to_store(), made.pair.event_to_store())]
    whole = [bson.encode(document) for document in (expected.pair.entry, expected.pair.event)]
    assert [each.replace(made.pair.id.binary, expected.pair.id.binary) for each in packed] == whole
    for one, other in ((made.pair.entry, expected.pair.entry), (made.pair.event, expected.pair.event)):
        ids = {} if reported.get("request_id") else {"_id": 1}
        assert bson.encode(one | ids) == bson.encode(other | ids)
        assert [(name, type(value)) for name, value in one.items()] == [(n, type(v)) for n, v in other.items()]
    assert [str(each) for each in made.cost] == [str(each) for each in expected.cost]
    assert (made.pair.stamped, made.pair.shared_id) == (expected.pair.stamped, expected.pair.shared_id)
    assert (made.pair.feature, made.cost) == (expected.pair.feature, expected.cost)


@given(reports(), st.sampled_from([None, "key"]))
@settings(max_examples=200)
def test_both_ways_give_the_same_documents_and_costs_or_the_same_refusal(
    reported: dict[str, Any], key_id: str | None
) -> None:
    teach(RECORDER, reported)
    expected = in_full(reported, key_id)

    if (made := by_template(RECORDER, reported, key_id)) is not None:
        assert expected is not None
        assert_same(reported, made, expected)
    if expected is not None:
        assert_same(reported, RECORDER.record(AICall.model_validate(reported), NOW, key_id=key_id), expected)


SPAN: dict[str, Any] = {
    **COMMON,
    "client_id": "acme",
    "request_id": "otlp:a-b",
    "status": CallStatus.SUCCESS,
    "metadata": {"traceId": "a", "spanId": "b", "service": "shop"},
    "created_at": NOW,
}
OF_A_SPAN: dict[str, st.SearchStrategy[Any]] = {
    "user_id": NAMES,
    "conversation_id": NAMES | st.just("a\u2028b"),
    "reservation_id": NAMES,
    "endpoint": NAMES,
    "input_tokens": COUNTS,
    "output_tokens": COUNTS,
    "cache_read_tokens": st.integers(0, 1),
    "request_duration": st.integers(0, 10**9),
    "time_to_first_token": st.integers(0, 10**9),
    "service_type": st.sampled_from(list(ServiceType)),
    "status": st.sampled_from(list(CallStatus)),
    "synthetic": st.booleans(),
    "error_message": st.just("Timeout"),
    "region": st.just("eu"),
    "created_at": st.integers(0, 10**15).map(lambda us: NOW - timedelta(microseconds=us % (25 * 365 * 86_400 * 10**6))),
    "metadata": st.sampled_from([{"traceId": "a", "spanId": "b", "leftOut": "x"}, {"traceId": "c", "spanId": "d"}]),
}


@given(st.fixed_dictionaries({}, optional=OF_A_SPAN), MODELS)
@settings(max_examples=200)
def test_a_span_gives_the_same_by_template_and_in_full(said: dict[str, Any], model: tuple[str, str | None]) -> None:
    fields = SPAN | {name: value for name, value in zip(("model", "provider"), model, strict=True) if value} | said
    teach(RECORDER, fields)
    expected = in_full(fields)

    if (call := RECORDER.common_span(fields)) is not None:
        assert expected is not None
        assert call.in_full() == AICall.model_validate(fields)
        assert_same(fields, RECORDER.record(call, NOW), expected)


@pytest.mark.parametrize(
    ("said", "is_common"),
    [
        ({}, True),
        ({"conversation_id": "c", "endpoint": "/", "cache_read_tokens": 0, "request_duration": 5}, True),
        ({"conversation_id": "a\u2028b"}, False),
        ({"cache_read_tokens": 1}, False),
        ({"region": "eu"}, False),
        ({"created_at": None}, False),
        ({"metadata": {"traceId": "a", "spanId": "b", "leftOut": "x"}}, False),
    ],
)
def test_which_spans_are_of_the_common_shape(said: dict[str, Any], is_common: bool) -> None:
    teach(RECORDER, SPAN)

    assert (RECORDER.common_span(SPAN | said) is not None) == is_common


@pytest.mark.parametrize(
    ("reported", "is_common"),
    [
        ({}, True),
        ({"model": "claude-sonnet-4-5", "provider": "anthropic"}, True),
        ({"model": "claude-sonnet-4-5", "provider": "anthropic", "input_tokens": 200_001}, False),
        ({"content_type": "of-our-own"}, True),
        ({"provider": None, "success": False, "client_id": "acme", "conversation_id": "c"}, True),
        ({"request_duration": 12.5, "time_to_first_token": 3, "request_id": "r"}, True),
        ({"created_at": "2026-01-01T00:00:00.123Z"}, True),
        ({"created_at": NOW}, True),
        ({"created_at": "2026-01-01T01:00:00+01:00"}, False),
        ({"model": "deepseek-chat", "provider": "deepseek"}, False),
        ({"model": "no-such-model"}, False),
        ({"endpoint": "messages", "upstream": "azure", "campaign_id": "c", "reservation_id": "r"}, True),
        ({"experiment": "e", "variant": "b"}, True),
        ({"experiment": "e"}, False),
        ({"variant": "b", "experiment": None}, False),
        ({"cache_read_tokens": 0, "images": 0}, True),
        ({"cache_read_tokens": 1}, False),
        ({"images": True}, False),
        ({"service_type": "chat"}, False),
        ({"cached": True}, False),
        ({"metadata": {"a": 1}}, False),
    ],
)
def test_which_calls_are_of_the_common_shape(reported: dict[str, Any], is_common: bool) -> None:
    teach(RECORDER, reported)

    assert (by_template(RECORDER, COMMON | reported) is not None) == is_common


def test_a_changed_price_holds_from_the_next_call_on() -> None:
    book = Book()
    own = recorder(book)
    teach(own, {})
    costs = [own.record(AICall(**COMMON), NOW)]

    book.table = OverrideTable([override({"input_mtok": 7, "output_mtok": 7})])
    assert by_template(own, COMMON) is None
    costs.append(own.record(AICall(**COMMON), NOW))
    teach(own, {})
    assert by_template(own, COMMON) is None
    book.table = OverrideTable([])
    costs.append(own.record(AICall(**COMMON), NOW))

    assert [cost.cost.cost for cost in costs] == [Decimal("0.0075"), Decimal("0.0105"), Decimal("0.0075")]


def test_an_override_of_one_client_leaves_the_others_their_templates() -> None:
    own = recorder(Book(override({"input_mtok": 7}, client_id="acme", effective_from=NOW + timedelta(days=1))))
    for client in ("acme", "other"):
        teach(own, {"client_id": client})

    found = [by_template(own, COMMON | {"client_id": client}) for client in ("acme", "other")]

    assert [recorded is not None for recorded in found] == [False, True]


def test_new_names_in_every_call_neither_grow_the_templates_nor_push_out_a_frequent_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(templates, "MOST", 5)
    own = recorder(Book())
    teach(own, {})
    for number in range(100):
        for _ in range(2):
            own.record(AICall(**{**COMMON, "content_type": f"t{number}"}), NOW)
        assert by_template(own, COMMON) is not None
        assert len(own._templates._recent) + len(own._templates._older) <= 10
        assert len(own._templates._once) <= 5


def test_a_call_by_its_own_user_has_the_user_s_own_id_by_a_template_too() -> None:
    call = AICall(**COMMON, request_id="r")
    teach(RECORDER, {})

    made, expected = (each.record(call, NOW, by_user=True).pair for each in (RECORDER, IN_FULL))

    assert isinstance(made, TemplatePair)
    assert (made.ids, made.entry, made.event) == (expected.ids, expected.entry, expected.event)


@pytest.mark.parametrize("shared", ["content_type", "client_id"])
def test_a_name_that_looks_like_a_mark_of_ours_is_stored_as_it_is(shared: str) -> None:
    call = AICall(**{**COMMON, shared: f"a{packing._USER}"})
    teach(RECORDER, {shared: f"a{packing._USER}"})

    assert_same({}, RECORDER.record(call, NOW), IN_FULL.record(call, NOW))


def test_a_document_that_was_changed_is_stored_as_it_was_changed() -> None:
    teach(RECORDER, {})
    recorded = by_template(RECORDER, COMMON)
    assert recorded is not None
    recorded.pair.entry["endpoint"] = "added"

    assert recorded.pair.entry_to_store()["endpoint"] == "added"
    assert recorded.pair.event_to_store() == recorded.pair.event


def test_what_python_takes_for_equal_is_not_the_same() -> None:
    """`1 == True` and both have one hash: a template must not let through what `AICall` refuses."""
    teach(RECORDER, {"success": True})

    assert of_reported({**COMMON, "success": True}) is not None
    assert of_reported({**COMMON, "success": 1}) is None


def test_counts_of_nothing_are_common_as_instrumentations_send_them() -> None:
    own = recorder(Book())
    call = AICall.model_validate(COMMON | {"cache_read_tokens": 0, "reasoning_tokens": 0})
    for _ in range(2):
        own.record(call, NOW)
    assert isinstance(own.record(call, NOW).pair, TemplatePair)
    assert not isinstance(own.record(call.model_copy(update={"cache_read_tokens": 1}), NOW).pair, TemplatePair)


def test_a_call_of_a_template_is_spooled_as_one_that_was_recorded_in_full() -> None:
    call = AICall(**COMMON, request_id="r", conversation_id="c", request_duration=7)
    teach(RECORDER, {})
    made, expected = (each.record(call, NOW, by_user=True).pair for each in (RECORDER, IN_FULL))
    assert isinstance(made, TemplatePair)

    blob = encoded(made)

    assert blob is not None
    assert blob == encoded(expected)
    assert decoded(blob).conflicts_with(expected.entry) is False


def test_a_template_that_does_not_make_its_own_call_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    own = recorder(Book())
    flat_rates = own.pricing.flat_rates
    monkeypatch.setattr(own.pricing, "flat_rates", lambda *names: flat_rates(*names)._replace(fee=1))  # type: ignore[union-attr]
    teach(own, {})
    assert by_template(own, COMMON) is None

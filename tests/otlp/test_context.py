from hashlib import sha256
from typing import Any

import pytest

from app.otlp.calls import calls_of
from tests.otlp.exports import CHAT, export, fault_of, fields_of, span

USERS = [
    "twinmeter.user_id",
    "user.id",
    "enduser.id",
    "gen_ai.user",
    "langfuse.user.id",
    "traceloop.association.properties.user_id",
]
CONVERSATIONS = [
    "twinmeter.conversation_id",
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
]


def innermost(*layers: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    """The fields of a chat within spans with these attributes, outermost first; the last are its own."""
    spans = [span(number, values, parent=number - 1) for number, values in enumerate(layers[:-1], 1)]
    call = span(len(layers), CHAT | layers[-1], parent=len(layers) - 1)
    [found] = calls_of(export(call, *spans, resource=resource)).calls
    return found.fields


@pytest.mark.parametrize(
    ("attribute", "field"),
    [(name, "user_id") for name in USERS]
    + [(name, "conversation_id") for name in CONVERSATIONS]
    + [("twinmeter.content_type", "content_type"), ("twinmeter.endpoint", "endpoint")]
    + [("twinmeter.campaign_id", "campaign_id")],
)
def test_the_nearest_span_says_who_and_what_for(attribute: str, field: str) -> None:
    outer, inner, own = {attribute: "outer"}, {attribute: "inner"}, {attribute: "own"}
    resource = {attribute: "resource"}
    assert innermost(outer, inner, own, resource=resource)[field] == "own"
    assert innermost(outer, inner, {}, resource=resource)[field] == "inner"
    assert innermost(outer, {}, {}, resource=resource)[field] == "outer"
    assert innermost({}, {}, {}, resource=resource)[field] == "resource"


def test_a_call_without_any_is_anonymous_and_a_chat() -> None:
    fields = innermost({}, {})
    assert (fields["user_id"], fields["content_type"]) == ("anonymous", "chat")
    assert fields.keys().isdisjoint({"conversation_id", "endpoint", "synthetic"})


def test_of_several_names_on_one_span_ours_stands() -> None:
    assert fields_of(CHAT | dict(zip(reversed(USERS), "fedcba", strict=True)))["user_id"] == "a"


def test_an_experiment_counts_with_its_variant_and_not_without() -> None:
    both = {"twinmeter.experiment": "tone", "twinmeter.variant": "b"}
    fields = innermost({"twinmeter.experiment": "tone"}, {"twinmeter.variant": "b"})
    assert (fields["experiment"], fields["variant"]) == ("tone", "b")
    for name in both:
        [call] = calls_of(export(span(1, CHAT | {name: "x"}))).calls
        assert call.left_out == (f"{name} is alone: recorded without it",)
        assert call.fields.keys().isdisjoint({"experiment", "variant"})


def test_an_id_may_be_a_number() -> None:
    assert fields_of(CHAT | {"user.id": 42})["user_id"] == "42"


def test_the_user_may_stand_in_openinferences_parameters() -> None:
    call = {"openinference.span.kind": "LLM", "llm.invocation_parameters": '{"model": "gpt-4o", "user": "u7"}'}
    fields = fields_of(call)
    assert (fields["model"], fields["user_id"]) == ("gpt-4o", "u7")
    embedding = {"openinference.span.kind": "EMBEDDING", "embedding.invocation_parameters": '{"model": "e", "user": 7}'}
    assert (fields_of(embedding)["model"], fields_of(embedding)["user_id"]) == ("e", "anonymous")


LONG = '{"user": "u7", "a": [' + "0.1," * 30_000 + "1]}"
"""A megabyte of numbers takes the time of a hundred requests to make."""


@pytest.mark.parametrize(
    "parameters", ["", "{", "[]", "5", "[" * 100_000, '{"user": {"a": 1}}', '{"user": ""}', 5, LONG]
)
def test_parameters_that_cannot_be_read_say_nothing(parameters: Any) -> None:
    assert fields_of(CHAT | {"llm.invocation_parameters": parameters})["user_id"] == "anonymous"


@pytest.mark.parametrize(("value", "synthetic"), [(True, True), (False, False), ("true", True), ("False", False)])
def test_a_load_test_says_so_on_any_span_or_resource(value: Any, synthetic: bool) -> None:
    said = {"twinmeter.synthetic": value}
    assert fields_of(CHAT | said)["synthetic"] is synthetic
    assert innermost(said, {})["synthetic"] is synthetic
    assert innermost({}, {}, resource=said)["synthetic"] is synthetic


NO_NAME = "must be a string of 1 to 256 characters without control characters"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("session.id", [1]), ("enduser.id", True), ("twinmeter.content_type", "a\x00"), ("twinmeter.endpoint", "e" * 257)],
)
def test_a_call_counts_without_a_name_that_cannot_be_stored_and_says_which(attribute: str, value: Any) -> None:
    [call] = calls_of(export(span(1, CHAT | {attribute: value}))).calls

    assert call.left_out == (f"{attribute} {NO_NAME}: recorded without it",)
    assert call.fields["metadata"]["leftOut"] == call.left_out[0]
    assert (call.fields["user_id"], call.fields["content_type"]) == ("anonymous", "chat")
    assert call.fields.keys().isdisjoint({"conversation_id", "endpoint"})


@pytest.mark.parametrize(
    ("attribute", "value", "field"),
    [
        ("user.id", "a\nb", "user_id"),
        ("user.id", "u" * 257, "user_id"),
        ("user.id", "SECRET" * 50, "user_id"),
        ("session.id", "s\t1", "conversation_id"),
    ],
)
def test_users_and_conversations_without_a_name_that_can_be_stored_are_told_apart_by_their_hash(
    attribute: str, value: str, field: str
) -> None:
    [call, again, other] = calls_of(
        export(*(span(number, CHAT | {attribute: said}) for number, said in enumerate([value, value, f"{value}x"], 1)))
    ).calls

    assert call.fields[field] == again.fields[field] == f"sha256:{sha256(value.encode()).hexdigest()[:32]}"
    assert other.fields[field] != call.fields[field]
    assert call.left_out == (f"{attribute} {NO_NAME}: recorded under its hash",)
    assert call.fields["metadata"]["leftOut"] == call.left_out[0]
    assert "SECRET" not in repr(call)


@pytest.mark.parametrize("value", ["perhaps", 1])
def test_a_call_that_may_be_a_load_test_is_a_fault(value: Any) -> None:
    assert fault_of(CHAT | {"twinmeter.synthetic": value}) == "twinmeter.synthetic must be true or false"

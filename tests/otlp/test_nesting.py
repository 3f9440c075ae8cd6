import time
from typing import Any

import pytest

from app.otlp.calls import calls_of
from tests.otlp.exports import CHAT, MS, START_NS, counted, export, span

AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 900, "gen_ai.request.model": "gpt-4o"}
ID_A, ID_B = {"gen_ai.response.id": "a"}, {"gen_ai.response.id": "b"}
MINI = CHAT | {"gen_ai.request.model": "gpt-4o-mini"}
DATED = CHAT | {"gen_ai.response.model": "gpt-4o-2024-08-06"}
NO_MODEL = {"gen_ai.operation.name": "chat"}
OPENINFERENCE_ERROR = {"openinference.span.kind": "LLM", "llm.invocation_parameters": '{"model": "gpt-4o"}'}
SPANS = 10_000


@pytest.mark.parametrize(
    ("outer", "inner", "calls"),
    [
        (CHAT, CHAT, [3]),
        (CHAT | ID_A, CHAT | ID_A, [3]),
        (CHAT | ID_A, MINI | ID_A, [3]),
        (CHAT | ID_A, CHAT | ID_B, [2, 3]),
        (CHAT, CHAT | ID_A, [3]),
        (CHAT | ID_A, CHAT, [3]),
        (CHAT, MINI, [2, 3]),
        (CHAT | ID_A, MINI, [2, 3]),
        (CHAT, MINI | ID_A, [2, 3]),
        (CHAT, DATED, [3]),
        (DATED | {"gen_ai.request.model": "openai/gpt-4o"}, CHAT, [3]),
        (NO_MODEL, CHAT, [3]),
        (NO_MODEL, CHAT | ID_A, [3]),
        (NO_MODEL | ID_A, CHAT, [3]),
        (OPENINFERENCE_ERROR, CHAT, [3]),
        (CHAT, OPENINFERENCE_ERROR, [3]),
        (MINI, OPENINFERENCE_ERROR, [2, 3]),
    ],
)
def test_of_two_spans_for_one_answer_the_inner_one_counts(
    outer: dict[str, Any], inner: dict[str, Any], calls: list[int]
) -> None:
    spans = [span(1, AGENT), span(2, outer, parent=1), span(3, inner, parent=2)]
    assert counted(*spans) == calls
    assert counted(*reversed(spans)) == calls[::-1]


def test_spans_between_the_two_make_no_difference() -> None:
    tool = {"gen_ai.operation.name": "execute_tool"}
    assert counted(span(1, CHAT), span(2, tool, parent=1), span(3, {}, parent=2), span(4, CHAT, parent=3)) == [4]


def test_spans_beside_each_other_all_count() -> None:
    assert counted(span(1, AGENT), *(span(number, CHAT, parent=1) for number in (2, 3, 4))) == [2, 3, 4]


BESIDE = {"start_time_unix_nano": START_NS + MS, "end_time_unix_nano": START_NS + 249 * MS}
LATER = {"start_time_unix_nano": START_NS + 250 * MS, "end_time_unix_nano": START_NS + 500 * MS}
UNIQUE = {"gen_ai.response.id": "msg_01XFDUDYJgAACzvnptvVoYEL"}
TOKENS = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
CACHED = TOKENS | {"gen_ai.usage.cache_read_tokens": 4}
UNREADABLE = TOKENS | {"gen_ai.usage.hologram_tokens": 4}


@pytest.mark.parametrize(
    ("first", "second", "times", "calls"),
    [
        (ID_A, ID_A, BESIDE, 1),
        (ID_A, ID_A, LATER, 2),
        (ID_A, ID_B, BESIDE, 2),
        (UNIQUE, UNIQUE, BESIDE, 1),
        (UNIQUE, UNIQUE, LATER, 1),
        ({}, {}, BESIDE, 2),
    ],
)
def test_of_two_spans_beside_each_other_for_one_answer_one_counts(
    first: dict[str, Any], second: dict[str, Any], times: dict[str, Any], calls: int
) -> None:
    spans = [span(1, AGENT), span(2, CHAT | first, parent=1), span(3, CHAT | second, parent=1, **times)]
    assert len(counted(*spans)) == len(counted(*reversed(spans))) == calls


def test_an_answer_that_is_told_in_two_traces_counts_once_by_an_id_of_its_own() -> None:
    assert len(counted(span(1, CHAT | UNIQUE), span(2, CHAT | UNIQUE, trace_id=b"\x01" * 16))) == 1
    assert len(counted(span(1, CHAT | ID_A), span(2, CHAT | ID_A, trace_id=b"\x01" * 16))) == 2


@pytest.mark.parametrize(
    ("outer", "inner", "stands"),
    [
        (CACHED, TOKENS, 1),
        (TOKENS, CACHED, 2),
        (CACHED, CACHED, 2),
        (CACHED, {}, 1),
        (UNREADABLE, TOKENS, 1),
        (UNREADABLE, CACHED, 2),
        (TOKENS | {"gen_ai.usage.cost": 0.5}, TOKENS, 1),
        (CACHED | {"gen_ai.response.service_tier": "flex"}, CACHED, 1),
    ],
)
def test_of_two_spans_with_one_id_the_one_that_knows_more_counts(
    outer: dict[str, Any], inner: dict[str, Any], stands: int
) -> None:
    nested = [span(1, CHAT | ID_A | outer), span(2, CHAT | ID_A | inner, parent=1)]
    assert counted(*nested) == counted(*reversed(nested)) == [stands]


def test_a_retry_within_counts_beside_the_answer() -> None:
    outer, failed, answered = span(1, CHAT | ID_A), span(2, CHAT | ID_B, parent=1), span(3, CHAT | ID_A, parent=1)
    assert counted(outer, failed, answered) == [2, 3]


def test_an_inner_span_that_cannot_be_recorded_does_not_hide_the_outer_one() -> None:
    export_ = calls_of(export(span(1, CHAT), span(2, NO_MODEL, parent=1)))
    assert [call.span[-1] for call in export_.calls] == ["1"]
    assert [fault.span[-1] for fault in export_.faults] == ["2"]


def test_parents_in_a_circle_do_not_hang() -> None:
    circle = [span(1, CHAT, parent=3), span(2, MINI, parent=1), span(3, CHAT | ID_A, parent=2)]
    assert counted(*circle, span(4, {}, parent=2), span(5, CHAT, parent=4)) == [1, 2, 3, 5]
    assert counted(span(1, CHAT, parent=1)) == [1]


def test_a_parent_that_is_not_in_the_export_is_none() -> None:
    assert counted(span(1, CHAT, parent=99)) == [1]


def test_a_span_sent_twice_is_the_same_call_twice() -> None:
    calls = calls_of(export(span(1, CHAT), span(1, CHAT), span(2, {}, parent=1))).calls
    assert {call.fields["request_id"] for call in calls} == {"otlp:0102030405060708090a0b0c0d0e0f10-0000000000000001"}


def test_spans_of_different_traces_are_strangers() -> None:
    assert counted(span(1, CHAT, trace_id=b"\x01" * 16), span(2, CHAT, parent=1)) == [1, 2]


@pytest.mark.parametrize("with_ids", [True, False])
def test_a_chain_of_ten_thousand_spans_is_read_within_seconds(with_ids: bool) -> None:
    def attributes(number: int) -> dict[str, Any]:
        return CHAT | ({"gen_ai.response.id": str(number), "user.id": str(number)} if with_ids else {})

    request = export(*(span(number, attributes(number), parent=number - 1) for number in range(1, SPANS + 1)))
    started = time.process_time()
    calls = calls_of(request).calls
    assert time.process_time() - started < 5
    assert len(calls) == (SPANS if with_ids else 1)


def test_ten_thousand_spans_around_many_calls_each_are_quick() -> None:
    chain = [span(number, CHAT | {"gen_ai.response.id": str(number)}, parent=number - 1) for number in range(1, 5_001)]
    leaves = [span(5_000 + n, CHAT | {"gen_ai.response.id": f"leaf-{n}"}, parent=n) for n in range(1, 5_001)]
    started = time.process_time()
    assert len(calls_of(export(*chain, *leaves)).calls) == SPANS
    assert time.process_time() - started < 5

"""What is remembered of exports has a bound, whatever they hold."""

import tracemalloc

import pytest

from app.otlp import memory
from app.otlp.answers import Answer
from app.otlp.calls import SpanCall, calls_of
from app.otlp.memory import ExportMemory
from tests.otlp.exports import CHAT, export, span


def told(response_id: int, number: int, request_id: str) -> SpanCall:
    """A span of an answer whose id proves nothing: the ones of one id differ by their time."""
    answer = Answer(str(response_id), False, b"trace", 10 * number, 10 * number + 5)
    return SpanCall("trace-span", {"request_id": request_id}, answer)


def test_many_answers_under_few_ids_are_remembered_in_all_and_not_for_each_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ANSWERS", 40)
    remembered = ExportMemory()
    for response_id in range(10):
        for number in range(10):
            first = remembered.request_id(told(response_id, number, f"{response_id}-{number}"), "c", None)
            assert first == f"{response_id}-{number}"

    again = [remembered.request_id(told(response_id, 0, "again"), "c", None) for response_id in (9, 0)]

    assert again == ["9-0", "again"]


def test_nothing_is_kept_of_an_instrumentation_that_says_its_name_in_megabytes() -> None:
    usage = CHAT | {"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 1}
    megabyte = "x" * 1_000_000

    def report(number: int) -> None:
        assert len(calls_of(export(span(1, usage), scope=f"{number} {megabyte}")).calls) == 1

    report(0)
    tracemalloc.start()
    for number in range(1, 11):
        report(number)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < len(megabyte)

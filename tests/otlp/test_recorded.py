"""What real instrumentations sent."""

from pathlib import Path
from typing import Any

import pytest

from app.otlp.calls import Export, calls_of
from app.otlp.messages import parse
from models.call import AICall

DATA = Path(__file__).parents[1] / "data" / "otlp"
FILES = ["openllmetry.pb", "openllmetry.otlp.json", "openai_v2.pb"]

FULL = {"input_tokens": 1000, "output_tokens": 50, "cache_read_tokens": 800, "reasoning_tokens": 20}
STREAMED = {"input_tokens": 1000, "output_tokens": 50, "cache_read_tokens": 800}
TOTALS = {"input_tokens": 1000, "output_tokens": 50}
EMBEDDED = {"input_tokens": 8, "cache_read_tokens": 0, "output_tokens": 0}

OPENLLMETRY: list[tuple[str, str, str, str, int, dict[str, int]]] = [
    ("gpt-4o-2024-08-06", "success", "end-user-7", "chat", 11, FULL),
    ("gpt-4o-2024-08-06", "success", "u1", "chat", 6, STREAMED),
    ("gpt-4o-2024-08-06", "success", "u1", "chat", 3, {}),
    ("bad", "rate_limited", "u1", "chat", 4, {}),
    ("text-embedding-3-small", "success", "u1", "embedding", 3, EMBEDDED),
    ("gpt-4o-2024-08-06", "success", "u1", "chat", 45, FULL),
    ("gpt-4o-2024-08-06", "success", "u1", "chat", 3, {}),
]
OPENAI_V2: list[tuple[str, str, str, str, int, dict[str, int]]] = [
    ("gpt-4o-2024-08-06", "success", "u1", "chat", 12, TOTALS),
    ("gpt-4o-2024-08-06", "success", "u1", "chat", 6, TOTALS),
    ("gpt-4o-2024-08-06", "success", "u1", "chat", 3, {}),
    ("bad", "rate_limited", "u1", "chat", 2, {}),
    ("text-embedding-3-small", "success", "u1", "embedding", 3, {"input_tokens": 8}),
]


def recorded(file: str) -> Export:
    return calls_of(parse((DATA / file).read_bytes(), as_json=file.endswith(".json")))


def told(fields: dict[str, Any]) -> tuple[str, str, str, str, int, dict[str, int]]:
    names = ("model", "status", "user_id", "content_type", "request_duration")
    tokens = {name: count for name, count in fields.items() if name.endswith("_tokens")}
    return *(fields[name] for name in names), tokens


@pytest.mark.parametrize(("file", "calls"), [*zip(FILES, [OPENLLMETRY, OPENLLMETRY, OPENAI_V2], strict=True)])
def test_every_call_is_read_as_it_was(file: str, calls: list[Any]) -> None:
    export = recorded(file)
    assert export.faults == []
    assert [told(call.fields) for call in export.calls] == calls
    assert {call.fields["provider"] for call in export.calls} == {"openai"}


@pytest.mark.parametrize("file", FILES)
def test_every_call_can_be_recorded(file: str) -> None:
    for call in recorded(file).calls:
        assert AICall(**call.fields, client_id="acme").request_id == f"otlp:{call.span}"


@pytest.mark.parametrize("file", FILES)
def test_no_content_is_kept(file: str) -> None:
    kept = repr([call.fields for call in recorded(file).calls])
    for content in ("SECRET", "Hello", "Rate limit reached", "sk-abc", "Traceback", "127.0.0.1"):
        assert content not in kept


def test_a_rate_limit_keeps_the_name_of_its_error_alone() -> None:
    for file in FILES:
        assert recorded(file).calls[3].fields["error_message"] == "RateLimitError"


def test_a_call_says_where_it_comes_from() -> None:
    call = recorded("openllmetry.pb").calls[0]
    assert call.span == "a7d38669b8f4418fcd6968bdc34f678a-4785429d27478970"
    assert call.fields["metadata"] == {
        "traceId": "a7d38669b8f4418fcd6968bdc34f678a",
        "spanId": "4785429d27478970",
        "service": "probe",
    }
    assert call.fields["service_tier"] == "default"
    assert call.fields["created_at"].isoformat() == "2026-11-20T23:50:06.555124+00:00"

"""The official OpenTelemetry SDK and exporter, around calls of a real `openai` client, against a real server.

The application is a process of its own; see `application.py`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.patience import patience, until
from tests.real_clients.conftest import Account, Deployment
from tests.real_clients.instrumentations import MODULES
from tests.real_clients.odd_spans import SPANS
from tests.real_clients.upstream import EMBEDDING_MODEL, MODEL, RATE_LIMITED, openai_upstream
from tests.test_server import ROOT

INSTRUMENTATIONS = {
    "by hand": {},
    "openai-v2": {},
    "openai-v2, latest conventions, with content": {
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
    },
    "openllmetry": {},
    "OpenInference": {},
}
"""What makes the spans, and its settings."""
FRAMEWORKS = {
    "pydantic-ai": ("pydantic_ai",),
    "pydantic-ai and openllmetry": ("pydantic_ai", "opentelemetry.instrumentation.openai"),
    "LangChain": ("langchain_openai", "openinference.instrumentation.langchain"),
}
"""What makes the calls and the spans, and the modules that it takes."""
SILENT_ON_CACHES = {"openai-v2", "openai-v2, latest conventions, with content"}
"""Instrumentations that do not say what was read from a cache: their users pay less than they are told."""
HASHED = {tokens: str(SPANS[tokens]["user.id"]) for tokens in (103, 104)}
"""Of the odd spans those whose users' names cannot be stored."""
SILENT_ON_ERRORS = {"OpenInference"}
"""And such as tell the kind of an error in an event alone, beside the provider's words."""


@contextmanager
def application(
    address: str, key: str, instrumentation: str = "by hand", *, exports: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """The application, which exports with `key` to the server at `address`."""
    command = [sys.executable, "-m", "tests.real_clients.application", instrumentation, str(exports)]
    with running_with_spans(command, address, key, INSTRUMENTATIONS[instrumentation]) as process:
        yield process


@contextmanager
def running_with_spans(
    command: list[str], address: str, key: str, variables: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OPENAI_"))}
    with openai_upstream() as upstream:
        env = {
            **own,
            "PYTHONPATH": str(ROOT),
            "OPENAI_BASE_URL": upstream,
            "OPENAI_API_KEY": "sk-none",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{address}/v1/traces",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS": f"Authorization=Bearer%20{quote(key)}",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "30",
            **variables,
        }
        with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.kill()


def said(process: subprocess.Popen[str]) -> str:
    """What an application wrote to standard error until it ended well."""
    _, stderr = process.communicate(timeout=patience(60))
    assert process.returncode == 0, stderr
    return stderr


LETTER = ("u7", "c9", "cover-letter")
CACHED, UNCACHED = Decimal("0.007475"), Decimal("0.008755")
"""gpt-4o costs 2.50 and 10 USD a million tokens, and 1.25 from the cache, which has 1,024 of 1,234."""


def calls(answered: Decimal = CACHED, refused: str = "rate_limited") -> list[tuple[Any, ...]]:
    """What the application did, in its order. The embedding model costs 0.02 USD a million tokens."""
    return [
        (*LETTER, MODEL, "success", 1_234, 567, answered, "priced"),
        (*LETTER, MODEL, "success", 1_234, 567, answered, "priced"),
        # a stream without usage: what a chat is taken to use, see app/pricing/estimates.toml
        (*LETTER, MODEL, "success", 1_155, 211, Decimal("0.0049975"), "estimated"),
        (*LETTER, RATE_LIMITED, refused, 0, 0, 0, "priced"),
        ("anonymous", None, "embedding", EMBEDDING_MODEL, "success", 89, 0, Decimal("0.00000178"), "priced"),
    ]


def needed(*modules: str | None) -> None:
    """Skip where a client is not installed: a deployment of this project needs none of them."""
    for module in modules:
        if module is not None:
            pytest.importorskip(module)


def told(account: Account) -> list[tuple[Any, ...]]:
    """The ledger, oldest first."""
    names = ["userId", "conversationId", "contentType", "model", "status", "inputTokens", "outputTokens", "cost"]
    calls = account.report("calls")["calls"]
    return [tuple(call[name] for name in [*names, "costSource"]) for call in reversed(calls)]


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_calls_are_there_to_the_token_and_count_once_however_often_they_are_exported(
    account: Account, deployment: Deployment, instrumentation: str
) -> None:
    needed(MODULES.get(instrumentation))
    with application(account.address, account.new_key("ingest"), instrumentation, exports=2) as process:
        assert "Failed to export" not in said(process)

    answered = UNCACHED if instrumentation in SILENT_ON_CACHES else CACHED
    refused = "error" if instrumentation in SILENT_ON_ERRORS else "rate_limited"
    assert told(account) == calls(answered, refused)
    totals = account.report("usage")["totals"]
    assert (totals["requests"], totals["errors"], totals["estimated"], totals["unpriced"]) == (5, 1, 1, 0)
    assert (totals["cost"], totals["tokens"]["input"]) == (2 * answered + Decimal("0.00499928"), 3_712)
    assert "SECRET" not in deployment.everything_stored()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_s_call_is_there_once_with_what_it_read_from_the_cache(
    account: Account, deployment: Deployment, framework: str
) -> None:
    needed(*FRAMEWORKS[framework])
    command = [sys.executable, "-m", "tests.real_clients.framework", framework]
    with running_with_spans(command, account.address, account.new_key("ingest"), {}) as process:
        assert "Failed to export" not in said(process)

    (call,) = told(account)
    assert call[:1] + call[2:] == ("u7", "chat", MODEL, "success", 1_234, 567, CACHED, "priced")
    assert "SECRET" not in deployment.everything_stored()


def test_the_vercel_ai_sdk_s_calls_are_there_once_with_what_they_read_from_the_cache(
    account: Account, deployment: Deployment
) -> None:
    if not (ROOT / "node_modules" / "@ai-sdk" / "openai").is_dir():
        pytest.skip("npm install")
    command = ["node", str(ROOT / "tests" / "real_clients" / "vercel.mjs")]
    with running_with_spans(command, account.address, account.new_key("ingest"), {}) as process:
        assert said(process) == ""

    assert told(account) == [
        ("u7", None, "chat", MODEL, "success", 1_234, 567, CACHED, "priced"),
        ("u7", None, "embedding", EMBEDDING_MODEL, "success", 89, 0, Decimal("0.00000178"), "priced"),
    ]
    assert "SECRET" not in deployment.everything_stored()


def test_what_is_exported_while_the_server_is_down_arrives_once_it_is_back(tmp_path: Path, mongodb_uri: str) -> None:
    deployment = Deployment(tmp_path / "data", mongodb_uri)
    with deployment.serving() as address:
        account = deployment.account(address)
        key = account.new_key("ingest")

    with application(address, key) as process:
        assert process.stderr is not None
        assert "retrying" in process.stderr.readline()
        with deployment.serving(str(urlsplit(address).port)):
            said(process)
            assert told(account) == calls()


def test_a_key_that_may_not_ingest_is_told_to_the_application(account: Account) -> None:
    with application(account.address, account.new_key("read")) as process:
        assert "403" in said(process)

    assert told(account) == []


async def test_a_wrong_user_or_clock_is_recorded_and_marked_and_what_is_refused_is_seen(account: Account) -> None:
    """The exporter reads no partial success: whoever sends such spans is told nothing, so the pages must."""
    command = [sys.executable, "-m", "tests.real_clients.odd_spans"]
    with running_with_spans(command, account.address, account.new_key("ingest"), {}) as process:
        assert "Failed to export" not in said(process)

    listed = {call["inputTokens"]: call for call in account.report("calls")["calls"]}
    users = {tokens: call["userId"] for tokens, call in listed.items()}
    by_hash = {tokens: f"sha256:{sha256(text.encode()).hexdigest()[:32]}" for tokens, text in HASHED.items()}
    assert users == {101: "ann", 102: "anonymous", **by_hash, 105: "of the future"}
    marks = {
        tokens: account.detail(listed[tokens]["id"])["metadata"].get("leftOut", "").rpartition(": ")[2]
        for tokens in listed
    }
    assert marks == {
        101: "",
        102: "",
        **dict.fromkeys(HASHED, "recorded under its hash"),
        105: "recorded as of its arrival",
    }
    late = datetime.fromisoformat(listed[105]["createdAt"])
    assert late < datetime.now(UTC) + timedelta(minutes=1)

    def refusals() -> list[tuple[str, str, int]]:
        found = account.report("data-quality")["refusedCalls"]
        return sorted((row["door"], row["reason"], row["calls"]) for row in found)

    await until(lambda: len(refusals()) == 2)  # counted off the callers' path
    assert refusals() == [
        ("otlp", "no attribute of the span names a model", 1),
        ("otlp", "twinmeter.synthetic must be true or false", 1),
    ]

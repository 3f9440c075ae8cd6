"""The official OpenTelemetry SDK and exporter, around calls of a real `openai` client, against a real server.

The application is a process of its own; see `application.py`.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.patience import patience
from tests.real_clients.conftest import Account, Deployment
from tests.real_clients.upstream import EMBEDDING_MODEL, MODEL, RATE_LIMITED, openai_upstream
from tests.test_server import ROOT

INSTRUMENTATIONS = {
    "by hand": {},
    "openai-v2": {},
    "openai-v2, latest conventions, with content": {
        "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
    },
}
"""What makes the spans, and its settings."""


@contextmanager
def application(
    address: str, key: str, instrumentation: str = "by hand", *, exports: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """The application, which exports with `key` to the server at `address`."""
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
            **INSTRUMENTATIONS[instrumentation],
        }
        command = [sys.executable, "-m", "tests.real_clients.application", instrumentation, str(exports)]
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
CALLS = [
    (*LETTER, MODEL, "success", 1_234, 567, Decimal("0.008755"), "priced"),
    (*LETTER, MODEL, "success", 1_234, 567, Decimal("0.008755"), "priced"),
    # a stream without usage: what a chat is taken to use, see app/pricing/estimates.toml
    (*LETTER, MODEL, "success", 1_155, 211, Decimal("0.0049975"), "estimated"),
    (*LETTER, RATE_LIMITED, "rate_limited", 0, 0, 0, "priced"),
    ("anonymous", None, "embedding", EMBEDDING_MODEL, "success", 89, 0, Decimal("0.00000178"), "priced"),
]
"""What the application did, in its order. gpt-4o costs 2.50 and 10 USD a million tokens, the embedding model 0.02."""


def told(account: Account) -> list[tuple[Any, ...]]:
    """The ledger, oldest first."""
    names = ["userId", "conversationId", "contentType", "model", "status", "inputTokens", "outputTokens", "cost"]
    calls = account.report("calls")["calls"]
    return [tuple(call[name] for name in [*names, "costSource"]) for call in reversed(calls)]


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS)
def test_calls_are_there_to_the_token_and_count_once_however_often_they_are_exported(
    account: Account, deployment: Deployment, instrumentation: str
) -> None:
    with application(account.address, account.new_key("ingest"), instrumentation, exports=2) as process:
        assert "Failed to export" not in said(process)

    assert told(account) == CALLS
    totals = account.report("usage")["totals"]
    assert (totals["requests"], totals["errors"], totals["estimated"], totals["unpriced"]) == (5, 1, 1, 0)
    assert (totals["cost"], totals["tokens"]["input"]) == (Decimal("0.02250928"), 3_712)
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
            assert told(account) == CALLS


def test_a_key_that_may_not_ingest_is_told_to_the_application(account: Account) -> None:
    with application(account.address, account.new_key("read")) as process:
        assert "403" in said(process)

    assert told(account) == []

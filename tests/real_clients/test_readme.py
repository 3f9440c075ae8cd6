"""What README.md tells to paste, word for word, against a real server."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from client.tests.ledger import entries
from tests.patience import patience
from tests.real_clients.conftest import Account, Deployment
from tests.real_clients.test_opentelemetry import CACHED, UNCACHED, calls, told
from tests.real_clients.upstream import MODEL, openai_upstream
from tests.test_server import ROOT, requests_today

SECTION = (ROOT / "README.md").read_text().partition("\n## In your application\n")[2].partition("\n## ")[0]
BLOCKS = dict(re.findall(r"(?s)\n\*(\w+)\*(?:(?!```).)*```\w+\n(.*?)```", SECTION))
"""By what stands in italics before them."""
SETUP, *_, REPORT = re.findall(r"(?s)```sh\n(.*?)```", SECTION)
INSTRUMENTED = "from tests.real_clients.application import main; main('openai-v2', 1)"


@pytest.fixture
def paste(account: Account, deployment: Deployment, tmp_path: Path) -> Iterator[Any]:
    """Runs lines in a shell that has an address and a key, but only those of the page where it pastes them."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TWINMETER_", "OTEL_", "OPENAI_"))}
    with openai_upstream() as upstream:
        env = {
            **own,
            "PATH": f"{Path(sys.executable).parent}:{own['PATH']}",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
            "OPENAI_BASE_URL": upstream,
            "OPENAI_API_KEY": "sk-none",
            "TWINMETER_MONGODB_URI": deployment.mongodb_uri,
            "TWINMETER_DATABASE": deployment.database,
            "TWINMETER_DATA_DIR": str(deployment.data_dir),
            "TWINMETER_URL": account.address,
            "TWINMETER_KEY": account.new_key("ingest"),
        }
        here = {
            ".venv/bin/python": sys.executable,
            "http://127.0.0.1:8000": account.address,
            "--client shop": f"--client {account.client}",
        }

        def run(lines: str) -> str:
            script = reduce(lambda lines, said: lines.replace(said, here[said]), here, lines)
            done = subprocess.run(
                ["sh", "-eu", "-c", script],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                timeout=patience(60),
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield run


def test_each_way_is_told_in_six_lines_at_most() -> None:
    assert list(BLOCKS) == ["Python", "JavaScript", "OpenTelemetry", "curl"]
    assert {name: len(lines.splitlines()) for name, lines in BLOCKS.items() if len(lines.splitlines()) > 6} == {}


def test_the_python_lines_report_what_they_say(account: Account, paste: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"messages = [{{'role': 'user', 'content': 'SECRET'}}]\n{BLOCKS['Python']}")

    assert paste("python mine.py") == ""
    assert sorted(told(account)) == [
        ("u1", None, "chat", "gpt-4o", "success", 1_000, 500, Decimal("0.0075"), "priced"),
        ("u1", None, "cover-letter", MODEL, "success", 1_234, 567, CACHED, "priced"),
    ]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_javascript_lines_report_what_they_say(account: Account, paste: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.mjs").write_text(BLOCKS["JavaScript"])
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "twinmeter").symlink_to(ROOT / "client" / "js")

    assert paste("node mine.mjs") == ""
    assert told(account) == [("u1", None, "chat", "gpt-4o", "success", 1_000, 500, Decimal("0.0075"), "priced")]


def test_an_instrumented_application_reports_with_the_lines_of_the_environment(
    account: Account, paste: Any, tmp_path: Path
) -> None:
    (tmp_path / "your_application.py").write_text(INSTRUMENTED)
    paste(BLOCKS["OpenTelemetry"])

    assert told(account) == calls(UNCACHED)


def test_curl_with_a_new_key_is_answered_as_is_shown_and_the_report_counts_the_call(
    account: Account, deployment: Deployment, paste: Any
) -> None:
    before = requests_today(account.address, account.admin)
    answer, report = paste(f"{SETUP}\n{BLOCKS['curl']}\necho\n{REPORT}").splitlines()

    (shown,) = re.findall(r'\(`("status".*)`\)', SECTION)
    assert shown in answer
    assert json.loads(report)["today"]["requests"] == before + 1
    assert [entry["userId"] for entry in entries(deployment, account)] == ["u1"]

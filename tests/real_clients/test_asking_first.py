"""What docs/reporting.md tells to paste of asking before a call: its lines against a server, and its Python."""

import json
import os
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from textwrap import indent
from types import SimpleNamespace
from typing import Any

import pytest

from app.settings import Settings
from app.tracking import tracking
from tests.patience import patience
from tests.real_clients.conftest import Account
from tests.test_server import ROOT

SECTION = (ROOT / "docs" / "reporting.md").read_text().partition("\n## Asking first\n")[2].partition("\n## ")[0]
(LINES,) = re.findall(r"(?s)```sh\n(.*?)```", SECTION)
(PYTHON,) = re.findall(r"(?s)```python\n(.*?)```", SECTION)
RESPONSE = {"model": "gpt-4o", "usage": {"prompt_tokens": 940, "completion_tokens": 212, "total_tokens": 1_152}}


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on PATH")
def test_the_lines_of_the_page_ask_report_and_give_back(account: Account, tmp_path: Path) -> None:
    script = LINES.replace("http://127.0.0.1:8000", account.address).replace("\"}'", "\"}' -w '\\n'")
    env = {**os.environ, "KEY": account.new_key("ingest")}

    command = ["sh", "-eu", "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=patience(60), check=False
    )

    assert done.returncode == 0, done.stderr
    decoder, at, told = json.JSONDecoder(parse_float=Decimal), 0, []
    text = done.stdout.strip()
    while at < len(text):
        answer, at = decoder.raw_decode(text, at)
        told.append(answer)
        at += len(text[at:]) - len(text[at:].lstrip())
    asked, receipt = told  # what was released has no body
    assert (asked["feature"], asked["held"], asked["unenforced"]) == ("chat", [], False)
    assert (receipt["status"], receipt["reservation"], receipt["cost"]) == ("committed", "settled", Decimal("0.00447"))


async def test_the_python_of_the_page_runs_as_it_stands(settings: Settings, mongodb_uri: str) -> None:
    made: list[Any] = []

    async def create(**options: Any) -> Any:
        made.append(options["max_tokens"])
        return RESPONSE

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    names: dict[str, Any] = {"client": client, "messages": []}
    exec(f"async def page():\n{indent(PYTHON, '    ')}\n    return decision", names)
    async with tracking(settings, mongodb_uri) as tracker:
        decision = await names["page"]()
        assert decision.allowed
        assert tracker.writer.queued == 0
    assert made == [500, 500]

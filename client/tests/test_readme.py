"""What client/README.md tells to write, word for word, against a real server."""

from __future__ import annotations

import re
from pathlib import Path

from client.tests.ledger import entries
from client.tests.test_life import run
from tests.real_clients.conftest import Account, Deployment
from tests.real_clients.upstream import MODEL, openai_upstream

from twinmeter.configuration import SETTINGS

README = (Path(__file__).parents[1] / "README.md").read_text()
PYTHON = re.findall(r"(?s)```python\n(.*?)```", README)
BEFORE = """
import openai
other_client = openai.OpenAI()
messages = [{"role": "user", "content": "SECRET"}]
"""
"""What an application has already."""
TOLD = re.findall(r"(?m)^print\(.*# (.*)$", README)


def test_the_lines_of_the_readme_report_what_they_say(account: Account, deployment: Deployment) -> None:
    with openai_upstream() as upstream:
        openai = {"OPENAI_BASE_URL": upstream, "OPENAI_API_KEY": "sk-none", "TWINMETER_LIMITS_TIMEOUT": "60"}
        key = account.new_key("ingest")
        done = run("\n".join([BEFORE, *PYTHON]), account.address, TWINMETER_KEY=key, **openai)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == TOLD == ["committed chat 0.0025"]
    names = ("userId", "contentType", "conversationId", "aiModel", "inputTokens", "outputTokens")
    reported = {tuple(entry.get(name) for name in names) for entry in entries(deployment, account)}
    assert reported == {
        ("u1", "chat", None, "gpt-4o", 10, 5),
        ("u1", "chat", None, "gpt-4o", 1_000, 0),
        ("u1", "cover-letter", "c1", MODEL, 1_234, 567),
        ("u1", "chat", None, MODEL, 1_234, 567),
        ("u2", "summary", None, "gpt-4o", 20, 5),
        ("u3", "cover-letter", None, "gpt-4o", 1_200, 80),
        ("anonymous", "chat", None, MODEL, 1_234, 567),
    }


def test_every_setting_is_told() -> None:
    assert [name for name in SETTINGS if f"`{name}=`" not in README] == []

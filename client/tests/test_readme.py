"""What client/README.md tells to write, word for word, against a real server."""

from __future__ import annotations

import re
from pathlib import Path

from client.tests.ledger import entries
from client.tests.test_life import run
from tests.real_clients.conftest import Account, Deployment

from twinmeter.configuration import SETTINGS

README = (Path(__file__).parents[1] / "README.md").read_text()
PYTHON = re.findall(r"(?s)```python\n(.*?)```", README)
TOLD = re.findall(r"(?m)^print\(.*# (.*)$", README)


def test_the_lines_of_the_readme_report_what_they_say(account: Account, deployment: Deployment) -> None:
    done = run("\n".join(PYTHON), account.address, TWINMETER_KEY=account.new_key("ingest"))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == TOLD == ["committed chat 0.0025"]
    reported = {
        (entry["contentType"], entry.get("conversationId"), entry["inputTokens"])
        for entry in entries(deployment, account)
    }
    assert reported == {("chat", None, 10), ("chat", None, 1_000), ("cover-letter", "c1", 10)}


def test_every_setting_is_told() -> None:
    assert [name for name in SETTINGS if f"`{name}=`" not in README] == []

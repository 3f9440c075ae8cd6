"""What README.md and docs/limits.md tell to paste about limits, against a server of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.patience import patience
from tests.real_clients.conftest import Deployment
from tests.test_server import ROOT, admin

README = (ROOT / "README.md").read_text().partition("\n## Limits and plans\n")[2].partition("\n## ")[0]
PAGE = (ROOT / "docs" / "limits.md").read_text()
SETUP, PLANS, SUBSCRIPTIONS, GRANTS, _ = re.findall(r"(?s)```sh\n(.*?)```", PAGE)


@pytest.fixture(scope="module")
def paste(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Runs lines in a shell, as an operator does beside a server."""
    deployment = Deployment(tmp_path_factory.mktemp("limits"), mongodb_uri)
    with deployment.serving() as address:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TWINMETER_")},
            "PYTHONPATH": str(ROOT),
            "TWINMETER_MONGODB_URI": deployment.mongodb_uri,
            "TWINMETER_DATABASE": deployment.database,
            "TWINMETER_DATA_DIR": str(deployment.data_dir),
            "TOKEN": admin(deployment.data_dir)["Authorization"].removeprefix("Bearer "),
        }

        def run(lines: str) -> list[Any]:
            """What each request was answered."""
            script = lines.replace(".venv/bin/python", sys.executable).replace("http://127.0.0.1:8000", address)
            script = script.replace("curl -sS", "curl -sS -w '\\n'")
            done = subprocess.run(
                ["sh", "-eu", "-c", script], env=env, capture_output=True, text=True, timeout=patience(60), check=False
            )
            assert done.returncode == 0, done.stderr
            return [json.loads(line, parse_float=Decimal) for line in done.stdout.splitlines()]

        yield run


def test_the_lines_of_the_readme_set_a_limit_that_holds(paste: Any) -> None:
    (lines,) = re.findall(r"(?s)```sh\n(.*?)```", README)

    limit, passed, refused, applying = paste(lines)

    assert (limit["amount"], limit["unit"]) == (1, "requests")
    assert passed["id"]
    assert refused["status"] == 429
    assert [one["id"] for one in applying["limits"]] == [limit["id"]]


def test_every_line_of_the_page_does_what_it_says(paste: Any) -> None:
    preparing, asking = SETUP.split("\n\n")
    first, *rest = asking.splitlines()
    prepared = preparing + "\n"
    limit, listed, applying = paste(prepared + "\n".join([first, *rest[:2]]))
    assert [one["id"] for one in listed["limits"]] == [one["id"] for one in applying["limits"]] == [limit["id"]]
    raised, ended = paste(prepared + "\n".join(rest[2:]).replace("ID", limit["id"]))
    assert (raised["amount"], ended["amount"], ended["endedAt"] is not None) == (20, 20, True)

    *making, end_of_pro = PLANS.strip().rpartition("\n")
    free, pro, second, versions = paste(prepared + making[0])
    assert [(one["plan"], one["version"]) for one in (free, pro, second)] == [("free", 1), ("pro", 1), ("free", 2)]
    assert [one["version"] for one in versions["versions"]] == [2, 1]

    subscribing, *changing = SUBSCRIPTIONS.strip().splitlines()
    (subscription,) = paste(prepared + subscribing)
    downgraded, ending, back = paste(prepared + "\n".join(changing).replace("ID", subscription["id"]))
    assert (downgraded["plan"], downgraded["next"]["plan"]) == ("pro", "free")
    assert (ending["endedAt"], back["endedAt"]) == (subscription["renewsAt"], None)

    granted = paste(prepared + GRANTS)
    assert [one["kind"] for one in granted] == ["top_up", "carry_over", "override"]

    (ended_plan,) = paste(prepared + end_of_pro)
    assert ended_plan["subscribers"] == 1

"""The JavaScript client before a real server: its own tests run there, and the ledger is looked at afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pymongo
import pytest
from client.tests.ledger import entries
from client.tests.test_limits_real import Limited
from tests.patience import patience
from tests.real_clients.conftest import Account, Deployment
from tests.real_clients.upstream import openai_upstream
from tests.test_server import running

ROOT = Path(__file__).parents[2]
JAVASCRIPT = ROOT / "client" / "js"
README = (JAVASCRIPT / "README.md").read_text()
MODEL = "gpt-4o-2024-08-06"
LETTER = "cover-letter"
SEARCHED = Decimal("0.017475")
"""With one search, at 10 USD a thousand."""
INTERRUPTED = "interrupted before the answer was complete"

THOUSAND = """
import { flush, trackAIRequest } from "twinmeter";

for (let each = 0; each < 1000; each++)
  trackAIRequest({ userId: `u${each % 7}`, contentType: "chat", model: "gpt-4o", inputTokens: 10, outputTokens: 5 });
console.log(JSON.stringify(await flush({ timeout: 60_000 })));
"""


STEADILY = """
import { counts, flush, trackAIRequest } from "twinmeter";

let each = 0;
let isTold = false;
const timer = setInterval(async () => {
  for (let i = 0; i < 20; i++)
    trackAIRequest({ userId: "u1", contentType: "chat", model: "gpt-4o", inputTokens: 10, metadata: { each: each++ } });
  if (!isTold && counts().delivered) {
    isTold = true;
    console.log("some have arrived");
  }
  if (each < 2000) return;
  clearInterval(timer);
  console.log(JSON.stringify(await flush({ timeout: 120_000 })));
}, 15);
"""
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (ROOT / "node_modules" / "openai").is_dir(),
    reason="needs node, and the packages of package.json",
)
pytestmark = needs_node


def ran(command: Sequence[str | Path], cwd: Path | None = None, **variables: str) -> str:
    """What a command prints that succeeds, and says nothing else."""
    done = subprocess.run(
        command,
        cwd=cwd or JAVASCRIPT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_what_javascript_reports_is_in_the_ledger_once_and_to_the_last_digit(
    account: Account, deployment: Deployment
) -> None:
    keys = {"TWINMETER_KEY": account.new_key("ingest"), "READ_KEY": account.new_key("read")}

    ran(["node", "--test", "test/real/server.test.js"], JAVASCRIPT, TWINMETER_URL=account.address, **keys)

    stored = entries(deployment, account)
    assert Counter(entry["userId"] for entry in stored) == {
        "many": 1_200,
        "named": 1,
        "receipts": 2,
        "wrapped": 5,
        "failed": 5,
        "called": 1,
    }
    assert sorted(entry["metadata"]["each"] for entry in _of("many", stored)) == list(range(1_200))
    assert {_figures(entry) for entry in _of("many", stored)} == {
        ("chat", "gpt-4o", "success", 1_000, 500, Decimal("0.0075"))
    }
    (named,) = _of("named", stored)
    assert _figures(named) == ("cover-letter", "gpt-4o", "error", 1_000, 500, Decimal("0.123456789012345"))
    told = {name: named[name] for name in ("conversationId", "errorMessage", "metadata", "requestDuration")}
    assert told == {
        "conversationId": "c1",
        "errorMessage": "Refused",
        "metadata": {"plan": "pro"},
        "requestDuration": 812,
    }
    assert [_figures(entry) for entry in _of("called", stored)] == [
        ("chat", "gpt-4o", "success", 1_000, 500, Decimal("0.0075"))
    ]
    assert Counter((*_figures(entry), entry.get("cacheReadTokens")) for entry in _of("wrapped", stored)) == Counter(
        [
            (LETTER, MODEL, "success", 1_234, 567, Decimal("0.007475"), 1_024),
            (LETTER, MODEL, "success", 1_234, 567, Decimal("0.007475"), 1_024),
            (LETTER, "text-embedding-3-small", "success", 89, 0, Decimal("0.00000178"), None),
            (LETTER, "gpt-image-1", "success", 50, 1_056, Decimal("0.04249"), None),
            (LETTER, MODEL, "success", 1_234, 567, SEARCHED, 1_024),
        ]
    )
    assert {(*_figures(entry), entry["errorMessage"]) for entry in _of("failed", stored)} == {
        # a stream that was left has no usage: the length of what came tells about how much it used
        ("chat", MODEL, "error", 1_155, 4, Decimal("0.0029275"), INTERRUPTED),
        ("chat", "unauthorized", "error", 0, 0, 0, "AuthenticationError"),
        ("chat", "busy", "rate_limited", 0, 0, 0, "RateLimitError"),
        ("chat", "broken", "error", 0, 0, 0, "InternalServerError"),
        ("chat", "hang", "timeout", 1_155, 211, None, "APIConnectionTimeoutError"),
    }
    assert {(entry["provider"], entry.get("conversationId")) for entry in _of("wrapped", stored)} == {("openai", "c9")}
    assert "SECRET" not in repr(stored)


def test_limits_hold_for_javascript_and_nothing_is_held_in_the_end(account: Account, deployment: Deployment) -> None:
    limited = Limited(account)
    limited.limit("requests", 10, "asks")
    limited.limit("requests", 3, "wrapped")

    key = account.new_key("ingest")
    ran(["node", "--test", "test/real/limits.test.js"], JAVASCRIPT, TWINMETER_URL=account.address, TWINMETER_KEY=key)

    assert limited.state("asks") == {"requests": (10, 0)}
    assert limited.state("wrapped") == {"requests": (3, 0)}
    stored = entries(deployment, account)
    assert Counter((entry["userId"], entry["status"]) for entry in stored) == {
        ("asks", "success"): 10,
        ("wrapped", "success"): 2,
        ("wrapped", "error"): 1,
    }
    assert len({entry["reservationId"] for entry in stored}) == 13


def test_the_lines_of_the_readme_report_what_they_say(account: Account, deployment: Deployment) -> None:
    blocks = "".join(re.findall(r"(?s)```js\n(.*?)```", README))
    with openai_upstream() as upstream:
        openai = {"OPENAI_BASE_URL": upstream, "OPENAI_API_KEY": "sk-none", "TWINMETER_LIMITS_TIMEOUT": "60"}
        server = {"TWINMETER_URL": account.address, "TWINMETER_KEY": account.new_key("ingest")}
        said = ran(["node", "--input-type=module", "--eval", blocks], JAVASCRIPT, **openai, **server)

    assert said.splitlines() == re.findall(r"(?m)^console.log\(.*// (.*)$", README) == ["committed chat 0.0025"]
    assert {(*_figures(entry), entry["userId"]) for entry in entries(deployment, account)} == {
        ("chat", "gpt-4o", "success", 10, 5, Decimal("0.000075"), "u1"),
        ("chat", "gpt-4o", "success", 1_000, 0, Decimal("0.0025"), "u1"),
        (LETTER, MODEL, "success", 1_234, 567, Decimal("0.007475"), "u1"),
        ("chat", "mistral-large-latest", "success", 1_000, 500, Decimal("0.005"), "u1"),
        (LETTER, "gpt-4o", "success", 1_200, 80, Decimal("0.0038"), "u3"),
        ("chat", MODEL, "success", 1_234, 567, Decimal("0.007475"), "u4"),
    }


def test_the_package_alone_reports_a_thousand_calls_from_an_application(
    account: Account, deployment: Deployment, tmp_path: Path
) -> None:
    ran(["npm", "pack", "--silent", "--pack-destination", tmp_path, JAVASCRIPT])
    (packed,) = tmp_path.iterdir()
    (tmp_path / "package.json").write_text("{}")
    ran(["npm", "install", "--silent", "--offline", "--no-audit", "--no-fund", packed], tmp_path)
    (tmp_path / "main.mjs").write_text(THOUSAND)

    server = {"TWINMETER_URL": account.address, "TWINMETER_KEY": account.new_key("ingest")}
    assert json.loads(ran(["node", "main.mjs"], tmp_path, **server)) == {
        "delivered": 1_000,
        "rejected": 0,
        "waiting": 0,
    }

    stored = entries(deployment, account)
    assert [sum(entry[count] for entry in stored) for count in ("inputTokens", "outputTokens")] == [10_000, 5_000]
    assert packed.stat().st_size < 50_000
    with tarfile.open(packed) as files:
        names = {name.partition("/")[2] for name in files.getnames()}
    assert {name for name in names if not name.startswith("src/")} == {
        *("README.md", "package.json", "index.js", "index.d.ts", "react.js", "react.d.ts")
    }
    assert {path.name for path in (tmp_path / "node_modules").iterdir()} - {".package-lock.json"} == {"twinmeter"}


def test_a_server_that_is_killed_under_load_and_started_again_has_each_call_once(
    mongodb_uri: str, tmp_path: Path
) -> None:
    deployment = Deployment(tmp_path / "data", mongodb_uri)
    own = {"TWINMETER_MONGODB_URI": mongodb_uri, "TWINMETER_DATABASE": deployment.database}
    with running(deployment.data_dir, **own) as (server, address):
        account = deployment.account(address)
        variables = {**os.environ, "TWINMETER_URL": address, "TWINMETER_KEY": account.new_key("ingest")}
        command = ["node", "--input-type=module", "--eval", STEADILY]
        application = subprocess.Popen(command, cwd=JAVASCRIPT, env=variables, stdout=subprocess.PIPE, text=True)
        assert application.stdout is not None
        assert application.stdout.readline() == "some have arrived\n"
        server.kill()
        server.wait()
    with application, deployment.serving(address.rpartition(":")[2]):
        told = json.loads(application.communicate(timeout=patience(60))[0])
        stored = entries(deployment, account)
    with pymongo.MongoClient[Any](mongodb_uri) as client:
        client.drop_database(deployment.database)

    assert told == {"delivered": 2_000, "rejected": 0, "waiting": 0}
    assert sorted(entry["metadata"]["each"] for entry in stored) == list(range(2_000))


def _of(user: str, stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in stored if entry["userId"] == user]


def _figures(entry: dict[str, Any]) -> tuple[Any, ...]:
    names = ("contentType", "aiModel", "status", "inputTokens", "outputTokens")
    cost = entry["cost"]
    return (*(entry[name] for name in names), cost if cost is None else cost.to_decimal())

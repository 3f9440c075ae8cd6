"""Thousands of requests that the OpenAPI description allows, and as many that it forbids, against a real server."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from tests.patience import patience
from tests.real_clients.conftest import Account
from tests.test_server import ROOT

SLOW_SECONDS = 5


def cases_run(account: Account, credentials: str, directory: Path, phases: str, examples: int, *options: str) -> int:
    """How many requests schemathesis made with `credentials`, none of which was answered wrongly or late."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{account.address}/schema/openapi.json"),
        *("--header", f"Authorization: Bearer {credentials}"),
        *("--checks", "not_a_server_error,errors_are_described", "--max-response-time", str(patience(SLOW_SECONDS))),
        *("--exclude-path", "/api/admin/ai/live"),  # its answer does not end
        # one thread: Python 3.11 fails by chance where two parse source at once, as hypothesis does
        *("--phases", phases, "--max-examples", str(examples), "--workers", "1", "--continue-on-failure"),
        *("--seed", "1", "--generation-deterministic", "--no-color"),
        *options,
    ]
    hooks = {"PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.real_clients.schema_checks"}
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | hooks,
        capture_output=True,
        text=True,
        timeout=patience(300),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (cases,) = re.findall(r"([\d,]+) generated", done.stdout)
    return int(cases.replace(",", ""))


def test_nothing_an_administrator_sends_is_a_server_error(account: Account, tmp_path: Path) -> None:
    token = account.admin["Authorization"].removeprefix("Bearer ")

    assert cases_run(account, token, tmp_path, "examples,coverage,fuzzing", 6) > 2_000


def test_nothing_an_application_sends_is_a_server_error(account: Account, tmp_path: Path) -> None:
    key = account.new_key("ingest", "read", "admin")

    # it would find its own key in the list, and revoke it
    assert cases_run(account, key, tmp_path, "fuzzing", 13, "--exclude-path-regex", "revoke") > 200

    answer = httpx.get(f"{account.address}/api/analytics", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200

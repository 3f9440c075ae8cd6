"""curl, as in the README and in shell scripts: rows of NDJSON, plain and through gzip."""

import gzip
import json
import shutil
import subprocess
from decimal import Decimal
from typing import Any

import pytest

from tests.patience import patience
from tests.real_clients.conftest import Account

CURL = shutil.which("curl")
ROW = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1_234, "outputTokens": 567}
ROWS = [{**ROW, "requestId": f"r{number}", "userId": f"u{number % 2}"} for number in range(100)]
NDJSON = b"".join(json.dumps(row).encode() + b"\n" for row in [*ROWS, {**ROW, "inputTokens": -1}])

pytestmark = pytest.mark.skipif(CURL is None, reason="there is no curl on PATH")


def post(account: Account, key: str, rows: bytes, *options: str) -> Any:
    """What curl prints that sends `rows` from its standard input."""
    headers = ["-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/x-ndjson"]
    address = f"{account.address}/api/ai/track/batch"
    command = [CURL or "", "-sS", "--fail-with-body", *headers, *options, "--data-binary", "@-", address]
    done = subprocess.run(command, input=rows, capture_output=True, timeout=patience(60), check=True)
    return json.loads(done.stdout, parse_float=Decimal)


def test_rows_are_counted_to_the_token_and_once(account: Account) -> None:
    key = account.new_key("ingest")

    plain = post(account, key, NDJSON)
    again = post(account, key, gzip.compress(NDJSON), "-H", "Content-Encoding: gzip")
    chunked = post(account, key, NDJSON, "-H", "Transfer-Encoding: chunked")

    assert plain["summary"] == {"committed": 100, "rejected": 1}
    assert again["summary"] == chunked["summary"] == {"duplicate": 100, "rejected": 1}
    assert [receipt["cost"] for receipt in plain["receipts"]] == [Decimal("0.008755")] * 100 + [None]
    assert [error["field"] for error in plain["receipts"][-1]["errors"]] == ["inputTokens"]
    usage = account.report("usage")
    assert (usage["totals"]["requests"], usage["totals"]["cost"]) == (100, Decimal("0.8755"))
    assert usage["totals"]["tokens"] == {"input": 123_400, "output": 56_700, "total": 180_100}
    assert account.report("overview")["today"]["activeUsers"] == 2


def test_rows_that_only_come_through_gzip_are_counted_as_well(account: Account) -> None:
    answer = post(account, account.new_key("ingest"), gzip.compress(NDJSON), "-H", "Content-Encoding: gzip")

    assert answer["summary"] == {"committed": 100, "rejected": 1}
    assert account.report("usage")["totals"]["cost"] == Decimal("0.8755")

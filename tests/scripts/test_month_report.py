"""The report of a month from the command line."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.tracking import Tracker
from tests.alerts.inbox import Inbox, free_port, serving
from tests.scripts.conftest import Command

MONTH = "2024-10"


async def run(command: Command, *arguments: str, **environment: str) -> Any:
    return await asyncio.to_thread(command, "scripts.month_report", MONTH, *arguments, **environment)


async def track(tracker: Tracker, model: str = "gpt-4o", month: int = 10) -> None:
    call = {"user_id": "u1", "content_type": "chat", "model": model, "input_tokens": 1_000, "output_tokens": 500}
    receipt = await tracker.track(**call, client_id="acme", created_at=datetime(2024, month, 15, tzinfo=UTC))
    assert receipt.status == "committed"


async def test_a_month_is_closed_reported_and_sent(command: Command, tracker: Tracker, tmp_path: Path) -> None:
    await track(tracker)
    files = {ending: tmp_path / f"report.{ending}" for ending in ("json", "csv")}
    invoice = ("--invoice", "openai", "INV-1", "0.0075", "usd")

    first = await run(command, *invoice, "--close", "--out", str(files["json"]))
    await track(tracker, "unheard-of")
    second = await run(command, *invoice, "--client", "acme", "--out", str(files["csv"]))

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [
        "invoice INV-1 of openai: entered",
        f"{MONTH} is closed",
        f"{files['json']}: all clients, 1 calls, 0.0075 USD",
    ]
    report = json.loads(files["json"].read_text(), parse_float=Decimal)
    assert (report["status"], report["closedBy"]) == ("closed", "scripts.month_report")
    assert report["reconciliation"][0]["unexplained"] == 0
    # of that client an invoice of its own was entered, and a call came late
    assert second.returncode == 3
    assert "look: the ledger has changed since the month was closed" in second.stdout
    assert "changed since the closing" in files["csv"].read_text()


async def test_a_report_is_sent_as_pdf_and_who_did_not_get_it_is_named(command: Command, tracker: Tracker) -> None:
    await track(tracker)
    inbox, port = Inbox(), free_port()
    with serving(inbox, port):
        server = {
            "TWINMETER_SMTP_HOST": "127.0.0.1",
            "TWINMETER_SMTP_PORT": str(port),
            "TWINMETER_SMTP_SECURITY": "none",
        }
        ended = await run(command, "--email", "a@shop.example", "--email", "b@nobody.example", **server)

    assert ended.returncode == 1
    assert ended.stdout == "sent to a@shop.example\n"
    assert ended.stderr == "--email was not sent: b@nobody.example: the server refused the address (550)\n"
    ((_, message),) = inbox.received
    parts: Any = message.get_payload()
    assert parts[1].get_payload(decode=True).startswith(b"%PDF-1.7")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say what to do: --out, --email, --close or --invoice"),
        (("--out", "x.doc"), "--out must end in one of .pdf, .html, .csv, .json"),
    ],
)
async def test_wrong_arguments(command: Command, arguments: tuple[str, ...], said: str) -> None:
    ended = await run(command, *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr


async def test_what_there_is_no_report_of_is_told(command: Command, tracker: Tracker, tmp_path: Path) -> None:
    await track(tracker, month=11)
    ended = await run(command, "--out", str(tmp_path / "x.pdf"))
    said = f"there are no calls in {MONTH} or before: the first one is of 2024-11-15\n"
    assert (ended.returncode, ended.stderr) == (1, said)
    assert not (tmp_path / "x.pdf").exists()

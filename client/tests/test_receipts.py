"""Calls before a real server: what is in the ledger, and what is told."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest
from client.tests.conftest import CALL, MakeClient
from client.tests.ledger import entries
from tests.patience import patience
from tests.real_clients.conftest import Account, Deployment

import twinmeter
from twinmeter import Flushed
from twinmeter.client import Client

PRICED = {**CALL, "input_tokens": 1_000, "output_tokens": 500}


def test_every_call_is_in_the_ledger_once_with_its_tokens(
    real: Client, account: Account, deployment: Deployment
) -> None:
    for number in range(1_200):
        real.track({**CALL, "input_tokens": number, "user_id": f"u{number % 3}"})

    assert real.flush(patience(30)) == Flushed(delivered=1_200, rejected=0, waiting=0)

    stored = entries(deployment, account)
    assert len(stored) == 1_200
    assert sum(entry["inputTokens"] for entry in stored) == sum(range(1_200))


def test_who_waits_is_given_the_servers_receipt(real: Client, account: Account) -> None:
    receipt = real.track(PRICED, wait=True, timeout=patience(30))

    assert receipt is not None
    assert (receipt.status, receipt.feature, receipt.cost) == ("committed", "chat", Decimal("0.0075"))
    assert receipt.id is not None
    assert account.detail(receipt.id)["inputTokens"] == 1_000


def test_a_request_id_counts_once(real: Client, account: Account, deployment: Deployment) -> None:
    told = [real.track({**PRICED, "request_id": "r1"}, wait=True, timeout=patience(30)) for _ in range(3)]

    assert [receipt.status for receipt in told if receipt] == ["committed", "duplicate", "duplicate"]
    assert len(entries(deployment, account)) == 1


def test_a_providers_usage_is_read_by_the_server(real: Client, account: Account) -> None:
    usage = {"prompt_tokens": 1_000, "completion_tokens": 500, "prompt_tokens_details": {"cached_tokens": 800}}
    usage["total_tokens"] = 1_500
    who = {"user_id": "u1", "content_type": "chat", "provider": "openai"}
    start = {"input_tokens": 200, "cache_read_input_tokens": 800, "output_tokens": 1}

    chat = real.report({**who, "usage": usage, "response": {"model": "gpt-4o", "service_tier": "default"}})
    stream = real.report({**who, "usage": [start, {"output_tokens": 500}], "model": "claude-sonnet-4-5"})

    costs = [report.wait(patience(30)).cost for report in (chat, stream)]
    assert costs == [Decimal("0.0065"), Decimal("0.00834")]
    for report, model in ((chat, "gpt-4o"), (stream, "claude-sonnet-4-5")):
        told = account.detail(str(report.id))
        counts = (told["inputTokens"], told["outputTokens"], told["cacheReadTokens"])
        assert (told["model"], *counts) == (model, 1_000, 500, 800)


def test_a_rejected_call_names_its_faults_and_affects_no_other(real: Client) -> None:
    bad = real.report({**CALL, "input_tokens": -1})
    good = real.report(CALL)

    assert good.wait(patience(30)).status == "committed"
    assert bad.wait(patience(30)).status == "rejected"
    assert [fault.field for fault in bad.errors] == ["inputTokens"]
    assert real.flush() == Flushed(delivered=1, rejected=1, waiting=0)


def test_code_of_the_servers_function_moves_over_by_its_import(account: Account, deployment: Deployment) -> None:
    twinmeter.configure(url=account.address, key=account.new_key("ingest"))

    async def endpoint() -> twinmeter.Receipt:
        return await twinmeter.track_ai_request("u1", "chat", "gpt-4o", input_tokens=1_000, output_tokens=500)

    receipts = [asyncio.run(endpoint()) for _ in range(3)]  # a loop each
    thread = threading.Thread(target=lambda: receipts.append(asyncio.run(endpoint())))
    thread.start()
    thread.join()
    left = twinmeter.track_ai_request(user_id="u2", content_type="chat", model="gpt-4o", tokens_used=7)
    not_waited = asyncio.run(_not_waiting())
    twinmeter.flush(patience(30))

    assert [receipt.cost for receipt in receipts] == [Decimal("0.0075")] * 4
    assert left.status == "committed"
    assert not_waited.status == "queued"
    assert len(entries(deployment, account)) == 6


def test_what_the_servers_function_is_not_given_comes_from_the_context_and_the_response(account: Account) -> None:
    twinmeter.configure(url=account.address, key=account.new_key("ingest"))
    usage = {"prompt_tokens": 1_000, "completion_tokens": 500, "total_tokens": 1_500}

    with twinmeter.context(user_id="u9", content_type="chat"):
        report = twinmeter.track_ai_request(usage=usage, response={"model": "gpt-4o"})

    assert report.wait(patience(30)).cost == Decimal("0.0075")
    told = account.detail(str(report.id))
    assert (told["userId"], told["model"]) == ("u9", "gpt-4o")


async def _not_waiting() -> twinmeter.Receipt:
    return await twinmeter.track_ai_request("u1", "chat", "gpt-4o", wait=False)


def test_what_a_context_says_holds_for_the_calls_inside(real: Client, account: Account, deployment: Deployment) -> None:
    with twinmeter.context(user_id="outer", content_type="chat", conversation_id="c1"):
        real.track({"model": "a"})
        with twinmeter.context(user_id="inner"):
            real.track({"model": "b", "user_id": None})
            real.track({"model": "c", "user_id": "own"})
        real.track({"model": "d"})
    real.flush(patience(30))

    said = {entry["aiModel"]: (entry["userId"], entry["conversationId"]) for entry in entries(deployment, account)}
    assert said == {"a": ("outer", "c1"), "b": ("inner", "c1"), "c": ("own", "c1"), "d": ("outer", "c1")}


def test_what_json_cannot_hold_is_sent_by_what_is_nearest(
    real: Client, account: Account, deployment: Deployment
) -> None:
    odd = {"deep": {"a": [1]}, "huge": "x" * 1_000_000, "object": object(), "nan": float("nan"), "a.b": 1}
    receipt = real.track({**PRICED, "user_id": 42, "cost": Decimal("0.1234567890123"), "metadata": odd}, wait=True)

    assert receipt is not None
    assert (receipt.status, receipt.cost) == ("committed", Decimal("0.1234567890123"))
    (entry,) = entries(deployment, account)
    assert entry["userId"] == "42"
    assert entry["metadata"]["deep"] == '{"a":[1]}'
    assert entry["metadata"]["huge"] == "(left out: 1,000,000 characters)"
    assert entry["metadata"]["a_b"] == 1
    assert real.counts().mended == 1


def test_a_wrong_key_loses_nothing_and_is_said_once(
    account: Account, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(account.address, "tm_not_a_key")
    for _ in range(3):
        client.track(CALL)
        client.flush(1)

    assert client.counts()[:4] == (0, 0, 3, 0)
    (record,) = caplog.records
    assert record.message == (
        "calls are kept, and sent again later: the server does not accept the key (401): "
        "set TWINMETER_KEY to one with the scope ingest"
    )

"""Senders that do what they should not, through real sockets: no storm, nobody starves, every receipt is true."""

import os
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from app.database.mongod import EmbeddedMongod
from tests.otlp.exports import CHAT, export, span
from tests.patience import patience
from tests.real_clients.conftest import Account, Deployment
from tests.tracking.test_durability import freeze

SENDERS = 4
CALL = {"userId": "u1", "contentType": "chat", "model": "gpt-4o", "inputTokens": 1}


@pytest.fixture
def client(account: Account) -> Iterator[httpx.Client]:
    """A client with a key of its own."""
    with sender(account) as client:
        yield client


def sender(account: Account) -> httpx.Client:
    own = {"Authorization": f"Bearer {account.new_key('ingest')}"}
    return httpx.Client(base_url=account.address, headers=own, timeout=patience(30))


def named(*names: str) -> list[dict[str, Any]]:
    return [{**CALL, "requestId": name} for name in names]


def batch(client: httpx.Client, rows: list[dict[str, Any]]) -> "Counter[str]":
    """What became of rows, by status. Those of a refused batch are `refused`."""
    answer = client.post("/api/ai/track/batch", json=rows)
    if answer.status_code == 429:
        assert int(answer.headers["retry-after"]) >= 1
        return Counter(refused=len(rows))
    assert answer.status_code == 200, answer.text
    return Counter(receipt["status"] for receipt in answer.json()["receipts"])


def spans(first: int, count: int) -> bytes:
    now = time.time_ns()
    times: dict[str, Any] = {"start_time_unix_nano": now - 10**9, "end_time_unix_nano": now}
    made = [span(number, CHAT, **times) for number in range(first, first + count)]
    content: bytes = export(*made).SerializeToString()
    return content


def traces(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/v1/traces", content=content, headers={"Content-Type": "application/x-protobuf"})


def requests(account: Account, least: int = 0) -> int:
    """How many calls the reports count; at least so many, as soon as the spool has been delivered."""
    until = time.monotonic() + patience(30)
    while (counted := int(account.report("usage")["totals"]["requests"])) < least and time.monotonic() < until:
        time.sleep(0.1)
    return counted


def test_ten_thousand_rows_of_one_request_are_one_call(account: Account, client: httpx.Client) -> None:
    with ThreadPoolExecutor(SENDERS) as threads:
        told = sum(threads.map(lambda _: batch(client, named("same") * 1_000), range(10)), Counter[str]())

    assert told == {"committed": 1, "duplicate": 9_999}
    assert requests(account) == 1


def test_a_thousand_rows_that_each_name_a_new_model_are_committed_beside_another_s_calls(
    deployment: Deployment, account: Account, client: httpx.Client
) -> None:
    other = deployment.account(account.address)
    rows = [{**CALL, "model": f"{account.client}-{number}"} for number in range(1_000)]
    with sender(other) as quiet, ThreadPoolExecutor(1) as threads:
        told = threads.submit(batch, client, rows)
        beside = [quiet.post("/api/ai/track", json=CALL)]
        while not told.done():
            beside.append(quiet.post("/api/ai/track", json=CALL))

    assert told.result() == {"committed": 1_000}
    assert {answer.json()["status"] for answer in beside} == {"committed"}
    assert max(answer.elapsed.total_seconds() for answer in beside) < patience(1)
    assert (requests(account), requests(other)) == (1_000, len(beside))


@pytest.mark.parametrize("door", ["/api/ai/track/batch", "/v1/traces"])
def test_a_client_that_closes_before_the_answer_has_its_calls_counted_once(
    account: Account, client: httpx.Client, door: str
) -> None:
    rows, content = named(*map(str, range(200))), spans(1, 200)
    request = (
        client.build_request("POST", door, json=rows)
        if door != "/v1/traces"
        else client.build_request("POST", door, content=content, headers={"Content-Type": "application/x-protobuf"})
    )
    head = f"POST {door} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    for _ in range(20):
        with socket.create_connection((request.url.host, request.url.port)) as connection:
            connection.sendall(head.encode() + b"\r\n" + request.content)
            # a reset, not an orderly end
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    if door != "/v1/traces":
        assert set(batch(client, rows)) <= {"committed", "duplicate"}
        assert batch(client, rows) == {"duplicate": 200}
    else:
        assert [traces(client, content).status_code for _ in range(2)] == [200, 200]
    assert requests(account) == 200


def test_exporters_that_resend_every_refusal_at_once_get_all_in_once_and_hold_up_nobody(
    deployment: Deployment, account: Account, client: httpx.Client
) -> None:
    other, sent = deployment.account(account.address), Event()
    client.headers["Prefer"] = "wait=1"

    def exporter(number: int) -> int:
        content, until, refused = spans(1 + number * 1_000, 1_000), time.monotonic() + patience(30), 0
        while (answer := traces(client, content)).status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
            assert time.monotonic() < until
            refused += 1
        assert answer.status_code == 200, answer.text
        return refused

    def beside() -> list[int]:
        with sender(other) as quiet:
            answers = [quiet.post("/api/ai/track", json=CALL).status_code]
            while not sent.is_set():
                answers.append(quiet.post("/api/ai/track", json=CALL).status_code)
            return answers

    with ThreadPoolExecutor(2 * SENDERS + 1) as threads:
        quiet = threads.submit(beside)
        try:
            refused = sum(threads.map(exporter, range(2 * SENDERS)))
        finally:
            sent.set()

    assert refused > 0
    assert set(quiet.result()) == {201}
    assert requests(account, 8_000) == 8_000
    assert requests(other, len(quiet.result())) == len(quiet.result())


def test_mongodb_frozen_in_the_middle_of_a_flood_costs_no_call_and_counts_none_twice(tmp_path: Path) -> None:
    flood = [named(*(f"{number}-{row}" for row in range(500))) for number in range(2 * SENDERS)]
    with EmbeddedMongod(tmp_path / "own", cache_size_gb=0.25) as mongod:
        deployment = Deployment(tmp_path / "data", mongod.uri)
        with deployment.serving() as address:
            account = deployment.account(address)
            with sender(account) as client:
                first = batch(client, named("first"))
                with ThreadPoolExecutor(SENDERS) as threads:
                    answers = [threads.submit(batch, client, rows) for rows in flood]
                    answers[0].result()
                    freeze(mongod)
                    try:
                        told = sum((answer.result() for answer in answers), first)
                    finally:
                        os.kill(mongod.pid, signal.SIGCONT)
                assert set(told) <= {"committed", "spooled", "refused"}
                assert told["spooled"] > 0

                again = sum((sent(client, rows) for rows in flood), Counter[str]())
                # what was refused and then spooled, when sent again, is a duplicate when sent once more
                assert again["duplicate"] + again["committed"] == told.total() - 1
                assert again["committed"] <= told["refused"]
            assert requests(account, 4_001) == 4_001


def sent(client: httpx.Client, rows: list[dict[str, Any]]) -> "Counter[str]":
    """The same as `batch`, sent again until MongoDB is back."""
    until = time.monotonic() + patience(30)
    while (told := batch(client, rows)).keys() & {"refused", "spooled"} and time.monotonic() < until:
        time.sleep(0.1)
    return told

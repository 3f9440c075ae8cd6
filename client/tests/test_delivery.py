"""What a client does with what a server answers on a bad day. No call is lost, and none is sent under another id."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from client.tests.conftest import CALL, MakeClient
from client.tests.stand_in import Reply, Row, StandIn, receipts
from client.tests.test_values import Classless
from tests.patience import patience

from twinmeter import Flushed, transport
from twinmeter.client import Client

RETRY_NOW = (("Retry-After", "0"),)


def track(client: Client, calls: int) -> None:
    for number in range(calls):
        client.track({**CALL, "input_tokens": number})


def tokens(rows: list[Row]) -> list[int]:
    return sorted(row["inputTokens"] for row in rows)


def ids(rows: list[Row]) -> set[str]:
    return {row["requestId"] for row in rows}


def test_calls_go_in_batches_of_500_rows_compressed_over_one_connection(server: StandIn, client: Client) -> None:
    track(client, 1_200)

    assert client.flush(patience(10)) == Flushed(1_200, 0, 0)
    assert tokens(server.rows) == list(range(1_200))
    assert max(len(batch) for batch in server.batches) == 500
    assert len(ids(server.rows)) == 1_200
    assert server.connections == 1
    head = server.heads[0]
    assert (head["content-encoding"], head["authorization"]) == ("gzip", "Bearer tm_key")


def test_a_call_goes_without_a_flush(server: StandIn, client: Client) -> None:
    client.track(CALL)

    server.wait_for(1)
    assert tokens(server.rows) == [10]


@pytest.mark.parametrize(
    "fault",
    [
        Reply(429, b"{}", RETRY_NOW),
        Reply(503, b"no", RETRY_NOW),
        Reply(500, b"<html>"),
        Reply(502),
        Reply(408),
        Reply(0, cuts=True),
        Reply(cuts=True),
        Reply(200, b"<html>a portal</html>"),
        Reply(200, b'{"receipts": 7}'),
        Reply(200, b'{"summary": {}, "receipts": []}'),
        Reply(200, receipts("unknown", "dropped", "unknown")),
        Reply(200, receipts("held", "for", "review")),
        Reply(401, b"{}"),
        Reply(403, b"{}"),
        Reply(404, b"{}"),
        Reply(307, b"", (("Location", "https://elsewhere.example/"),)),
    ],
)
def test_what_was_not_taken_is_sent_again_with_the_same_ids(server: StandIn, client: Client, fault: Reply) -> None:
    server.replies = [fault]
    track(client, 3)

    flushed = client.flush(patience(4))
    if flushed.waiting:  # somebody has to change something: kept until asked again
        flushed = client.flush(patience(4))

    assert flushed == Flushed(3, 0, 0)
    assert [tokens(batch) for batch in server.batches] == [[0, 1, 2], [0, 1, 2]]
    assert server.batches[0] == server.batches[1]


def test_of_a_batch_only_the_rows_without_an_outcome_are_sent_again(server: StandIn, client: Client) -> None:
    server.replies = [Reply(200, receipts("committed", "unknown", "duplicate", "dropped", "spooled"))]
    track(client, 5)

    assert client.flush(patience(10)) == Flushed(5, 0, 0)
    assert [tokens(batch) for batch in server.batches] == [[0, 1, 2, 3, 4], [1, 3]]


def test_a_batch_that_is_too_large_is_halved_and_a_row_that_is_too_large_rejected(
    server: StandIn, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[Any] = []
    client = make_client(server.address, on_rejected=lambda row, receipt: refused.append((row, receipt)))

    def small_only(rows: list[Row]) -> Reply:
        return Reply(413, b"{}") if len(rows) > 3 or 7 in tokens(rows) else Reply()

    server.otherwise = small_only
    track(client, 16)

    assert client.flush(patience(10)) == Flushed(15, 1, 0)
    ((row, receipt),) = refused
    assert (row["inputTokens"], receipt.status, receipt.errors[0].message) == (7, "rejected", "the call is too large")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_rows_of_a_megabyte_go_alone(server: StandIn, client: Client) -> None:
    for _ in range(3):
        client.track({**CALL, "input_text": "x" * 800_000})

    assert client.flush(patience(10)) == Flushed(3, 0, 0)
    assert [len(batch) for batch in server.batches] == [1, 1, 1]


def test_a_reason_for_rejection_is_logged_once(
    server: StandIn, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def all_rejected(rows: list[Row]) -> Reply:
        faults = [{"field": "model", "message": f"has {len(rows)} faults"}]
        return Reply(200, receipts(*["rejected"] * len(rows), errors=faults))

    server.otherwise = all_rejected
    for calls in (1, 2, 3):
        track(client, calls)
        client.flush(patience(10))

    assert client.flush() == Flushed(0, 6, 0)
    assert [record.message for record in caplog.records] == [
        "the server rejects a call, and others like it: model: has 1 faults"
    ]


def test_a_server_that_is_too_old_for_a_providers_usage_is_told_apart_in_one_line(
    server: StandIn, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    refused: list[Any] = []
    client = make_client(server.address, on_rejected=lambda row, _: refused.append(row["usage"]))
    unknown = "unknown field; /schema lists the known ones"
    server.otherwise = Reply(200, receipts("rejected", errors=[{"field": "usage", "message": unknown}]))
    for count in (5, 6):
        client.track({**CALL, "usage": {"prompt_tokens": count}}, wait=True)

    assert client.flush() == Flushed(0, 2, 0)
    assert refused == [{"prompt_tokens": 5}, {"prompt_tokens": 6}]
    (record,) = caplog.records
    reason = f"the server is older than this client, and has to be upgraded (usage: {unknown})"
    assert record.message == f"the server rejects a call, and others like it: {reason}"


def test_what_on_rejected_raises_reaches_nobody(
    server: StandIn, make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(server.address, on_rejected=lambda row, receipt: row["no such field"] and receipt)
    server.otherwise = Reply(200, receipts("rejected"))
    for _ in range(3):
        client.track(CALL, wait=True)

    assert client.counts().rejected == 3
    assert [record.message for record in caplog.records][1:] == ["on_rejected has raised an error"]


def test_a_pause_that_the_server_asks_for_is_kept_even_by_a_flush(server: StandIn, client: Client) -> None:
    server.otherwise = Reply(429, b"{}", (("Retry-After", "300"),))
    track(client, 2)

    assert client.flush(60) == Flushed(0, 0, 2)  # at once: it would be in vain
    assert client.flush(60) == Flushed(0, 0, 2)
    assert len(server.batches) == 1


def test_nobody_waits_for_a_server_that_is_away(server: StandIn, client: Client) -> None:
    server.otherwise = Reply(503, b"", (("Retry-After", "300"),))

    first = client.track(CALL, wait=True, timeout=600)
    second = client.track(CALL, wait=True, timeout=600)

    assert first is not None
    assert second is not None
    assert [first.status, second.status] == ["queued", "queued"]
    assert first.errors[0].message == second.errors[0].message == "the server answers 503"
    assert len(server.batches) == 1


def test_who_waits_for_a_slow_server_waits_no_longer_than_told(server: StandIn, client: Client) -> None:
    answers = threading.Event()
    server.replies = [Reply(waits_for=answers)]

    receipt = client.track(CALL, wait=True, timeout=0.01)
    answers.set()

    assert receipt is not None
    assert receipt.status == "queued"
    assert client.flush(patience(10)) == Flushed(1, 0, 0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reply(401), "set TWINMETER_KEY"),
        (Reply(404), "TWINMETER_URL"),
        (Reply(301, b"", (("Location", "https://new.example/"),)), "https://new.example/"),
    ],
)
def test_what_somebody_has_to_change_is_said_once_and_nothing_lost(
    server: StandIn,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    answer: Reply,
    words: str,
) -> None:
    monkeypatch.setattr(
        "twinmeter.pause.LONGEST_SECONDS", 0.1
    )  # else an attempt that just began pauses for half a minute
    caplog.set_level(logging.INFO, "twinmeter")
    server.otherwise = answer
    for _ in range(3):
        client.track(CALL)
        client.flush(0.05)
    server.otherwise = Reply()
    client.flush(patience(10))

    assert client.counts()[:4] == (3, 0, 0, 0)
    warning, end = caplog.records
    assert words in warning.message
    assert "tm_key" not in warning.message
    assert end.message == "the server takes calls again"


def test_nobody_listens(make_client: MakeClient) -> None:
    client = make_client("http://127.0.0.1:1")
    receipt = client.track(CALL, wait=True)

    assert receipt is not None
    assert receipt.status == "queued"
    assert "ConnectionRefusedError" in receipt.errors[0].message
    assert client.close(0.01).waiting == 0
    assert client.counts().lost == 1


def test_what_memory_cannot_hold_is_counted_and_said_once(
    server: StandIn, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answers = threading.Event()
    server.replies = [Reply(waits_for=answers)]
    track(client, 1)
    server.wait_for(1)
    track(client, 10_005)
    told = client.report(CALL)
    answers.set()

    assert (told.status, told.errors[0].message) == ("dropped", "10,000 calls wait already")
    assert client.flush(patience(30)) == Flushed(10_000, 0, 0)
    client.track(CALL, wait=True)
    assert client.counts()[:4] == (10_001, 0, 0, 7)
    assert [record.message for record in caplog.records if "lost" in record.message] == [
        "calls are lost: 10,000 calls wait already. "
    ]


def test_a_connection_that_was_quiet_for_long_is_not_trusted(
    server: StandIn, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.track(CALL)
    client.flush(patience(30))
    client.track(CALL)
    client.flush(patience(30))
    assert server.connections == 1
    monkeypatch.setattr(transport, "QUIET_SECONDS", 0)
    client.track(CALL)

    assert client.flush(patience(30)) == Flushed(3, 0, 0)
    assert server.connections == 2


@pytest.mark.parametrize("keeps", [False, True])
def test_a_call_that_cannot_be_written_keeps_no_other_from_being_sent(
    server: StandIn, make_client: MakeClient, caplog: pytest.LogCaptureFixture, tmp_path: Path, keeps: bool
) -> None:
    client = make_client(server.address, spool=str(tmp_path / "spool.db") if keeps else None)
    if keeps:
        server.replies = [Reply(503), Reply(503)]
    reports = [client.report({**CALL, "user_id": user}, wait=False) for user in ("u1", Classless(), "u2")]

    client.flush(patience(10))
    flushed = client.flush(patience(10))
    assert (flushed.delivered, flushed.waiting, client.counts().lost) == (2, 0, 1)
    assert reports[1].status == "dropped"
    assert [row["userId"] for row in server.batches[-1]] == ["u1", "u2"]
    assert [record.message for record in caplog.records] == ["a call is lost: it cannot be written as JSON"]

"""Who sends, and what others do meanwhile: no call waits for ever, and none is counted twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from client.tests.conftest import CALL, MakeClient
from client.tests.stand_in import Reply, StandIn, receipts
from tests.patience import patience

from twinmeter import Flushed, queue
from twinmeter.client import Client


def test_a_call_that_comes_while_a_retired_thread_ends_is_sent(
    server: StandIn, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.track(CALL)
    server.wait_for(1)
    late: list[dict[str, Any]] = [CALL]

    def abandon() -> None:
        if late:
            client.track(late.pop())

    monkeypatch.setattr(client._sender, "abandon", abandon)
    client.retire()

    server.wait_for(2)
    assert len(server.rows) == 2


def test_an_answer_after_a_close_counts_no_call_twice(server: StandIn, client: Client) -> None:
    answers = threading.Event()
    server.replies = [Reply(waits_for=answers)]
    client.track(CALL)
    server.wait_for(1)
    thread = client._sender._thread
    client.close(0.1)
    assert client.counts()[:4] == (0, 0, 1, 1)
    answers.set()
    assert thread is not None
    thread.join(patience(10))

    assert client.counts()[:4] == (0, 0, 0, 1)


@pytest.mark.parametrize("has_thread", [True, False])
def test_who_is_told_of_a_rejection_may_flush_and_report_and_waits_for_nothing(
    server: StandIn, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, has_thread: bool
) -> None:
    told: list[Any] = []

    def on_rejected(_row: object, _receipt: object) -> None:
        told.append(client.flush(3_600))
        told.append(client.track(CALL, wait=True, timeout=3_600))

    client = make_client(server.address, on_rejected=on_rejected)
    if not has_thread:
        monkeypatch.setattr(client._sender, "start", lambda: False)
    server.replies = [Reply(200, receipts("rejected"))]
    client.track(CALL)
    flushes = threading.Thread(target=client.flush, args=(patience(10),), daemon=True)
    flushes.start()
    flushes.join(patience(20))

    assert not flushes.is_alive()
    assert told[1].status == "queued"
    assert client.flush(patience(10)) == Flushed(1, 1, 0)


@pytest.mark.usefixtures("server")
def test_a_flush_that_fails_counts_no_call_as_lost(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(client._sender, "settle", fail)
        client.track(CALL)
        client.flush()

    assert client.flush(patience(10)) == Flushed(1, 0, 0)
    assert client.counts().lost == 0


def test_texts_fill_no_more_memory_than_they_may(
    server: StandIn, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queue, "MOST_KILOBYTES", 1_000)
    answers = threading.Event()
    server.replies = [Reply(waits_for=answers)]
    texts = {**CALL, "input_text": "x" * 400 * 1_024, "output_text": "y" * 100 * 1_024}
    client.track(texts)
    server.wait_for(1)
    client.track(texts)
    over = client.report(texts, wait=False)
    client.track(CALL)
    answers.set()

    assert (over.status, over.errors[0].message) == ("dropped", "1 MB of texts wait already")
    assert client.flush(patience(10)) == Flushed(3, 0, 0)
    for _ in range(2):  # there is room again
        client.track(texts)
    assert client.flush(patience(10)) == Flushed(5, 0, 0)
    assert client.counts().lost == 1
    assert [record.message for record in caplog.records] == ["calls are lost: 1 MB of texts wait already. "]

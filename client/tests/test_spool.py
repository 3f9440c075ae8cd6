"""Calls on the disk: while the server is away, and when the disk is no good either."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from client.tests.conftest import CALL, MakeClient
from client.tests.stand_in import Reply, StandIn
from tests.patience import POLL_SECONDS, patience

from twinmeter import Flushed, spool
from twinmeter.client import Client
from twinmeter.journal import Journal


def until_spooled(client: Client, calls: int) -> None:
    began = time.monotonic()
    while client._sender.spooled < calls:
        assert time.monotonic() - began < patience(30)
        time.sleep(POLL_SECONDS)


def test_an_outage_of_more_calls_than_memory_holds_loses_none(
    server: StandIn, make_client: MakeClient, tmp_path: Path
) -> None:
    path = tmp_path / "spool.db"
    client = make_client(server.address, spool=str(path))
    server.otherwise = Reply(503)
    for thousands in range(5, 16, 5):
        for number in range(5_000):
            client.track({**CALL, "input_tokens": number})
        until_spooled(client, thousands * 1_000)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    refused = len(server.batches)
    server.otherwise = Reply()

    assert client.flush(patience(30)) == Flushed(15_000, 0, 0)
    taken = [row["requestId"] for batch in server.batches[refused:] for row in batch]
    assert len(taken) == len(set(taken)) == 15_000
    assert client.counts().lost == Journal(str(path)).count() == 0


def test_the_same_request_id_of_two_clients_is_two_calls(
    server: StandIn, make_client: MakeClient, tmp_path: Path
) -> None:
    client = make_client(server.address, spool=str(tmp_path / "spool.db"))
    server.otherwise = Reply(503)
    for name in ("a", "b"):
        client.track({**CALL, "request_id": "r1", "client_id": name})
    until_spooled(client, 2)
    refused = len(server.batches)
    server.otherwise = Reply()

    assert client.flush(patience(30)) == Flushed(2, 0, 0)
    assert {row["clientId"] for batch in server.batches[refused:] for row in batch} == {"a", "b"}


@pytest.mark.parametrize("kind", ["a folder", "no folder", "a folder that takes no files"])
def test_a_spool_that_cannot_be_used_is_said_once_and_calls_are_sent_all_the_same(
    server: StandIn, make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    paths = {"a folder": tmp_path, "no folder": tmp_path / "none" / "spool.db"}
    path = paths.get(kind, Path("/proc/self/spool.db"))
    client = make_client(server.address, spool=str(path))
    server.replies = [Reply(503), Reply(503)]
    for _ in range(3):
        client.track(CALL)

    assert client.flush(patience(30)) == Flushed(3, 0, 0)
    assert [record.message.partition(":")[0] for record in caplog.records] == ["the spool cannot be used"]


def test_a_full_spool_keeps_what_memory_holds(
    server: StandIn, make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "MOST_ROWS", 600)
    client = make_client(server.address, spool=str(tmp_path / "spool.db"))
    server.otherwise = Reply(503)
    for _ in range(1_200):
        client.track(CALL)
    until_spooled(client, 500)
    server.otherwise = Reply()

    assert client.flush(patience(30)) == Flushed(1_200, 0, 0)

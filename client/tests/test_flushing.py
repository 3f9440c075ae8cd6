"""Functions that have sent what they reported when they return."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from client.tests.conftest import CALL, MakeClient
from client.tests.stand_in import Reply, StandIn
from tests.patience import patience

import twinmeter
from twinmeter import client as clients
from twinmeter.client import Client


class Invocation:
    """What AWS Lambda hands to a handler."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


@pytest.fixture(autouse=True)
def current(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setitem(clients._clients, "current", client)
    return client


def test_a_handler_that_returns_has_sent_what_it_reported(server: StandIn) -> None:
    @twinmeter.flushed
    def handler(event: dict[str, int], _: Invocation) -> int:
        for _number in range(event["calls"]):
            twinmeter.track(**CALL)
        return 7

    assert handler({"calls": 3}, Invocation(60_000)) == 7
    assert len(server.rows) == 3
    assert handler.__name__ == "handler"


def test_a_coroutine_that_ends_has_sent_what_it_reported_and_its_loop_has_gone_on(server: StandIn) -> None:
    goes_on, answered = threading.Event(), threading.Event()

    def reply(_: list[dict[str, Any]]) -> Reply:
        answered.set()
        return Reply() if goes_on.wait(patience(30)) else Reply(500)

    server.otherwise = reply

    @twinmeter.flushed
    async def handler(event: str, _: Invocation) -> str:
        twinmeter.track(**CALL)
        return event

    async def beside() -> None:
        while not answered.is_set():  # noqa: ASYNC110 - by a thread
            await asyncio.sleep(0)
        goes_on.set()

    async def both() -> str:
        return (await asyncio.gather(handler("e", Invocation(60_000)), beside()))[0]

    assert asyncio.run(both()) == "e"
    assert len(server.rows) == 1


@pytest.mark.parametrize("is_async", [False, True])
def test_a_handler_that_fails_has_sent_it_too_and_its_error_is_the_callers(server: StandIn, is_async: bool) -> None:
    if is_async:

        @twinmeter.flushed
        async def slow_handler() -> None:
            twinmeter.track(**CALL)
            raise LookupError("ours")

        with pytest.raises(LookupError, match="ours"):
            asyncio.run(slow_handler())
    else:

        @twinmeter.flushed
        def handler() -> None:
            twinmeter.track(**CALL)
            raise LookupError("ours")

        with pytest.raises(LookupError, match="ours"):
            handler()
    assert len(server.rows) == 1


@pytest.mark.parametrize("milliseconds", [100, 450])
def test_a_flush_takes_no_more_than_the_platform_leaves(server: StandIn, current: Client, milliseconds: int) -> None:
    never = threading.Event()
    server.otherwise = Reply(waits_for=never)

    @twinmeter.flushed
    def handler(*, context: Invocation) -> int:
        twinmeter.track(**CALL)
        return context.get_remaining_time_in_millis()

    began = time.monotonic()
    handler(context=Invocation(milliseconds))
    took = time.monotonic() - began
    never.set()
    assert max(0, milliseconds / 1000 - 0.25) <= took < patience(1)
    assert current.counts().lost == 0


def test_every_client_of_the_process_is_flushed(server: StandIn, make_client: MakeClient) -> None:
    other = make_client(server.address)

    @twinmeter.flushed
    def handler() -> None:
        twinmeter.track(**CALL)
        other.track(CALL)

    handler()
    assert len(server.rows) == 2

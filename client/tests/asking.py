"""What tests of asking before a call share."""

from __future__ import annotations

import time
from typing import Any, Callable

import pytest
from client.tests.stand_in import Reply
from tests.patience import POLL_SECONDS, patience

from twinmeter import client as clients
from twinmeter.client import Client


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + patience(20)
    while not holds():
        assert time.monotonic() < until
        time.sleep(POLL_SECONDS)


def answering(status: int, body: bytes = b"{}", *headers: tuple[str, str]) -> Any:
    return lambda *_: Reply(status, body, headers)


@pytest.fixture(autouse=True)
def current(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setitem(clients._clients, "current", client)
    return client

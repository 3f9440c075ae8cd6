"""A wrapped client of OpenAI's before stand-ins of the provider and of the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest
from client.tests.asking import current
from client.tests.providers import ANSWER, Provider, answers, upstream
from client.tests.sdks import openai
from client.tests.stand_in import Row, StandIn
from tests.patience import patience

import twinmeter
from twinmeter.client import Client

__all__ = ["answers", "current", "upstream"]

MESSAGES: list[Any] = [{"role": "user", "content": "SECRET-QUESTION"}]
ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": MESSAGES}
INTERRUPTED = ("error", "interrupted before the answer was complete")
SPOKEN = len(ANSWER)


@pytest.fixture
def unwrapped(answers: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def wrapped(answers: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{answers.address}/v1", api_key="k", max_retries=0) as client:
        yield twinmeter.wrap(client)


@pytest.fixture
def rows(server: StandIn, current: Client) -> Callable[[], list[Row]]:
    def rows() -> list[Row]:
        current.flush(patience(20))
        return server.rows

    return rows


Rows = Callable[[], list[Row]]


def outcome(row: Row) -> tuple[Any, Any]:
    return row.get("status"), row.get("errorMessage")

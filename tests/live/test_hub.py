"""What one process remembers: little, however many commits, clients and slow pages there are."""

from datetime import UTC, datetime

import pytest
from bson.timestamp import Timestamp

from app.database import Database
from app.live import hub as hubs
from app.live import listener as listeners
from app.live.changes import Change, News, version_of
from app.live.hub import Hub
from app.live.listener import Listener
from app.observability.metrics import Counters

AT = datetime(2026, 5, 1, tzinfo=UTC)


def commit(number: int, *clients: str) -> Change:
    return Change(version_of(Timestamp(1_000, number)), AT, frozenset((client, False) for client in clients))


def news(number: int) -> News:
    return News(version_of(Timestamp(1_000, number)), AT, real=True, synthetic=False)


async def test_a_page_that_does_not_ask_holds_one_piece_of_news() -> None:
    listener = Listener(None)
    for number in range(10_000):
        listener.tell(news(number))

    assert await listener.next(1) == news(9_999)
    assert await listener.next(0.01) is None


async def test_the_last_commit_is_told_when_the_second_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "EVERY_SECONDS", 0.2)
    listener = Listener(None)
    listener.tell(news(1))
    assert await listener.next(1) == news(1)
    listener.tell(news(2))
    assert await listener.next(0.05) is None
    listener.tell(news(3))

    assert await listener.next(1) == news(3)
    assert await listener.next(0.01) is None


async def test_a_page_that_is_to_go_does_not_wait_for_news() -> None:
    listener = Listener(None)
    listener.end()

    assert (await listener.next(60), listener.ended) == (None, True)


async def test_a_client_that_was_forgotten_is_asked_for_its_figures_once_too_often(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "MOST_CLIENTS", 3)
    hub = Hub(database, Counters())
    hub._began(Timestamp(1_000, 0))
    for number, client in enumerate(("a", "b", "c", "a"), start=1):
        hub._heard(commit(number, client))

    assert len(hub._newest) == 3
    versions = {client: int(hub.version(client)[8:], 16) for client in ("a", "b", "c", "d", None)}
    assert versions == {"a": 4, "b": 2, "c": 3, "d": 2, None: 4}

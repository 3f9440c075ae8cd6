"""A machine whose clock is wrong: calls are dated by the server's."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from email.utils import formatdate

import pytest
from client.tests.conftest import CALL
from client.tests.stand_in import Reply, StandIn, receipts
from tests.patience import patience

from twinmeter import Flushed
from twinmeter.client import Client
from twinmeter.clock import Clock

NONSENSE = (
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Mon, 05 Jan 2026 00:00:00 -0000",
)


@pytest.mark.parametrize("wrong", [-90_000, -600, 600, 7_200])
def test_the_first_call_already_has_the_servers_time(server: StandIn, client: Client, wrong: int) -> None:
    server.date = formatdate(time.time() + wrong, usegmt=True)
    client.track(CALL, wait=True)

    told = datetime.fromisoformat(server.rows[0]["createdAt"]).timestamp()
    assert told - time.time() == pytest.approx(wrong, abs=patience(5))


def test_a_time_that_the_application_gives_is_left_as_it_is(server: StandIn, client: Client) -> None:
    server.date = formatdate(time.time() + 7_200, usegmt=True)
    client.track({**CALL, "created_at": datetime(2026, 1, 2, tzinfo=timezone.utc)}, wait=True)

    assert server.rows[0]["createdAt"] == "2026-01-02T00:00:00+00:00"


def test_a_call_refused_for_its_time_is_dated_anew(server: StandIn, client: Client) -> None:
    client.track(CALL, wait=True)
    faults = [{"field": "createdAt", "message": "is more than 5 minutes in the future; check the caller's clock"}]
    server.replies = [Reply(200, receipts("rejected", errors=faults))]
    server.date = formatdate(time.time() - 3_600, usegmt=True)  # it was set back meanwhile

    client.track(CALL)

    assert client.flush(patience(10)) == Flushed(2, 0, 0)
    second, third = (datetime.fromisoformat(row["createdAt"]) for row in server.rows[1:])
    assert (second - third).total_seconds() == pytest.approx(3_600, abs=5)
    assert server.rows[1]["requestId"] == server.rows[2]["requestId"]


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT", "1", *NONSENSE])
def test_a_date_that_is_none_says_nothing(date: str | None) -> None:
    clock = Clock()
    clock.heard(date, 0)

    assert (clock.is_known, clock.offset) == (False, 0)


def test_a_second_more_or_less_is_no_wrong_clock() -> None:
    clock = Clock()
    for second in (-3, 0, 4):
        clock.heard(formatdate(1_000_000 + second, usegmt=True), 1_000_000)
        assert clock.offset == 0

"""Asking before a call: what the application is told, and what it never has to suffer for it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from client.tests.asking import answering, current, wait_until
from client.tests.stand_in import Reply, Row, StandIn, granted, receipts
from client.tests.test_life import SUPPORTED, run
from tests.patience import patience, until

import twinmeter
from twinmeter.client import Client
from twinmeter.configuration import MOST_LIMITS_SECONDS
from twinmeter.limits import Decision

__all__ = ["current"]

REFUSAL = {
    "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
    "title": "Quota exceeded",
    "status": 429,
    "detail": "10 of 10 requests are used",
    "violated-policies": ["limit-1"],
    "feature": "chat",
    "limit": 10,
    "used": "9.50",
    "held": 0.5,
    "asked": 1,
    "unit": "requests",
    "window": "day",
    "resetsAt": "2030-01-01T00:00:00Z",
    "upgradeUrl": "https://shop.example/upgrade",
    "message": "You have used all 10 of your chat messages for today.",
}
REFUSED = Decision(
    allowed=False,
    feature="chat",
    violated=("limit-1",),
    message="You have used all 10 of your chat messages for today.",
    limit=Decimal(10),
    used=Decimal("9.50"),
    asked=Decimal(1),
    resets_at=datetime(2030, 1, 1, tzinfo=timezone.utc),
    retry_after=60.0,
    upgrade_url="https://shop.example/upgrade",
    held=Decimal("0.5"),
    unit="requests",
    window="day",
)


def refuses(path: str, _: Row) -> Reply:
    if path.endswith("/check"):
        return Reply(200, json.dumps({**REFUSAL, "allowed": False, "violated": ["limit-1"]}).encode())
    return Reply(429, json.dumps(REFUSAL).encode(), (("Retry-After", "60"),))


@pytest.fixture
def released(server: StandIn, current: Client) -> Any:
    def released() -> list[str]:
        current.flush(patience(20))
        return server.released

    return released


def test_a_reservation_asks_by_the_bounds_of_the_call_and_of_the_context(server: StandIn) -> None:
    with twinmeter.context(user_id="u1", campaign_id="c1", conversation_id="not asked"):
        reservation = twinmeter.reserve("chat", model="gpt-4o", input_tokens=100, output_tokens=50, ttl=59.5)
        assert reservation.allowed

    (asked,) = server.asked
    request_id = asked.pop("requestId")
    assert asked == {
        "userId": "u1",
        "contentType": "chat",
        "campaignId": "c1",
        "model": "gpt-4o",
        "inputTokens": 100,
        "maxOutputTokens": 50,
        "ttlSeconds": 60,
    }
    assert reservation.id == f"r-{request_id}"
    assert reservation.expires_at == datetime(2030, 1, 1, tzinfo=timezone.utc)
    assert reservation.decision == Decision(allowed=True, feature="chat")


def test_a_refusal_is_a_decision_with_every_field(server: StandIn, released: Any) -> None:
    server.limits = refuses

    with twinmeter.reserve("chat", user_id="u1") as reservation:
        assert not reservation.allowed
        assert reservation.id is None
        assert reservation.decision == REFUSED
    assert twinmeter.check("chat", user_id="u1") == REFUSED._replace(retry_after=None)
    assert released() == []


def test_the_first_call_in_the_block_takes_the_reservation(server: StandIn, released: Any) -> None:
    with twinmeter.reserve("letter", user_id=7) as reservation:  # type: ignore[arg-type]
        twinmeter.track(user_id="another", model="m")
        twinmeter.track(model="m")
        twinmeter.track(model="m")
    twinmeter.track(user_id="7", content_type="letter", model="m")

    assert released() == []
    told = [(row["userId"], row["contentType"], row.get("reservationId")) for row in server.rows]
    letter = ("7", "letter", None)
    assert told == [("another", "letter", None), ("7", "letter", reservation.id), letter, letter]


def test_a_block_in_which_nothing_was_tracked_gives_all_of_it_back(released: Any) -> None:
    ids = []
    with twinmeter.reserve("chat", user_id="u1") as reservation:
        ids.append(reservation.id)
    with suppress(ZeroDivisionError), twinmeter.reserve("chat", user_id="u1") as reservation:
        ids.append(reservation.id)
        _ = 1 / 0
    explicit = twinmeter.reserve("chat", user_id="u1")
    ids.append(explicit.id)
    explicit.release()
    explicit.release()
    with explicit:
        pass

    assert released() == ids


def test_a_call_that_is_reported_elsewhere_settles_by_its_receipt(server: StandIn, released: Any) -> None:
    with twinmeter.reserve("chat", user_id="u1") as kept:
        kept.settle()
    receipt = twinmeter.track(user_id="u1", content_type="chat", model="m", reservation_id=kept.id, wait=True)
    kept.settle(receipt)
    kept.release()
    server.otherwise = Reply(200, receipts("rejected"))
    with twinmeter.reserve("chat", user_id="u1") as refused:
        refused.settle(twinmeter.track(model="m", wait=True))
    with twinmeter.reserve("chat", user_id="u1") as told:
        twinmeter.track(model="m", reservation_id=told.id)

    assert released() == [refused.id]
    assert [row.get("reservationId") for row in server.rows] == [kept.id, refused.id, told.id]


def test_a_stream_that_is_read_after_the_block_settles_it_too(server: StandIn, released: Any) -> None:
    @twinmeter.call(content_type="chat")
    def words() -> Iterator[Any]:
        yield {"model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}

    with twinmeter.reserve("chat", user_id="u1") as reservation:
        events = words()
        next(events)
    assert released() == []
    assert list(events) == []

    assert released() == []
    assert [row.get("reservationId") for row in server.rows] == [reservation.id]


def test_a_failed_call_settles_by_being_reported(server: StandIn, released: Any) -> None:
    with suppress(OSError), twinmeter.reserve("chat", user_id="u1") as reservation, twinmeter.call():
        raise OSError

    assert released() == []
    (row,) = server.rows
    assert (row["userId"], row["contentType"], row["status"]) == ("u1", "chat", "error")
    assert row["reservationId"] == reservation.id


def test_coroutines_ask_while_their_loop_goes_on(server: StandIn) -> None:
    proceed = threading.Event()

    def slowly(path: str, asked: Row) -> Reply:
        return granted(path, asked)._replace(waits_for=proceed)

    server.limits = slowly

    async def ticking() -> tuple[Any, Any, Any]:
        async def use() -> Any:
            async with twinmeter.reserve("chat", user_id="u1") as reservation:
                twinmeter.track(model="m")
                return reservation

        users = [asyncio.ensure_future(use()) for _ in range(5)]
        checked = asyncio.ensure_future(twinmeter.acheck("chat", user_id="u1"))
        bare = asyncio.ensure_future(twinmeter.reserve("chat", user_id="u1")._asked())
        await until(lambda: len(server.asked) == 7)
        proceed.set()
        return await asyncio.gather(*users), await checked, await bare

    twinmeter.configure(url=server.address, key="k", limits_timeout=MOST_LIMITS_SECONDS)
    reservations, checked, bare = asyncio.run(ticking())
    assert all(each.allowed for each in reservations)
    assert checked == Decision(allowed=True, feature="chat")
    bare.release()

    twinmeter.flush(patience(20))
    assert server.released == [bare.id]
    assert {row["reservationId"] for row in server.rows} == {each.id for each in reservations}


def test_what_cannot_be_bounded_is_refused_with_the_way_out(server: StandIn) -> None:
    problem = {"title": "No upper bound", "detail": "maxOutputTokens: is needed"}
    server.limits = answering(422, json.dumps(problem).encode())

    decision = twinmeter.reserve("chat", user_id="u1").decision

    assert (decision.allowed, decision.unenforced, decision.reason) == (False, False, "maxOutputTokens: is needed")


def test_fifty_threads_ask_at_once_over_connections_that_are_kept(server: StandIn) -> None:
    twinmeter.configure(url=server.address, key="k", limits_timeout=MOST_LIMITS_SECONDS)
    allowed: list[bool] = []

    def ask() -> None:
        for _ in range(10):
            with twinmeter.reserve("chat", user_id="u1") as reservation:
                allowed.append(reservation.allowed and not reservation.decision.unenforced)
                twinmeter.track(model="m")

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert allowed == [True] * 500
    assert server.connections <= 33
    twinmeter.flush(patience(20))
    assert len({row["reservationId"] for row in server.rows}) == 500
    assert server.released == []


@pytest.mark.parametrize(
    "wrong",
    [{"limits_when_away": "maybe"}, {"limits_timeout": 0}, {"limits_timeout": "soon"}, {"limits_timeout": 61}],
)
def test_a_wrong_setting_of_limits_is_the_programmers_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="TWINMETER_LIMITS_"):
        twinmeter.configure(**wrong)


THREADS_AND_FORKS = """
import asyncio, os, threading, twinmeter

__all__ = ["current"]

with twinmeter.reserve("chat", user_id="u1") as parents:
    child = os.fork()
    if not child:
        twinmeter.track(model="of the child")
        parents.release()
        with twinmeter.reserve("chat", user_id="u1") as own:
            assert own.allowed and not own.decision.unenforced, own.decision
            twinmeter.track(model="of the child's own")
        twinmeter.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    twinmeter.track(model="of the parent")

async def main():
    async with twinmeter.reserve("chat", user_id="u1") as reservation:
        assert reservation.allowed
    return await twinmeter.acheck("chat", user_id="u1")

assert asyncio.run(main()) == twinmeter.Decision(True, "chat")
"""


@pytest.mark.parametrize("python", SUPPORTED)
def test_on_each_python_a_fork_asks_by_itself_and_an_exit_gives_back(server: StandIn, python: str) -> None:
    done = run(THREADS_AND_FORKS, server.address, python, TWINMETER_LIMITS_TIMEOUT="60")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    ids = [f"r-{asked['requestId']}" for asked in server.asked if "requestId" in asked]
    assert {row["model"]: row.get("reservationId") for row in server.rows} == {
        "of the child": None,
        "of the child's own": ids[1],
        "of the parent": ids[0],
    }
    assert server.released == [ids[2]]


def test_what_a_handler_of_a_frozen_process_holds_is_given_back_before_it_returns(server: StandIn) -> None:
    @twinmeter.flushed
    def handler() -> None:
        with twinmeter.reserve("chat", user_id="u1"):
            pass

    handler()

    assert len(server.released) == 1


def test_a_task_that_is_cancelled_in_the_middle_holds_nothing(server: StandIn) -> None:
    proceed = threading.Event()
    server.limits = lambda path, asked: granted(path, asked)._replace(waits_for=proceed)

    async def main() -> None:
        task = asyncio.ensure_future(twinmeter.reserve("chat", user_id="u1")._asked())
        await until(lambda: len(server.asked) == 1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        proceed.set()

    asyncio.run(main())

    wait_until(lambda: server.released == [f"r-{server.asked[0]['requestId']}"])

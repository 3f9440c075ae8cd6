"""The server cannot be asked: a setting decides, and nobody waits for it longer than once."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from client.tests.asking import answering, current, wait_until
from client.tests.stand_in import Reply, StandIn, granted
from tests.patience import patience

import twinmeter
from twinmeter import circuit
from twinmeter import client as clients
from twinmeter.client import Client
from twinmeter.configuration import MOST_LIMITS_SECONDS

__all__ = ["current"]


@pytest.mark.parametrize("when_away", ["allow", "refuse"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answering(503, b"{}", ("Retry-After", "2")), "the server answers 503"),
        (answering(500), "the server answers 500"),
        (answering(429, b'{"type": "about:blank"}'), "the server answers 429"),
        (answering(200, b"<html>"), "the server answers 200"),
        (answering(201, b"[]"), "the server answers 201"),
        (answering(404), "the server answers 404"),
        (answering(302, b"", ("Location", "/login")), "the server answers 302"),
        (answering(403, b'{"detail": "no"}'), "the server does not let this key"),
        (
            answering(400, b'{"detail": "userId: is missing"}'),
            "the server does not take the question (400): userId: is",
        ),
        (lambda *_: Reply(500, cuts=True), "the server cannot be reached"),
        (lambda *_: Reply(200, b'{"id": "r1"}', cuts=True), "the server cannot be reached"),
    ],
)
def test_where_the_server_cannot_be_asked_a_setting_decides_and_says_so(
    server: StandIn, when_away: str, answer: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.limits = answer
    twinmeter.configure(url=server.address, key="k", limits_when_away=when_away, limits_timeout=MOST_LIMITS_SECONDS)

    decision = twinmeter.check("chat", user_id="u1")
    reservation = twinmeter.reserve("chat", user_id="u1")

    for told in (decision, reservation.decision):
        assert (told.allowed, told.unenforced) == (when_away == "allow", True)
        assert str(told.reason).startswith(reason)
        assert (told.message is None) == told.allowed
    assert reservation.id is None
    assert sum("limits" in record.message for record in caplog.records) == (0 if "403" in str(decision.reason) else 1)


def test_a_server_that_hangs_costs_one_caller_its_budget_and_what_it_grants_later_is_given_back(
    server: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    proceed = threading.Event()
    current = twinmeter.configure(url=server.address, key="k", limits_timeout=0.5)
    wait_until(lambda: not twinmeter.check("chat", user_id="u1").unenforced)
    monkeypatch.setattr(circuit, "FIRST_SECONDS", 100.0)
    monkeypatch.setattr(circuit, "LONGEST_SECONDS", 100.0)
    server.asked.clear()
    server.limits = lambda path, asked: granted(path, asked)._replace(waits_for=proceed)

    started = time.process_time()
    decisions = [twinmeter.reserve("chat", user_id="u1").decision for _ in range(1_000)]

    assert {decision.reason for decision in decisions} == {"no answer within 0.5 s"}
    assert len(server.asked) == 1
    assert time.process_time() - started < patience(1)
    proceed.set()
    # it answered, but too late: callers do not begin to wait for it again. What is to be given back is, once it is back
    wait_until(lambda: bool(current.asker._errands))  # type: ignore[union-attr]
    current.asker._circuit.answered()  # type: ignore[union-attr]
    assert twinmeter.check("chat", user_id="u1").unenforced is False
    current.flush(patience(20))
    assert server.released == [f"r-{server.asked[0]['requestId']}"]


def test_a_dead_server_costs_nothing_and_is_asked_again_when_it_is_back(server: StandIn) -> None:
    server.limits = answering(503, b"{}", ("Retry-After", "0"))
    asked = [twinmeter.check("chat", user_id="u1").unenforced for _ in range(100)]
    assert asked == [True] * 100
    assert len(server.asked) < 10
    server.limits = granted

    wait_until(lambda: not twinmeter.check("chat", user_id="u1").unenforced)

    before = len(server.asked)
    assert [twinmeter.check("chat", user_id="u1").unenforced for _ in range(10)] == [False] * 10
    assert len(server.asked) == before + 10


def test_what_is_given_back_during_an_outage_is_when_that_is_over(server: StandIn, current: Client) -> None:
    with twinmeter.reserve("chat", user_id="u1") as one, twinmeter.reserve("chat", user_id="u1") as other:
        server.releases = Reply(503, b"{}")
    wait_until(lambda: len(server.released) == 2)
    current.flush(patience(20))
    assert {*server.released} == {one.id, other.id}

    server.releases = Reply(204, b"")
    assert not twinmeter.check("chat", user_id="u1").unenforced
    current.flush(patience(20))

    assert sorted(server.released[2:]) == sorted(map(str, [one.id, other.id]))


def test_without_an_address_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_clients", {})

    decision = twinmeter.check("chat", user_id="u1")

    assert (decision.allowed, decision.unenforced) == (True, True)
    assert str(decision.reason).startswith("set TWINMETER_URL and TWINMETER_KEY")

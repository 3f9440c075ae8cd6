"""Troubles are told once, and seen until they are gone."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from app.observability import troubles as module
from app.observability.troubles import ADVICE, Code, Troubles

Lines = list[tuple[str, str, str]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    """What is logged: level, event and reason."""
    found: Lines = []
    for level in ("error", "warning"):

        def note(event: str, level: str = level, **facts: Any) -> None:
            found.append((level, event, facts["reason"]))

        monkeypatch.setattr(module.log, level, note)
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr("app.observability.troubles.time.monotonic", lambda: now[0])
    return now


def test_it_is_logged_once_again_when_its_reason_changes_and_when_it_is_gone(lines: Lines) -> None:
    troubles = Troubles()
    for _ in range(40):
        troubles.report(Code.DELIVERY, "the first reason", count=3)
    for _ in range(40):
        troubles.report(Code.DELIVERY, "another reason", count=2)
    troubles.gone(Code.DELIVERY)
    troubles.gone(Code.DELIVERY)

    assert lines == [
        ("error", "trouble", "the first reason"),
        ("error", "trouble", "another reason"),
        ("warning", "trouble.gone", "another reason"),
    ]


def test_what_comes_and_goes_is_logged_once_a_minute(lines: Lines, clock: list[float]) -> None:
    troubles = Troubles()
    for _ in range(10):
        troubles.report(Code.COMMIT, "flapping")
        troubles.gone(Code.COMMIT)
    clock[0] += 61
    troubles.report(Code.COMMIT, "flapping")

    assert [event for _, event, _ in lines] == ["trouble", "trouble.gone", "trouble"]


def test_it_is_seen_with_its_figures_until_it_is_gone() -> None:
    registry = CollectorRegistry()
    troubles = Troubles(registry)
    troubles.report(Code.COMPACTOR, "one")
    troubles.show(Code.REFUSED, 3, "calls are set aside")
    troubles.show(Code.REFUSED, 2, "calls are set aside")
    troubles.show(Code.UNREADABLE, 0, "none")

    assert [(one.code, one.reason, one.count) for one in troubles.current] == [
        ("compactor", "one", None),
        ("refused", "calls are set aside", 2),
    ]
    assert b'twinmeter_trouble{code="refused"} 1.0' in generate_latest(registry)
    assert b'twinmeter_troubles_total{code="refused"} 2.0' in generate_latest(registry)
    troubles.show(Code.REFUSED, 0, "calls are set aside")
    assert b'twinmeter_trouble{code="refused"} 0.0' in generate_latest(registry)
    assert [one.code for one in troubles.current] == ["compactor"]


def test_every_kind_has_its_way_out() -> None:
    assert set(ADVICE) == set(Code)

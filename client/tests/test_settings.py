"""Settings: from the environment, in code, wrong, and missing."""

from __future__ import annotations

import threading

import pytest
from client.tests.conftest import CALL
from client.tests.stand_in import StandIn
from tests.patience import patience

import twinmeter
from twinmeter import Flushed


@pytest.mark.parametrize(
    ("set_ones", "missing"),
    [({}, "TWINMETER_URL and TWINMETER_KEY"), ({"TWINMETER_URL": "https://t.example"}, "TWINMETER_KEY")],
)
def test_without_an_address_or_a_key_one_line_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, set_ones: dict[str, str], missing: str
) -> None:
    for name, value in set_ones.items():
        monkeypatch.setenv(name, value)
    for _ in range(3):
        twinmeter.track(**CALL)
    waited = twinmeter.track(**CALL, wait=True)

    assert waited.status == "dropped"
    assert twinmeter.flush() == Flushed(0, 0, 0)
    assert twinmeter.counts().lost == 4
    (record,) = caplog.records
    assert record.message == (f"calls are not sent: set {missing}, or call twinmeter.configure(url=..., key=...)")


def test_an_address_that_is_none_is_said_once_and_not_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TWINMETER_URL", "twinmeter.example:8000")
    monkeypatch.setenv("TWINMETER_KEY", "k")
    for _ in range(2):
        twinmeter.track(**CALL)

    (record,) = caplog.records
    assert "such as https://twinmeter.example" in record.message


def test_what_is_set_after_the_first_call_holds_for_the_next(monkeypatch: pytest.MonkeyPatch, server: StandIn) -> None:
    twinmeter.track(**CALL)
    monkeypatch.setenv("TWINMETER_URL", f" {server.address}/\n")
    monkeypatch.setenv("TWINMETER_KEY", " k\n")
    twinmeter.track(**CALL)

    assert twinmeter.flush(patience(10)) == Flushed(1, 0, 0)
    assert server.heads[0]["authorization"] == "Bearer k"


def test_threads_that_report_at_once_share_one_client(monkeypatch: pytest.MonkeyPatch, server: StandIn) -> None:
    monkeypatch.setenv("TWINMETER_URL", server.address)
    monkeypatch.setenv("TWINMETER_KEY", "k")
    together = threading.Barrier(8)

    def report() -> None:
        together.wait()
        for _ in range(100):
            twinmeter.track(**CALL)

    threads = [threading.Thread(target=report) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert twinmeter.flush(patience(10)) == Flushed(800, 0, 0)
    assert len({row["requestId"] for row in server.rows}) == 800


def test_two_clients_do_not_confuse_each_other(server: StandIn) -> None:
    twinmeter.configure(url=server.address, key="first")
    second = twinmeter.Client(server.address, "second")
    twinmeter.track(**CALL)
    second.track(CALL)
    twinmeter.flush(patience(10))
    second.close(patience(10))

    assert {head["authorization"] for head in server.heads} == {"Bearer first", "Bearer second"}
    assert second.counts().delivered == twinmeter.counts().delivered == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://t.example"},
        {"url": "https://"},
        {"url": "https://t.example:99999"},
        {"url": "https://u:p@t.example"},
        {"url": "https://t.example/?a=1"},
        {"url": "https://t.example/a b"},
        {"key": "k\u20ac"},
        {"key": "a\nb"},
        {"on_rejected": "print"},
    ],
)
def test_a_wrong_setting_in_code_is_the_programmers_error(wrong: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        twinmeter.configure(**wrong)  # type: ignore[arg-type]


def test_limits_have_their_place() -> None:
    assert twinmeter.check("content", user_id="u1").allowed
    with twinmeter.reserve("content", user_id="u1", output_tokens=500) as reservation:
        assert reservation.allowed
        reservation.settle()
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = twinmeter.no_such_name  # type: ignore[attr-defined]

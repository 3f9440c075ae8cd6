"""Refused credentials are counted and told, and guesses slowed down by address."""

import pytest
import structlog
from litestar.datastructures import Cookie

from app import buckets
from app.auth.attempts import BURST, LOG_SECONDS, RefusedCredentials, TooManyGuessesError
from app.auth.refused import GUESSES, Reason, RefusedError, SessionEndedError
from app.observability.logs import configure_logging
from app.observability.metrics import Counters

WRONG = RefusedError(Reason.SIGNATURE, "wrong")


class Refused:
    """What a process has refused, and its clock."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.counters = Counters()
        self.credentials = RefusedCredentials(self.counters, lambda: self.now)

    def wrong(self, host: str | None = "203.0.113.9", times: int = 1) -> list[int]:
        """In how many seconds each may be tried again; 0 for what is answered by its reason."""
        answers = [self.credentials.answer(WRONG, host) for _ in range(times)]
        return [int(each.headers["Retry-After"]) if isinstance(each, TooManyGuessesError) else 0 for each in answers]


@pytest.fixture
def refused() -> Refused:
    return Refused()


def test_an_address_has_so_many_at_once_and_one_a_second_after(refused: Refused) -> None:
    assert refused.wrong(times=BURST + 2) == [0] * BURST + [1, 1]
    refused.now += 1
    assert refused.wrong(times=2) == [0, 1]
    refused.now += 3_600
    assert refused.wrong(times=BURST + 1) == [0] * BURST + [1]


def test_one_address_takes_nothing_from_another(refused: Refused) -> None:
    refused.wrong("203.0.113.9", BURST)

    assert refused.wrong("203.0.113.10") == refused.wrong(None) == [0]
    assert refused.wrong("203.0.113.9") == [1]


def test_of_ipv6_the_whole_network_is_one(refused: Refused) -> None:
    refused.wrong("2001:db8:0:1::1", BURST)

    assert refused.wrong("2001:db8:0:1:ffff::2") == [1]
    assert refused.wrong("2001:db8:0:2::1") == [0]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in GUESSES])
def test_what_is_no_guess_always_has_its_own_answer(refused: Refused, reason: Reason) -> None:
    refused.wrong(times=BURST + 1)
    error = RefusedError(reason, "its own reason")

    assert refused.credentials.answer(error, "203.0.113.9") is error


def test_a_session_that_has_ended_is_always_cleared(refused: Refused) -> None:
    refused.wrong(times=BURST + 1)
    error = SessionEndedError(
        Reason.SIGNATURE, "of an old key", headers={"Set-Cookie": Cookie("s").to_header(header="")}
    )

    assert refused.credentials.answer(error, "203.0.113.9") is error


def test_memory_holds_a_bounded_number_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "ROWS", 1)
    monkeypatch.setattr(buckets, "_ROW_BYTES", 2 * buckets._BUCKET.size)
    refused = Refused()
    for host in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        refused.wrong(host, BURST)

    assert [refused.wrong(host) for host in ("10.0.0.3", "10.0.0.1")] == [[1], [0]]


def test_each_reason_is_in_the_log_once_a_minute_and_counted_each_time(refused: Refused) -> None:
    configure_logging("info")
    with structlog.testing.capture_logs() as lines:
        refused.wrong(times=50)
        refused.credentials.answer(RefusedError(Reason.EXPIRED, "over"), None)
        refused.now += LOG_SECONDS + 1
        refused.wrong()
    configure_logging("error")

    assert [(line["event"], line["reason"], line["detail"]) for line in lines] == [
        ("credential.refused", "signature", "wrong"),
        ("credential.refused", "expired", "over"),
        ("credential.refused", "signature", "wrong"),
    ]
    assert b'twinmeter_refused_credentials_total{reason="signature"} 51.0' in refused.counters.exposition()

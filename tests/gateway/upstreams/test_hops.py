"""A request that comes round to a gateway again is refused; others may pass through several."""

import pytest

from app.gateway.formats.base import GatewayError
from app.gateway.upstreams.hops import Hops

OURS, THEIRS = Hops("a" * 64), Hops("b" * 64)


def test_a_circle_is_told_by_the_first_who_sees_a_request_again() -> None:
    once = OURS.onwards(None)
    twice = THEIRS.onwards(once)

    with pytest.raises(GatewayError, match="base_url leads back here") as caught:
        OURS.onwards(twice)
    error = caught.value
    assert (error.status, error.code, error.should_retry) == (508, "gateway_loop", False)
    assert Hops("a" * 64).onwards(None) == once


@pytest.mark.parametrize("came", ["a" * 401, ",".join("abcdefab")])
def test_a_chain_without_an_end_is_refused(came: str) -> None:
    with pytest.raises(GatewayError):
        OURS.onwards(came)


def test_what_is_no_list_of_names_is_not_passed_on() -> None:
    assert OURS.onwards("made up; by=a client") == OURS.onwards(None)

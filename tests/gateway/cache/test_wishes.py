"""What a request and its key want of the cache."""

import pytest

from app.gateway.cache.wishes import MOST_QUESTION_BYTES, Wish, may_be_kept, wish_of
from app.gateway.formats.base import GatewayError, Headers, Operation
from models.key_policy import WEEK, KeyPolicy
from tests.gateway.cache.asked import CHAT, wanted

ON, OFF = KeyPolicy(cache=True, cache_seconds=60), KeyPolicy()
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def said(*, control: str | None = None, **more: str) -> Headers:
    headers = [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]
    return [*headers, *([(b"cache-control", control.encode())] if control else [])]


@pytest.mark.parametrize(
    ("policy", "headers", "wish"),
    [
        (OFF, said(), None),
        (ON, said(), Wish(60)),
        (OFF, said(x_twinmeter_cache="on"), Wish(3_600, by_request=True)),
        (ON, said(x_twinmeter_cache=" ON "), Wish(60, by_request=True)),
        (ON, said(x_twinmeter_cache="off"), None),
        (ON, said(x_twinmeter_cache="0"), None),
        (OFF, said(x_twinmeter_cache="5"), Wish(5, by_request=True)),
        (OFF, said(x_twinmeter_cache="999999999"), Wish(WEEK, by_request=True)),
        (ON, said(control="no-cache"), Wish(60, takes=False)),
        (ON, said(control="max-age=0, No-Store"), None),
        (ON, said(control="max-age=0"), Wish(60)),
        (OFF, said(x_twinmeter_cache="on", control="no-store"), None),
    ],
)
def test_the_request_goes_before_the_key(policy: KeyPolicy, headers: Headers, wish: Wish | None) -> None:
    assert wish_of(headers, policy) == wish


@pytest.mark.parametrize("value", [b"", b"yes", b"-1", b"1e3", b"1.5", b"\xb2", b"9999999999"])
def test_any_other_word_is_refused(value: bytes) -> None:
    with pytest.raises(GatewayError, match="on, off or a number of seconds"):
        wish_of([(b"x-twinmeter-cache", value)], ON)


def test_two_wishes_are_refused() -> None:
    with pytest.raises(GatewayError, match="twice"):
        wish_of([(b"x-twinmeter-cache", b"on"), (b"x-twinmeter-cache", b"off")], ON)


@pytest.mark.parametrize(
    ("more", "policy", "by_request", "kept"),
    [
        ({}, ON, False, True),
        ({"temperature": 0.2}, ON, False, False),
        ({"temperature": 0.2}, ON, True, True),
        ({"n": 2}, ON, False, False),
        ({"tools": TOOLS}, ON, False, False),
        ({"tools": TOOLS}, ON, True, False),
        ({"tools": TOOLS}, KeyPolicy(cache=True, cache_tools=True), False, True),
    ],
)
def test_what_may_be_kept(more: dict[str, object], policy: KeyPolicy, by_request: bool, kept: bool) -> None:
    asked = wanted({**CHAT, **more})

    assert may_be_kept(asked, Wish(60, by_request=by_request), policy, 100) is kept
    assert not may_be_kept(asked, Wish(60, by_request=by_request), policy, MOST_QUESTION_BYTES + 1)


def test_a_job_that_has_begun_is_not_begun_again_by_a_copy() -> None:
    asked = wanted({"model": "sora-2", "prompt": "a"}, Operation.VIDEOS)

    assert not may_be_kept(asked, Wish(60, by_request=True), ON, 100)

"""What of an answer waits: events pass whole, all else but for its last byte, and nothing is lost or changed."""

import hypothesis.strategies as st
from hypothesis import given

from app.gateway.holding import MOST_BYTES, AllButTheEnd, Events
from tests.gateway.raw_upstream import in_pieces

LINES = st.sampled_from(
    [b"data: a", b"data:", b": ping", b"event: x", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\r\r"]
)
ENDS = (b"\n\n", b"\n\r\n", b"\r\r")


@given(st.lists(LINES, max_size=30), st.lists(st.integers(1, 9), min_size=1))
def test_events_pass_whole_in_whatever_pieces_they_come(lines: list[bytes], sizes: list[int]) -> None:
    stream, outlet, sent = b"".join(lines), Events(), b""
    rest, turn = stream, 0
    while rest:
        size = sizes[turn % len(sizes)]
        piece, rest, turn = rest[:size], rest[size:], turn + 1
        if passed := outlet.pass_on(piece):
            sent += passed
            assert sent.endswith(ENDS)
        assert outlet.between_events
        assert sent + outlet.rest() == stream[: len(stream) - len(rest)]
        assert not any(end in outlet.rest() for end in ENDS)


def test_an_event_of_any_size_passes_and_is_no_place_for_another() -> None:
    outlet, large = Events(), b"data: " + b"x" * 2 * MOST_BYTES
    passed = [outlet.pass_on(piece) for piece in in_pieces(large, 10_000)]

    assert b"".join(passed) + outlet.rest() == large
    assert max(map(len, passed)) <= MOST_BYTES + 10_000
    assert not outlet.between_events
    assert passed[-1] == b"x" * (len(large) % 10_000)
    assert outlet.pass_on(b"\n") == b"\n"
    assert outlet.pass_on(b"\ndata: 1\n\nda") == b"\ndata: 1\n\n"
    assert outlet.between_events
    assert outlet.rest() == b"da"


@given(st.binary(), st.integers(1, 9))
def test_of_anything_else_the_last_byte_waits(body: bytes, size: int) -> None:
    outlet = AllButTheEnd()

    sent = b"".join(outlet.pass_on(piece) + outlet.pass_on(b"") for piece in in_pieces(body, size))

    assert (sent, outlet.rest()) == (body[:-1], body[-1:])

"""How requests get to a server: by its address, through a proxy, and for how long."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from client.tests.conftest import CALL, MakeClient
from client.tests.stand_in import StandIn
from tests.patience import patience

from twinmeter import Flushed
from twinmeter.clock import Clock
from twinmeter.transport import Transport, UnreachableError

CREDENTIALS = f"Basic {base64.b64encode(b'me:p@ss').decode()}"


@contextmanager
def listening(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """One that answers whoever comes byte by byte, for ever; its port, and what it was sent first."""
    ended, told = threading.Event(), list[bytes]()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener.accept()[0] as caller:
            told.append(caller.recv(65_536))
            try:
                caller.sendall(answer)
                while not ended.wait(0.01):
                    caller.sendall(b"x")
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], told
    finally:
        ended.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_for_ever_is_none(begin: bytes) -> None:
    with listening(begin) as (port, _):
        transport = Transport(f"http://127.0.0.1:{port}", "key", Clock())
        transport.answer_seconds = 0.3
        with pytest.raises(UnreachableError, match=r"(timed out|does not end)$"):
            transport.post("/", b"{}")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://[::1]", ("::1", 80)),
        ("https://[2001:db8::1]/prefix", ("2001:db8::1", 443)),
        ("http://[::1]:8000", ("::1", 8_000)),
    ],
)
def test_the_end_of_an_ipv6_address_is_no_port(url: str, expected: tuple[str, int]) -> None:
    connection = Transport(url, "key", Clock())._new_connection()

    assert (connection.host, connection.port) == expected


def test_calls_go_through_the_proxy_that_the_environment_names(
    server: StandIn, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.address.replace("http://", "http://me:p%40ss@"))
    client = make_client("http://twinmeter.test/prefix")
    client.track(CALL)

    assert client.flush(patience(10)) == Flushed(1, 0, 0)
    (head,) = server.heads
    assert (head["host"], head["proxy-authorization"]) == ("twinmeter.test", CREDENTIALS)
    assert server.paths == ["http://twinmeter.test/prefix/api/ai/track/batch"]


def test_what_is_excepted_from_the_proxy_goes_straight(
    server: StandIn, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "10.0.0.1, 127.0.0.1")
    client = make_client(server.address)
    client.track(CALL)

    assert client.flush(patience(10)) == Flushed(1, 0, 0)


def test_over_tls_a_proxy_hears_the_address_alone(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(b"HTTP/1.1 407 Who are you\r\n\r\n") as (port, told):
        monkeypatch.setenv("HTTPS_PROXY", f"me:p%40ss@127.0.0.1:{port}")  # as many write it, without http://
        receipt = make_client("https://twinmeter.test").track(CALL, wait=True, timeout=patience(10))

    assert receipt is not None
    assert receipt.errors[0].message == (
        "the server cannot be reached: OSError: Tunnel connection failed: 407 Who are you"
    )
    assert told[0].startswith(b"CONNECT twinmeter.test:443 HTTP/1.")
    assert f"Proxy-Authorization: {CREDENTIALS}".encode() in told[0]
    assert b"tm_key" not in told[0]


def test_a_proxy_that_cannot_be_used_is_said(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://me:secret@proxy.test:1080")
    receipt = make_client("https://twinmeter.test").track(CALL, wait=True, timeout=patience(10))

    assert receipt is not None
    assert receipt.errors[0].message.endswith(
        "only proxies of http:// can be used, and the environment names one of socks5://"
    )


def test_the_time_is_asked_for_once_also_where_it_is_not_told(server: StandIn, make_client: MakeClient) -> None:
    server.date = "none"
    client = make_client(server.address)
    for _ in range(3):
        client.track(CALL)
        client.flush(patience(10))

    assert server.times_asked == 1

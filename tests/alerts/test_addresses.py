"""Which addresses messages may be sent to."""

import asyncio
import ssl
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from app.alerts.addresses import CheckedTransport, ForbiddenAddressError, Outside
from tests.alerts.receiver import Receiver, receiving
from tests.certificates import self_signed

PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1"),
    *("169.254.169.254", "192.0.0.192", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    "2001:0:7f00:1:8000:63bf:3fff:fdd2",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_are_refused_in_every_disguise(text: str) -> None:
    assert not Outside().permits(ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_those_of_the_internet_are_not(text: str) -> None:
    assert Outside().permits(ip_address(text))


def test_those_that_the_operator_names_are_not_either() -> None:
    outside = Outside(["10.1.0.0/16", "fd12::/16"])
    allowed = ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "10.2.0.1", "::1", "169.254.169.254"]
    assert [outside.permits(ip_address(text)) for text in allowed] == [True, True, True, False, False, False]


class Names:
    """A resolver that answers something else each time."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def __call__(self, host: str, port: int) -> list[str]:  # noqa: ARG002 - as a resolver is called
        return self._answers.pop(0)


async def _get(
    receiver: Receiver, names: Names, *allowed: str, scheme: str = "http", host: str = "hooks.example"
) -> int:
    async with httpx.AsyncClient(transport=CheckedTransport(Outside(allowed), names)) as client:
        response = await client.post(f"{scheme}://{host}:{receiver.port}/hook", content=b"{}")
        return response.status_code


async def test_a_name_that_stands_for_this_machine_leads_nowhere() -> None:
    async with receiving() as receiver:
        for address in ("127.0.0.1", "::ffff:127.0.0.1"):
            with pytest.raises(ForbiddenAddressError, match="a private address"):
                await _get(receiver, Names([address]), scheme="https")
        with pytest.raises(ForbiddenAddressError):  # one of them is enough
            await _get(receiver, Names(["8.8.8.8", "127.0.0.1"]), scheme="https")
        assert receiver.received == []


async def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to() -> None:
    """Rebinding: the second answer would be another address, and nobody asks for it."""
    async with receiving() as receiver:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        assert await _get(receiver, names, "127.0.0.1") == 204
        with pytest.raises(ForbiddenAddressError):  # no connection is kept: the next message is checked again
            await _get(receiver, names, "127.0.0.1")
        assert [each.headers["host"] for each in receiver.received] == [f"hooks.example:{receiver.port}"]


async def test_http_leads_to_named_private_addresses_only() -> None:
    async with receiving() as receiver:
        with pytest.raises(ForbiddenAddressError, match="only https"):
            await _get(receiver, Names(["8.8.8.8"]), "127.0.0.1")


async def test_where_one_address_does_not_answer_the_next_one_is_tried() -> None:
    async with receiving() as receiver:
        names = Names(["127.0.0.2", "127.0.0.1"])  # the receiver listens on the second alone
        assert await _get(receiver, names, "127.0.0.0/8") == 204


async def test_a_name_without_addresses_is_no_connection() -> None:
    async with receiving() as receiver:
        with pytest.raises(httpx.ConnectError, match="has no address"):
            await _get(receiver, Names([]))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of hooks.example, with its key, signed by itself."""
    return self_signed(tmp_path_factory.mktemp("tls") / "hooks.pem", "hooks.example")


async def test_the_certificate_is_checked_for_the_name_though_an_address_is_connected_to(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    receiver = Receiver()
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        assert await _get(receiver, Names(["127.0.0.1"]), "127.0.0.1", scheme="https") == 204
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await _get(receiver, Names(["127.0.0.1"]), "127.0.0.1", scheme="https", host="other.example")
        assert len(receiver.received) == 1

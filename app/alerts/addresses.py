"""Where messages may be sent: to addresses of the internet, and to those private ones that the operator names.

A name is resolved once, what it resolves to is checked, and the connection goes to that very address: a name that
changes its mind in between leads nowhere else.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from app.threads import DaemonThreads

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, as texts. Raises OSError."""

TRIED_ADDRESSES = 2
"""Of a host: one is usually for IPv6, and one for IPv4."""
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
"""Of protocols; at 192.0.0.192 a cloud has its metadata."""
MOST_LOOKUPS = 64
"""At once. A name server that hangs holds up those of its own names; each endpoint has few messages on their way."""


class ForbiddenAddressError(httpx.ConnectError):
    """The name stands for an address that nothing may be sent to."""


class Outside:
    """Which addresses may be connected to."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        """`allowed`: private networks that may be, too."""
        self._allowed = [ip_network(each) for each in allowed]

    @property
    def has_private(self) -> bool:
        """Whether the operator allows any."""
        return bool(self._allowed)

    def names_private(self, address: Address) -> bool:
        """Whether it is one that the operator allows by name."""
        return any(address in network for network in self._allowed)

    def permits(self, address: Address) -> bool:
        return all(self.names_private(each) or _is_public(each) for each in _meant(address))


def _meant(address: Address) -> list[Address]:
    """The address, or those that it leads to inside another one."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address, address.sixtofour]
    if address.teredo is not None:
        return [address, *address.teredo]
    if address in _NAT64:
        return [IPv4Address(int(address) & 0xFFFF_FFFF)]
    return [address]


def _is_public(address: Address) -> bool:
    # 100.64.0.0/10 and the metadata of clouds (169.254.169.254, fd00:ec2::254) are not global either
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv6Address):
        return not address.is_site_local
    return not any(address in network for network in _SPECIAL)


class SystemResolver:
    """What the system says, in threads of its own: the loop's are few, and others wait for them."""

    def __init__(self) -> None:
        self._threads = DaemonThreads("resolver", MOST_LOOKUPS)

    async def __call__(self, host: str, port: int) -> list[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedTransport(httpx.AsyncBaseTransport):
    """Sends each request to an address that was checked. No connection is kept: the next one is checked again."""

    def __init__(self, outside: Outside, resolver: Resolver | None = None) -> None:
        self._outside = outside
        self._resolver = resolver or SystemResolver()
        self._inner: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode()
        addresses, transport = await self._checked(request.url), await self._transport()
        # the server is told, and its certificate checked for, the name that was asked for
        request.extensions = {**request.extensions, "sni_hostname": host}
        for left, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            request.url = request.url.copy_with(host=address)
            try:
                return await transport.handle_async_request(request)
            except httpx.ConnectError:
                if not left:
                    raise
        raise AssertionError("unreachable: there is an address")

    async def _checked(self, url: httpx.URL) -> list[str]:
        """The addresses of its host. Raises ForbiddenAddressError where one of them is none for us."""
        secure, host = url.scheme == "https", url.raw_host.decode()
        try:
            texts = await self._resolver(host, url.port or (443 if secure else 80))
        except OSError as error:
            raise httpx.ConnectError(f"{host} has no address") from error
        if not texts:
            raise httpx.ConnectError(f"{host} has no address")
        for address in map(ip_address, texts):
            if not self._outside.permits(address):
                raise ForbiddenAddressError(f"{host} is a private address, which is not allowed")
            if not secure and not self._outside.names_private(address):
                raise ForbiddenAddressError(f"{host} is no private address that is allowed: only https leads there")
        return texts[:TRIED_ADDRESSES]

    async def _transport(self) -> httpx.AsyncHTTPTransport:
        """Made when it is needed: to read all certificates takes 20 ms."""
        if self._inner is None:
            context = await asyncio.to_thread(httpx.create_ssl_context)
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
            self._inner = self._inner or httpx.AsyncHTTPTransport(verify=context, limits=limits)
        return self._inner

    async def aclose(self) -> None:
        if self._inner is not None:
            await self._inner.aclose()

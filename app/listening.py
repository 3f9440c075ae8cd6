"""The port on which a server listens, alone or as one of several workers, and who is told once it answers there."""

import socket
from collections.abc import Awaitable, Callable

from app.errors import ConfigurationError
from app.settings import Settings

BACKLOG = 2_048

Companion = Callable[[str], Awaitable[None]]
"""What runs beside a server once it is up; it is given the address, such as `http://127.0.0.1:8000`."""


def listener(settings: Settings) -> socket.socket:
    """Listens already: who connects while the server starts is answered when it is up. Raises ConfigurationError."""
    try:
        return socket.create_server((settings.host, settings.port), family=_family(settings), backlog=BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
            "set TWINMETER_PORT (0 takes any free one) or TWINMETER_HOST"
        ) from error


def reserved(settings: Settings) -> socket.socket:
    """Holds the port for `shared_listener`s, and does not listen itself. Raises ConfigurationError."""
    # sharing is possible with every process of this user: look first whether the port is somebody else's
    with listener(settings) as alone:
        port = alone.getsockname()[1]
    return shared_listener(settings, port)


def shared_listener(settings: Settings, port: int) -> socket.socket:
    """One of several sockets on the port, among which the system spreads new connections once they listen."""
    found = socket.socket(_family(settings))
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if found.family == socket.AF_INET6:
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # as create_server does
    found.bind((settings.host, port))
    return found


def address_of(listening: socket.socket) -> str:
    """Such as `http://127.0.0.1:8000`."""
    return http_address(*listening.getsockname()[:2])


def http_address(host: str, port: int) -> str:
    """The same of a host and a port."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _family(settings: Settings) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in settings.host else socket.AF_INET

"""What proxies say of a request is believed where they are trusted, and where it is harmless."""

from typing import Any

import pytest

from app.errors import ConfigurationError
from app.http.proxies import BehindProxies
from tests.test_addresses import NO_PREFIX

OWN = ["/", "/admin", "/admin/static/{version:str}", "/api/ai/track", "/health"]
PROXY, STRANGER = "127.0.0.1", "203.0.113.9"


async def seen(
    path: str = "/admin", *, peer: str = PROXY, root_path: str = "", trusted: tuple[str, ...] = (PROXY,), **said: str
) -> dict[str, Any]:
    """The scope that the application is given; `said` are X-Forwarded headers by their last word."""
    scopes: list[Any] = []

    async def app(scope: Any, *_: Any) -> None:
        scopes.append(scope)

    forwarded = [(f"x-forwarded-{name}".encode(), value.encode("latin-1", "replace")) for name, value in said.items()]
    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": "",
        "scheme": "http",
        "client": (peer, 1),
        "headers": [(b"host", b"upstream:8000"), *forwarded],
    }
    await BehindProxies(app, root_path=root_path, trusted=trusted, own=OWN)(scope, None, None)  # type: ignore[arg-type]
    (found,) = scopes
    return {**found, "host": dict(found["headers"])[b"host"].decode()}


SAID: Any = {"for": "198.51.100.7", "proto": "https", "host": "shop.example", "prefix": "/twinmeter"}


async def test_a_trusted_proxy_says_who_asked_for_what() -> None:
    scope = await seen(**SAID)

    assert (scope["client"], scope["scheme"], scope["host"]) == (("198.51.100.7", 0), "https", "shop.example")
    assert (scope["root_path"], scope["path"]) == ("/twinmeter", "/twinmeter/admin")


async def test_nobody_else_is_believed() -> None:
    for trusted in ((PROXY,), ()):
        scope = await seen(peer=STRANGER, trusted=trusted, **SAID)

        assert (scope["client"], scope["scheme"], scope["host"]) == ((STRANGER, 1), "http", "upstream:8000")
        assert (scope["root_path"], scope["path"]) == ("", "/admin")


async def test_a_network_may_be_trusted_and_the_caller_is_the_first_that_is_not() -> None:
    chain: Any = {"for": "6.6.6.6, 198.51.100.7, 10.0.0.2"}
    scope = await seen(peer="10.0.0.3", trusted=("10.0.0.0/8",), **chain)

    assert scope["client"] == ("198.51.100.7", 0)


@pytest.mark.parametrize("root_path", ["/twinmeter", "/a", "/admin/tools"])
async def test_a_prefix_may_be_on_the_path_or_taken_off_and_either_is_the_same(root_path: str) -> None:
    for path in ("/", "/admin", "/admin/users", "/api/ai/track", root_path.upper(), root_path + "x"):
        for asked in (path, root_path + path):
            scope = await seen(asked, root_path=root_path, peer=STRANGER)
            assert (scope["root_path"], scope["path"]) == (root_path, root_path + path), asked
    assert (await seen(root_path, root_path=root_path))["path"] == root_path


async def test_the_setting_comes_before_what_a_proxy_says() -> None:
    assert (await seen(root_path="/mine", prefix="/theirs"))["root_path"] == "/mine"


@pytest.mark.parametrize("hostile", [*NO_PREFIX, "/admin", "/admin/static", "/api", "/api/ai/"])
async def test_a_prefix_that_is_no_plain_path_or_one_of_ours_is_none(hostile: str) -> None:
    scope = await seen(prefix=hostile)

    assert (scope["root_path"], scope["path"]) == ("", "/admin")


@pytest.mark.parametrize("ours", ["/admin", "/api", "/api/ai", "/health"])
def test_a_root_path_that_is_one_of_our_own_addresses_is_refused(ours: str) -> None:
    with pytest.raises(ConfigurationError, match=f"TWINMETER_ROOT_PATH cannot be {ours}, which is an address"):
        BehindProxies(None, root_path=ours, trusted=(), own=OWN)  # type: ignore[arg-type]

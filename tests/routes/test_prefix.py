"""Below a prefix: every link, asset, redirect and cookie, whether the proxy says it or the settings do."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from app.auth.principals import Role
from app.auth.sessions import COOKIE
from app.auth.tokens import Tokens
from tests.routes.conftest import application, bearer
from tests.test_addresses import NO_PREFIX

Client = AsyncTestClient[Litestar]
PREFIX = "/a"
"""Our own addresses begin with these letters, too."""
PAGES = ["/admin", "/admin/usage/users", "/admin/nowhere", "/usage"]
LINK = re.compile(r'(?:href|src|action)="([^"]*)"')


@pytest.fixture(scope="module")
async def _below(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with application(mongodb_uri, tmp_path_factory.mktemp("below"), root_path=PREFIX) as (client, _):
        yield client


@pytest.fixture
def below(_below: Client) -> Client:
    """An application that is served under PREFIX."""
    _below.cookies.clear()
    return _below


def behind(client: Client, proxy: str = "127.0.0.1") -> httpx.AsyncClient:
    """The application as it is seen through a proxy of this address."""
    transport = httpx.ASGITransport(client.app, client=(proxy, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example")


def session_cookie(response: httpx.Response) -> list[str]:
    """The attributes of the session's cookie."""
    (cookie,) = response.headers.get_list("set-cookie")
    assert cookie.startswith(f"{COOKIE}=")
    return [part.strip() for part in cookie.split(";")[1:]]


async def test_every_link_of_every_page_stays_below_the_prefix_and_leads_somewhere(below: Client) -> None:
    links = set()
    for page in PAGES:
        for asked in (page, PREFIX + page):
            response = await below.get(asked)
            assert response.status_code == (404 if "nowhere" in page else 200)
            links |= set(LINK.findall(response.text)) - {"#main"}
    assert {f"{PREFIX}/admin", f"{PREFIX}/admin/usage/users", f"{PREFIX}/docs", f"{PREFIX}/admin/session"} <= links
    for link in links:
        assert link.startswith(f"{PREFIX}/"), link
        if not link.endswith(("/vega.js", "/session")):
            taken_off = await below.get(link.removeprefix(PREFIX))
            left_on = await below.get(link)
            assert (taken_off.status_code, left_on.status_code) == (200, 200), link


async def test_the_top_leads_to_the_pages_below_the_prefix(below: Client) -> None:
    for top in ("/", PREFIX, f"{PREFIX}/"):
        response = await below.get(top, follow_redirects=False)
        assert (response.status_code, response.headers["location"]) == (307, f"{PREFIX}/admin"), top


async def test_the_interface_names_the_prefix_as_its_server(below: Client, empty: Client) -> None:
    for schema in ("/schema", "/schema/openapi.json", f"{PREFIX}/schema/openapi.json"):
        assert (await below.get(schema)).json()["servers"] == [{"url": PREFIX}]
    assert (await empty.get("/schema/openapi.json")).json()["servers"] == [{"url": "/"}]


async def test_a_session_is_for_this_prefix_alone_and_ends_there(below: Client, tokens: Tokens) -> None:
    token = bearer(tokens, Role.ADMIN)["Authorization"].removeprefix("Bearer ")
    page = {"Sec-Fetch-Site": "same-origin"}
    began = await below.post(f"{PREFIX}/admin/session", json={"token": token}, headers=page)
    assert {f"Path={PREFIX}", "HttpOnly", "SameSite=strict"} <= set(session_cookie(began))

    own = began.cookies[COOKIE]
    # of another deployment at the top of this host: a browser sends the longer path's first
    both = {"Cookie": f"{COOKIE}={own}; {COOKIE}=another"}
    below.cookies.clear()
    assert (await below.get(f"{PREFIX}/api/admin/ai/overview", headers=both)).status_code == 200

    refused = await below.get(f"{PREFIX}/admin/session", headers={"Cookie": f"{COOKIE}=another"})
    ended = await below.delete(f"{PREFIX}/admin/session", headers=page)
    assert (refused.status_code, ended.status_code) == (401, 204)
    for response in (refused, ended):
        assert {f"Path={PREFIX}", "Max-Age=0"} <= set(session_cookie(response))


async def test_a_trusted_proxy_says_the_prefix_and_nobody_else(
    empty: Client, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def shown(*_: object) -> tuple[str, bool]:
        return "real", False

    # these clients run on another loop than the application's database
    monkeypatch.setattr("routes.sessions._shown", shown)
    said = {"X-Forwarded-Prefix": "/tools/ai", "X-Forwarded-Host": "pages.example", "X-Forwarded-Proto": "https"}
    token = bearer(tokens, Role.ADMIN)["Authorization"].removeprefix("Bearer ")
    async with behind(empty) as proxied, behind(empty, "203.0.113.9") as stranger:
        page = (await proxied.get("/admin/usage/users", headers=said)).text
        assert {link for link in LINK.findall(page) if not link.startswith("/tools/ai/")} == {"#main"}
        assert (await proxied.get("/", headers=said)).headers["location"] == "/tools/ai/admin"
        # the page is one of pages.example, as the browser knows it, and came by https
        origin = {"Origin": "https://pages.example", **said}
        began = await proxied.post("/admin/session", json={"token": token}, headers=origin)
        assert (began.status_code, {"Path=/tools/ai", "Secure"} <= set(session_cookie(began))) == (200, True)

        assert "/tools/ai" not in (await stranger.get("/admin/usage/users", headers=said)).text
        assert (await stranger.get("/", headers=said)).headers["location"] == "/admin"
        refused = await stranger.post("/admin/session", json={"token": token}, headers=origin)
        assert refused.status_code == 403


@pytest.mark.parametrize("hostile", NO_PREFIX)
async def test_a_hostile_prefix_reaches_no_page_and_no_redirect(empty: Client, hostile: str) -> None:
    said = [(b"x-forwarded-prefix", hostile.encode())]
    async with behind(empty) as proxied:
        page = await proxied.get("/admin/usage/users", headers=said)
        assert page.text == (await proxied.get("/admin/usage/users")).text
        assert (await proxied.get("/", headers=said)).headers["location"] == "/admin"
        assert (await proxied.get("/schema/openapi.json", headers=said)).json()["servers"] == [{"url": "/"}]
        ended = await proxied.delete("/admin/session", headers=[*said, (b"sec-fetch-site", b"same-origin")])
        assert "Path=/" in session_cookie(ended)

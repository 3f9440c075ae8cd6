"""Behind nginx, below a prefix that it takes off the path or leaves on: every page, and all that it links to."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, Page, Request, Response, expect

from app.auth.sessions import COOKIE
from tests.browser.conftest import PATIENCE_MS, WIDE, missing
from tests.browser.deployment import Served
from tests.browser.expected import figures
from tests.browser.proxied import PREFIX, executable, nginx
from tests.browser.reading import exact, opened, settled, shown, until_figure
from tests.browser.tabs import TABS
from tests.browser.test_sign_in import sign_in
from tests.browser.watch import Watch

BOTH = pytest.mark.parametrize("takes_off", [True, False], ids=["taken off", "left on"])


@pytest.fixture(scope="module")
def proxies(server: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, str]]:
    """The addresses of two nginx: one that takes the prefix off, one that leaves it on."""
    program = executable()
    if program is None:
        missing("nginx is not installed")
    folders = tmp_path_factory.mktemp("off"), tmp_path_factory.mktemp("on")
    with (
        nginx(program, folders[0], server.address, takes_off=True) as off,
        nginx(program, folders[1], server.address, takes_off=False) as on,
    ):
        yield {True: off, False: on}


@pytest.fixture
def proxy(proxies: dict[bool, str], takes_off: bool) -> str:
    return proxies[takes_off]


class Visit:
    """A page that was opened through the proxy, and what it asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.astray: list[str] = []
        """Requests beside the prefix, and those that failed."""
        page.on("request", self._asked)
        page.on("response", self._answered)

    def _asked(self, request: Request) -> None:
        if not urlsplit(request.url).path.startswith(f"{PREFIX}/"):
            self.astray.append(request.url)

    def _answered(self, response: Response) -> None:
        asks_who = urlsplit(response.url).path.endswith("/admin/session")
        if response.status >= 400 and not (response.status == 401 and asks_who):
            self.astray.append(f"{response.status} {response.url}")


@pytest.fixture
async def visit(browser: Browser, proxy: str) -> AsyncIterator[Visit]:
    """A browser at the proxy where nobody has signed in."""
    watch = Watch(proxy)
    context = await browser.new_context(base_url=proxy, viewport=WIDE)
    context.set_default_timeout(PATIENCE_MS)
    watch.follow(context)
    visit = Visit(await context.new_page())
    yield visit
    await context.close()
    assert (watch.faults, visit.astray) == ([], [])


@BOTH
async def test_every_tab_works_from_signing_in_to_signing_out(visit: Visit, server: Served, takes_off: bool) -> None:
    page = visit.page
    await page.goto(f"{PREFIX}/")
    await expect(page).to_have_url(re.compile(rf"^http://127\.0\.0\.1:\d+{PREFIX}/admin$"))
    await sign_in(page, server.token)
    await settled(page)
    (cookie,) = await page.context.cookies()
    assert (cookie["name"], cookie["path"]) == (COOKIE, PREFIX)

    await opened(page, f"{PREFIX}/admin?data=all")
    for tab, asks in TABS.items():
        if "?" in tab:
            continue
        address = f"{PREFIX}/admin" if tab == "overview" else f"{PREFIX}/admin/{tab}"
        wanted = figures(asks, asks.answers(server, days=30, synthetic="include"))
        if takes_off:
            await opened(page, f"{address}?data=all")
        else:
            place = tab.partition("/")[0]
            await page.locator(f'#nav a[data-tab="{place}"]').click()
            entry = page.locator(f'nav a[data-tab="{tab}"]').last
            await entry.click()
            await expect(entry).to_have_attribute("aria-current", "page")
            await expect(page).to_have_url(re.compile(rf"{address}\?data=all$"))
            await settled(page)
        found = await shown(page)
        assert {name: exact(found.figures.get(name, "absent")) for name in wanted} == wanted, tab
        links = await page.locator("a[href]").evaluate_all("all => all.map(each => each.getAttribute('href'))")
        assert [link for link in links if not link.startswith((f"{PREFIX}/", "#"))] == [], tab

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator("#sign-in-why")).to_have_text("You are signed out on this browser.")
    assert await page.context.cookies() == []


@BOTH
async def test_what_is_committed_shows_at_once_and_a_table_downloads(
    visit: Visit, server: Served, takes_off: bool
) -> None:
    client = f"proxied-{takes_off}"
    server.track(clientId=client, userId="Зоя")
    page = visit.page
    await page.goto(f"{PREFIX}/admin/usage?clientId={client}")
    await sign_in(page, server.token)
    await settled(page)
    await expect(page.locator("#status")).to_have_attribute("data-stream", "live")

    server.track(clientId=client, userId="second")
    await until_figure(page, "requests", 2)
    await expect(page.locator('[data-panel="users"] tr[data-row="second"]')).to_be_visible()

    await page.locator('nav a[data-tab="usage/users"]').click()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="CSV of users").click()
    file = await (await download.value).path()
    content = await asyncio.to_thread(file.read_bytes)
    assert content.startswith(b"\xef\xbb\xbfuserId,")
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert sorted(row["userId"] for row in rows) == ["second", "Зоя"]


@BOTH
async def test_a_program_finds_the_interface_and_what_it_may_not_know_stays_below_the_prefix(
    proxy: str, server: Served
) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(base_url=proxy, headers=headers, timeout=PATIENCE_MS / 1000) as client:
        schema = (await client.get(f"{PREFIX}/schema/openapi.json")).json()
        assert schema["servers"] == [{"url": PREFIX}]
        top = await client.get(f"{PREFIX}/")
        assert (top.status_code, top.headers["location"]) == (307, f"{PREFIX}/admin")
        head = await client.head(f"{PREFIX}/health")
        assert (head.status_code, head.headers["content-length"], head.content) == (200, "15", b"")
        # a body of 5 MB, here with no row in it, is more than nginx takes unless told
        large = b"[" + b" " * 4_900_000 + b"]"
        as_json = {"Content-Type": "application/json"}
        assert (await client.post(f"{PREFIX}/api/ai/track/batch", content=large, headers=as_json)).status_code == 200
        # whose prefix is another's word is not believed: the proxy sets it anew
        page = await client.get(f"{PREFIX}/admin", headers={"X-Forwarded-Prefix": "//evil.example"})
        assert "evil" not in page.text

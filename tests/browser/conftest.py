"""A real browser before a running server. Without a Chromium on PATH these tests are skipped, or fail where one is
required (TWINMETER_REQUIRE_BROWSER=1, as `.ci/run` sets it).
"""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.async_api import Browser, BrowserContext, Page, StorageState, ViewportSize, async_playwright, expect

from scripts.provider import provider
from tests.browser.deployment import Served, served
from tests.browser.other_origin import other_origin
from tests.browser.watch import Watch
from tests.patience import patience

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first one is all of Chromium but its windows, and takes a quarter less CPU."""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    # pages of one context share a process, and the charts' code that it has compiled
    "--renderer-process-limit=1",
    # of any site, and none is made in store
    "--disable-site-isolation-trials",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # no name is resolved: a request that a test does not see leaves the machine neither
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE_MS = patience(15) * 1000
"""How long a page may take on a machine that does much else; a test that measures time does so by itself."""

GATEWAY = """
[upstreams.openai]
base_url = "{address}"
key_file = "key"
models = ["gpt-*"]

[upstreams.spare]
format = "openai"
provider = "openai"
base_url = "{address}"
key_file = "key"
models = ["only-here"]

[upstreams.gone]
format = "openai"
base_url = "http://127.0.0.1:9"
models = ["on-the-moon"]

[models.twice]
to = "openai/gpt-4o--error=503"
fallbacks = ["spare/gpt-4o-mini"]
"""

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 360, "height": 740}

OpenPage = Callable[..., Awaitable[Page]]
Axe = Callable[[Page], Awaitable[list[str]]]

AXE_RUN = """async () => {
  // what is in order need not be described
  const {violations} = await axe.run({resultTypes: ["violations"]});
  const grave = violations.filter(each => ["serious", "critical"].includes(each.impact));
  return grave.flatMap(each => each.nodes.map(node => `${each.id}: ${node.target.join(" ")} — ${node.failureSummary}`));
}"""


def missing(what: str) -> NoReturn:
    """Skip, or fail where the browser tests are required."""
    if os.environ.get("TWINMETER_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{what}, and TWINMETER_REQUIRE_BROWSER=1", pytrace=False)
    pytest.skip(f"{what}: the pages were not tried in a browser")


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    executable = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if executable is None:
        missing(f"none of {', '.join(BROWSERS)} is on PATH")
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="package")
def shop() -> Iterator[str]:
    """The origin of another application, whose pages the server lets call its API."""
    with other_origin() as origin:
        yield origin


@pytest.fixture(scope="package")
def blog() -> Iterator[str]:
    """The origin of another application, whose pages the server lets show its users their usage."""
    with other_origin() as origin:
        yield origin


@pytest.fixture(scope="package")
def gateway_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A gateway's file, whose upstreams are a stand-in and an address where nobody is."""
    with provider() as stand_in:
        folder = tmp_path_factory.mktemp("gateway")
        (folder / "key").write_text("sk-of-the-provider-itself")
        file = folder / "gateway.toml"
        file.write_text(GATEWAY.format(address=stand_in.base_url))
        yield file


@pytest.fixture(scope="package")
def server(
    browser: Browser,  # noqa: ARG001 - without one there is nothing to serve
    mongodb_uri: str,
    shop: str,
    blog: str,
    gateway_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """A server with demo history, and real calls as `tests.browser.deployment` says."""
    data_dir = tmp_path_factory.mktemp("browser") / "data"
    allowed = {
        "TWINMETER_CORS_ORIGINS": shop,
        "TWINMETER_EMBED_ORIGINS": blog,
        "TWINMETER_WEBHOOKS_TO_PRIVATE_ADDRESSES": "127.0.0.1",
        "TWINMETER_GATEWAY_FILE": str(gateway_file),
    }
    with served(data_dir, mongodb_uri, **allowed) as running:
        yield running


@pytest.fixture
def watch(server: Served) -> Iterator[Watch]:
    """Fails the test where one of its pages did what no page may do, and the test did not expect it."""
    watch = Watch(server.address)
    yield watch
    assert watch.faults == []


@pytest.fixture
async def open_page(browser: Browser, server: Served, watch: Watch) -> AsyncIterator[OpenPage]:
    """Opens pages, each in a browser context of its own, with Playwright's options for one: `timezone_id`, `viewport`,
    `color_scheme`, `reduced_motion`.
    """
    contexts: list[BrowserContext] = []

    async def open_one(**options: Any) -> Page:
        context = await browser.new_context(base_url=server.address, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        watch.follow(context)
        return await context.new_page()

    yield open_one
    for context in contexts:
        await context.close()


@pytest.fixture
async def page(open_page: OpenPage) -> Page:
    """A page where nobody has signed in."""
    return await open_page()


@pytest.fixture(scope="package")
def session(server: Served) -> StorageState:
    """The cookies of the deployment's administrator."""
    return server.session()


@pytest.fixture(scope="package")
async def desk(browser: Browser, server: Served, session: StorageState) -> AsyncIterator[BrowserContext]:
    """The administrator's browser, in Los Angeles. It is kept, so that it reads what never changes only once."""
    context = await browser.new_context(
        base_url=server.address, storage_state=session, timezone_id="America/Los_Angeles", viewport=WIDE
    )
    context.set_default_timeout(PATIENCE_MS)
    # as long as one page is open, their process stays
    await (await context.new_page()).goto("/health")
    yield context
    await context.close()


@pytest.fixture
async def signed_in(desk: BrowserContext, watch: Watch) -> AsyncIterator[Page]:
    """A page of the administrator's browser, with nothing in it yet."""
    watch.follow(desk)
    page = await desk.new_page()
    yield page
    await page.close()
    watch.leave(desk)


@pytest.fixture(scope="package")
def axe() -> Axe:
    """Finds what keeps people from using a page: serious and critical violations, each with its element."""
    if not AXE.exists():
        missing("axe-core is not installed (make test does where there is npm)")
    source = AXE.read_text()

    async def violations(page: Page) -> list[str]:
        if not await page.evaluate("'axe' in window"):
            await page.evaluate(source)
        found: list[str] = await page.evaluate(AXE_RUN)
        return found

    return violations
